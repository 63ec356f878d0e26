//! What the engine is asked, and what it answers.

use trunkline_api::runner::{ClaimRequest, RenewReply, RenewRequest, ReportRequest, Work, WorkReply};
use trunkline_domain::foundation::{Actor, Digest, Revision};
use trunkline_domain::ledger::Via;
use trunkline_domain::record::{Command, Fact, Refusal};

use crate::store::{KeyScope, Text};

/// A call of the engine.
#[derive(Clone, Debug)]
pub enum Call {
    /// Commands that happen together or not at all, as one entry.
    Command(Box<Request>),
    /// What such commands would bring about. Decided as they would be; nothing of it stays, and a key counts for nothing.
    TryOut(Box<Request>),
    /// A runner asks for work.
    Claim(ClaimRequest),
    /// A runner tells how its work ended.
    Report(Box<Report>),
    /// A runner still holds its leases.
    Renew(RenewRequest),
    /// A person ends the safe mode of a restored record.
    Resume(Actor),
}

/// Commands that happen together or not at all.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks.
    pub actor: Actor,
    /// By which way.
    pub via: Via,
    /// Makes the request happen once, however often it is sent.
    pub key: Option<CommandKey>,
    /// The commands, in order.
    pub commands: Vec<Command>,
    /// Further commands, each left out if its own key was used before. They come after the others.
    pub keyed: Vec<(CommandKey, Command)>,
    /// What is kept beside the facts.
    pub beside: Beside,
}

impl Request {
    /// One command without anything beside it.
    pub fn new(actor: Actor, via: Via, command: Command) -> Self {
        Self { commands: vec![command], ..Self::none(actor, via) }
    }

    /// No command yet.
    pub fn none(actor: Actor, via: Via) -> Self {
        Self { actor, via, key: None, commands: Vec::new(), keyed: Vec::new(), beside: Beside::default() }
    }
}

/// What makes a request happen once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandKey {
    /// Unique among these.
    pub scope: KeyScope,
    /// The key, at most 300 bytes.
    pub key: String,
    /// Digest of what is asked: the same key with another one is a conflict.
    pub body: Digest,
}

/// What is kept beside the facts, in the same transaction.
#[derive(Clone, Debug, Default)]
pub struct Beside {
    /// Immutable values that the facts name.
    pub values: Vec<(Digest, Vec<u8>)>,
    /// People's words.
    pub texts: Vec<Text>,
    /// Commits that every started run carries besides its own.
    pub commits: Vec<Revision>,
}

/// A runner's report together with what the server knows of its log.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the runner says.
    pub request: ReportRequest,
    /// Whether the streamed log has the size and digest that the report names. Ignored for an inline log.
    pub log_sealed: bool,
}

/// What the engine answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It happened, or would.
    Done(Receipt),
    /// It did not, for this reason.
    Refused(Refusal),
    /// The same command key was used for something else, recorded with this entry.
    Conflict(u64),
    /// Perhaps work.
    Work(Box<WorkReply>),
    /// The lease is not held any more.
    Stale,
    /// Leases renewed.
    Renewed(RenewReply),
    /// The call makes no sense.
    Invalid(String),
}

impl Answer {
    /// Whether a runner in the server's own process may act on it before it is durable. It dies with the server, and jobs
    /// touch nothing outside: what a crash forgets of them was seen by nobody, and they run again. Commits come in order,
    /// so nothing that follows from this answer is ever kept without it. A deployment's work is safe only once it is
    /// durable: otherwise a crash would hide that something may have happened.
    pub fn may_come_early(&self) -> bool {
        match self {
            Answer::Work(reply) => reply.next.as_ref().is_none_or(|next| matches!(next.work, Work::Job(_))),
            Answer::Renewed(_) => true,
            Answer::Done(_) | Answer::Refused(_) | Answer::Conflict(_) | Answer::Stale | Answer::Invalid(_) => false,
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The entry; absent where nothing had to happen, or was only tried out.
    pub seq: Option<u64>,
    /// Its facts; empty where the key was used before for the same.
    pub facts: Vec<Fact>,
}
