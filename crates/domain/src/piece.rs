//! A state cut into pieces for the store, so that one job of a large run does not rewrite the rest.

use crate::record::{Fact, Key, State};
use crate::run::{self, JobState, Run};
use serde::{Deserialize, Serialize};

/// A named piece of a state; a state in one piece has the empty name.
pub type Piece = (String, Vec<u8>);

/// A run without its plan and jobs.
#[derive(Serialize, Deserialize)]
struct RunHead {
    run: Run,
}

impl State {
    /// Every piece, in a fixed order.
    pub fn pieces(&self) -> Vec<Piece> {
        match self {
            State::Run(run) => run_pieces(run),
            State::Restoration(state) => whole(state),
            State::Repository(state) => whole(state),
            State::Project(state) => whole(state),
            State::Release(state) => whole(state),
            State::Environment(state) => whole(state),
            State::Deployment(state) => whole(state),
        }
    }

    /// The pieces that these facts changed.
    pub fn pieces_changed(&self, facts: &[&Fact]) -> Vec<Piece> {
        let State::Run(run) = self else { return self.pieces() };
        let mut jobs = Vec::new();
        let mut head = false;
        for fact in facts {
            let Fact::Run { fact, .. } = fact else { continue };
            match fact {
                run::Fact::Started(_) | run::Fact::CancelRequested => return self.pieces(),
                run::Fact::JobQueued { job, .. } | run::Fact::JobLeased { job, .. } | run::Fact::AttemptEnded { job, .. } => jobs.push(job),
                run::Fact::JobEnded(ended) => jobs.push(&ended.job),
                run::Fact::Ended { .. } => head = true,
            }
        }
        jobs.sort();
        jobs.dedup();
        let mut pieces: Vec<Piece> = jobs.into_iter().filter_map(|job| run.job_index(job)).map(|index| job_piece(run, index)).collect();
        if head {
            pieces.push(head_piece(run));
        }
        pieces
    }

    /// From its pieces.
    pub fn from_pieces(key: &Key, pieces: &[Piece]) -> Result<State, serde_json::Error> {
        let first = pieces.first().map_or(&b""[..], |(_, bytes)| bytes);
        Ok(match key {
            Key::Run(_) => State::Run(run_of(pieces)?),
            Key::Restoration(_) => State::Restoration(serde_json::from_slice(first)?),
            Key::Repository(_) => State::Repository(serde_json::from_slice(first)?),
            Key::Project(_) => State::Project(serde_json::from_slice(first)?),
            Key::Release(_) => State::Release(serde_json::from_slice(first)?),
            Key::Environment(_) => State::Environment(serde_json::from_slice(first)?),
            Key::Deployment(_) => State::Deployment(serde_json::from_slice(first)?),
        })
    }
}

fn bytes_of(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("states have only string keys")
}

fn whole(state: &impl Serialize) -> Vec<Piece> {
    vec![(String::new(), bytes_of(state))]
}

fn head_piece(run: &Run) -> Piece {
    let head = Run { plan: None, jobs: Vec::new(), ..run.clone() };
    (String::new(), bytes_of(&RunHead { run: head }))
}

fn job_piece(run: &Run, index: usize) -> Piece {
    (format!("job/{index:05}"), bytes_of(&run.jobs[index]))
}

fn run_pieces(run: &Run) -> Vec<Piece> {
    let mut pieces = vec![head_piece(run)];
    pieces.extend((0..run.jobs.len()).map(|index| job_piece(run, index)));
    pieces.push(("plan".to_owned(), bytes_of(&run.plan)));
    pieces
}

fn run_of(pieces: &[Piece]) -> Result<Run, serde_json::Error> {
    let find = |name: &str| pieces.iter().find(|(piece, _)| piece == name).map_or(&b""[..], |(_, bytes)| bytes);
    let RunHead { mut run } = serde_json::from_slice(find(""))?;
    run.plan = serde_json::from_slice(find("plan"))?;
    let mut jobs: Vec<_> = pieces.iter().filter(|(name, _)| name.starts_with("job/")).collect();
    jobs.sort_by(|a, b| a.0.cmp(&b.0));
    run.jobs = jobs.into_iter().map(|(_, bytes)| serde_json::from_slice::<JobState>(bytes)).collect::<Result<_, _>>()?;
    Ok(run)
}
