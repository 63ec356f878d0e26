//! What only the whole file shows: names that must exist, cycles, addresses, scripts that the release must hold.

use crate::Code;
use crate::decode::{Draft, EnvironmentDraft, JobDraft, Script, Section};
use crate::finding::{Finding, Findings, shown};
use crate::graph;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

pub(crate) fn check(draft: &Draft, findings: &mut Findings) {
    jobs(&draft.jobs, findings);
    let made = artifacts_made(&draft.jobs, findings);
    if let Some(release) = draft.release.given() {
        let keys: HashSet<&str> = draft.jobs.iter().map(|job| job.rule.key.as_str()).collect();
        for (need, at) in release.rule.needs.iter().flatten().zip(&release.needs_at) {
            Use { code: Code::UnknownJob, what: "job", name: need.as_str(), at, own: "" }.check(&keys, findings);
        }
        for (artifact, at) in release.rule.artifacts.iter().flatten().zip(&release.artifacts_at) {
            Use { code: Code::UnknownArtifact, what: "artifact", name: artifact, at, own: "" }.check(&made, findings);
        }
    }
    order(&draft.environments, findings);
    addresses(&draft.environments, findings);
    match &draft.release {
        Section::Absent if !draft.environments.is_empty() => {
            let finding = Finding::error(
                Code::NoRelease,
                draft.environments_at.clone(),
                "there are environments, but no release that could come to them",
            );
            findings.add(finding.help("add release: { version: calver }"));
        }
        Section::Absent | Section::Unreadable => {}
        Section::Given(release) => {
            let held: HashSet<&str> = match &release.rule.artifacts {
                Some(artifacts) => artifacts.iter().map(String::as_str).collect(),
                None => made.clone(),
            };
            for environment in &draft.environments {
                contents(environment, &made, &held, &release.rule.files, findings);
            }
        }
    }
    for environment in draft.environments.iter().filter(|environment| environment.verify_read && environment.rule.verify.is_empty()) {
        let message = format!("nothing proves that a release runs in environment '{}'", environment.rule.name);
        let finding = Finding::warning(Code::NothingVerified, environment.at.clone(), message);
        findings.add(finding.help("add verify: [{ http: \"http://127.0.0.1:8000/\" }], or a script: verify: [{ run: ./smoke.sh }]"));
    }
}

/// A use of a name that has to exist.
struct Use<'a> {
    code: Code,
    /// `job`, `environment` or `artifact`.
    what: &'static str,
    name: &'a str,
    at: &'a Range<usize>,
    /// The thing that uses it, which is never suggested.
    own: &'a str,
}

impl Use<'_> {
    /// Reports a name that is none of the known ones.
    fn check(self, known: &HashSet<&str>, findings: &mut Findings) {
        if known.contains(self.name) {
            return;
        }
        let mut finding = Finding::error(self.code, self.at.clone(), format!("there is no {} '{}'", self.what, shown(self.name)));
        let others = known.iter().copied().filter(|other| *other != self.own);
        let mut others: Vec<&str> = if findings.is_full() { Vec::new() } else { others.collect() };
        others.sort_unstable();
        finding.help = match findings.nearest(self.name, others.iter().copied()) {
            Some(near) => Some(format!("did you mean '{near}'?")),
            None if others.is_empty() => None,
            None if others.len() > 10 => Some(format!("known are {} and {} more", others[..10].join(", "), others.len() - 10)),
            None => Some(format!("known are {}", others.join(", "))),
        };
        findings.add(finding);
    }
}

fn jobs(jobs: &[JobDraft], findings: &mut Findings) {
    let keys: HashSet<&str> = jobs.iter().map(|job| job.rule.key.as_str()).collect();
    for job in jobs {
        for (need, at) in job.rule.needs.iter().zip(&job.needs_at) {
            let own = job.rule.key.as_str();
            Use { code: Code::UnknownJob, what: "job", name: need.as_str(), at, own }.check(&keys, findings);
        }
    }
    let index: HashMap<&str, usize> = jobs.iter().enumerate().map(|(index, job)| (job.rule.key.as_str(), index)).collect();
    let edges: Vec<Vec<usize>> =
        jobs.iter().map(|job| job.rule.needs.iter().filter_map(|need| index.get(need.as_str()).copied()).collect()).collect();
    for cycle in graph::cycles(&edges) {
        let names: Vec<&str> = cycle.iter().map(|index| jobs[*index].rule.key.as_str()).collect();
        let message = match names.as_slice() {
            [one] => format!("job '{one}' needs itself"),
            _ => format!("jobs wait for each other: {}", circle(&names)),
        };
        findings.add(Finding::error(Code::JobCycle, jobs[cycle[0]].at.clone(), message).help("remove one of these needs"));
    }
}

/// `a → b → a`, with the middle of a long one left out.
fn circle(names: &[&str]) -> String {
    let shown = if names.len() > 12 { [&names[..6], &["…"], &names[names.len() - 5..]].concat() } else { names.to_vec() };
    format!("{} → {}", shown.join(" → "), names[0])
}

/// The names of all artifacts; one made by two jobs is reported.
fn artifacts_made<'a>(jobs: &'a [JobDraft], findings: &mut Findings) -> HashSet<&'a str> {
    let mut makers: HashMap<&str, &str> = HashMap::new();
    for job in jobs {
        for (artifact, at) in job.rule.artifacts.iter().zip(&job.artifacts_at) {
            if let Some(maker) = makers.insert(&artifact.name, job.rule.key.as_str()) {
                let message = format!("artifact '{}' is made twice, by job '{maker}' too", artifact.name);
                findings.add(Finding::error(Code::DuplicateName, at.clone(), message).help("give it a name of its own"));
            }
        }
    }
    makers.into_keys().collect()
}

fn order(environments: &[EnvironmentDraft], findings: &mut Findings) {
    let names: HashSet<&str> = environments.iter().map(|environment| environment.rule.name.as_str()).collect();
    for environment in environments {
        for (name, at) in environment.rule.after.names().iter().zip(&environment.after_at) {
            let own = environment.rule.name.as_str();
            Use { code: Code::UnknownEnvironment, what: "environment", name: name.as_str(), at, own }.check(&names, findings);
        }
    }
    let index: HashMap<&str, usize> = environments.iter().enumerate().map(|(index, one)| (one.rule.name.as_str(), index)).collect();
    let before = |one: &EnvironmentDraft| one.rule.after.names().iter().filter_map(|name| index.get(name.as_str()).copied()).collect();
    let edges: Vec<Vec<usize>> = environments.iter().map(before).collect();
    for cycle in graph::cycles(&edges) {
        let names: Vec<&str> = cycle.iter().map(|index| environments[*index].rule.name.as_str()).collect();
        let message = match names.as_slice() {
            [one] => format!("environment '{one}' comes after itself"),
            _ => format!("environments wait for each other: {}", circle(&names)),
        };
        findings.add(
            Finding::error(Code::EnvironmentCycle, environments[cycle[0]].at.clone(), message).help("remove one of these from 'after'"),
        );
    }
}

/// Addresses must be readable, of this machine, and no two parts may share one.
fn addresses(environments: &[EnvironmentDraft], findings: &mut Findings) {
    let mut taken: HashMap<u16, Vec<(String, &str)>> = HashMap::new();
    for environment in environments {
        let name = environment.rule.name.as_str();
        for listen in &environment.listens {
            let Some((host, port)) = listen_address(&listen.address) else {
                let finding =
                    Finding::error(Code::BadListen, listen.at.clone(), format!("'{}' cannot be listened on", shown(&listen.address)));
                findings.add(finding.help("write host:port of this machine: \"127.0.0.1:8000\", or \"0.0.0.0:8000\" for every interface"));
                continue;
            };
            let others = taken.entry(port).or_default();
            let shared = others.iter().find(|(other, _)| *other == host || *other == EVERYWHERE || host == EVERYWHERE);
            if let Some((_, other)) = shared {
                let message = format!("'{}' is listened on by environment '{other}' already", shown(&listen.address));
                findings.add(Finding::error(Code::ListenTwice, listen.at.clone(), message).help("choose another port"));
            }
            others.push((host, name));
        }
    }
}

const EVERYWHERE: &str = "0.0.0.0";

/// Host and port of a loopback address, or of every interface. `localhost` counts as 127.0.0.1.
fn listen_address(text: &str) -> Option<(String, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|number| *number > 0 && port.bytes().all(|byte| byte.is_ascii_digit()))?;
    let parts: Vec<&str> = host.split('.').collect();
    let loopback =
        parts.len() == 4 && parts[0] == "127" && parts.iter().all(|part| part.parse::<u8>().is_ok_and(|byte| byte.to_string() == *part));
    match host {
        "localhost" => Some(("127.0.0.1".to_owned(), port)),
        EVERYWHERE | "[::1]" => Some((host.to_owned(), port)),
        _ => loopback.then(|| (host.to_owned(), port)),
    }
}

/// What an environment's parts and scripts take from the release must be in it.
fn contents(environment: &EnvironmentDraft, made: &HashSet<&str>, held: &HashSet<&str>, files: &[String], findings: &mut Findings) {
    for artifact in &environment.artifacts {
        if held.contains(artifact.value.as_str()) {
            continue;
        }
        if made.contains(artifact.value.as_str()) {
            let finding =
                Finding::error(Code::UnknownArtifact, artifact.at.clone(), format!("the release leaves artifact '{}' out", artifact.value));
            findings.add(finding.help("add it to release.artifacts"));
        } else {
            Use { code: Code::UnknownArtifact, what: "artifact", name: &artifact.value, at: &artifact.at, own: "" }.check(held, findings);
        }
    }
    for script in &environment.scripts {
        let Some(path) = relative_path(script) else { continue };
        let in_files = files.iter().any(|file| match file.strip_suffix('/') {
            Some(folder) => path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')),
            None => *file == path,
        });
        let first = path.split('/').next().unwrap_or_default();
        if !in_files && !held.contains(first) {
            let finding = Finding::error(Code::ScriptNotInRelease, script.at.clone(), format!("'{}' is not in the release", shown(path)));
            let help = if made.contains(first) {
                format!("add '{}' to release.artifacts", shown(first))
            } else {
                format!("add '{}' to release.files", shown(path))
            };
            findings
                .add(finding.help(format!("{}; scripts run in a folder with the release's artifacts and files, not in a checkout", help)));
        }
    }
}

/// The file that a script starts with, where it is one of the release's folder: `./smoke.sh`, `deploy/apply.sh`.
fn relative_path(script: &Script) -> Option<&str> {
    let word = script.word.as_str();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '@');
    let relative = word.contains('/') && !word.starts_with('/') && word.chars().all(plain);
    relative.then(|| word.trim_start_matches("./")).filter(|path| !path.is_empty())
}
