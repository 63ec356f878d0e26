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
    for (name, path) in toolchains(std::env::var_os("HOME").as_deref().map(Path::new), |name| std::env::var_os(name)) {
        set(name, path);
    }
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

/// Managers of toolchains that find their tools by HOME, which a job has of its own: variable and usual folder.
const TOOLCHAINS: [(&str, &str); 4] = [("RUSTUP_HOME", ".rustup"), ("PYENV_ROOT", ".pyenv"), ("NVM_DIR", ".nvm"), ("RBENV_ROOT", ".rbenv")];

/// Where the runner's user has them.
fn toolchains(home: Option<&Path>, variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Vec<(&'static str, String)> {
    let found = TOOLCHAINS.iter().filter_map(|(name, folder)| {
        let path = variable(name).map(std::path::PathBuf::from).or_else(|| Some(home?.join(folder)))?;
        path.is_dir().then(|| (*name, shown(&path)))
    });
    found.collect()
}

/// A path as text. The runner's own folder is chosen by its operator and checked at start to be text.
pub fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::toolchains;

    #[test]
    fn managers_of_toolchains_are_found_where_the_user_has_them() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".rustup")).unwrap();
        let found = toolchains(Some(home.path()), |_| None);
        assert_eq!(found, [("RUSTUP_HOME", home.path().join(".rustup").display().to_string())]);
        let given = toolchains(None, |name| (name == "PYENV_ROOT").then(|| home.path().into()));
        assert_eq!(given, [("PYENV_ROOT", home.path().display().to_string())]);
    }
}
