//! What a supervisor is asked, answers and remembers.

use super::setback::Setback;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use trunkline_domain::foundation::{Digest, Millis};

/// Deployments whose applies are counted; the oldest are forgotten.
const APPLIES_MAX: usize = 1_000;

/// What shall run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The release.
    pub release: Digest,
    /// Its version, for people.
    pub version: String,
    /// The deployment that asks.
    pub deployment: String,
    /// Its fence.
    pub fence: u64,
    /// The service's text.
    pub run: String,
    /// `host:port` to bind and hand on.
    pub listen: Option<String>,
    /// How many instances.
    pub instances: u32,
    /// Their whole environment.
    pub env: BTreeMap<String, String>,
    /// Where they run.
    pub content: PathBuf,
    /// How long each may take to say that it is ready; none: it need not.
    #[serde(default)]
    pub ready_within: Option<Millis>,
    /// Says nothing any more. A supervisor of an earlier version, which outlives an upgrade, wants to read it.
    #[serde(default)]
    pub start_within: Millis,
}

/// A question to a supervisor: one line of JSON on its socket.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// What is there?
    Observe,
    /// Make this the state.
    Apply(Box<Spec>),
    /// Wait no longer for the instances of an apply with this fence to be ready.
    GiveUp(u64),
    /// End everything.
    Stop,
}

/// Its answer: one line of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// What is there.
    Status(Box<Status>),
    /// The release is in place.
    Applied {
        /// It was so before the question: nothing was started.
        again: bool,
    },
    /// It is not, for this reason.
    Failed(String),
    /// It is not, because the machine stood in the way.
    Hindered {
        /// Why.
        reason: String,
        /// Whether something was changed by then.
        touched: bool,
    },
    /// A higher fence is held.
    Stale {
        /// That fence.
        held: u64,
    },
    /// Everything has ended.
    Stopped,
    /// The question made no sense.
    Invalid(String),
}

/// All that a supervisor remembers. The first members are for other programs to read. Each may be missing: an earlier
/// version wrote the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The live release; none before the first apply succeeded.
    pub release: Option<Digest>,
    /// The highest fence accepted.
    pub fence: Option<u64>,
    /// The deployment that was accepted last.
    pub deployment: Option<String>,
    /// Since when the live release is live, wall time in milliseconds.
    pub since_ms: u64,
    /// Whether all instances of the live release are up.
    pub healthy: bool,
    /// Whether it was told to stop.
    pub stopped: bool,
    /// Instances started again after they ended by themselves.
    pub restarts: u64,
    /// Accepted applies of each deployment.
    pub applies: BTreeMap<String, u32>,
    /// Every instance, recorded before it starts.
    pub instances: Vec<InstanceRecord>,
    /// The apply accepted last and its end; none while it is under way.
    pub accepted: Option<Accepted>,
    /// What is live.
    pub live: Option<Spec>,
    /// Folders of releases, the newest last.
    pub kept: Vec<String>,
}

/// An instance on record. The mark is known before it starts, the rest after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceRecord {
    /// The mark in its environment.
    pub marker: String,
    /// The fence of the apply that it belongs to.
    pub fence: u64,
    /// Its process id.
    pub pid: Option<u32>,
    /// When that process started, in ticks since boot.
    pub start: Option<u64>,
}

/// The apply accepted last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// What was asked.
    pub spec: Spec,
    /// How it ended: an error is the reason. None: under way, or interrupted by the supervisor's death.
    pub end: Option<Result<(), String>>,
    /// Whether that reason is the machine's, not the release's.
    #[serde(default)]
    pub hindered: bool,
    /// Whether something was changed by then.
    #[serde(default)]
    pub touched: bool,
}

impl Accepted {
    fn end(&self) -> Option<Result<(), Setback>> {
        let (hindered, touched) = (self.hindered, self.touched);
        self.end.clone().map(|end| end.map_err(|reason| Setback { reason, hindered, touched }))
    }
}

/// What becomes of an apply, by its fence.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A new one: do it.
    Accept,
    /// The same as the last one, which was interrupted: do it, but it is no second apply.
    Resume,
    /// The same as the last one: the same answer.
    Repeat(Result<(), Setback>),
    /// Refuse: this fence is held.
    Refuse(u64),
}

impl Status {
    /// Judges an apply by its fence. Only a higher fence is new; an equal one must be the same apply again.
    pub fn judge(&self, spec: &Spec) -> Verdict {
        match (self.fence, &self.accepted) {
            (None, _) => Verdict::Accept,
            (Some(held), _) if spec.fence > held => Verdict::Accept,
            (Some(held), Some(accepted)) if spec.fence == held => {
                let same = accepted.spec.release == spec.release && accepted.spec.deployment == spec.deployment;
                match accepted.end() {
                    _ if !same => Verdict::Refuse(held),
                    // Told to stop since: the same answer would be untrue.
                    Some(Ok(())) if self.stopped => Verdict::Resume,
                    Some(end) => Verdict::Repeat(end),
                    None => Verdict::Resume,
                }
            }
            (Some(held), _) => Verdict::Refuse(held),
        }
    }

    /// Notes an accepted apply; a resumed one is not counted again.
    pub fn accept(&mut self, spec: &Spec, verdict: &Verdict) {
        self.fence = Some(spec.fence);
        self.deployment = Some(spec.deployment.clone());
        self.stopped = false;
        self.accepted = Some(Accepted { spec: spec.clone(), end: None, hindered: false, touched: false });
        if *verdict == Verdict::Accept {
            *self.applies.entry(spec.deployment.clone()).or_default() += 1;
            // Ids of deployments rise with time.
            while self.applies.len() > APPLIES_MAX {
                self.applies.pop_first();
            }
        }
    }

    /// Notes the end of the accepted apply.
    pub fn end(&mut self, end: Result<(), Setback>) {
        if let Some(accepted) = &mut self.accepted {
            accepted.hindered = end.as_ref().is_err_and(|setback| setback.hindered);
            accepted.touched = end.as_ref().is_err_and(|setback| setback.touched);
            accepted.end = Some(end.map_err(|setback| setback.reason));
        }
    }

    /// Notes that everything has ended on request.
    pub fn stop(&mut self) {
        self.stopped = true;
        self.healthy = false;
        self.instances.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::setback::Setback;
    use super::{Spec, Status, Verdict};
    use trunkline_domain::foundation::{Digest, Millis};

    fn spec(fence: u64, release: &str) -> Spec {
        Spec {
            release: Digest::of(release.as_bytes()),
            version: release.to_owned(),
            deployment: format!("dep_{fence}"),
            fence,
            run: "./server".to_owned(),
            listen: None,
            instances: 1,
            env: Default::default(),
            content: "/nowhere".into(),
            ready_within: None,
            start_within: Millis(0),
        }
    }

    #[test]
    fn only_a_higher_fence_is_new_and_an_equal_one_must_be_the_same_apply() {
        let mut status = Status::default();
        assert_eq!(status.judge(&spec(1, "a")), Verdict::Accept);
        status.accept(&spec(1, "a"), &Verdict::Accept);
        assert_eq!(status.judge(&spec(1, "a")), Verdict::Resume, "interrupted: done again");
        assert_eq!(status.judge(&spec(1, "b")), Verdict::Refuse(1));
        status.accept(&spec(1, "a"), &Verdict::Resume);
        status.end(Ok(()));
        assert_eq!(status.applies["dep_1"], 1, "resuming is no second apply");
        assert_eq!(status.judge(&spec(1, "a")), Verdict::Repeat(Ok(())));
        assert_eq!(status.judge(&spec(2, "a")), Verdict::Accept);
        assert_eq!(status.judge(&spec(0, "a")), Verdict::Refuse(1));
        let full = Setback::of_machine("the disk is full");
        status.end(Err(full.clone()));
        assert_eq!(status.judge(&spec(1, "a")), Verdict::Repeat(Err(full)), "the same reason, and the same one to blame");
        status.end(Ok(()));
        status.stop();
        assert_eq!(status.judge(&spec(1, "a")), Verdict::Resume, "stopped since: the old answer would be untrue");
    }

    #[test]
    fn supervisors_of_an_earlier_version_and_this_one_read_each_other() {
        let mut written = serde_json::to_value(spec(1, "a")).unwrap();
        assert!(written["start_within"].is_number(), "an earlier one asks for it");
        written.as_object_mut().unwrap().remove("ready_within");
        assert_eq!(serde_json::from_value::<Spec>(written).unwrap(), spec(1, "a"));
        let failed = r#"{"spec":SPEC,"end":{"Err":"it did not start"}}"#.replace("SPEC", &serde_json::to_string(&spec(1, "a")).unwrap());
        let status = Status { fence: Some(1), accepted: Some(serde_json::from_str(&failed).unwrap()), ..Status::default() };
        let told = Setback { touched: false, ..Setback::of_release("it did not start") };
        assert_eq!(status.judge(&spec(1, "a")), Verdict::Repeat(Err(told)));
    }
}
