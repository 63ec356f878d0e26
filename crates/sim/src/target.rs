//! Targets that note every apply they accept.

use std::collections::HashMap;
use trunkline_domain::deployment::{Health, Live, Observed};
use trunkline_domain::foundation::{DeploymentId, Digest, EnvironmentKey};

/// One deployable place: an environment's part.
#[derive(Clone, Debug, Default)]
pub struct Target {
    live: Option<Digest>,
    fence: u64,
    /// Accepted applies: deployment → how many took effect.
    pub accepted: HashMap<DeploymentId, u32>,
    /// Every fence that was accepted, in order.
    pub fences: Vec<u64>,
}

/// All targets.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    targets: HashMap<(EnvironmentKey, String), Target>,
    /// A planted bug: targets do not compare fences.
    pub fenceless: bool,
}

impl Targets {
    /// Every target.
    pub fn all(&self) -> impl Iterator<Item = (&(EnvironmentKey, String), &Target)> {
        self.targets.iter()
    }

    /// What is there.
    pub fn observe(&self, environment: &EnvironmentKey, part: &str) -> Observed {
        let target = self.targets.get(&(environment.clone(), part.to_owned())).cloned().unwrap_or_default();
        let live = target.live.map_or(Live::Nothing, Live::Release);
        Observed { live, fence: (target.fence > 0).then_some(target.fence), health: Health::Healthy, source: "simulated".to_owned() }
    }

    /// Puts a release there, unless a higher fence was seen: then that fence.
    pub fn apply(
        &mut self,
        environment: &EnvironmentKey,
        part: &str,
        (deployment, release, fence): (DeploymentId, Digest, u64),
    ) -> Result<(), u64> {
        let fenceless = self.fenceless;
        let target = self.targets.entry((environment.clone(), part.to_owned())).or_default();
        if fence < target.fence && !fenceless {
            return Err(target.fence);
        }
        if fence == target.fence && target.live == Some(release) && target.accepted.contains_key(&deployment) {
            // The same apply once more: the answer is the same, nothing is started.
            return Ok(());
        }
        target.live = Some(release);
        target.fence = fence;
        target.fences.push(fence);
        *target.accepted.entry(deployment).or_default() += 1;
        Ok(())
    }
}
