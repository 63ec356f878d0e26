//! What a runner tells of itself.

use crate::failure::Failure;
use crate::group::{Groups, Limits, Version};
use crate::sandbox::{Missing, Places, Sandboxes};
use crate::worker::Config;
use std::path::Path;
use trunkline_api::view::{Lack, MissingLevel, RunnerView};
use trunkline_domain::pipeline::SandboxLevel;

/// What steps would stand behind here, for whoever has no runner to ask.
pub fn try_out(launcher: Vec<String>, private: &Path) -> Result<RunnerView, Failure> {
    let config = Config { launcher, ..Config::new("here".parse().expect("a runner's name"), 0, private.to_owned(), Vec::new()) };
    let sandboxes = Sandboxes::look(config.launcher.clone(), Places::of_machine(private, &[]));
    Ok(view(&config, &sandboxes, &Groups::look(Limits::default())?))
}

/// What the steps of a runner stand behind.
pub fn view(config: &Config, sandboxes: &Sandboxes, groups: &Groups) -> RunnerView {
    let lack = |missing: &Missing| Lack { why: missing.why.clone(), help: missing.help.clone() };
    let levels = sandboxes.levels();
    let missing = [SandboxLevel::Landlock, SandboxLevel::Sandbox].into_iter();
    RunnerView {
        slots: config.slots as u32,
        sandbox: levels.best(),
        sandbox_min: config.floor,
        missing: missing.filter_map(|level| Some(MissingLevel { level, lack: lack(levels.missing(level)?) })).collect(),
        control_groups: groups.version().map(Version::number),
        no_control_groups: groups.missing().map(lack),
        job_memory: groups.limits().and_then(|limits| limits.memory),
        job_processes: groups.limits().and_then(|limits| limits.processes),
    }
}
