//! Taking over the commands of a GitLab pipeline.

use crate::draft::{Draft, Job, Names, first_line, has_expression, is_variable, items, plain, stands_still, text};
use crate::{Unreadable, read_yaml};
use serde_json::{Map, Value};
use std::path::Path;

const FILE: &str = ".gitlab-ci.yml";
/// Bytes of the file.
const BYTES_MAX: u64 = 1 << 20;
/// Keys at the top that are no jobs.
const GLOBAL: [&str; 11] =
    ["stages", "variables", "default", "include", "workflow", "image", "services", "cache", "before_script", "after_script", "spec"];
/// Stages where the file names none.
const STAGES: [&str; 5] = [".pre", "build", "test", "deploy", ".post"];
/// Keys of a job that were looked at.
const KNOWN: [&str; 7] = ["script", "before_script", "stage", "needs", "variables", "extends", "tags"];
/// Templates may extend templates, and scripts refer to scripts that refer to others.
const EXTENDS_MAX: usize = 10;

/// Every job of the pipeline.
pub fn lift(folder: &Path) -> Result<Draft, Unreadable> {
    let path = folder.join(FILE);
    let pipeline = read_yaml(&path, BYTES_MAX)?;
    let mut draft = Draft { found: FILE.to_owned(), ..Draft::default() };
    let Value::Object(pipeline) = pipeline else {
        return Err(Unreadable::new(&path, "holds no mapping", None::<String>));
    };
    for key in
        pipeline.keys().filter(|key| GLOBAL.contains(&key.as_str()) && !matches!(key.as_str(), "stages" | "variables" | "before_script"))
    {
        draft.left_out.push(format!("{key} at the top"));
    }
    let is_job = |(key, value): &(&String, &Value)| !key.starts_with('.') && !GLOBAL.contains(&key.as_str()) && value.is_object();
    let jobs: Vec<(&String, Map<String, Value>)> =
        pipeline.iter().filter(is_job).map(|(key, job)| (key, extended(&pipeline, job, EXTENDS_MAX))).collect();
    let names = Names::of(&draft, FILE, jobs.iter().map(|(key, _)| *key));
    let stages = stages(&pipeline);
    for (key, job) in &jobs {
        let place = format!("job {key}");
        let wanted = match job.get("needs") {
            Some(needs) => needed(&mut draft, &place, needs),
            None => before(job, &jobs, &stages),
        };
        let needs = draft.needs(&place, &wanted, &names);
        let mut lifted = Job { name: names.ours(key).unwrap_or(key).to_owned(), needs, ..Job::default() };
        take_job(&mut draft, &mut lifted, &pipeline, (key, job));
        draft.jobs.push(lifted);
    }
    if draft.jobs.is_empty() {
        draft.left_out.push("the pipeline has no job of its own".to_owned());
        draft.jobs.push(Job { name: "test".to_owned(), ..Job::default() });
    }
    draft.without_circles();
    Ok(draft)
}

fn stages(pipeline: &Map<String, Value>) -> Vec<String> {
    let own: Vec<String> = items(pipeline.get("stages").unwrap_or(&Value::Null)).iter().filter_map(|stage| plain(stage)).collect();
    if own.is_empty() { STAGES.map(str::to_owned).to_vec() } else { own }
}

/// A job with what the templates that it extends give.
fn extended(pipeline: &Map<String, Value>, job: &Value, depth: usize) -> Map<String, Value> {
    let mut whole = Map::new();
    if depth > 0 {
        for name in items(&job["extends"]).iter().filter_map(|name| plain(name)) {
            if let Some(template) = pipeline.get(&name) {
                whole.extend(extended(pipeline, template, depth - 1));
            }
        }
    }
    whole.extend(job.as_object().cloned().unwrap_or_default());
    whole
}

type Lifted<'a> = (&'a String, Map<String, Value>);

/// The jobs that `needs` names. Those of another pipeline may be called as one of this file's.
fn needed(draft: &mut Draft, place: &str, needs: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for need in items(needs) {
        let elsewhere = ["project", "pipeline"].iter().any(|key| !need[key].is_null());
        match plain(need).or_else(|| plain(&need["job"])) {
            Some(name) if elsewhere => draft.left_out.push(format!("{place}: it waits for {name} of another pipeline")),
            Some(name) => names.push(name),
            None => draft.left_out.push(format!("{place}: it waits for another pipeline")),
        }
    }
    names
}

fn take_job(draft: &mut Draft, lifted: &mut Job, pipeline: &Map<String, Value>, (key, job): (&str, &Map<String, Value>)) {
    let get = |name: &str| job.get(name).unwrap_or(&Value::Null);
    let at_top = |name: &str| pipeline.get(name).unwrap_or(&Value::Null);
    for variables in [at_top("variables"), get("variables")] {
        if !variables.is_object() && !variables.is_null() {
            draft.left_out.push(format!("job {key}: variables, which stand elsewhere"));
        }
        for (name, value) in variables.as_object().into_iter().flatten() {
            match plain(value).or_else(|| plain(&value["value"])).filter(|value| is_variable(name) && !value.contains('$')) {
                Some(value) => drop(lifted.env.insert(name.clone(), value)),
                None if !is_variable(name) => {
                    draft.left_out.push(format!("job {key}: variable {name}, which cannot have that name here"));
                }
                None => draft.left_out.push(format!("job {key}: variable {name}, which is made of others")),
            }
        }
    }
    let first = if job.contains_key("before_script") { get("before_script") } else { at_top("before_script") };
    // One shell runs all of it, so that what a line sets holds for the next.
    let mut script = Script { pipeline, lines: Vec::new(), lost: Vec::new() };
    script.take(first, EXTENDS_MAX);
    script.take(get("script"), EXTENDS_MAX);
    draft.left_out.extend(script.lost.iter().map(|lost| format!("job {key}: {lost}")));
    let (lines, whole) = (&script.lines, script.lines.join("\n"));
    if let Some(line) = lines.iter().find(|line| has_expression(line)) {
        draft.left_out.push(format!("job {key}: an expression in '{}'; values reach a script as environment variables", first_line(line)));
        lifted.steps.push((None, stands_still(&whole)));
    } else if whole.trim().is_empty() {
        draft.left_out.push(format!("job {key}: it has no script"));
    } else {
        lifted.steps.push((None, whole));
    }
    if key == "pages" {
        draft.left_out.push("job pages: that what it leaves in public/ is published; an environment can deploy it".to_owned());
    }
    lifted.junit = plain(&get("artifacts")["reports"]["junit"]).filter(|path| is_path(path));
    for other in job.keys().filter(|key| !KNOWN.contains(&key.as_str())) {
        draft.left_out.push(format!("job {key}: {other}"));
    }
}

/// Whether a delivery file can name it: one path below the workspace, without patterns and variables.
fn is_path(path: &str) -> bool {
    let named = !path.is_empty() && !path.starts_with(['/', '~']) && !path.contains(['*', '?', '[', '\\', '$', '\n']);
    named && path.split('/').all(|piece| piece != "..") && path.trim_start_matches("./") != "."
}

/// The lines of a script in the making.
struct Script<'a> {
    pipeline: &'a Map<String, Value>,
    lines: Vec<String>,
    /// What is no line, for people.
    lost: Vec<String>,
}

impl Script<'_> {
    /// Adds its lines. Lists within lists, as anchors make them, are one list.
    fn take(&mut self, value: &Value, depth: usize) {
        if let Some(place) = reference(self.pipeline, value) {
            let names = items(value).into_iter().filter_map(text).collect::<Vec<_>>().join(", ");
            match place.filter(|_| depth > 0) {
                Some(place) => self.take(place, depth - 1),
                None => self.lost.push(format!("the reference to {names}, which this file does not hold")),
            }
            return;
        }
        for item in items(value) {
            match text(item) {
                Some(line) => self.lines.push(line),
                None if item.is_array() => self.take(item, depth),
                None => self.lost.push(format!("a line that is no text: {}", first_line(&item.to_string()))),
            }
        }
    }
}

/// What `!reference [.setup, script]` leads to: such a tag leaves only its list. None where it is a list of lines.
fn reference<'a>(pipeline: &'a Map<String, Value>, value: &Value) -> Option<Option<&'a Value>> {
    let names: Vec<&str> = value.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
    let (first, rest) = names.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let holds = |job: &Value| !job[rest[0]].is_null();
    // Hidden jobs are called so; a command that begins with a dot is a path, or has arguments.
    let is_hidden = first.starts_with('.') && !first.contains(['/', ' ', '\n']);
    match pipeline.get(*first) {
        Some(job) if holds(job) => Some(rest.iter().try_fold(job, |value, name| value.get(name))),
        _ => is_hidden.then_some(None),
    }
}

/// Without `needs` a job waits for every job of the nearest earlier stage that has any.
fn before(job: &Map<String, Value>, jobs: &[Lifted<'_>], stages: &[String]) -> Vec<String> {
    let stage_of = |job: &Map<String, Value>| {
        let name = job.get("stage").and_then(plain).unwrap_or_else(|| "test".to_owned());
        stages.iter().position(|stage| *stage == name).unwrap_or(stages.len())
    };
    let own = stage_of(job);
    let Some(nearest) = jobs.iter().map(|(_, other)| stage_of(other)).filter(|other| *other < own).max() else { return Vec::new() };
    jobs.iter().filter(|(_, other)| stage_of(other) == nearest).map(|(key, _)| (*key).clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use trunkline_delivery_file::read;

    const CI: &str = r#"
stages: [build, test, deploy]
variables: { CI_DEBUG: "1", WHERE: "$HOME/x" }
default: { image: ruby:3.2 }
.base: &base
  before_script: [bundle install]
compile:
  stage: build
  extends: .base
  script:
    - make all
    - |
      if true; then
        echo "x: y"
      fi
"unit tests":
  <<: *base
  script: rake test
  artifacts: { reports: { junit: report.xml }, paths: [coverage/] }
lint:
  script: [rubocop]
  allow_failure: true
ship:
  stage: deploy
  needs: ["unit tests"]
  script: ./ship.sh
  rules: [{ if: $CI_COMMIT_BRANCH == "main" }]
"#;

    #[test]
    fn scripts_are_taken_over_and_the_rest_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), CI).unwrap();
        let draft = lift(folder.path()).unwrap();
        let text = draft.text("shop");
        let (definition, diagnostics) = read(text.as_bytes());
        assert!(diagnostics.is_empty(), "{diagnostics:?}\n{text}");
        let jobs = definition.unwrap().jobs;
        let graph: Vec<(&str, Vec<&str>)> =
            jobs.iter().map(|job| (job.key.as_str(), job.needs.iter().map(|need| need.as_str()).collect())).collect();
        assert_eq!(graph, [("compile", vec![]), ("unit-tests", vec!["compile"]), ("lint", vec!["compile"]), ("ship", vec!["unit-tests"])]);
        assert_eq!(jobs[0].steps[0].run.trim_end(), "bundle install\nmake all\nif true; then\n  echo \"x: y\"\nfi");
        assert_eq!(jobs[1].reports.len(), 1);
        let left = draft.left_out.join("\n");
        for said in ["default at the top", "WHERE", "lint: allow_failure", "ship: rules", "unit tests: artifacts"] {
            assert!(left.contains(said), "{said}: {left}");
        }
    }

    /// The text of the file that is made of this pipeline, which must pass; its jobs; and what was left out.
    fn lifted(ci: &str) -> (String, Vec<trunkline_domain::pipeline::JobRule>, String) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), ci).unwrap();
        let draft = lift(folder.path()).unwrap();
        let text = draft.text("shop");
        let (definition, diagnostics) = read(text.as_bytes());
        let jobs = definition.unwrap_or_else(|| panic!("{diagnostics:?}\n{text}")).jobs;
        (text, jobs, draft.left_out.join("\n"))
    }

    #[test]
    fn a_line_that_cannot_run_here_is_listed_and_does_not_look_as_if_it_could() {
        let (_, jobs, left) = lifted(
            r#"
a: { script: ["make", "docker inspect --format '${{ .Id }}'"] }
b: { before_script: ["cd $[[ inputs.folder ]]"], script: make b }
c: { script: [make c, {echo a: b}] }
d: { script: [make d], variables: [.shared, variables] }
"#,
        );
        let runs: Vec<&str> = jobs.iter().map(|job| job.steps[0].run.trim_end()).collect();
        assert!(runs[0].starts_with("# make\n# docker inspect") && runs[0].ends_with("exit 1"), "{runs:?}");
        assert!(runs[1].starts_with("# cd $[[") && runs[1].ends_with("exit 1"), "{runs:?}");
        assert_eq!(runs[2..], ["make c", "make d"]);
        for said in [
            "job a: an expression in 'docker inspect --format '${{ .Id }}''; values reach",
            "job b: an expression in 'cd $[[ inputs.folder ]]'",
            "job c: a line that is no text: {\"echo a\":\"b\"}",
            "job d: variables, which stand elsewhere",
        ] {
            assert!(left.contains(said), "{said}: {left}");
        }
    }

    #[test]
    fn scripts_that_are_referred_to_are_taken_over() {
        let (_, jobs, left) = lifted(
            r#"
.setup: { script: [one, two], deep: { er: [three] } }
.again: { script: [!reference [.again, script], four] }
a: { script: [!reference [.setup, script], !reference [.setup, deep, er], make] }
b: { before_script: !reference [.elsewhere, script], script: [["./configure", make], [".setup here", x]] }
c: { script: !reference [.again, script] }
d: { script: [!reference [.setup, missing], make] }
"#,
        );
        let runs: Vec<&str> = jobs.iter().map(|job| job.steps[0].run.trim_end()).collect();
        assert_eq!(runs[..2], ["one\ntwo\nthree\nmake", "./configure\nmake\n.setup here\nx"]);
        assert!(runs[2].ends_with("four") && runs[3] == "make", "{runs:?}");
        for said in [
            "job b: the reference to .elsewhere, script, which this file does not hold",
            "job c: the reference to .again, script",
            "job d: the reference to .setup, missing, which",
        ] {
            assert!(left.contains(said), "{said}: {left}");
        }
    }

    #[test]
    fn a_job_named_pages_is_a_job() {
        let (_, jobs, left) = lifted(
            "pages: { stage: deploy, script: [mkdocs], artifacts: { paths: [public] } }\nafter: { stage: .post, needs: [pages], script: x }\n",
        );
        assert_eq!((jobs[0].key.as_str(), jobs[0].steps[0].run.as_str()), ("pages", "mkdocs"));
        assert_eq!(jobs[1].needs, [jobs[0].key.clone()]);
        assert!(left.contains("job pages: that what it leaves in public/ is published") && !left.contains("at the top"), "{left}");
    }

    #[test]
    fn jobs_that_wait_for_each_other_are_let_go() {
        let (text, jobs, left) = lifted(
            r#"
late: { needs: [c], script: x }
a: { needs: [b, free], script: x }
b: { needs: [c], script: x }
c: { needs: [a], script: x }
own: { needs: [own, free], script: x }
free: { script: x }
"#,
        );
        let graph: Vec<(&str, Vec<&str>)> =
            jobs.iter().map(|job| (job.key.as_str(), job.needs.iter().map(|need| need.as_str()).collect())).collect();
        let wanted =
            [("late", vec!["c"]), ("a", vec!["b", "free"]), ("b", vec![]), ("c", vec!["a"]), ("own", vec!["free"]), ("free", vec![])];
        assert_eq!(graph, wanted);
        assert_eq!(left, "job b: it waits for c, which waits for it\njob own: it waits for own, which waits for it");
        assert!(text.contains("# - job b: it waits for c, which waits for it\n"), "{text}");
    }

    #[test]
    fn names_are_told_apart_and_jobs_of_other_files_are_not_waited_for() {
        let ci = r#"
include: [{ local: other.yml }]
stages: [test, deploy]
"test:a": { stage: test, script: a }
"test a": { stage: test, script: b, artifacts: { reports: { junit: /tmp/report.xml } } }
late: { stage: deploy, script: c }
ship:
  stage: deploy
  script: d
  needs: ["test a", { job: "test a" }, included, { project: group/other, job: late, ref: main }, { pipeline: $UP }]
"#;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), ci).unwrap();
        let draft = lift(folder.path()).unwrap();
        let text = draft.text("shop");
        let (definition, diagnostics) = read(text.as_bytes());
        let jobs = definition.unwrap_or_else(|| panic!("{diagnostics:?}\n{text}")).jobs;
        let graph: Vec<(&str, Vec<&str>)> =
            jobs.iter().map(|job| (job.key.as_str(), job.needs.iter().map(|need| need.as_str()).collect())).collect();
        let both = vec!["test-a", "test-a-2"];
        assert_eq!(graph, [("test-a", vec![]), ("test-a-2", vec![]), ("late", both), ("ship", vec!["test-a-2"])]);
        let left = draft.left_out.join("\n");
        for said in [
            "job ship: it waits for included, which this file does not hold",
            "job ship: it waits for late of another pipeline",
            "job ship: it waits for another pipeline",
        ] {
            assert!(left.contains(said), "{said}: {left}");
        }
    }
}
