//! The server as a runner sees it, without HTTP between. The HTTP routes call this too: there is one way in.

use crate::git::GitError;
use crate::shared::{Failure, Shared};
use crate::writer::{Busy, Origin};
use std::io::{Read as IoRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use trunkline_api::runner::{CallRefusal, ClaimRequest, Lease, RenewReply, RenewRequest, ReportRequest, WorkReply};
use trunkline_domain::deployment::WorkState;
use trunkline_domain::foundation::{Digest, ProjectKey, Revision, RunnerKey};
use trunkline_domain::record::{Key, State};
use trunkline_domain::run::JobState;
use trunkline_engine::{Answer, BlobError, Call, Report, WorkRef};
use trunkline_runner::{CallError, Port};
use trunkline_store::LogError;

/// How long a claim may wait at most.
const CLAIM_WAIT_MAX: Duration = Duration::from_secs(30);

/// The server as a runner sees it.
#[derive(Clone)]
pub struct LocalPort {
    shared: Arc<Shared>,
    origin: Origin,
}

impl LocalPort {
    /// Of this server, for callers from here.
    pub fn new(shared: Arc<Shared>, origin: Origin) -> Self {
        Self { shared, origin }
    }

    fn call(&self, call: Call) -> Result<Answer, CallError> {
        self.shared.writer.call_as(self.origin, call).map_err(|busy: Busy| CallError::Unreachable(busy.to_string()))
    }

    /// Whether the lease is held, which also renews it.
    fn is_held(&self, lease: &Lease) -> Result<(), CallError> {
        let runner: RunnerKey = "any".parse().expect("a runner's name");
        match self.call(Call::Renew(RenewRequest { runner, leases: vec![lease.clone()] }))? {
            Answer::Renewed(reply) if reply.lost.is_empty() => Ok(()),
            _ => Err(CallError::Refused(CallRefusal::Stale)),
        }
    }

    /// A commit's tree as a tar.
    pub fn tree_tar(&self, project: &ProjectKey, revision: &Revision) -> Result<Vec<u8>, CallError> {
        let folder = tempfile::tempdir().map_err(|error| unreachable("a temporary folder", &error))?;
        self.checkout(project, revision, folder.path())?;
        let mut tar = Vec::new();
        trunkline_runner::pack(folder.path(), &mut tar).map_err(|error| unreachable("packing the tree", &error))?;
        Ok(tar)
    }
}

fn unreachable(what: &str, error: &dyn std::error::Error) -> CallError {
    CallError::Unreachable(format!("{what}: {error}"))
}

fn log_key(lease: &Lease) -> String {
    format!("{}/{}", lease.work, lease.epoch)
}

/// How often logs are tended.
const TEND_EVERY: Duration = Duration::from_secs(1);
/// Logs that were not written for this long may belong to nobody any more.
const QUIET: Duration = Duration::from_secs(120);

/// Writes what waits in memory, and lets go of logs whose lease has ended without a report. Runs as long as the server.
pub async fn tend_logs(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(TEND_EVERY).await;
        let own = shared.clone();
        let tended = tokio::task::spawn_blocking(move || {
            for key in own.logs.tend(QUIET) {
                // What cannot be read is asked again in a second.
                if is_leased(&own, &key).is_ok_and(|leased| !leased) {
                    own.logs.forget(&key);
                }
            }
        });
        let _ = tended.await;
    }
}

/// Whether the lease that this log belongs to is held, as far as the record says.
fn is_leased(shared: &Shared, log: &str) -> Result<bool, Failure> {
    let Some((work, epoch)) = log.rsplit_once('/') else { return Ok(false) };
    let (Ok(work), Ok(epoch)) = (work.parse::<WorkRef>(), epoch.parse::<u64>()) else { return Ok(false) };
    Ok(match work {
        WorkRef::Job(id, job) => match shared.state(&Key::Run(id))? {
            Some(State::Run(run)) => matches!(run.job(&job).map(|job| job.state), Some(JobState::Leased(leased)) if leased.epoch == epoch),
            _ => false,
        },
        WorkRef::Piece(id, _) => match shared.state(&Key::Deployment(id))? {
            Some(State::Deployment(deployment)) => {
                let state = deployment.progress().map(|progress| &progress.state);
                matches!(state, Some(WorkState::Leased { epoch: held, .. }) if *held == epoch)
            }
            _ => false,
        },
    })
}

impl LocalPort {
    /// A claim of a caller who may go away while it waits: what it was given then would be held by nobody, until the lease
    /// is lost and an attempt with it.
    pub fn claim_while(&self, request: &ClaimRequest, is_there: &dyn Fn() -> bool) -> Result<WorkReply, CallError> {
        let until = Instant::now() + Duration::from_millis(request.wait_ms).min(CLAIM_WAIT_MAX);
        loop {
            let bell = self.shared.writer.bell();
            let seen = bell.count();
            if !is_there() {
                return Err(CallError::Unreachable("the caller has gone away".to_owned()));
            }
            // A disk that is nearly full gives no work out; the bell rings when there is room again.
            if !self.shared.writer.room().is_low()
                && let Answer::Work(reply) = self.call(Call::Claim(request.clone()))?
                && reply.next.is_some()
            {
                return Ok(*reply);
            }
            let left = until.saturating_duration_since(Instant::now());
            if bell.is_ending() {
                return Err(CallError::Unreachable("the server is ending".to_owned()));
            }
            if left.is_zero() {
                return Ok(WorkReply::default());
            }
            bell.wait(seen, left);
        }
    }
}

impl Port for LocalPort {
    fn claim(&self, request: &ClaimRequest) -> Result<WorkReply, CallError> {
        self.claim_while(request, &|| true)
    }

    fn renew(&self, request: &RenewRequest) -> Result<RenewReply, CallError> {
        match self.call(Call::Renew(request.clone()))? {
            Answer::Renewed(reply) => Ok(reply),
            other => Err(CallError::Unreachable(format!("{other:?}"))),
        }
    }

    fn report(&self, request: &ReportRequest) -> Result<WorkReply, CallError> {
        let key = log_key(&request.lease);
        // A log that cannot be ended is not sealed; the outcome itself must not be lost with it.
        let finished = self.shared.logs.finish(&key).unwrap_or_else(|error| {
            eprintln!("{error}: it is kept as far as it came");
            None
        });
        let have = finished.map_or(0, |(bytes, _)| bytes);
        let is_streamed = request.log.inline.is_none() && !request.log.spent;
        // A server that was killed lost what it had in memory: the runner has it still. Broken logs have no more to take.
        if is_streamed && have < request.log.bytes && !self.shared.logs.is_broken(&key) {
            self.is_held(&request.lease)?;
            self.shared.logs.reopen(&key);
            return Err(CallError::Refused(CallRefusal::Offset { have }));
        }
        let log_sealed = match finished {
            Some((bytes, digest)) => bytes == request.log.bytes && digest == request.log.digest,
            None => request.log.bytes == 0,
        };
        let mut request = request.clone();
        request.claim_next &= !self.shared.writer.room().is_low();
        let answer = self.call(Call::Report(Box::new(Report { request, log_sealed })))?;
        // Only now: a report that is asked again must find the same log.
        self.shared.logs.forget(&key);
        match answer {
            Answer::Work(reply) => Ok(*reply),
            Answer::Stale => Err(CallError::Refused(CallRefusal::Stale)),
            Answer::Invalid(what) => Err(CallError::Refused(CallRefusal::Invalid(what))),
            Answer::Refused(refusal) => Err(CallError::Refused(CallRefusal::Invalid(refusal.to_string()))),
            other => Err(CallError::Unreachable(format!("{other:?}"))),
        }
    }

    fn log_append(&self, lease: &Lease, offset: u64, bytes: &[u8]) -> Result<(), CallError> {
        self.is_held(lease)?;
        self.shared.logs.append(&log_key(lease), offset, bytes).map_err(|error| match error {
            LogError::Offset { have } => CallError::Refused(CallRefusal::Offset { have }),
            LogError::Ended => CallError::Refused(CallRefusal::Stale),
            // What came so far is kept, and the rest will never fit behind it: the outcome must not wait for it.
            LogError::Broken => CallError::Refused(CallRefusal::Invalid(error.to_string())),
            LogError::TooMany | LogError::Io(..) => unreachable("the log", &error),
        })
    }

    fn blob_get(&self, digest: &Digest, into: &mut dyn Write) -> Result<u64, CallError> {
        self.shared.blobs.get(digest, into).map_err(|error| match error {
            BlobError::Missing(_) => CallError::Refused(CallRefusal::NotFound(error.to_string())),
            BlobError::Mismatch { .. } => CallError::Refused(CallRefusal::Invalid(error.to_string())),
            BlobError::Io(..) => unreachable("a blob", &error),
        })
    }

    fn blob_put(&self, digest: &Digest, _size: u64, from: &mut dyn IoRead) -> Result<(), CallError> {
        if self.shared.blobs.is_sound(digest) {
            return Ok(());
        }
        match self.shared.blobs.put(digest, from) {
            Ok(_) => Ok(()),
            Err(error @ BlobError::Mismatch { .. }) => Err(CallError::Refused(CallRefusal::Invalid(error.to_string()))),
            Err(error) => Err(unreachable("a blob", &error)),
        }
    }

    fn checkout(&self, project: &ProjectKey, revision: &Revision, into: &Path) -> Result<(), CallError> {
        let not_found = |error: &dyn std::error::Error| CallError::Refused(CallRefusal::NotFound(error.to_string()));
        let repositories = &self.shared.repositories;
        let repository = self.shared.repository_of(project).map_err(|error| not_found(&error))?;
        repositories.checkout(&repository, revision, into).map_err(|error| match &error {
            GitError::Failed { .. } => unreachable("reading the repository", &error),
            // A name that is too long, or a full disk: asking again would not mend it.
            GitError::Workspace(cause) => CallError::Refused(CallRefusal::Invalid(format!("{error}: {cause}"))),
            _ => not_found(&error),
        })
    }
}
