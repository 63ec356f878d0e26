//! `trunkline doctor` on machines that lack a program: what is missing, and the command that installs it.

// Clippy knows test functions, but not the functions that they share.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// What is found where these programs are, and no others: for each thing its mark and its help.
fn found(programs: &[(&str, &str)]) -> impl Fn(&str) -> (bool, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for (name, script) in programs {
        std::fs::write(bin.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut doctor = Command::new(Path::new(env!("CARGO_BIN_EXE_trunkline")));
    // Port 9 is nobody's: the server is not what is asked about here.
    doctor.args(["doctor", "--json", "--server", "http://127.0.0.1:9"]).current_dir(folder.path());
    let output = doctor.env_clear().env("PATH", &bin).env("HOME", folder.path()).output().unwrap();
    let findings: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    move |name| {
        let one = findings.iter().find(|finding| finding["name"] == name).unwrap();
        let text = |key: &str| one[key].as_str().unwrap().to_owned();
        (one["good"].as_bool().unwrap(), text("found"), text("help"))
    }
}

#[test]
fn what_is_missing_is_said_with_the_command_that_installs_it() {
    let nothing = found(&[]);
    for (name, good, command) in
        [("git", false, "apt-get install git"), ("sh", false, "apt-get install dash"), ("ssh", true, "apt-get install openssh-client")]
    {
        let (is_good, said, help) = nothing(name);
        assert!(is_good == good && help.ends_with(command), "{name}: {said}: {help}");
    }
    let old = found(&[("git", "echo git version 2.30.2"), ("sh", "exit 0"), ("ssh", "echo OpenSSH_9.2p1 >&2")]);
    let (good, said, help) = old("git");
    assert!(!good && said.contains("2.30.2, which is too old") && help.ends_with("apt-get install git"), "{said}: {help}");
    assert_eq!(old("sh"), (true, "runs".to_owned(), String::new()));
    assert_eq!(old("ssh"), (true, "OpenSSH_9.2p1".to_owned(), String::new()));
}
