//! `trunkline service` as the page on installing shows it, for a user rather than the machine, and under a systemd that is a
//! script: it starts and ends one program, and says when that is ready. `packaging/try/` has the real one.

// Clippy knows test functions, but not the functions that they share.
#![allow(clippy::unwrap_used)]

mod common;

use common::{blocks, run, run_to, script, shell};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const INSTALL: &str = include_str!("../../../docs/install.md");

/// As of a unit of type `notify` with `Restart=on-failure`. A server is ready when it has said where it listens. What has
/// ended may be a zombie, where nothing collects it.
const SYSTEMCTL: &str = r#"
here=$(dirname "$0"); shift  # --user
alive() { grep -qs '^State:.[^Z]' "/proc/$(cat "$here/pid" 2> /dev/null)/status"; }
ready() { alive && [ -e "$HOME/.local/state/trunkline/address" ]; }
stop() { alive && kill "$(cat "$here/pid")"; while alive; do sleep 0.02; done; }
start() {
    setsid $(sed -n 's/^ExecStart=//p' "$HOME/.config/systemd/user/trunkline.service") --listen 127.0.0.1:0 < /dev/null > "$here/out" 2>&1 &
    echo $! > "$here/pid"
    echo "$!-$RANDOM" > "$here/id"
}
case "$*" in
"restart --no-block trunkline.service") (sleep 0.5; stop; start) > /dev/null 2>&1 & ;;
"restart trunkline.service" | "enable --now trunkline.service") stop; start; until ready; do sleep 0.02; done ;;
"is-active --quiet trunkline.service") alive ;;
"is-enabled --quiet trunkline.service" | daemon-reload) ;;
"show --property=InvocationID,ActiveState,SubState trunkline.service")
    echo "InvocationID=$(cat "$here/id")"
    if ready; then echo ActiveState=active; else echo ActiveState=activating; fi
    if alive; then echo SubState=start; else echo SubState=auto-restart; fi ;;
stop) stop ;;
*) echo "what is $*?" >&2; exit 1 ;;
esac
"#;

struct Machine {
    home: TempDir,
    systemctl: PathBuf,
}

impl Machine {
    /// The program at a place of its own, as an upgrade replaces what the unit starts.
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let systemctl = script(&home.path().join("bin"), "systemctl", SYSTEMCTL);
        let machine = Self { home, systemctl };
        let program = env!("CARGO_BIN_EXE_trunkline");
        run(&mut machine.shell(&format!("ln {program} bin/trunkline || cp {program} bin/trunkline")), "the program");
        machine
    }

    fn shell(&self, text: &str) -> std::process::Command {
        let text = text.replace("sudo trunkline service", "trunkline service --user");
        shell(self.home.path(), self.home.path(), &format!("PATH={}:$PATH; {text}", self.home.path().join("bin").display()))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The process that the service is.
    fn process(&self) -> String {
        std::fs::read_to_string(self.path("bin/pid")).unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        drop(run_to(&mut self.shell(&format!("{} --user stop", self.systemctl.display()))));
    }
}

/// A program that says the same version, and serves so.
fn program(folder: &Path, name: &str, serve: &str) -> PathBuf {
    let real = env!("CARGO_BIN_EXE_trunkline");
    script(folder, name, &format!("[ \"$1\" = serve ] && {serve}\nexec {real} \"$@\""))
}

#[test]
fn what_the_page_shows_installs_asks_and_upgrades() {
    let machine = Machine::new();
    let newer = program(machine.home.path(), "trunkline", &format!("exec {} \"$@\"", env!("CARGO_BIN_EXE_trunkline")));
    let lines = blocks(INSTALL).concat().into_iter().map(|line| line.split("  #").next().unwrap().trim_end());
    let mut lines: Vec<&str> = lines.filter(|line| line.contains("trunkline service")).collect();
    // Installed first, whatever is shown first.
    lines.sort_by_key(|line| !line.ends_with("install"));
    assert_eq!(lines, ["sudo trunkline service install", "sudo trunkline service status", "sudo trunkline service upgrade ./trunkline"]);
    for line in &lines[..2] {
        run(&mut machine.shell(line), line);
    }
    let before = machine.process();
    let said = run(&mut machine.shell(lines[2]), lines[2]);
    assert!(said.contains("is started: it has 30 s to be ready") && said.contains("undo: trunkline service upgrade"), "{said}");
    assert_ne!(machine.process(), before, "the server from before was taken for the new one");
    assert_eq!(std::fs::read(machine.path("bin/trunkline")).unwrap(), std::fs::read(newer).unwrap());
    run(&mut machine.shell(lines[1]), lines[1]);
}

#[test]
fn a_program_that_does_not_become_ready_is_taken_back() {
    let machine = Machine::new();
    run(&mut machine.shell("sudo trunkline service install"), "install");
    for (serve, words) in
        [("exec sleep 1000", "the new program was not ready within 1 s"), ("exit 3", "the new program ended before it was ready")]
    {
        let broken = program(machine.home.path(), "broken", serve);
        let (code, said) = run_to(&mut machine.shell(&format!("sudo trunkline service upgrade {} --within 1s", broken.display())));
        assert!(code == Some(1) && said.contains("TL0233") && said.contains(words), "{serve}: {code:?} {said}");
        assert!(said.contains("the program before it is put back") && said.contains("see journalctl --user -u"), "{said}");
        assert_ne!(std::fs::read(machine.path("bin/trunkline")).unwrap(), std::fs::read(&broken).unwrap());
        let said = run(&mut machine.shell("sudo trunkline service status"), "status");
        assert!(said.contains("it answers"), "{said}");
    }
}
