//! `--dry-run` with the real program: it ends as the act itself would.

// Clippy knows test functions, but not the functions that they share.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Server, run, run_to, shell};

const DELIVERY: &str = "\
on: push
defaults: { sandbox: host }
jobs:
  build: { run: cp app.txt app, artifacts: [{ name: app, path: app }] }
release: { artifacts: [app], version: calver }
environments:
  test:
    deploy:
      kind: run
      apply: printf 'release=%s\\nfence=%s\\n' \"$TRUNKLINE_RELEASE_DIGEST\" \"$TRUNKLINE_FENCE\" > LIVE/observed
      observe: cat LIVE/observed
      idempotent: true
    verify: [{ name: smoke, run: grep -q good app }]
";

#[test]
fn a_dry_run_ends_as_the_act_would() {
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let server = Server::start(home.path(), folder.path(), "trunkline serve --slots 2");
    let shop = folder.path().join("shop");
    std::fs::create_dir(&shop).unwrap();
    std::fs::write(shop.join("trunkline.yaml"), DELIVERY.replace("LIVE", &folder.path().display().to_string())).unwrap();
    let trunkline = |text: &str| run_to(shell(home.path(), &shop, text).env("TRUNKLINE_SERVER", &server.address));
    run(&mut shell(home.path(), &shop, "git init -q -b main"), "a repository");
    assert_eq!(trunkline("trunkline project add shop").0, Some(0));
    for (text, code) in [("good", 0), ("good too", 0), ("bad", 1)] {
        let push =
            format!("echo {text} > app.txt && git add -A && git commit -qm '{text}' && git push -q trunkline main && trunkline watch");
        let (found, said) = trunkline(&push);
        assert_eq!(found, Some(code), "{said}");
    }
    for act in ["promote 2 test", "promote 3 test", "promote 1 test --again", "rollback test --to 3"] {
        let (tried, done) = (trunkline(&format!("trunkline {act} --dry-run")), trunkline(&format!("trunkline {act} --yes")));
        let refusal = |said: &str| said.split("error[").nth(1).map(str::to_owned);
        assert!(tried.0 == done.0 && tried.0 == Some(6), "{act}: {tried:?} {done:?}");
        assert!(refusal(&tried.1).is_some() && refusal(&tried.1) == refusal(&done.1), "{act}: {tried:?} {done:?}");
    }
    let (code, said) = trunkline("trunkline rollback test --dry-run");
    assert!(code == Some(0) && said.contains("nothing was changed"), "{said}");
    assert_eq!(
        trunkline("trunkline deployments list --json --limit 1 2> /dev/null | grep -c '\"rollback\": true'").1.trim(),
        "1",
        "the automatic one"
    );
}
