//! What a job is given and what it says: inputs, values of the delivery file, outputs of other jobs, names of steps, lines
//! of a log, tests.

use crate::place::Place;
use crate::text::{canary, fitting, yaml};
use serde_json::json;

/// Inputs of one start, at most.
const INPUTS: usize = 25;

/// Values that the delivery file can hold as they are: what stands in `${{ }}` would be an expression.
fn plain() -> Vec<String> {
    fitting(490, |text| !text.contains("${{") && !text.contains('\0'))
}

/// Pushes a delivery file, with files beside it.
fn push(place: &Place, file: &str, beside: &[(&str, String)]) {
    let file = file.replace("PROBES", &place.path("probes").display().to_string());
    std::fs::write(place.path("shop/trunkline.yaml"), file).unwrap();
    for (name, text) in beside {
        std::fs::write(place.path("shop").join(name), text).unwrap();
    }
    place.git("git add -A && git commit -qm Add && git push -q trunkline main");
}

#[test]
fn inputs_of_a_start() {
    let place = Place::new();
    let names: Vec<String> = (0..INPUTS).map(|number| format!("in{number}")).collect();
    let inputs: String = names.iter().map(|name| format!("{name}: {{ type: string }}, ")).collect();
    let env: String = names.iter().map(|name| format!("{}: \"<${{{{ inputs.{name} }}}}>\", ", name.to_uppercase())).collect();
    push(
        &place,
        &format!(
            "on: {{ manual: {{ inputs: {{ {inputs} }} }} }}\ndefaults: {{ sandbox: host }}\njobs:\n  tell:\n    env: {{ {env} }}\n    if: inputs.in0 != 'never'\n    run: env -0 > \"PROBES/$TRUNKLINE_RUN_ID\"; echo \"$IN0\" \"$TRUNKLINE_INPUT_IN1\"; test ! -e {}\n",
            canary()
        ),
        &[],
    );
    let texts = fitting(500, |text| !text.contains('\0'));
    for group in texts.chunks(INPUTS) {
        let given: Vec<String> = group.iter().zip(&names).map(|(text, name)| format!("{name}={text}")).collect();
        let mut arguments = vec!["start", "--no-wait"];
        given.iter().for_each(|input| arguments.extend(["--input", input]));
        place.cli(&arguments, 0);
    }
    let refused = place.ask("projects/shop/runs", &json!({ "inputs": { "in0": "a\0b" } }), &[]);
    assert!(refused.0 == 400 || refused.0 == 422, "{refused:?}");
    let runs = place.runs(texts.chunks(INPUTS).len());
    let mut seen = 0;
    for (run, group) in runs.iter().rev().zip(texts.chunks(INPUTS)) {
        assert_eq!(run["result"], "passed", "{run}");
        let told = place.probes(run["id"].as_str().unwrap());
        for (text, name) in group.iter().zip(&names) {
            assert_eq!(run["inputs"][name], *text);
            let name = name.to_uppercase();
            for line in [format!("TRUNKLINE_INPUT_{name}={text}"), format!("{name}=<{text}>")] {
                assert!(told.contains(&line), "{line:?}: {told:?}");
            }
            seen += 1;
        }
        let number = run["number"].to_string();
        for arguments in [&["runs", "view", &number][..], &["runs", "view", &number, "--json"], &["log", &number]] {
            place.cli(arguments, 0);
        }
    }
    assert!(seen >= 500, "only {seen} texts were seen");
    place.end();
}

const FILE: &str = r#"on: push
defaults: { sandbox: host }
jobs:
  values: { env: { VALUES }, run: env -0 > PROBES/values }
  say: { run: cat said }
  tests: { run: 'exit 3', reports: { junit: report.xml }, failure: warn }
  give: { run: cat given >> "$TRUNKLINE_OUTPUT" }
  take: { needs: give, env: { TAKEN }, run: env -0 > PROBES/taken }
STEPS
environments:
  test:
    deploy: { kind: run, apply: 'env -0 > PROBES/applied', observe: 'cat strange', idempotent: true, env: { VALUES } }
    verify: [CHECKS]
release: { version: calver, files: [strange, said] }
"#;

/// `V0: "…", V1: "…"`.
fn values(texts: &[String]) -> String {
    texts.iter().enumerate().map(|(number, text)| format!("V{number}: {}, ", yaml(text))).collect()
}

#[test]
fn values_outputs_steps_logs_and_tests() {
    let place = Place::new();
    let plain = plain();
    // A line of the file of outputs ends where it ends; all of them have 64 KiB.
    let given = fitting(450, |text| !text.contains(['\n', '\r', '\0']) && text.len() < 1_000);
    let taken: String = (0..given.len()).map(|number| format!("G{number}: \"${{{{ needs['give'].outputs['g{number}'] }}}}\", ")).collect();
    // A hundred steps at most make a job.
    let steps = plain.chunks(99).enumerate().map(|(number, texts)| {
        let steps = texts.iter().map(|text| format!("      - {{ name: {}, run: 'true' }}\n", yaml(text)));
        format!(
            "  steps{number}:\n    failure: warn\n    steps:\n{}      - {{ name: {}, run: 'false' }}\n",
            steps.collect::<String>(),
            yaml(&texts[number])
        )
    });
    let checks = plain.iter().step_by(11).take(50).map(|text| format!("{{ name: {}, run: 'cat said; true' }}, ", yaml(text)));
    let file = FILE.replace("VALUES", &values(&plain)).replace("TAKEN", &taken);
    let file = file.replace("STEPS\n", &steps.collect::<String>()).replace("CHECKS", &checks.collect::<String>());
    let said = plain.join("\n");
    let xml = |text: &String| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let cases = plain.iter().filter(|text| !text.contains(|c: char| c < ' ' && c != '\n')).step_by(9);
    let cases: String = cases
        .map(xml)
        .map(|text| format!("<testcase name=\"{text}\" file=\"{text}\"><failure message=\"{text}\"/></testcase>\n"))
        .collect();
    let given_lines: String = given.iter().enumerate().map(|(number, text)| format!("g{number}={text}\n")).collect();
    push(
        &place,
        &file,
        &[
            ("said", said.clone()),
            ("strange", format!("release={}\nfence=$(touch x)\n", plain.concat().replace('\n', " "))),
            ("report.xml", format!("<testsuite>{cases}</testsuite>")),
            ("given", given_lines),
        ],
    );
    place.cli_to(&["watch", "--timeout", "60s"]);
    let runs = place.runs(1);
    assert_eq!(runs[0]["result"], "passed", "{}", runs[0]);
    for probe in ["values", "applied"] {
        let values = place.probes(probe);
        for (number, text) in plain.iter().enumerate() {
            assert!(values.contains(&format!("V{number}={text}")), "{probe}: {text:?}");
        }
    }
    let taken = place.probes("taken");
    for (number, text) in given.iter().enumerate() {
        assert!(taken.contains(&format!("G{number}={text}")), "{text:?}");
    }
    heard(&place, &runs[0], &said, plain.len());
    place.end();
}

/// What is said of it to people.
fn heard(place: &Place, run: &serde_json::Value, said: &str, texts: usize) {
    let number = run["number"].to_string();
    let jobs = run["jobs"].as_array().unwrap();
    let job = |key: &str| jobs.iter().find(|job| job["key"] == key).unwrap();
    let (status, log) = place.get(&format!("/api/v1/projects/shop/log?work={}", job("say")["work"].as_str().unwrap()));
    assert!(status == 200 && log.contains(said), "the log is another one");
    assert_eq!(job("tests")["tests"]["failed"], run["tests"]["failed"]);
    assert!(run["tests"]["failed"].as_u64().unwrap() >= 40, "{}", run["tests"]);
    let reasons: Vec<&str> = jobs.iter().filter_map(|job| job["reason"].as_str()).collect();
    assert!(reasons.len() > texts / 100, "{reasons:?}");
    let shown = place.cli(&["log", &number, "say"], 0);
    assert!(shown.lines().count() >= texts, "{shown}");
    for arguments in [
        &["runs", "view", &number][..],
        &["runs", "view", &number, "--json"],
        &["log", &number],
        &["log", &number, "--json"],
        &["log", &number, "--failed"],
        &["where", &number],
        &["status"],
        &["deployments", "view", "1"],
        &["log", "deployment/1"],
        &["environments", "view", "test"],
    ] {
        place.cli(arguments, 0);
    }
    for arguments in [&["tests", &number][..], &["tests", &number, "--json"], &["watch", &number, "--timeout", "20s"], &["trace", "test"]] {
        place.cli_to(arguments);
    }
    for path in ["/", &format!("/p/shop/c/{}", run["commit"]["revision"].as_str().unwrap())] {
        place.page(path);
    }
}
