//! A delivery file in the making: jobs with commands, and what could not be taken over.

use std::collections::{BTreeMap, BTreeSet};

/// A delivery file in the making.
#[derive(Debug, Default)]
pub struct Draft {
    /// What it was made of, for people.
    pub found: String,
    /// Branches whose pushes start a run; none: all.
    pub branches: Vec<String>,
    /// In the order of the file.
    pub jobs: Vec<Job>,
    /// What was not taken over, a line each.
    pub left_out: Vec<String>,
}

/// A job in the making.
#[derive(Debug, Default)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// Names of jobs before it.
    pub needs: Vec<String>,
    /// Plain values.
    pub env: BTreeMap<String, String>,
    /// Commands, with a name for people where there was one.
    pub steps: Vec<(Option<String>, String)>,
    /// A test report in JUnit's form.
    pub junit: Option<String>,
    /// Whether its own output is that of `cargo test`.
    pub libtest: bool,
}

/// What comes after the jobs.
const REST: &str = r#"
# A job keeps what it built; a release holds it; environments run it:
#
#   build:
#     run: ./build.sh
#     artifacts: [{ name: app, path: out/app }]
#
# release:
#   version: calver
#   artifacts: [app]
#
# environments:
#   test:
#     tier: testing
#     deploy: { kind: process, artifact: app, run: ./app, listen: "127.0.0.1:8101" }
#     verify: [{ http: "http://127.0.0.1:8101/", status: 200, within: 30s }]
"#;

impl Draft {
    /// The file.
    pub fn text(&self, project: &str) -> String {
        let mut out = format!(
            "# How changes of this repository are tested, released and delivered. Check it with: trunkline check\n\
             # For completion in your editor: trunkline schema > trunkline.schema.json, then take one # from this line:\n\
             ## yaml-language-server: $schema=trunkline.schema.json\nname: {project}\n"
        );
        if !self.left_out.is_empty() {
            out += &format!("#\n# Made of {}. Left out:\n", one_line(&self.found));
            out += &self.left_out.iter().map(|left| format!("# - {}\n", one_line(left))).collect::<String>();
        }
        out += &match self.branches.as_slice() {
            [] => "on: { push: {}, manual: {} }\n".to_owned(),
            branches => format!("on: {{ push: {{ branches: [{}] }}, manual: {{}} }}\n", texts(branches)),
        };
        out += "\njobs:\n";
        out += &self.jobs.iter().map(Job::text).collect::<String>();
        out + REST
    }
}

impl Draft {
    /// Our names of the jobs before a job. What the file does not hold, because another one gives it, cannot be waited for.
    pub fn needs(&mut self, place: &str, wanted: &[String], names: &Names) -> Vec<String> {
        let mut needs: Vec<String> = Vec::new();
        for need in wanted {
            match names.ours(need) {
                Some(ours) if needs.iter().any(|known| known == ours) => {}
                Some(ours) => needs.push(ours.to_owned()),
                None => self.left_out.push(format!("{place}: it waits for {need}, which this file does not hold")),
            }
        }
        needs
    }

    /// Lets no job wait for itself, which no check lets pass: of each circle the need that closes it is left out.
    pub fn without_circles(&mut self) {
        let mut done: BTreeSet<String> = BTreeSet::new();
        while done.len() < self.jobs.len() {
            let before = done.len();
            for job in &self.jobs {
                if job.needs.iter().all(|need| done.contains(need)) {
                    done.insert(job.name.clone());
                }
            }
            if done.len() == before {
                self.open_circle(&done);
            }
        }
    }

    /// Every job that is not done waits for another one that is not: that way leads into a circle.
    fn open_circle(&mut self, done: &BTreeSet<String>) {
        let next = |job: &Job| {
            let need = job.needs.iter().find(|need| !done.contains(*need))?;
            self.jobs.iter().position(|job| job.name == *need)
        };
        let mut way: Vec<usize> = self.jobs.iter().position(|job| !done.contains(&job.name)).into_iter().collect();
        while let Some((last, next)) = way.last().and_then(|last| Some((*last, next(&self.jobs[*last])?))) {
            if way.contains(&next) {
                let need = self.jobs[next].name.clone();
                let job = &mut self.jobs[last];
                job.needs.retain(|known| *known != need);
                self.left_out.push(format!("job {}: it waits for {need}, which waits for it", job.name));
                return;
            }
            way.push(next);
        }
    }
}

/// The jobs of another system's file by their names there, each with a name of ours that no other job has.
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// Names beside those that the draft has already, which are those of other files: a name taken there is told apart by `file`.
    pub fn of<'a>(draft: &Draft, file: &str, keys: impl Iterator<Item = &'a String>) -> Self {
        let elsewhere: BTreeSet<&str> = draft.jobs.iter().map(|job| job.name.as_str()).collect();
        let mut taken: BTreeSet<String> = elsewhere.iter().map(|name| (*name).to_owned()).collect();
        let mut names = BTreeMap::new();
        for key in keys {
            let plain = job_name(key);
            let first = if elsewhere.contains(plain.as_str()) { job_name(&format!("{file} {key}")) } else { plain };
            // `test:a` and `test a` are two jobs there and one name here.
            let mut name = first.clone();
            let mut count = 1;
            while !taken.insert(name.clone()) {
                count += 1;
                name = format!("{first}-{count}");
            }
            names.insert(key.clone(), name);
        }
        Self(names)
    }

    /// Ours.
    pub fn ours(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

impl Job {
    fn text(&self) -> String {
        let mut out = format!("  {}:\n", self.name);
        if !self.needs.is_empty() {
            out += &format!("    needs: [{}]\n", self.needs.join(", "));
        }
        if !self.env.is_empty() {
            out += "    env:\n";
            out += &self.env.iter().map(|(name, value)| format!("      {name}: {}\n", quoted(value))).collect::<String>();
        }
        match self.steps.as_slice() {
            [] => out += "    # Replace this by the command that tests your code.\n    run: echo \"no tests yet\"\n",
            [(None, only)] => out += &format!("    run: {}", script(only, 6)),
            many => {
                out += "    steps:\n";
                for (name, run) in many {
                    let name = name.as_ref().map(|name| format!("name: {}\n        ", quoted(name))).unwrap_or_default();
                    out += &format!("      - {name}run: {}", script(run, 10));
                }
            }
        }
        if let Some(path) = &self.junit {
            out += &format!("    reports: {{ junit: {} }}\n", quoted(path));
        } else if self.libtest {
            out += "    reports: { libtest: log }\n";
        }
        out
    }
}

/// A command as a YAML value: on its line where it is plain, else a block, else a quoted text.
fn script(text: &str, indent: usize) -> String {
    let text = text.trim_end();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '/' | '=' | '+' | '@' | '$' | '(' | ')' | ';');
    if text.chars().all(plain) && text.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '$')) {
        return format!("{text}\n");
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') || text.starts_with([' ', '\t', '\n']) || text.is_empty() {
        return format!("{}\n", quoted(text));
    }
    let lines = text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("{:indent$}{line}\n", "") });
    format!("|\n{}", lines.collect::<String>())
}

/// JSON's quotes are YAML's too.
fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

fn texts(texts: &[String]) -> String {
    texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ")
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A name of another system as one of ours: `Unit tests (3.11)` → `unit-tests-3-11`.
pub fn job_name(text: &str) -> String {
    let fits = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c.to_ascii_lowercase() } else { '-' };
    let mut name: String = text.chars().map(fits).take(60).collect();
    while name.contains("--") {
        name = name.replace("--", "-");
    }
    let name = name.trim_matches(['-', '_']).to_owned();
    // `null` would be no text in YAML.
    if name.is_empty() || name == "null" || name.starts_with(|c: char| c.is_ascii_digit()) {
        format!("job-{name}").trim_end_matches('-').to_owned()
    } else {
        name
    }
}

/// The items of a list, or the one in its place.
pub fn items(value: &serde_json::Value) -> Vec<&serde_json::Value> {
    match value {
        serde_json::Value::Array(items) => items.iter().collect(),
        serde_json::Value::Null => Vec::new(),
        one => vec![one],
    }
}

/// A plain value as text; none for lists and mappings.
pub fn text(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        serde_json::Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// A plain value as text; none for lists and mappings, and for what holds another system's expressions.
pub fn plain(value: &serde_json::Value) -> Option<String> {
    text(value).filter(|text| !text.contains("${{"))
}

/// Whether a script holds values that another system writes into it before it runs.
pub fn has_expression(text: &str) -> bool {
    text.contains("${{") || text.contains("$[[")
}

/// A script that cannot run as it stands must not look as if it could: its lines as comments, and a failure that says why.
pub fn stands_still(run: &str) -> String {
    let comment = |line: &str| format!("# {}\n", line.replace("${{", "<<").replace("}}", ">>"));
    run.lines().map(comment).collect::<String>() + "echo 'give these values in env and use them as \"$NAME\"' && exit 1"
}

/// How people find a script again.
pub fn first_line(text: &str) -> String {
    text.trim().lines().next().unwrap_or_default().chars().take(60).collect()
}

/// Whether a name can be that of an environment variable; those of Trunkline are its own.
pub fn is_variable(name: &str) -> bool {
    !name.starts_with("TRUNKLINE_")
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}
