//! Logs: short ones are rows, long ones lie in the log store, open ones are both being written.

use crate::about::About;
use crate::shared::{Failure, Shared};
use trunkline_domain::deployment::WorkState;
use trunkline_domain::foundation::ProjectKey;
use trunkline_domain::record::{Key, State};
use trunkline_domain::run::JobState;
use trunkline_engine::{Read, WorkRef};

/// Bytes of a piece of work's log from `from` on, and whether more may come.
pub fn log(shared: &Shared, project: &ProjectKey, work: &str, from: u64, bytes_max: usize) -> Result<(Vec<u8>, bool), Failure> {
    let work: WorkRef = work.parse().map_err(|()| Failure::Invalid(About::Log, format!("'{work}' names no log")))?;
    let held = holder(shared, project, &work)?;
    let name = work.to_string();
    let epoch = match held {
        Holder::None => return Ok((Vec::new(), true)),
        Holder::Now(epoch) => epoch.to_string(),
        Holder::Past => match shared.reader.plain("last-lease", &name)? {
            Some(epoch) => String::from_utf8_lossy(&epoch).into_owned(),
            None => return Ok((Vec::new(), false)),
        },
    };
    let key = format!("{name}/{epoch}");
    let open = matches!(held, Holder::Now(_));
    if let Some(inline) = shared.reader.plain("log", &key)? {
        let start = usize::try_from(from).unwrap_or(usize::MAX).min(inline.len());
        return Ok((inline[start..].to_vec(), false));
    }
    let bytes = shared.logs.read(&key, from, bytes_max).map_err(|error| Failure::Internal(error.to_string()))?.unwrap_or_default();
    // A full answer may have more behind it, although the work has ended.
    let more = bytes.len() == bytes_max;
    Ok((bytes, open || more))
}

/// Who writes a log.
enum Holder {
    /// Nobody yet.
    None,
    /// A runner, under this lease.
    Now(u64),
    /// The work has ended.
    Past,
}

fn holder(shared: &Shared, project: &ProjectKey, work: &WorkRef) -> Result<Holder, Failure> {
    let missing = || Failure::NotFound(About::Log, format!("log of {work} in project {project}"));
    match work {
        WorkRef::Job(id, job) => {
            let Some(State::Run(run)) = shared.state(&Key::Run(*id))? else { return Err(missing()) };
            if &run.project != project {
                return Err(missing());
            }
            Ok(match run.job(job).ok_or_else(missing)?.state {
                JobState::Blocked | JobState::Queued { .. } => Holder::None,
                JobState::Leased(leased) => Holder::Now(leased.epoch),
                JobState::Ended(_) => Holder::Past,
            })
        }
        WorkRef::Piece(id, piece) => {
            let Some(State::Deployment(deployment)) = shared.state(&Key::Deployment(*id))? else { return Err(missing()) };
            if &deployment.project != project {
                return Err(missing());
            }
            let Some(progress) = deployment.progress() else { return Ok(Holder::Past) };
            Ok(match &progress.state {
                WorkState::Leased { epoch, .. } if progress.work == *piece => Holder::Now(*epoch),
                _ if progress.work == *piece => Holder::None,
                _ => Holder::Past,
            })
        }
    }
}
