//! Names in a delivery file. Where they become folders, refs or variables, only harmless ones are names; the rest is refused
//! with its place, on a terminal and in a push.

use crate::place::Place;
use crate::text::{assert_shown, fitting, is_name, yaml};

/// What a delivery file names: each has the text in the place of `NAME`.
const NAMES: [&str; 12] = [
    "jobs: { NAME: { run: 'true' } }",
    "name: NAME\njobs: { a: { run: 'true', needs: NAME } }",
    "jobs: { a: { run: 'true', artifacts: [{ name: NAME, path: x }] } }",
    "jobs: { a: { run: 'true', artifacts: [{ name: x, path: NAME }], reports: { junit: NAME } } }",
    "jobs: { a: { run: 'true', env: { NAME: x } } }",
    "jobs: { a: { run: 'true', if: NAME } }",
    "jobs: { a: { run: 'true', timeout: NAME, sandbox: NAME, retry: { max: 1, on: [NAME] } } }",
    "jobs: { a: { run: 'true', NAME: x } }\nNAME: x",
    "jobs: { a: { run: 'true' } }\nrelease: { version: NAME, files: [NAME] }",
    "jobs: { a: { run: 'true' } }\nrelease: { version: calver }\nenvironments: { NAME: { deploy: { kind: run, apply: 'true' } } }",
    "jobs: { a: { run: 'true' } }\nrelease: { version: calver }\nenvironments: { a: { after: NAME, deploy: { kind: NAME, apply: NAME }, verify: [{ http: NAME }] } }",
    "jobs: { a: { run: 'true', env: { X: '${{ change.branch == NAME }}' } } }\nrelease: { artifacts: [NAME] }",
];

/// Those of them that become the name of a file, a folder, a ref or a variable.
const STRICT: [usize; 5] = [0, 1, 2, 4, 9];

#[test]
fn names_of_a_delivery_file() {
    let place = Place::new();
    let texts = fitting(500, |text| !text.is_empty());
    let (mut refused, mut shown) = (0, 0);
    let path = place.path("shop/trunkline.yaml");
    for (number, text) in texts.iter().enumerate() {
        for (kind, names) in NAMES.iter().enumerate() {
            let file = format!("on: push\n{}\n", names.replace("NAME", &yaml(text)));
            let (definition, diagnostics) = trunkline_delivery_file::read(file.as_bytes());
            assert!(definition.is_none() || is_name(text) || !STRICT.contains(&kind), "{text:?} is taken in {names}");
            assert_shown(&trunkline_delivery_file::render("trunkline.yaml", file.as_bytes(), &diagnostics), text);
            refused += usize::from(definition.is_none());
            // The program itself says the same: some of it is tried.
            if (kind + number) % 97 == 0 {
                place.git(&format!("git switch -q --orphan b{number}-{kind}"));
                std::fs::write(&path, &file).unwrap();
                let (code, ..) = place.cli_to(&["check"]);
                assert_eq!(code == 2, definition.is_none(), "{file}");
                place.cli_to(&["check", "--json"]);
                place.git("git add -A && git commit -qm Add");
                shown += 1;
            }
        }
    }
    assert!(refused >= 4_000 && shown >= 50, "{refused} were refused, {shown} of all shown");
    let said = place.git("git push trunkline 'refs/heads/b*:refs/heads/b*' 2>&1");
    assert_shown(&said.replace("\x1b[K", ""), "what the pusher is told");
    let runs = place.runs(shown / 2);
    assert!(runs.iter().filter(|run| run["result"] == "refused").count() >= shown / 2, "{said}");
    for run in &runs {
        place.page(&format!("/p/shop/c/{}", run["commit"]["revision"].as_str().unwrap()));
        place.cli(&["runs", "view", &run["number"].to_string()], 0);
    }
    place.page("/");
    place.end();
}
