//! A life of a server that is written down call by call: projects, pushes, runs; and what a client had for acknowledged when.

use super::super::Ground;
use super::super::tracer::Tracer;
use super::syscall::{CALLS, MARK};
use crate::bench::Server;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Projects without a commit.
const EMPTY_PROJECTS: usize = 40;
/// Projects that people push to, and how often each.
const BUSY_PROJECTS: usize = 3;
const PUSHES: usize = 8;

/// The delivery file of the busy ones. Nothing is behind a wall here: a wall's own calls would only make the trace longer.
const FILE: &str =
    "on: push\ndefaults: { sandbox: host }\njobs: { build: { run: 'date +%s%N | tee out', artifacts: [{ name: out, path: out }] } }\n";

/// A life, written down.
pub struct Life {
    /// Where strace wrote.
    pub trace: PathBuf,
    /// The data folder, as it was at the end.
    pub data: PathBuf,
    /// What was acknowledged, in order; the trace holds a mark for each.
    pub acknowledged: Vec<Acknowledged>,
}

/// An answer that a client had, and where the ledger ended then.
pub struct Acknowledged {
    /// Entries then.
    pub entries: u64,
    /// The ledger's root then.
    pub root: String,
    /// What was promised.
    pub promise: Promise,
}

/// What must be there from now on.
pub enum Promise {
    /// A project.
    Project(String),
    /// A commit that was pushed.
    Push { project: String, commit: String },
    /// A run that ended, with its log and what it kept.
    Run { project: String, number: u64, log: (String, String), blobs: Vec<String> },
}

impl Life {
    /// Lives it.
    pub fn live(ground: &Ground) -> Result<Self> {
        let data = ground.folder.join("data");
        let trace = ground.folder.join("trace");
        let options = ["-y", "-xx", "-s", "67108864"].map(str::to_owned).to_vec();
        let tracer = Tracer { calls: CALLS.to_owned(), paths: Vec::new(), inject: None, options, log: trace.clone() };
        let server = tracer.serve(&ground.program, &data, 1)?;
        let mut life = Self { trace, data, acknowledged: Vec::new() };
        for number in 0..EMPTY_PROJECTS {
            let name = format!("empty{number}");
            server.post("projects", &json!({ "name": name }))?;
            life.promise(&server, Promise::Project(name))?;
        }
        for number in 0..BUSY_PROJECTS {
            life.be_busy(&server, ground, &format!("busy{number}"))?;
        }
        server.end()?;
        Ok(life)
    }

    fn be_busy(&mut self, server: &Server, ground: &Ground, project: &str) -> Result<()> {
        let repository = server.project(project, &ground.folder.join(project), FILE)?;
        self.promise(server, Promise::Project(project.to_owned()))?;
        for number in 1..=PUSHES {
            repository.commit()?;
            repository.push("trunkline")?;
            self.promise(server, Promise::Push { project: project.to_owned(), commit: repository.head()? })?;
            if number % 2 == 0 {
                let run = server.run_ended(project, number as u64)?;
                self.promise(server, run_promise(server, project, number as u64, &run)?)?;
            }
        }
        Ok(())
    }

    fn promise(&mut self, server: &Server, promise: Promise) -> Result<()> {
        let head = server.get("ledger/head")?;
        let (entries, root) = (head["seq"].as_u64().context("seq")?, head["root"].as_str().context("root")?.to_owned());
        // The trace shows when this question came, and so until when the promise was made.
        server.try_get(&format!("projects/{MARK}{}", self.acknowledged.len()))?;
        self.acknowledged.push(Acknowledged { entries, root, promise });
        Ok(())
    }
}

fn run_promise(server: &Server, project: &str, number: u64, run: &Value) -> Result<Promise> {
    let job = &run["jobs"][0];
    let work = job["work"].as_str().context("no work")?.to_owned();
    let text = server.text(&format!("projects/{project}/log?work={work}"))?;
    let digests = job["artifacts"].as_array().context("no artifacts")?.iter().filter_map(|artifact| artifact["digest"].as_str());
    let blobs: Vec<String> = digests.map(|digest| digest.trim_start_matches("sha256:").to_owned()).collect();
    anyhow::ensure!(!text.is_empty() && !blobs.is_empty(), "run {number} of {project} kept nothing: {run}");
    Ok(Promise::Run { project: project.to_owned(), number, log: (work, text), blobs })
}

/// The newest commit that was acknowledged for each project.
pub fn newest(acknowledged: &[Acknowledged]) -> BTreeMap<&str, &str> {
    let pushes = acknowledged.iter().filter_map(|one| match &one.promise {
        Promise::Push { project, commit } => Some((project.as_str(), commit.as_str())),
        _ => None,
    });
    pushes.collect()
}
