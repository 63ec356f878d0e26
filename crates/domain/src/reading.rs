//! Rows for reading: what lists, boards and traces show, derived from facts in the same transaction and rebuilt
//! from the ledger at any time. A row holds from the entry that wrote it until the entry that replaces it, so
//! that every question can also be asked of an earlier moment.

use crate::change::PullRequest;
use crate::deployment::DeploymentResult;
use crate::deployment::{self, Deployment};
use crate::environment::{Cause, Environment};
use crate::foundation::{DeploymentId, Digest, EnvironmentName, ProjectKey, ReleaseId, RepositoryKey, Revision, RunId, Timestamp};
use crate::project::{self, Skip};
use crate::record::{Fact, State};
use crate::release::{self, Release, Veto};
use crate::report::TestSummary;
use crate::run::{self, ReleaseVerdict, Run, RunResult, RunStatus};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A row to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which table.
    pub table: Table,
    /// The key within the table.
    pub key: String,
    /// Compact JSON.
    pub body: Vec<u8>,
}

/// The reading tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Table {
    /// `shop` → [`ProjectRow`].
    Project,
    /// `shop/00000812` → [`RunRow`].
    Run,
    /// `shop/00000042` → [`ReleaseRow`].
    Release,
    /// `shop/00000031` → [`DeploymentRow`].
    Deployment,
    /// `shop/production` → [`EnvironmentRow`].
    Environment,
    /// `shop/<sha>` → [`CommitRow`].
    Commit,
    /// `shop/00000482` (a pull request) → [`CommitRow`].
    PullRequest,
    /// `shop/<version>` → the release's number.
    Version,
    /// `shop/<sha>` → [`SkipRow`].
    Skip,
}

impl Table {
    /// Every table.
    pub const ALL: [Table; 9] = [
        Table::Project,
        Table::Run,
        Table::Release,
        Table::Deployment,
        Table::Environment,
        Table::Commit,
        Table::PullRequest,
        Table::Version,
        Table::Skip,
    ];

    /// Its name in the store.
    pub fn name(self) -> &'static str {
        match self {
            Table::Project => "project",
            Table::Run => "run",
            Table::Release => "release",
            Table::Deployment => "deployment",
            Table::Environment => "environment",
            Table::Commit => "commit",
            Table::PullRequest => "pull-request",
            Table::Version => "version",
            Table::Skip => "skip",
        }
    }
}

/// A project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectRow {
    /// Its name.
    pub project: ProjectKey,
    /// Where its code is.
    pub repository: RepositoryKey,
    /// The folder of the repository that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Since when.
    pub added_at: Timestamp,
}

/// A commit that started no run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkipRow {
    /// Which, and why.
    pub skip: Skip,
    /// When.
    pub at: Timestamp,
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRow {
    /// Its id.
    pub id: RunId,
    /// Its number in the project.
    pub number: u32,
    /// The commit.
    pub revision: Revision,
    /// The ref that was pushed.
    pub reference: String,
    /// The pull request behind the commit.
    pub pull_request: Option<PullRequest>,
    /// Digest of the commit's words.
    pub text: Digest,
    /// When it began.
    pub started_at: Timestamp,
    /// How it ended.
    pub result: Option<RunResult>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Whether a release followed.
    pub release: Option<ReleaseVerdict>,
    /// Its tests.
    pub tests: Option<TestSummary>,
}

/// A release in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseRow {
    /// Its id.
    pub id: ReleaseId,
    /// Its number in the project.
    pub number: u32,
    /// Its version.
    pub version: String,
    /// Its alias.
    pub alias: String,
    /// Its manifest's digest.
    pub manifest: Digest,
    /// The run's number.
    pub run: u32,
    /// The commit.
    pub revision: Revision,
    /// When it was cut.
    pub at: Timestamp,
    /// Its environments, in the order of the delivery file.
    pub environments: Vec<EnvironmentName>,
    /// Where it was verified.
    pub verified: Vec<EnvironmentName>,
    /// From where on it is forbidden.
    pub vetoes: Vec<Veto>,
}

/// A deployment in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentRow {
    /// Its id.
    pub id: DeploymentId,
    /// Its number in the project.
    pub number: u32,
    /// Where.
    pub environment: EnvironmentName,
    /// What.
    pub release: ReleaseId,
    /// Why.
    pub cause: Cause,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it got the lock.
    pub began: Option<Timestamp>,
    /// Under which fence.
    pub fence: Option<u64>,
    /// How it ended.
    pub result: Option<DeploymentResult>,
    /// Why it ended so.
    pub reason: Option<String>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// An environment at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentRow {
    /// The environment as it stood.
    pub environment: Environment,
    /// Since when it stood so.
    pub at: Timestamp,
}

/// A commit that a run carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommitRow {
    /// The run's number.
    pub run: u32,
    /// The run.
    pub id: RunId,
    /// The run's own commit: this one or a later one of the same push.
    pub head: Revision,
}

impl Row {
    fn new(table: Table, key: String, body: &impl Serialize) -> Self {
        Self { table, key, body: serde_json::to_vec(body).expect("rows have only string keys") }
    }

    /// The body, typed.
    pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_json::Error> {
        serde_json::from_slice(body)
    }
}

/// The key of the n-th thing of a project.
pub fn numbered(project: &ProjectKey, number: u32) -> String {
    format!("{project}/{number:08}")
}

/// The rows that a fact writes. `state` is that of the fact's thing, after it.
pub fn rows(fact: &Fact, state: &State, at: Timestamp) -> Vec<Row> {
    match (fact, state) {
        (Fact::Project { id, fact: project::Fact::Skipped(skip) }, _) => {
            vec![Row::new(Table::Skip, format!("{id}/{}", skip.revision), &SkipRow { skip: skip.clone(), at })]
        }
        (Fact::Project { id, .. }, State::Project(project)) => {
            let row =
                ProjectRow { project: id.clone(), repository: project.repository.clone(), folder: project.folder.clone(), added_at: at };
            vec![Row::new(Table::Project, id.to_string(), &row)]
        }
        (Fact::Run { id, fact }, State::Run(run)) => run_rows(*id, fact, run),
        (Fact::Release { id, fact }, State::Release(release)) => release_rows(*id, fact, release),
        (Fact::Environment { id, .. }, State::Environment(environment)) => {
            vec![Row::new(Table::Environment, id.to_string(), &EnvironmentRow { environment: environment.clone(), at })]
        }
        (Fact::Deployment { id, fact }, State::Deployment(deployment)) => deployment_rows(*id, fact, deployment),
        _ => Vec::new(),
    }
}

fn run_rows(id: RunId, fact: &run::Fact, run: &Run) -> Vec<Row> {
    let row = || {
        let (result, ended_at, release) = match &run.status {
            RunStatus::Running | RunStatus::Cancelling => (None, None, None),
            RunStatus::Ended { result, at, release } => (Some(*result), Some(*at), Some(release.clone())),
        };
        let row = RunRow {
            id,
            number: run.number,
            revision: run.revision.clone(),
            reference: run.reference.clone(),
            pull_request: run.change.pull_request.clone(),
            text: run.change.text,
            started_at: run.started_at,
            result,
            ended_at,
            release,
            tests: run.tests(),
        };
        Row::new(Table::Run, numbered(&run.project, run.number), &row)
    };
    match fact {
        run::Fact::Started(_) => {
            let commit = CommitRow { run: run.number, id, head: run.revision.clone() };
            let mut rows = vec![row(), Row::new(Table::Commit, format!("{}/{}", run.project, run.revision), &commit)];
            if let Some(pull) = &run.change.pull_request {
                rows.push(Row::new(Table::PullRequest, numbered(&run.project, pull.number), &commit));
            }
            rows
        }
        run::Fact::Ended { .. } => vec![row()],
        _ => Vec::new(),
    }
}

fn release_rows(id: ReleaseId, fact: &release::Fact, release: &Release) -> Vec<Row> {
    let cut = &release.cut;
    let row = ReleaseRow {
        id,
        number: cut.number,
        version: cut.version.clone(),
        alias: cut.alias.clone(),
        manifest: cut.manifest,
        run: cut.run_number,
        revision: cut.revision.clone(),
        at: release.at,
        environments: cut.environments.iter().map(|environment| environment.name.clone()).collect(),
        verified: release.verified.clone(),
        vetoes: release.vetoes.clone(),
    };
    let mut rows = vec![Row::new(Table::Release, numbered(&cut.project, cut.number), &row)];
    if let release::Fact::Cut(_) = fact {
        rows.push(Row::new(Table::Version, format!("{}/{}", cut.project, cut.version), &cut.number));
    }
    rows
}

fn deployment_rows(id: DeploymentId, fact: &deployment::Fact, deployment: &Deployment) -> Vec<Row> {
    let moves = matches!(fact, deployment::Fact::Requested(_) | deployment::Fact::Begun { .. } | deployment::Fact::Ended { .. });
    if !moves {
        return Vec::new();
    }
    let progress = deployment.done();
    let (reason, ended_at) = match &deployment.stage {
        deployment::Stage::Ended { reason, at, .. } => (reason.clone(), Some(*at)),
        deployment::Stage::Waiting { .. } | deployment::Stage::Running(_) => (None, None),
    };
    let row = DeploymentRow {
        id,
        number: deployment.number,
        environment: deployment.environment.clone(),
        release: deployment.release,
        cause: deployment.cause.clone(),
        requested_at: deployment.requested_at,
        began: progress.map(|progress| progress.began),
        fence: progress.map(|progress| progress.fence),
        result: deployment.result(),
        reason,
        ended_at,
    };
    vec![Row::new(Table::Deployment, numbered(&deployment.project, deployment.number), &row)]
}

/// The rows of the other commits that a push brought along with a run's own.
pub fn commit_rows(project: &ProjectKey, run: u32, id: RunId, head: &Revision, commits: &[Revision]) -> Vec<Row> {
    let row = CommitRow { run, id, head: head.clone() };
    commits.iter().map(|commit| Row::new(Table::Commit, format!("{project}/{commit}"), &row)).collect()
}
