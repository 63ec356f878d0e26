//! `trunkline init` in a repository that another system tested until now: what it writes passes `trunkline check`.

// Clippy knows test functions, but not the functions that they share.
#![allow(clippy::unwrap_used)]

mod common;

use common::{run, shell};

const GITHUB: &str = r#"
on: { push: { branches: [main, '!wip/**'] }, pull_request: {} }
env: { TOKEN: "${{ secrets.TOKEN }}", LEVEL: 1 }
jobs:
  Build:
    strategy: { matrix: { os: [a, b] } }
    steps: [{ uses: actions/checkout@v4 }, { name: "On ${{ matrix.os }}", run: make }]
  build: { needs: [Build, elsewhere], steps: [{ run: "make | tee log" }] }
"#;

const GITLAB: &str = r#"
include: [{ local: other.yml }]
"test:a": { script: ["make a", "echo 'a: b'"] }
"test a": { script: make b, needs: [included] }
looks: { script: ["docker inspect --format '${{ .Id }}'"], needs: [pages] }
pages: { script: [mkdocs], needs: [looks] }
ship: { stage: deploy, script: ./ship.sh, needs: ["test:a", { project: group/other, job: ship, ref: main }] }
"#;

#[test]
fn what_is_taken_over_passes_the_check() {
    for (from, file, text) in [("github", ".github/workflows/ci.yml", GITHUB), ("gitlab", ".gitlab-ci.yml", GITLAB)] {
        let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let path = folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        let trunkline = |text: &str| run(&mut shell(home.path(), folder.path(), text), text);
        let said = trunkline(&format!("git init -q -b main && trunkline init --from {from}"));
        assert!(said.contains("wrote ") && said.contains("left out: "), "{said}");
        let said = trunkline("trunkline check");
        assert!(said.contains("trunkline.yaml is good"), "{said}");
    }
}
