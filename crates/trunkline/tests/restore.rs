//! S19 and F21 with the real program: a server is backed up while it works, dies later, and comes back from the backup.
//! Its target has gone on meanwhile.

// Clippy knows test functions, but not the functions that they share.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const DELIVERY: &str = "\
on: push
jobs:
  build: { run: cp app.txt app, artifacts: [{ name: app, path: app }] }
release: { artifacts: [app], files: [deploy.sh], version: calver }
environments:
  production:
    deploy:
      kind: run
      apply: sh deploy.sh LIVE
      observe: cat LIVE/observed
      idempotent: true
";
/// As a target that compares fences: an older one is refused.
const DEPLOY: &str = "\
held=$(cat $1/fence 2>/dev/null || echo 0)
test \"$TRUNKLINE_FENCE\" -ge \"$held\" || exit 1
echo \"$TRUNKLINE_FENCE\" > $1/fence
cp app $1/app
echo \"$TRUNKLINE_FENCE $(cat app)\" >> $1/journal
printf 'release=%s\\nfence=%s\\n' \"$TRUNKLINE_RELEASE_DIGEST\" \"$TRUNKLINE_FENCE\" > $1/observed
";

const RUNNING: &str = include_str!("../../../docs/running.md");

/// The commands that docs/running.md says, from Backup on.
fn documented() -> Vec<&'static str> {
    RUNNING.split("**Backup.**").nth(1).unwrap().lines().filter_map(|line| line.strip_prefix("$ ")).collect()
}

struct World {
    root: tempfile::TempDir,
    server: Option<Child>,
    address: String,
}

impl World {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["home", "shop", "live"] {
            std::fs::create_dir(root.path().join(folder)).unwrap();
        }
        Self { root, server: None, address: String::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn sh(&self, data: &str, text: &str) -> Command {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_trunkline"));
        let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command.args(["-ec", text]).current_dir(self.path("shop")).env_clear().env("PATH", path).env("HOME", self.path("home"));
        command.env("TRUNKLINE_DATA", self.path(data)).env("TRUNKLINE_SERVER", &self.address).stdin(Stdio::null());
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_AUTHOR_NAME", "Ana").env("GIT_AUTHOR_EMAIL", "ana@example.org");
        command.env("GIT_COMMITTER_NAME", "Ana").env("GIT_COMMITTER_EMAIL", "ana@example.org");
        command
    }

    fn tried(&self, data: &str, text: &str) -> (i32, String) {
        let output = self.sh(data, text).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status.code().unwrap(), said)
    }

    fn run(&self, data: &str, text: &str) -> String {
        let (code, said) = self.tried(data, text);
        assert_eq!(code, 0, "{text}: {said}");
        said
    }

    /// Where the folders lie, rather than in the repository.
    fn run_beside(&self, data: &str, text: &str) -> String {
        let output = self.sh(data, text).current_dir(self.root.path()).output().unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{text}: {said}");
        said
    }

    fn serve(&mut self, data: &str, command: &str) {
        self.address.clear();
        let text = format!("exec {command} --json --listen 127.0.0.1:0");
        let mut sh = self.sh(data, &text);
        let mut child =
            sh.current_dir(self.root.path()).env_remove("TRUNKLINE_SERVER").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.server = Some(child);
        let said: Value = serde_json::from_str(&line).unwrap();
        self.address = said["address"].as_str().unwrap().to_owned();
        assert_eq!(said["safe_mode"], json!(data == "restored"));
    }

    /// As `kill -9`.
    fn kill(&mut self) {
        let mut server = self.server.take().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// Waits until the view of production is as wanted.
    fn until(&self, data: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let began = Instant::now();
        loop {
            // Before the first release there is no environment.
            let output = self.sh(data, "trunkline environment view production -p shop --json").output().unwrap();
            let seen = serde_json::from_slice(&output.stdout).unwrap_or_default();
            if wanted(&seen) {
                return seen;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "never so: {seen:#}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn push(&self, data: &str, text: &str) {
        let to = format!("{}/git/shop.git", self.address);
        let (_, port) = self.address.rsplit_once(':').unwrap();
        let cookies = self.path(data).join(format!("git.cookies.{port}"));
        let push = format!("git -c http.cookieFile={} push --quiet {to} main", cookies.display());
        self.run(data, &format!("echo {text} > app.txt && git add -A && git commit --quiet -m '{text}' && {push}"));
    }

    fn journal(&self) -> Vec<(u64, String)> {
        let text = std::fs::read_to_string(self.path("live/journal")).unwrap_or_default();
        let line = |line: &str| line.split_once(' ').map(|(fence, app)| (fence.parse().unwrap(), app.to_owned())).unwrap();
        text.lines().map(line).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn runs(release: u32) -> impl Fn(&Value) -> bool {
    move |seen| seen["runs"]["release"]["number"] == json!(release) && seen["incoming"].is_null()
}

#[test]
fn a_restored_server_deploys_nothing_until_a_person_confirms_it() {
    let mut world = World::new();
    world.run("data", "git init --quiet --initial-branch=main");
    let live = world.path("live");
    std::fs::write(world.path("shop/trunkline.yaml"), DELIVERY.replace("LIVE", &live.display().to_string())).unwrap();
    std::fs::write(world.path("shop/deploy.sh"), DEPLOY).unwrap();
    let [back_up, pipe, restore, serve, resume, repoint] = documented()[..] else { panic!("{:?}", documented()) };
    world.serve("data", "trunkline serve");
    world.run("data", "trunkline project add shop");
    for (text, release) in [("one", 1), ("two", 2)] {
        world.push("data", text);
        world.until("data", runs(release));
    }
    let told = world.run_beside("data", back_up);
    let root = told.lines().find_map(|line| line.strip_prefix("root ")).unwrap();
    assert_eq!(mode(&world.path("nightly.backup")), 0o600);
    assert!(world.tried("data", "trunkline backup ../nightly.backup").1.contains("TL0211"), "it is not overwritten");
    world.run_beside("data", pipe);
    assert_eq!(mode(&world.path("piped.backup")), 0o600);
    world.push("data", "three");
    world.until("data", runs(3));
    let before = world.journal();
    assert_eq!(before.iter().map(|(_, app)| app.as_str()).collect::<Vec<_>>(), ["one", "two", "three"]);
    world.kill();

    damaged_backups_are_refused(&world);
    assert!(world.run_beside("data", restore).contains(root));
    assert!(world.run("data", "trunkline ledger verify --db ../restored/trunkline.db").contains(root));
    assert!(!world.path("restored/operator.token").exists(), "tokens are not in it");

    world.serve("restored", serve);
    // The same commit comes again, and a new one: both run, neither is deployed.
    world.push("restored", "four");
    let waiting = world.until("restored", |seen| seen["queue"].as_array().is_some_and(|queue| !queue.is_empty()));
    assert_eq!((&waiting["incoming"], waiting["queue"][0]["status"].as_str()), (&Value::Null, Some("waiting")), "{waiting:#}");
    assert!(waiting["queue"][0]["reason"].as_str().unwrap().contains("trunkline resume"), "{waiting:#}");
    assert_eq!(world.journal(), before, "nothing is deployed by itself");
    for command in ["trunkline status", "trunkline doctor || true"] {
        let said = world.run("restored", command);
        assert!(said.contains("safe mode") && said.contains("trunkline resume"), "{command}: {said}");
    }
    assert_eq!(world.tried("restored", "trunkline resume").0, 2, "nobody can be asked here");
    assert!(
        world.run("restored", "trunkline resume --dry-run").contains("What may begin at once:\n  shop/production "),
        "the plan says what begins"
    );

    world.run_beside("restored", &format!("{resume} --yes"));
    let leads_to = |world: &World| world.run("restored", "git remote get-url trunkline").trim().to_owned();
    assert!(!leads_to(&world).starts_with(&world.address), "{}", leads_to(&world));
    world.run("restored", repoint);
    assert_eq!(leads_to(&world), format!("{}/git/shop.git", world.address));
    world.until("restored", runs(3));
    let after = world.journal();
    let (last, lost) = (&after[after.len() - 1], &before[before.len() - 1]);
    assert_eq!((after.len(), last.1.as_str()), (4, "four"), "{after:?}");
    // What was there is in the record now: a fence that it never gave.
    let output = world.sh("restored", "trunkline deployment view 3 -p shop --json").output().unwrap();
    let deployment: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(deployment["before"][0]["fence"], json!(lost.0), "{deployment:#}");
    assert!(last.0 > lost.0 + 100_000, "its fence {} is above that of the lost future, {}", last.0, lost.0);
    assert_eq!(world.tried("restored", "trunkline resume --yes").0, 5, "there is nothing to resume any more");
    world.run("restored", "trunkline ledger verify");
}

/// A flipped byte, a missing end, and what was never a backup; the folder is not made.
fn damaged_backups_are_refused(world: &World) {
    let bytes = std::fs::read(world.path("piped.backup")).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 1;
    let damaged = "bytes of the backup";
    for (name, bytes, why) in [
        ("flipped", &flipped[..], damaged),
        ("cut", &bytes[..bytes.len() - 100], damaged),
        ("text", b"a letter", "this is not a Trunkline backup"),
    ] {
        std::fs::write(world.path(name), bytes).unwrap();
        let (code, said) = world.tried("data", &format!("trunkline restore ../{name} --data ../never"));
        assert_eq!(code, 1, "{name}: {said}");
        assert!(said.contains("TL0235") && said.contains(why), "{name}: {said}");
        assert!(!world.path("never").exists(), "{name}");
    }
    let (code, said) = world.tried("data", "trunkline restore ../piped.backup --data ../shop");
    assert_eq!((code, said.contains("TL0236")), (2, true), "{said}");
    world.run("data", "cat ../piped.backup | trunkline restore - --data ../piped");
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
