//! What every route shares.

use crate::about::{About, Arrival};
use crate::access::Keys;
use crate::clock::Clock;
use crate::follow::Followed;
use crate::git::Repositories;
use crate::writer::{Busy, Writer};
use std::sync::{Arc, OnceLock};
use trunkline_api::view::RunnerView;
use trunkline_domain::foundation::{ProjectKey, RepositoryKey};
use trunkline_domain::pipeline::SandboxLevel;
use trunkline_domain::project::Project;
use trunkline_domain::record::{Key, Refusal, State};
use trunkline_domain::repository::Repository;
use trunkline_engine::{Answer, Blobs, Read, Receipt, StoreError};
use trunkline_store::{Credentials, LogStore, SqliteReader};

/// What every route shares.
pub struct Shared {
    /// Decides and records.
    pub writer: Writer,
    /// Reads what is committed.
    pub reader: SqliteReader,
    /// Immutable bytes.
    pub blobs: Arc<dyn Blobs>,
    /// Long logs.
    pub logs: LogStore,
    /// Git.
    pub repositories: Repositories,
    /// Repositories that live elsewhere.
    pub followed: Followed,
    /// Tokens for them.
    pub credentials: Credentials,
    /// Who may come in.
    pub keys: Keys,
    /// Engine time.
    pub clock: Clock,
    /// `http://127.0.0.1:7420`, for words to people.
    pub address: String,
    /// The least sandbox that jobs and checks may ask for.
    pub floor: SandboxLevel,
    /// The runner in this process, once it has started.
    pub runner: OnceLock<RunnerView>,
}

/// Why something could not be done for a caller.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A reasoned no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// There is no such thing.
    #[error("there is no {1}")]
    NotFound(About, String),
    /// The request makes no sense.
    #[error("{1}")]
    Invalid(About, String),
    /// It makes sense, but does not fit what is there.
    #[error("{1}")]
    Unfit(About, String),
    /// The same key was used for something else.
    #[error("the same key was used for another command, which is entry {0}")]
    Conflict(u64),
    /// Try again.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The server failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Git failed.
    #[error(transparent)]
    Git(#[from] crate::git::GitError),
    /// A file failed.
    #[error(transparent)]
    File(#[from] std::io::Error),
    /// A blob failed.
    #[error(transparent)]
    Blob(#[from] trunkline_engine::BlobError),
    /// Something else failed.
    #[error("{0}")]
    Internal(String),
}

impl From<crate::planner::PlanError> for Failure {
    fn from(error: crate::planner::PlanError) -> Self {
        match error {
            crate::planner::PlanError::Inputs(why) => Failure::Invalid(About::Inputs, why),
            // Another commit may say otherwise: it is the state that does not fit, not the question.
            crate::planner::PlanError::Unfit(_) | crate::planner::PlanError::NotByHand(_) => {
                Failure::Unfit(About::Other, error.to_string())
            }
            crate::planner::PlanError::Git(error) => error.into(),
            crate::planner::PlanError::Blob(error) => error.into(),
        }
    }
}

impl Shared {
    /// A state as it is committed.
    pub fn state(&self, key: &Key) -> Result<Option<State>, Failure> {
        let Some(pieces) = self.reader.aggregate(key)? else { return Ok(None) };
        let state = State::from_pieces(key, &pieces).map_err(|error| StoreError::Damaged(format!("{key}: {error}")))?;
        Ok(Some(state))
    }

    /// The repository of a project.
    pub fn repository_of(&self, project: &ProjectKey) -> Result<RepositoryKey, Failure> {
        self.project(project).map(|found| found.repository)
    }

    /// How commits come into it.
    pub fn arrival(&self, repository: &RepositoryKey) -> Result<Arrival, Failure> {
        Ok(match self.state(&Key::Repository(repository.clone()))? {
            Some(State::Repository(Repository { source: Some(_), .. })) => Arrival::Followed,
            _ => Arrival::Pushed,
        })
    }

    /// A project.
    pub fn project(&self, project: &ProjectKey) -> Result<Project, Failure> {
        match self.state(&Key::Project(project.clone()))? {
            Some(State::Project(found)) => Ok(found),
            _ => Err(no_project(project.as_str())),
        }
    }

    /// Random bytes.
    pub fn random<const N: usize>(&self) -> Result<[u8; N], Failure> {
        let mut bytes = [0; N];
        getrandom::fill(&mut bytes).map_err(|error| Failure::Internal(format!("no entropy: {error}")))?;
        Ok(bytes)
    }
}

/// That there is no such project.
pub fn no_project(name: &str) -> Failure {
    Failure::NotFound(About::Project, format!("project '{name}'"))
}

/// The receipt in an answer to a command.
pub fn receipt(answer: Answer) -> Result<Receipt, Failure> {
    match answer {
        Answer::Done(receipt) => Ok(receipt),
        Answer::Refused(refusal) => Err(refusal.into()),
        Answer::Conflict(seq) => Err(Failure::Conflict(seq)),
        Answer::Invalid(what) => Err(Failure::Invalid(About::Other, what)),
        Answer::Work(_) | Answer::Stale | Answer::Renewed(_) => Err(Failure::Internal("the engine answered another call".to_owned())),
    }
}
