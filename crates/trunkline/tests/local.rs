//! `trunkline run` with the real program, on a real working copy.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

const FILE: &str = "on: { push: {}, manual: { inputs: { who: { type: string, default: nobody } } } }\njobs:\n  build:\n    run: cat src/new.txt && ls && echo \"for $TRUNKLINE_INPUT_WHO\" > out.txt\n    artifacts: [{ name: out, path: out.txt }]\n  unit: { needs: build, run: 'cat $TRUNKLINE_ARTIFACTS/out; test ! -e ignored' }\n  red: { run: 'echo before; exit 3' }\n  after: { needs: red, run: 'true' }\n";

fn copy() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), &["init", "-q", "-b", "main"]);
    fs::create_dir(folder.path().join("src")).unwrap();
    fs::write(folder.path().join("src/old.txt"), "old\n").unwrap();
    fs::write(folder.path().join(".gitignore"), "ignored\n").unwrap();
    git(folder.path(), &["add", "-A"]);
    git(folder.path(), &["-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-q", "-m", "Begin"]);
    // As people work: not committed, not even added; removed; ignored.
    fs::write(folder.path().join("trunkline.yaml"), FILE).unwrap();
    fs::write(folder.path().join("src/new.txt"), "dirty\n").unwrap();
    fs::write(folder.path().join("ignored"), "secret\n").unwrap();
    fs::remove_file(folder.path().join("src/old.txt")).unwrap();
    folder
}

fn git(folder: &Path, arguments: &[&str]) {
    assert!(Command::new("git").args(arguments).current_dir(folder).status().unwrap().success());
}

fn trunkline(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_trunkline"))
        .args(arguments)
        .current_dir(folder)
        .env("SHELL", folder.join("shell"))
        .env_remove("TRUNKLINE_SERVER")
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn what_whoever_started_it_left_open_reaches_no_step() {
    let folder = tempfile::tempdir().unwrap();
    let file = "on: push\njobs:\n  walls: { run: '! cat <&7' }\n  host: { sandbox: host, run: '! cat <&7' }\n";
    fs::write(folder.path().join("trunkline.yaml"), file).unwrap();
    let line = format!("exec 7</etc/passwd; exec {} run", env!("CARGO_BIN_EXE_trunkline"));
    git(folder.path(), &["init", "-q", "-b", "main"]);
    let output = Command::new("sh").args(["-c", &line]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn the_working_copy_is_run_as_it_is() {
    let folder = copy();
    let run = trunkline(folder.path(), &["run", "unit", "--input", "who=ana"]);
    let text = said(&run);
    assert_eq!(run.status.code(), Some(0), "{text}");
    assert!(text.contains("build │ dirty") && text.contains("unit │ for ana") && !text.contains("red │"), "{text}");
    assert!(!folder.path().join("out.txt").exists(), "the working copy itself stays as it is");
    let all = trunkline(folder.path(), &["run", "--json"]);
    assert_eq!(all.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&all.stdout).unwrap();
    assert_eq!(json["result"], "failed");
    let ends: Vec<String> = json["jobs"].as_array().unwrap().iter().map(|job| job["end"]["result"].to_string()).collect();
    assert!(ends[0].contains("passed") && ends[2].contains("failed") && ends[3].contains("skipped"), "{ends:?}");
    let unknown = trunkline(folder.path(), &["run", "unti"]);
    assert!(unknown.status.code() == Some(5) && said(&unknown).contains("known are build, unit"), "{}", said(&unknown));
    assert!(said(&trunkline(folder.path(), &["run", "--plan"])).contains("unit  after build"));
}

#[test]
fn a_shell_is_opened_where_it_failed() {
    let folder = copy();
    let shell = folder.path().join("shell");
    fs::write(&shell, "#!/bin/sh\npwd > \"$TRUNKLINE_WORKSPACE/../seen\"; cat src/new.txt; ls \"$TRUNKLINE_WORKSPACE\"\n").unwrap();
    fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
    let run = trunkline(folder.path(), &["run", "red", "--shell"]);
    let text = said(&run);
    assert!(run.status.code() == Some(1) && text.contains("dirty") && text.contains("trunkline.yaml"), "{text}");
}

#[test]
fn the_shell_opens_at_the_end_where_nothing_takes_its_workspace() {
    let folder = copy();
    let tmp = tempfile::tempdir().unwrap();
    let (shell, file) = (folder.path().join("shell"), folder.path().join("trunkline.yaml"));
    let jobs = "a: { run: 'mkdir shut; touch shut/mine; chmod 500 shut; exit 1' }\n  b: { run: 'sleep 0.5; touch other; echo b-ends' }\n  c: { run: 'touch other; exit 2' }\n";
    fs::write(file, format!("on: push\njobs:\n  {jobs}")).unwrap();
    fs::write(&shell, "#!/bin/sh\necho shell-begins >&2\nsleep 0.5\ntest ! -e other && echo \"found $(ls shut)\" >&2\n").unwrap();
    fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_trunkline"))
        .args(["run", "--shell"])
        .current_dir(folder.path())
        .envs([("SHELL", shell.as_path()), ("TMPDIR", tmp.path())])
        .output()
        .unwrap();
    let text = said(&run);
    let at = |word: &str| text.rfind(word).unwrap_or_else(|| panic!("{word}: {text}"));
    assert!(run.status.code() == Some(1) && at("b-ends") < at("shell-begins") && at("shell-begins") < at("found mine"), "{text}");
    assert_eq!(fs::read_dir(tmp.path()).unwrap().count(), 0, "nothing stays behind");
}

#[test]
fn in_a_folder_that_is_a_project_its_own_file_is_run_there() {
    let folder = copy();
    let web = folder.path().join("services/web");
    fs::create_dir_all(web.join("src")).unwrap();
    fs::write(web.join("trunkline.yaml"), "on: push\njobs: { web: { run: 'cat page.txt ../../src/new.txt' } }\n").unwrap();
    fs::write(web.join("page.txt"), "the page\n").unwrap();
    for place in [&web, &web.join("src")] {
        let ran = trunkline(place, &["run"]);
        assert!(ran.status.success() && said(&ran).contains("the page") && said(&ran).contains("dirty"), "{}", said(&ran));
        let checked = trunkline(place, &["check"]);
        assert!(said(&checked).contains("trunkline.yaml is good") && !said(&checked).contains("build"), "{}", said(&checked));
    }
    let around = trunkline(&folder.path().join("src"), &["run", "--plan"]);
    assert!(said(&around).contains("build"), "the root's, where there is none nearer: {}", said(&around));
}
