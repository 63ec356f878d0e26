//! Targets that note every apply they accept.

use std::collections::HashMap;
use std::sync::Arc;
use trunkline_domain::deployment::{Health, Live, Observed};
use trunkline_domain::foundation::{DeploymentId, Digest, EnvironmentKey};

/// An observe script that prints the digest and the fence.
pub const BY_DIGEST: &str = "digest, fence";
/// One that prints the version and the fence.
pub const BY_VERSION: &str = "version, fence";
/// One that prints the version alone.
pub const BY_VERSION_ALONE: &str = "version";

/// One deployable place: an environment's part.
#[derive(Clone, Debug, Default)]
pub struct Target {
    live: Option<Arc<Named>>,
    fence: u64,
    /// Accepted applies: deployment → how many took effect.
    pub accepted: HashMap<DeploymentId, u32>,
    /// Every fence that was accepted, in order.
    pub fences: Vec<u64>,
}

/// A release as a target knows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    /// Its manifest's digest.
    pub digest: Digest,
    /// Its version.
    pub version: String,
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

    /// Whether this release is there, under this fence.
    pub fn shows(&self, environment: &EnvironmentKey, part: &str, release: &Digest, fence: u64) -> bool {
        let target = self.targets.get(&(environment.clone(), part.to_owned()));
        target.is_some_and(|target| target.fence == fence && target.live.as_ref().is_some_and(|live| live.digest == *release))
    }

    /// What is there, as the observe script of the part says it.
    pub fn observe(&self, environment: &EnvironmentKey, part: &str, script: &str) -> Observed {
        let target = self.targets.get(&(environment.clone(), part.to_owned())).cloned().unwrap_or_default();
        let live = target.live.map_or(Live::Nothing, |live| match script {
            BY_DIGEST => Live::Release(live.digest),
            _ => Live::Named(live.version.clone()),
        });
        let fence = (target.fence > 0 && script != BY_VERSION_ALONE).then_some(target.fence);
        Observed { live, fence, health: Health::Healthy, source: "simulated".to_owned() }
    }

    /// Puts a release there, unless a higher fence was seen: then that fence.
    pub fn apply(
        &mut self,
        environment: &EnvironmentKey,
        part: &str,
        (deployment, release, fence): (DeploymentId, Arc<Named>, u64),
    ) -> Result<(), u64> {
        let fenceless = self.fenceless;
        let target = self.targets.entry((environment.clone(), part.to_owned())).or_default();
        if fence < target.fence && !fenceless {
            return Err(target.fence);
        }
        if fence == target.fence && target.live.as_ref() == Some(&release) && target.accepted.contains_key(&deployment) {
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
