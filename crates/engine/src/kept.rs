//! What facts name and the ledger does not hold: plans and people's words. Each is kept under its digest.

use crate::restore::RESTORATION;
use crate::store::Read;
use crate::verify::VerifyError;
use std::collections::BTreeMap;
use trunkline_domain::foundation::Digest;
use trunkline_domain::record::Fact;
use trunkline_domain::{deployment, release, restoration, run};

/// Everything that facts name by digest, with whose it is, and the highest number of each kind.
#[derive(Default)]
pub(crate) struct Kept {
    texts: Vec<(String, Digest)>,
    plans: Vec<(String, Digest)>,
    pub numbers: BTreeMap<String, u64>,
}

impl Kept {
    pub fn note(&mut self, fact: &Fact) {
        match fact {
            Fact::Run { fact: run::Fact::Started(started), .. } => {
                let of = format!("run {}/{}", started.project, started.number);
                self.count(format!("run/{}", started.project), started.number);
                self.texts.push((of.clone(), started.change.text));
                self.plans.extend(started.plan.as_ref().map(|plan| (of, plan.digest)));
            }
            Fact::Restoration { id, fact: restoration::Fact::Restored { .. } } => self.count(RESTORATION.to_owned(), id.0),
            Fact::Release { fact: release::Fact::Cut(cut), .. } => {
                self.count(format!("release/{}", cut.project), cut.number);
            }
            Fact::Deployment { fact: deployment::Fact::Requested(requested), .. } => {
                self.count(format!("deployment/{}", requested.project), requested.number);
            }
            _ => {}
        }
    }

    fn count(&mut self, name: String, number: u32) {
        let highest = self.numbers.entry(name).or_default();
        *highest = (*highest).max(u64::from(number));
    }

    /// Checks what is kept. How many words are as they were recorded, and how many were erased.
    pub fn compare<R: Read + ?Sized>(&self, store: &R) -> Result<(usize, usize), VerifyError> {
        for (of, digest) in &self.plans {
            let state = match store.value(digest)? {
                Some(bytes) if Digest::of(&bytes) == *digest => continue,
                Some(_) => "changed",
                None => "missing",
            };
            return Err(VerifyError::Plan { of: of.clone(), digest: *digest, state });
        }
        let mut erased = 0;
        for (of, recorded) in &self.texts {
            match store.text(recorded)? {
                None => erased += 1,
                Some(text) if text.digest() == *recorded => {}
                Some(text) => return Err(VerifyError::Text { of: of.clone(), found: text.digest(), recorded: *recorded }),
            }
        }
        Ok((self.texts.len() - erased, erased))
    }
}
