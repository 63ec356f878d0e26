//! Files whose names are not UTF-8: git keeps any bytes, and so does a checkout.

use super::{Clone, Server, add_project};
use serde_json::json;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// `café` as Latin-1 has it.
const NAME: &[u8] = b"caf\xe9.txt";

impl Clone {
    fn write(&self, folder: &[u8], text: &str) {
        let folder = self.path().join(OsStr::from_bytes(folder));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(OsStr::from_bytes(NAME)), text).unwrap();
    }
}

/// What runs: YAML holds no such bytes, printf makes them.
const CARRIED: &str = r#"
on: { push: { paths: ['src/**', trunkline.yaml] } }
jobs:
  a:
    run: |
      name=$(printf 'caf\351.txt')
      grep -q one "$(printf 'src/d\377')/$name"
      mkdir out
      cp "$(printf 'src/d\377')/$name" "out/$name"
    artifacts: [{ name: out, path: out/ }]
  b:
    needs: a
    run: grep -q one "$TRUNKLINE_ARTIFACTS/out/$(printf 'caf\351.txt')"
"#;

#[test]
fn any_name_is_checked_out_kept_as_an_artifact_and_found_by_a_path_rule() {
    let server = Server::start(1);
    let clone = add_project(&server);
    clone.write(b"src/d\xff", "one\n");
    clone.commit(&[("trunkline.yaml", CARRIED)], "Begin");
    clone.push();
    let run = server.until("projects/shop/runs/1", |body| body["result"].is_string());
    assert_eq!(run["result"], json!("passed"), "{run:#}");
    clone.write(b"docs", "words\n");
    clone.commit(&[], "Write");
    assert!(clone.push().contains("no run: its paths are untouched"));
    clone.write(b"src", "two\n");
    clone.commit(&[], "Add");
    assert!(clone.push().contains("run shop/2 for"));
}

const RELEASED: &str = "on: { push: {}, manual: {} }\njobs: { a: { run: 'true' } }\nrelease: { version: calver, files: [deploy/, café] }\n";

#[test]
fn a_release_never_lacks_a_file_that_it_cannot_name_without_a_word() {
    let server = Server::start(1);
    let clone = add_project(&server);
    // Beside what the release holds, such a name harms nothing.
    clone.write(b"docs", "words\n");
    clone.write(b"deploy.d", "words\n");
    clone.commit(&[("trunkline.yaml", RELEASED), ("deploy/run.sh", "true\n"), ("café", "latte\n")], "Begin");
    assert!(clone.push().contains("run shop/1 for"));
    server.until("projects/shop/runs/1", |body| body["result"] == json!("passed"));
    clone.write(b"deploy/x", "needed\n");
    clone.commit(&[], "Add");
    let why = r"'deploy/x/caf\xe9.txt', whose name is not UTF-8, so that no release can hold it: rename the file";
    let said = clone.push();
    assert!(said.contains(why), "{said}");
    let refused = server.get("projects/shop/runs/2");
    assert_eq!((&refused["result"], &refused["refused"][0]), (&json!("refused"), &json!(format!("release.files names the file {why}"))));
    clone.git(&["-c", "core.quotePath=true", "rm", "-q", "-r", "deploy/x"]);
    clone.commit(&[("deploy/x/cafe.txt", "needed\n")], "Rename");
    assert!(clone.push().contains("run shop/3 for"));
}
