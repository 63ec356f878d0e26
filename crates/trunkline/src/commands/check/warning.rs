//! What a good delivery file asks for and its folder does not have: warnings, since commits are what counts.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use trunkline_domain::pipeline::{Check, Definition, EnvironmentRule, PartKind};

/// All of them, a sentence each.
pub fn warnings(definition: &Definition, folder: &Path) -> Vec<String> {
    let mut warnings = absent(definition, folder);
    for job in &definition.jobs {
        let scripts = job.steps.iter().filter_map(|step| script(&step.run));
        warnings.extend(scripts.filter_map(|script| not_executable(&format!("job {}", job.key), script, folder)));
    }
    for environment in &definition.environments {
        for (who, text) in texts(environment) {
            let Some(script) = script(text) else { continue };
            let who = format!("{who} of {}", environment.name);
            warnings.extend(not_executable(&who, script, folder));
        }
    }
    warnings
}

/// Files that a release or a configuration shall hold.
fn absent(definition: &Definition, folder: &Path) -> Vec<String> {
    let files = definition.release.iter().flat_map(|release| &release.files).map(|path| ("release.files", path));
    let configurations = definition.environments.iter().filter_map(|environment| Some(("config.from", environment.config.as_ref()?)));
    let absent = files.chain(configurations).filter(|(_, path)| !folder.join(path).exists());
    absent
        .map(|(key, path)| format!("warning: {key} names '{path}', which is not here: the run of a commit without it is refused"))
        .collect()
}

/// The shell texts that start in a folder of the release, with their keys.
fn texts(environment: &EnvironmentRule) -> Vec<(&'static str, &str)> {
    let parts = environment.parts.iter().flat_map(|part| match &part.kind {
        PartKind::Process(process) => vec![("run", Some(&process.run))],
        PartKind::Run(run) => vec![
            ("apply", Some(&run.apply)),
            ("observe", run.observe.as_ref()),
            ("health", run.health.as_ref()),
            ("rollback", run.rollback.as_ref()),
        ],
    });
    let checks = environment.verify.iter().map(|rule| match &rule.check {
        Check::Run { run, .. } => ("verify", Some(run)),
        Check::Http(_) => ("verify", None),
    });
    parts.chain(checks).filter_map(|(key, text)| Some((key, text?.as_str()))).collect()
}

/// The file that a shell text starts first, where it plainly names one by a path of its folder.
fn script(text: &str) -> Option<&str> {
    let word = text.split_whitespace().next()?;
    let plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._/+-".contains(&byte));
    let path = word.strip_prefix("./").unwrap_or(word);
    (plain && word.contains('/') && !path.starts_with('/')).then_some(path)
}

fn not_executable(who: &str, script: &str, folder: &Path) -> Option<String> {
    let there = folder.join(script).metadata().ok().filter(|there| there.is_file())?;
    let warning = || format!("warning: {who} starts '{script}', which may not be executed: chmod +x {script}");
    (there.permissions().mode() & 0o111 == 0).then(warning)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(folder: &Path, text: &str) -> Vec<String> {
        let (definition, diagnostics) = trunkline_delivery_file::read(text.as_bytes());
        warnings(&definition.unwrap_or_else(|| panic!("{diagnostics:?}")), folder)
    }

    #[test]
    fn what_a_release_shall_hold_is_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("deploy")).unwrap();
        let text = "on: push\njobs: { a: { run: x } }\nrelease: { version: calver, files: [deploy/, gone.sh] }\nenvironments: { qa: { config: { from: qa.yaml }, deploy: { kind: run, apply: x } } }\n";
        let said = said(folder.path(), text);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("release.files names 'gone.sh'") && said[1].contains("config.from names 'qa.yaml'"), "{said:?}");
    }

    #[test]
    fn what_a_script_starts_may_be_executed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("deploy")).unwrap();
        for (name, mode) in [("build.sh", 0o644), ("deploy/good.sh", 0o755), ("deploy/flat.sh", 0o644), ("loose.sh", 0o755)] {
            let path = folder.path().join(name);
            std::fs::write(&path, "").unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let text = "on: push\njobs: { a: { steps: [{ run: ./build.sh all }, { run: sh build.sh }, { run: $HOME/x }, { run: ./made.sh }] } }\nrelease: { version: calver, files: [deploy/, loose.sh] }\nenvironments: { qa: { deploy: { kind: run, apply: ./loose.sh now, observe: deploy/flat.sh, health: deploy/good.sh }, verify: [{ run: deploy/good.sh }] } }\n";
        let expected = [
            "warning: job a starts 'build.sh', which may not be executed: chmod +x build.sh",
            "warning: observe of qa starts 'deploy/flat.sh', which may not be executed: chmod +x deploy/flat.sh",
        ];
        assert_eq!(said(folder.path(), text), expected);
    }
}
