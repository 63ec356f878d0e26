//! The whole server with real git, real SQLite and a real runner, on a free port of loopback.

mod access;
mod again;
mod api;
mod branches;
mod claim;
mod dry_run;
mod events;
mod follow;
mod git;
mod least;
mod moved;
mod names;
mod once;
mod refusal;
mod start;
mod view;

use crate::serve::{Options, Serving, serve};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use trunkline_api::runner::Lease;
use trunkline_domain::pipeline::SandboxLevel;
use trunkline_runner::{HttpPort, Port, contract};

/// A server that runs until it is dropped.
struct Server {
    address: String,
    token: String,
    folder: tempfile::TempDir,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    fn start(slots: usize) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), slots)
    }

    fn start_in(folder: tempfile::TempDir, slots: usize) -> Self {
        Self::start_above(SandboxLevel::Host, folder, slots)
    }

    fn start_above(floor: SandboxLevel, folder: tempfile::TempDir, slots: usize) -> Self {
        let (ready, started) = std::sync::mpsc::channel();
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let data = folder.path().join("data");
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let listen = "127.0.0.1:0".parse().unwrap();
                let options = Options {
                    data,
                    listen,
                    slots,
                    supervise: vec!["/bin/false".to_owned()],
                    launcher: Vec::new(),
                    readable: Vec::new(),
                    limits: Default::default(),
                    floor,
                    accept_clock: false,
                };
                let serving: Serving = serve(options).await.unwrap();
                ready.send((format!("http://{}", serving.address), serving.token.clone())).unwrap();
                let stop = async {
                    let _ = stopped.await;
                };
                serving.run(stop).await.unwrap();
            });
        });
        let (address, token) = started.recv().unwrap();
        Self { address, token, folder, stop: Some(stop), thread: Some(thread) }
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    /// Ends the server and starts another on the same data.
    fn restart(mut self, slots: usize) -> Self {
        self.end();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        Self::start_in(folder, slots)
    }

    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        ask(&self.address, Some(&self.token), method, path, body)
    }

    fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", &format!("/api/v1/{path}"), None);
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask("POST", &format!("/api/v1/{path}"), Some(body))
    }

    /// Asks until the answer is as wanted.
    fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + Duration::from_secs(120);
        loop {
            let after = self.get("ledger/head")["seq"].as_u64().unwrap();
            let (_, body) = self.ask("GET", &format!("/api/v1/{path}"), None);
            if wanted(&body) {
                return body;
            }
            assert!(Instant::now() < end, "{path} stays at {body:#}");
            let waiting = Instant::now();
            self.get(&format!("wait?after={after}"));
            assert!(waiting.elapsed() < Duration::from_secs(26));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

fn ask(address: &str, token: Option<&str>, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut request = ureq::http::Request::builder().method(method).uri(format!("{address}{path}"));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    let request = request.header("content-type", "application/json").body(body).unwrap();
    let mut answer = agent.run(request).unwrap();
    let text = answer.body_mut().read_to_string().unwrap();
    (answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// A clone of a developer.
struct Clone {
    folder: tempfile::TempDir,
}

impl Clone {
    fn new(server: &Server) -> Self {
        let clone = Self { folder: tempfile::tempdir().unwrap() };
        clone.git(&["init", "-q", "-b", "main"]);
        let remote = server.address.replace("http://", &format!("http://trunkline:{}@", server.token));
        clone.git(&["remote", "add", "trunkline", &format!("{remote}/git/shop.git")]);
        clone
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn try_git(&self, arguments: &[&str]) -> Output {
        Command::new("git")
            .args(["-c", "user.name=Ana", "-c", "user.email=ana@example.org", "-c", "protocol.version=2"])
            .args(arguments)
            .current_dir(self.path())
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap()
    }

    fn git(&self, arguments: &[&str]) -> String {
        let output = self.try_git(arguments);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "git {arguments:?}: {said}");
        said
    }

    /// What git prints when it is given this.
    fn feed(&self, arguments: &[&str], input: &[u8]) -> String {
        use std::io::Write;
        let mut command = Command::new("git");
        let mut child = command.args(arguments).current_dir(self.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "git {arguments:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn commit(&self, files: &[(&str, &str)], message: &str) -> String {
        for (name, content) in files {
            let path = self.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    fn push(&self) -> String {
        self.git(&["push", "trunkline", "main"])
    }
}

fn add_project(server: &Server) -> Clone {
    let (status, body) = server.post("projects", json!({"name": "shop"}));
    assert_eq!(status, 200, "{body}");
    Clone::new(server)
}

/// Delivers by scripts into a folder, so that the whole chain needs nothing but `sh`. `{live}` names the folder.
const DELIVERY: &str = r#"
on: { push: { branches: [main] } }
jobs:
  build:
    run: cp app.txt out.txt
    artifacts: [{ name: app, path: out.txt }]
  unit:
    needs: build
    run: |
      grep -q good "$TRUNKLINE_ARTIFACTS/app"
      echo "tested $TRUNKLINE_VERSION"
release:
  version: calver
  artifacts: [app]
  files: [deploy.sh]
environments:
  test: &none
"#;

fn delivery(live: &Path) -> String {
    delivery_to(live, &[("test", ""), ("qa", "    after: test\n"), ("production", "    after: qa\n    tier: production\n")])
}

/// The same with other environments: each a name and further lines.
fn delivery_to(live: &Path, environments: &[(&str, &str)]) -> String {
    let live = live.display();
    let environment = |(name, after): &(&str, &str)| {
        format!(
            "  {name}:\n{after}    deploy:\n      kind: run\n      apply: sh deploy.sh {live}/{name}\n      observe: cat {live}/{name}.observed\n      idempotent: true\n    verify: [{{ name: smoke, run: \"grep -q fine {live}/{name}\" }}]\n"
        )
    };
    let head = &DELIVERY[..DELIVERY.find("  test: &none").unwrap()];
    format!("{head}{}", environments.iter().map(environment).collect::<String>())
}

const DEPLOY: &str =
    "cp app \"$1\"\nprintf 'release=%s\\nfence=%s\\n' \"$TRUNKLINE_RELEASE_DIGEST\" \"$TRUNKLINE_FENCE\" > \"$1.observed\"\n";

#[test]
fn a_pushed_commit_is_live_in_production_and_traced() {
    let server = Server::start(2);
    let live = tempfile::tempdir().unwrap();
    let clone = add_project(&server);
    let file = delivery(live.path());
    let first = clone.commit(&[("trunkline.yaml", &file), ("deploy.sh", DEPLOY), ("app.txt", "good and fine\n")], "Begin (#7)");
    let said = clone.push();
    assert!(said.contains("run shop/1 for"), "{said}");
    let trace = server.until("projects/shop/trace/production", |body| body["release"].is_object());
    assert_eq!(trace["run"]["commit"]["revision"], json!(first));
    assert_eq!(trace["run"]["commit"]["pull_request"]["number"], json!(7));
    assert_eq!(trace["deployment"]["checks"][0]["verdict"], json!("passed"));
    assert_eq!(trace["run"]["jobs"].as_array().unwrap().len(), 2);
    assert!(std::fs::read_to_string(live.path().join("production")).unwrap().contains("fine"));
    let log = server.ask("GET", &format!("/api/v1/projects/shop/log?work={}", trace["run"]["jobs"][1]["work"].as_str().unwrap()), None).1;
    assert!(log.as_str().unwrap().contains("tested 20"), "{log}");

    // A second change fails its check in qa: qa goes back by itself, production never sees it.
    clone.commit(&[("app.txt", "good but broken\n")], "Break it");
    let broken = file.replace(&format!("grep -q fine {}/test", live.path().display()), "true");
    clone.commit(&[("trunkline.yaml", &broken)], "Let it through test");
    clone.push();
    let deployments = server.until("projects/shop/deployments", |body| {
        let list = body.as_array().unwrap();
        list.iter().any(|one| one["rollback"] == json!(true) && one["status"] == json!({"ended": "succeeded"}))
    });
    let rollback = deployments.as_array().unwrap().iter().find(|one| one["rollback"] == json!(true)).unwrap();
    assert_eq!(rollback["environment"], json!("qa"));
    assert!(std::fs::read_to_string(live.path().join("qa")).unwrap().contains("fine"));
    let release = server.get("projects/shop/releases/2");
    assert_eq!(release["release"]["vetoed_from"], json!(["qa"]));
    // Where it was undone is told for as long as nothing newer came, also beside what runs well there.
    let qa = server.get("projects/shop/environments/qa");
    assert_eq!(
        (&qa["rolled_back"]["number"], &qa["runs"]["release"]["number"], &qa["last_failed"]),
        (&json!(2), &json!(1), &json!(null)),
        "{qa}"
    );
    let production = server.get("projects/shop/environments/production");
    assert_eq!((&production["rolled_back"], &production["runs"]["release"]["number"]), (&json!(null), &json!(1)));
    let (status, refused) = server.post("projects/shop/releases/2/promote", json!({"environment": "production"}));
    assert_eq!((status, refused["code"].as_str()), (409, Some("TL0510")), "{refused}");

    // Everything that was recorded is what it says, and a restart changes nothing.
    let before = server.get("projects/shop/trace/production");
    let mut server = server.restart(2);
    let after = server.get("projects/shop/trace/production");
    assert_eq!(before["deployment"], after["deployment"]);
    server.end();
    let store = trunkline_store::SqliteReader::open(&server.folder.path().join("data/trunkline.db")).unwrap();
    trunkline_engine::verify(&store, None).unwrap();
}

#[test]
fn a_refused_file_an_unknown_branch_and_a_missing_file_are_said() {
    let server = Server::start(1);
    let clone = add_project(&server);
    clone.commit(&[("a", "1")], "No file");
    let said = clone.push();
    assert!(said.contains("no trunkline.yaml at this commit") && said.contains("run shop/1 refused"), "{said}");
    let unchecked = "environments: { test: { deploy: { kind: run, apply: 'true', observe: 'echo release=none' } } }";
    let wrong = format!("on: push\njobs: {{ a: {{ rum: true }} }}\nrelease: {{ version: calver }}\n{unchecked}\n");
    clone.commit(&[("trunkline.yaml", &wrong)], "A wrong file");
    let said = clone.push();
    assert!(said.contains("unknown key 'rum'") && said.contains("run shop/2 refused"), "{said}");
    let run = server.until("projects/shop/runs/2", |body| body["result"].is_string());
    assert_eq!(run["result"], json!("refused"));
    let refused = run["refused"].as_array().unwrap();
    assert!(run["refused"].to_string().contains(": An unknown key"), "the record has the code alone, and the answer what it means: {run}");
    let change = server.get(&format!("projects/shop/where/{}", run["commit"]["revision"].as_str().unwrap()));
    let release = change["stations"].as_array().unwrap().iter().find(|one| one["name"] == "release").unwrap();
    assert!(release["reason"].as_str().unwrap().starts_with("run 2 was refused: TL0"), "{release}");
    assert!(said.contains("TL0173") && refused.iter().all(|one| one.as_str().unwrap().contains("trunkline.yaml:2:")), "{run}");
    clone.commit(&[("trunkline.yaml", "on: { push: { branches: [main] } }\njobs: { a: { run: 'true' } }\n")], "A good file");
    clone.git(&["push", "-q", "trunkline", "main:refs/heads/side"]);
    assert_eq!(server.get("projects/shop/runs").as_array().unwrap().len(), 2, "the branch is not named");
    clone.push();
    server.until("projects/shop/runs/3", |body| body["result"] == json!("passed"));
    let unfit = "on: { push: { branches: [main] } }\njobs: { a: { run: 'true' } }\nrelease: { version: calver, files: [gone.sh] }\n";
    clone.commit(&[("trunkline.yaml", unfit)], "A file that names another that is not there");
    let said = clone.push();
    assert!(said.contains("names 'gone.sh'") && said.contains("run shop/4 refused"), "{said}");
    // The same commit pushed again to the same ref has had its run.
    clone.git(&["push", "-q", "--delete", "trunkline", "main"]);
    let said = clone.push();
    assert!(said.contains("no run: shop/4 had this commit already"), "{said}");
    assert_eq!(server.get("projects/shop/runs").as_array().unwrap().len(), 4);
    // A clone gets everything back.
    let again = Clone::new(&server);
    again.git(&["fetch", "-q", "trunkline"]);
    assert!(again.git(&["log", "--oneline", "trunkline/main"]).contains("A good file"));
}

#[test]
fn a_run_is_cancelled_at_once() {
    let server = Server::start(1);
    let clone = add_project(&server);
    clone.commit(&[("trunkline.yaml", "on: push\njobs: { a: { run: sleep 60 }, b: { needs: a, run: 'true' } }\n")], "Sleep");
    clone.push();
    server.until("projects/shop/runs/1", |body| body["jobs"][0]["status"] == json!("running"));
    let (status, _) = server.post("projects/shop/runs/1/cancel", json!({}));
    assert_eq!(status, 200);
    let run = server.until("projects/shop/runs/1", |body| body["result"].is_string());
    assert_eq!(run["result"], json!("cancelled"));
    assert_eq!(run["jobs"][1]["status"], json!({"ended": "cancelled"}));
    let (status, again) = server.post("projects/shop/runs/1/cancel", json!({}));
    assert_eq!((status, again["code"].as_str()), (409, Some("TL0510")));
}

#[test]
fn the_data_folder_says_where_the_server_listens_while_it_does() {
    let mut server = Server::start(0);
    let path = server.folder.path().join("data/address");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{}\n", server.address));
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    server.end();
    assert!(!path.exists());
}

#[test]
fn strangers_learn_nothing() {
    let server = Server::start(0);
    add_project(&server);
    let paths =
        ["/", "/api/v1/status", "/api/v1/projects/shop/runs", "/git/shop.git/info/refs?service=git-upload-pack", "/c/abcdef", "/nowhere"];
    for path in paths {
        for token in [None, Some("tl_wrong"), Some("")] {
            let (status, body) = ask(&server.address, token, "GET", path, None);
            assert_eq!(status, 401, "{path} with {token:?}: {body}");
        }
    }
    assert_eq!(ask(&server.address, None, "GET", "/api/v1/health", None).0, 200);
    assert_challenged(&server);
    // A browser that followed a link of a push is told how to come in, and is not asked for a password.
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut page = agent.get(format!("{}/c/abcdef", server.address)).header("accept", "text/html").call().unwrap();
    assert_eq!((page.status().as_u16(), page.headers().get("www-authenticate")), (401, None));
    assert!(page.body_mut().read_to_string().unwrap().contains("trunkline open"));
    assert_eq!(server.ask("GET", "/nowhere", None).0, 404);
    assert_eq!(ask(&server.address, None, "GET", "/l/0000", None).0, 401);
    // Git's cookie opens git alone.
    let git = |path: &str| {
        let cookie = format!("trunkline-git={}", server.token);
        agent.get(format!("{}{path}", server.address)).header("cookie", cookie).call().unwrap().status().as_u16()
    };
    assert_eq!(git("/git/shop.git/info/refs?service=git-receive-pack"), 200);
    assert_eq!((git("/api/v1/status"), git("/"), git("/api/v1/runner/tree/shop/1")), (401, 401, 401));
    let (status, body) = ask(&server.address, None, "DELETE", "/api/v1/projects", None);
    assert_eq!(status, 401, "{body}");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(server.folder.path().join("data/operator.token")).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);
}

/// Programs are told that the token may come as a bearer's, and git that it may come as a password.
fn assert_challenged(server: &Server) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let answer = agent.get(format!("{}/api/v1/status", server.address)).call().unwrap();
    let challenges: Vec<&str> = answer.headers().get_all("www-authenticate").iter().map(|one| one.to_str().unwrap()).collect();
    assert_eq!(challenges, ["Basic realm=\"trunkline\"", "Bearer realm=\"trunkline\""]);
}

#[test]
fn both_ports_keep_the_contract() {
    let server = Server::start(0);
    let port: Arc<dyn Port> = Arc::new(HttpPort::new(&server.address, &server.token));
    let runner = "r1".parse().unwrap();
    contract::without_work(port.as_ref(), &runner);
    let clone = add_project(&server);
    clone.commit(&[("trunkline.yaml", "on: push\njobs: { a: { run: 'true' } }\n")], "One job");
    clone.push();
    let assignment = port.claim(&trunkline_api::runner::ClaimRequest { runner: runner.clone(), wait_ms: 5_000 }).unwrap().next.unwrap();
    let lease: Lease = assignment.lease.clone();
    let workspace = tempfile::tempdir().unwrap();
    port.checkout(&assignment.subject.project, &assignment.subject.revision, workspace.path()).unwrap();
    assert!(workspace.path().join("trunkline.yaml").exists());
    contract::with_lease(port.as_ref(), &runner, &lease);
}
