//! The environment of steps, scripts and services: nothing of the runner's own but PATH.

use std::collections::BTreeMap;
use std::path::Path;
use trunkline_api::runner::Subject;

/// Where PATH comes from if the runner has none.
const PATH_DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The variables that everything gets: a clean base and where the work belongs.
pub fn base(subject: &Subject, home: &Path, temporary: &Path) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    let mut set = |name: &str, value: String| env.insert(name.to_owned(), value);
    set("PATH", std::env::var("PATH").unwrap_or_else(|_| PATH_DEFAULT.to_owned()));
    set("HOME", shown(home));
    set("TMPDIR", shown(temporary));
    set("LANG", "C.UTF-8".to_owned());
    set("CI", "true".to_owned());
    let Subject { project, run, run_id, revision, reference, event, inputs, version, release, environment, deployment, fence } = subject;
    set("TRUNKLINE_PROJECT", project.to_string());
    set("TRUNKLINE_RUN", run.clone());
    set("TRUNKLINE_RUN_ID", run_id.to_string());
    set("TRUNKLINE_REVISION", revision.to_string());
    set("TRUNKLINE_REFERENCE", reference.clone());
    if !event.is_empty() {
        set("TRUNKLINE_EVENT", event.clone());
    }
    for (name, value) in inputs {
        set(&format!("TRUNKLINE_INPUT_{}", name.to_ascii_uppercase().replace('-', "_")), value.clone());
    }
    let optional = [
        ("TRUNKLINE_VERSION", version.clone()),
        ("TRUNKLINE_RELEASE", release.as_ref().map(|(id, _)| id.to_string())),
        ("TRUNKLINE_RELEASE_DIGEST", release.as_ref().map(|(_, digest)| digest.to_string())),
        ("TRUNKLINE_ENVIRONMENT", environment.as_ref().map(ToString::to_string)),
        ("TRUNKLINE_DEPLOYMENT", deployment.as_ref().map(ToString::to_string)),
        ("TRUNKLINE_FENCE", fence.map(|fence| fence.to_string())),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            set(name, value);
        }
    }
    env
}

/// A path as text. The runner's own folder is chosen by its operator and checked at start to be text.
pub fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
