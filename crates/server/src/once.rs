//! Acts that happen once, however often they are sent: a caller whose answer was lost asks again with the same key.

use crate::shared::{Failure, Shared, receipt};
use crate::view;
use trunkline_domain::foundation::{Digest, ProjectKey};
use trunkline_engine::{Call, CommandKey, KeyScope, Read as _, Receipt, Request};

/// What a caller says to have an act happen once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// The caller's own key, if they gave one.
    pub key: Option<String>,
    /// Digest of what is asked: address and body.
    pub asked: Digest,
}

impl Once {
    /// As the record keeps it, among the keys of a project.
    pub fn within(self, project: &ProjectKey) -> Option<CommandKey> {
        // Pushes keep keys of their own in the same place.
        self.key.map(|key| CommandKey { scope: KeyScope::Project(project.clone()), key: format!("act {key}"), body: self.asked })
    }

    /// As the record keeps it for a project that begins: among those of the server, since each name would be a scope of its
    /// own, and the same key with another name another project.
    pub fn beginning(self) -> Option<CommandKey> {
        // The entry is of the new project: there, too, no other key is written like this.
        self.key.map(|key| CommandKey { scope: KeyScope::Server, key: format!("begin {key}"), body: self.asked })
    }
}

impl Shared {
    /// Does what `make` asks for and waits until it is durable. What was done before under this key is not made again, for
    /// the world may have moved and refuse it now: the answer comes from its entry.
    pub fn act(&self, once: Option<CommandKey>, make: impl FnOnce() -> Result<Request, Failure>) -> Result<Receipt, Failure> {
        if let Some(key) = &once
            && let Some((seq, body)) = self.reader.command_key(&key.scope, &key.key)?
        {
            return if body == key.body { self.recorded(seq) } else { Err(Failure::Conflict(seq)) };
        }
        let request = Request { key: once, ..make()? };
        let receipt = receipt(self.writer.call_blocking(Call::Command(Box::new(request)))?)?;
        match receipt.seq {
            // The same act came in between.
            Some(seq) if receipt.facts.is_empty() => self.recorded(seq),
            _ => Ok(receipt),
        }
    }

    /// What a request would bring about, decided as if it were done. Nothing is recorded.
    pub fn try_out(&self, request: Request) -> Result<Receipt, Failure> {
        receipt(self.writer.call_blocking(Call::TryOut(Box::new(request)))?)
    }

    fn recorded(&self, seq: u64) -> Result<Receipt, Failure> {
        Ok(Receipt { seq: Some(seq), facts: view::entry(self, seq)?.facts })
    }
}
