//! Names of files and folders: in the workspace, in artifacts, in a release and its deployment, in a report of what is missing.

use crate::place::Place;
use crate::text::fitting;
use std::collections::{BTreeMap, BTreeSet};

const FILE: &str = r#"on: { push: { paths: ["**"] } }
defaults: { sandbox: host }
jobs:
  keep:
    run: |
      find . -path ./.git -prune -o -type f -print0 > PROBES/workspace
      cp -r files out
    artifacts: [{ name: out, path: out }]
  use:
    needs: keep
    run: cd "$TRUNKLINE_ARTIFACTS/out" && find . -type f -print0 > PROBES/artifact
  lack: { run: 'true', artifacts: [{ name: gone, path: files/gone }], failure: warn }
  count: { run: for name in files/*; do echo "$name"; done }
release: { needs: [keep, use], version: git-describe, artifacts: [out], files: [files/, folders/] }
environments:
  test:
    deploy: { kind: run, apply: find . -type f -print0 > PROBES/release, observe: "cat */saying", idempotent: true }
    verify: [{ name: look, run: "for name in folders/*; do echo \"$name\"; done; false" }]
"#;

/// Every name under a folder, with its place told from there.
fn below(probe: &[String], folder: &str) -> BTreeSet<String> {
    probe.iter().filter_map(|name| Some(name.strip_prefix("./")?.strip_prefix(folder)?.to_owned())).collect()
}

#[test]
fn names_of_files_and_folders() {
    let place = Place::new();
    let names = fitting(350, |text| !text.contains(['/', '\0']) && text.len() <= 255 && ![".", "..", ".git"].contains(&text));
    for name in &names {
        for file in [place.path("shop/files").join(name), place.path("shop/folders").join(name).join("x")] {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, name).unwrap();
        }
    }
    std::fs::write(place.path("shop/files/saying"), format!("release={}\n", names.concat().replace('\n', " "))).unwrap();
    let file = FILE.replace("PROBES", &place.path("probes").display().to_string());
    std::fs::write(place.path("shop/trunkline.yaml"), file).unwrap();
    place.git("git add -A && git commit -qm Add && git tag 'v1;touch' && git push -q trunkline 'v1;touch' main");
    place.cli_to(&["watch", "--timeout", "60s"]);
    let runs = place.runs(1);
    let run = &runs[0];
    assert_eq!(run["result"], "passed", "{run}");

    let all: BTreeSet<String> = names.iter().cloned().collect();
    let with_x: BTreeSet<String> = names.iter().map(|name| format!("{name}/x")).collect();
    let mut files = all.clone();
    files.insert("saying".to_owned());
    let workspace = place.probes("workspace");
    assert_eq!(below(&workspace, "files/"), files);
    assert_eq!(below(&workspace, "folders/"), with_x);
    assert_eq!(below(&place.probes("artifact"), ""), files);
    let release = place.probes("release");
    assert_eq!(below(&release, "out/"), files);
    assert_eq!(below(&release, "files/"), files);
    assert_eq!(below(&release, "folders/"), with_x);
    let view = place.json("projects/shop/releases/1");
    let frozen: BTreeSet<&str> = view["files"].as_array().unwrap().iter().map(|file| file.as_str().unwrap()).collect();
    assert!(names.iter().all(|name| frozen.contains(format!("files/{name}").as_str())), "{view}");
    said(&place, run);
    place.end();
}

/// What is said of them to people.
fn said(place: &Place, run: &serde_json::Value) {
    let number = run["number"].to_string();
    let jobs: BTreeMap<&str, &serde_json::Value> =
        run["jobs"].as_array().unwrap().iter().map(|job| (job["key"].as_str().unwrap(), job)).collect();
    let reason = jobs["lack"]["reason"].as_str().unwrap();
    assert!(reason.contains("'files/gone'") && reason.contains("touch"), "{reason}");
    let deployments = place.json("projects/shop/deployments");
    assert!(deployments[0]["reason"].as_str().is_some(), "{deployments}");
    for arguments in [
        &["runs", "view", &number][..],
        &["log", &number],
        &["where", &number],
        &["status"],
        &["releases", "list"],
        &["releases", "view", "1"],
        &["releases", "view", "1", "--json"],
        &["deployments", "view", "1"],
        &["deployments", "list", "--json"],
        &["environments", "view", "test"],
        &["log", "deployment/1"],
    ] {
        place.cli(arguments, 0);
    }
    place.cli_to(&["watch", "deployment/1", "--timeout", "20s"]);
    place.cli_to(&["trace", "test"]);
    for path in ["/", &format!("/p/shop/c/{}", run["commit"]["revision"].as_str().unwrap())] {
        place.page(path);
    }
}
