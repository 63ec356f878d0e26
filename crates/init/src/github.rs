//! Taking over the commands of GitHub Actions workflows.

use crate::draft::{Draft, Job, Names, first_line, is_variable, items, plain, stands_still};
use crate::{Unreadable, read_yaml};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const FOLDER: &str = ".github/workflows";
/// Bytes of a workflow.
const BYTES_MAX: u64 = 1 << 20;
/// Keys of a job that were looked at.
const KNOWN: [&str; 6] = ["name", "steps", "needs", "env", "runs-on", "permissions"];
/// Steps that need no counterpart.
const NOT_NEEDED: [&str; 1] = ["actions/checkout"];

/// Every job of every workflow that a push starts.
pub fn lift(folder: &Path) -> Result<Draft, Unreadable> {
    let files = files(folder)?;
    let mut draft = Draft { found: FOLDER.to_owned(), ..Draft::default() };
    for path in &files {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        take_workflow(&mut draft, &name, &read_yaml(path, BYTES_MAX)?);
    }
    if draft.jobs.is_empty() {
        draft.left_out.push("no workflow has a job that a push starts".to_owned());
        draft.jobs.push(Job { name: "test".to_owned(), ..Job::default() });
    }
    draft.without_circles();
    Ok(draft)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, Unreadable> {
    let place = folder.join(FOLDER);
    let entries = fs::read_dir(&place).map_err(|error| Unreadable::new(&place, "cannot be read", Some(error)))?;
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_yaml).collect();
    files.sort();
    Ok(files)
}

fn take_workflow(draft: &mut Draft, file: &str, workflow: &Value) {
    // YAML 1.1 readers take the key `on` for true.
    let on = if workflow["on"].is_null() { &workflow["true"] } else { &workflow["on"] };
    let events: Vec<String> = match on {
        Value::Object(events) => events.keys().cloned().collect(),
        other => items(other).iter().filter_map(|event| plain(event)).collect(),
    };
    if !events.iter().any(|event| event == "push" || event == "pull_request" || event == "workflow_dispatch") {
        draft.left_out.push(format!("{file}: starts on {}, not on a push", events.join(", ")));
        return;
    }
    for event in events.iter().filter(|event| !matches!(event.as_str(), "push" | "workflow_dispatch")) {
        draft.left_out.push(format!("{file}: the event {event}"));
    }
    for key in on["push"].as_object().into_iter().flatten().map(|(key, _)| key).filter(|key| *key != "branches") {
        draft.left_out.push(format!("{file}: {key} of the event push"));
    }
    for branch in items(&on["push"]["branches"]).iter().filter_map(|branch| plain(branch)) {
        if branch.starts_with('!') {
            draft.left_out.push(format!("{file}: the branches {branch}, which start no run there"));
        } else if !draft.branches.contains(&branch) {
            draft.branches.push(branch);
        }
    }
    let Value::Object(jobs) = &workflow["jobs"] else { return };
    let names = Names::of(draft, file.trim_end_matches(".yml").trim_end_matches(".yaml"), jobs.keys());
    for (key, job) in jobs {
        let place = format!("{file}, job {key}");
        let wanted: Vec<String> = items(&job["needs"]).iter().filter_map(|need| plain(need)).collect();
        let needs = draft.needs(&place, &wanted, &names);
        let mut lifted = Job { name: names.ours(key).unwrap_or(key).to_owned(), needs, ..Job::default() };
        env(draft, &mut lifted, &place, &workflow["env"]);
        env(draft, &mut lifted, &place, &job["env"]);
        for step in items(&job["steps"]) {
            take_step(draft, &mut lifted, &place, step);
        }
        for other in job.as_object().into_iter().flatten().map(|(key, _)| key).filter(|key| !KNOWN.contains(&key.as_str())) {
            draft.left_out.push(format!("{place}: {other}"));
        }
        if lifted.steps.is_empty() {
            draft.left_out.push(format!("{place}: it has no run lines"));
        }
        draft.jobs.push(lifted);
    }
}

fn env(draft: &mut Draft, job: &mut Job, place: &str, env: &Value) {
    for (name, value) in env.as_object().into_iter().flatten() {
        match plain(value).filter(|_| is_variable(name)) {
            Some(value) => drop(job.env.insert(name.clone(), value)),
            None if !is_variable(name) => draft.left_out.push(format!("{place}: env {name}, which cannot have that name here")),
            None => draft.left_out.push(format!("{place}: env {name}, which an expression gives")),
        }
    }
}

fn take_step(draft: &mut Draft, job: &mut Job, place: &str, step: &Value) {
    if let Some(action) = step["uses"].as_str() {
        let name = action.split('@').next().unwrap_or(action);
        if !NOT_NEEDED.contains(&name) {
            draft.left_out.push(format!("{place}: uses {action}"));
        }
        return;
    }
    let Some(run) = step["run"].as_str().filter(|run| !run.trim().is_empty()) else { return };
    if run.contains("${{") {
        draft.left_out.push(format!("{place}: an expression in '{}'; values reach a script as environment variables", first_line(run)));
    }
    for key in ["if", "env", "working-directory", "shell", "continue-on-error", "timeout-minutes"] {
        if !step[key].is_null() {
            draft.left_out.push(format!("{place}: {key} of the step '{}'", first_line(run)));
        }
    }
    let run = if run.contains("${{") { stands_still(run) } else { run.to_owned() };
    // A name with an expression is none here; the commands tell what the step does.
    job.steps.push((plain(&step["name"]), run));
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_delivery_file::read;

    const CI: &str = r#"
name: CI
on:
  push: { branches: [main, 'release/**'] }
  pull_request:
env: { RUST_BACKTRACE: 1, TOKEN: "${{ secrets.TOKEN }}" }
jobs:
  build:
    runs-on: ubuntu-latest
    strategy: { matrix: { os: [a, b] } }
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with: { node-version: 20 }
      - name: "Install: all"
        run: npm ci
      - run: |
          echo "a: b" # c
          make
  "Unit tests":
    needs: build
    steps:
      - run: npm test
        if: github.ref == 'refs/heads/main'
      - run: echo ${{ github.sha }}
"#;

    #[test]
    fn run_lines_are_taken_over_and_the_rest_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(FOLDER)).unwrap();
        fs::write(folder.path().join(FOLDER).join("ci.yml"), CI).unwrap();
        fs::write(
            folder.path().join(FOLDER).join("nightly.yaml"),
            "on: { schedule: [{ cron: '0 0 * * *' }] }\njobs: { x: { steps: [{ run: y }] } }",
        )
        .unwrap();
        let draft = lift(folder.path()).unwrap();
        let text = draft.text("shop");
        let (definition, diagnostics) = read(text.as_bytes());
        assert!(diagnostics.is_empty(), "{diagnostics:?}\n{text}");
        let definition = definition.unwrap();
        let jobs: Vec<&str> = definition.jobs.iter().map(|job| job.key.as_str()).collect();
        assert_eq!(jobs, ["build", "unit-tests"]);
        assert_eq!(definition.jobs[0].steps[1].run.trim_end(), "echo \"a: b\" # c\nmake");
        assert_eq!(definition.jobs[0].steps[0].name.as_deref(), Some("Install: all"));
        assert_eq!(definition.jobs[1].needs[0].as_str(), "build");
        assert_eq!(definition.on.push.unwrap().branches.len(), 2);
        let left = draft.left_out.join("\n");
        for said in
            ["setup-node", "strategy", "TOKEN", "pull_request", "an expression in 'echo", "if of the step 'npm test'", "nightly.yaml"]
        {
            assert!(left.contains(said), "{said}: {left}");
        }
        assert!(!left.contains("checkout"), "{left}");
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let folder = tempfile::tempdir().unwrap();
        assert!(lift(folder.path()).is_err());
        fs::create_dir_all(folder.path().join(FOLDER)).unwrap();
        fs::write(folder.path().join(FOLDER).join("ci.yml"), "a: [").unwrap();
        assert!(lift(folder.path()).unwrap_err().to_string().contains("not YAML"));
    }

    /// The draft of these workflows, which must pass, its jobs with what they need, and what was left out.
    fn lifted(files: &[(&str, &str)]) -> (Vec<(String, Vec<String>)>, String) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(FOLDER)).unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(FOLDER).join(name), text).unwrap();
        }
        let draft = lift(folder.path()).unwrap();
        let text = draft.text("shop");
        let (definition, diagnostics) = read(text.as_bytes());
        let job = |job: &trunkline_domain::pipeline::JobRule| {
            (job.key.as_str().to_owned(), job.needs.iter().map(|need| need.as_str().to_owned()).collect())
        };
        let jobs = definition.unwrap_or_else(|| panic!("{diagnostics:?}\n{text}")).jobs;
        (jobs.iter().map(job).collect(), draft.left_out.join("\n"))
    }

    #[test]
    fn no_two_jobs_get_one_name() {
        let one = "on: push\njobs: { Build: { steps: [{ run: a }] }, build: { needs: Build, steps: [{ run: b }] }, \
                   ship: { needs: [Build, build, gone], steps: [{ run: c }] } }";
        let (jobs, left) = lifted(&[("a.yml", one), ("b.yaml", one)]);
        let names: Vec<&str> = jobs.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["build", "build-2", "ship", "b-build", "b-build-2", "b-ship"]);
        assert_eq!(jobs[2].1, ["build", "build-2"]);
        assert_eq!(jobs[4].1, ["b-build"]);
        assert!(left.contains("a.yml, job ship: it waits for gone, which this file does not hold"), "{left}");
    }

    #[test]
    fn jobs_that_wait_for_each_other_are_let_go() {
        let (jobs, left) =
            lifted(&[("a.yml", "on: push\njobs: { a: { needs: b, steps: [{ run: a }] }, b: { needs: a, steps: [{ run: b }] } }")]);
        assert_eq!((jobs[0].1.as_slice(), jobs[1].1.as_slice()), (["b".to_owned()].as_slice(), [].as_slice()));
        assert!(left.contains("job b: it waits for a, which waits for it"), "{left}");
    }

    #[test]
    fn what_a_delivery_file_would_refuse_is_left_out() {
        let ci = "on: { push: { branches: [main, '!wip/**'], paths: ['src/**'] } }\nenv: { TRUNKLINE_X: y, NAME: z }\n\
                  jobs: { 'null': { steps: [{ name: 'On ${{ matrix.os }}', run: make }, { run: '  ' }] } }";
        let (jobs, left) = lifted(&[("ci.yml", ci)]);
        assert_eq!(jobs[0].0, "job-null");
        for said in ["ci.yml: paths of the event push", "the branches !wip/**", "env TRUNKLINE_X, which cannot have that name here"] {
            assert!(left.contains(said), "{said}: {left}");
        }
    }
}
