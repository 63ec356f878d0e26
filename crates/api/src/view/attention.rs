//! What a person may have to look at, by one rule for everyone who lists it: the board and `trunkline status`. How an entry
//! is worded is theirs.

use super::{DeploymentRef, DeploymentStatus, EnvironmentView, ProjectView, Projects, ReleaseRef, RunView, SafeMode, StatusView};
use trunkline_domain::deployment::DeploymentResult;
use trunkline_domain::run::RunResult;

/// What an entry is about, in the order of the list: first what stands still until a person acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A person must say what runs.
    Asks,
    /// A run, a deployment or a release failed.
    Fails,
    /// A person must let releases in.
    Accept,
    /// Nobody knows; it is being observed.
    Unknown,
}

/// What wants a look.
#[derive(Clone, Copy, Debug)]
pub enum About<'a> {
    /// Nothing new begins: so many bytes are free on the server's disk.
    DiskFull(u64),
    /// The record was restored, and nobody has confirmed it.
    SafeMode(&'a SafeMode),
    /// The folder of its repository is not on the server any more.
    Gone,
    /// What is new in its repository does not arrive, or not all of it; for this reason.
    Unfollowed(&'a str),
    /// Its newest run failed, or was refused.
    Run(&'a RunView),
    /// A deployment of which nobody knows what it did.
    Incoming(&'a EnvironmentView, &'a DeploymentRef),
    /// A deployment that failed and that nothing undid.
    Failed(&'a EnvironmentView, &'a DeploymentRef),
    /// A release that failed and was undone.
    RolledBack(&'a EnvironmentView, &'a ReleaseRef),
    /// A new environment.
    Accept(&'a EnvironmentView),
}

/// An entry of the list.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// How urgent it is.
    pub kind: Kind,
    /// Whose; absent where all are concerned.
    pub project: Option<&'a ProjectView>,
    /// What it is about.
    pub about: About<'a>,
    /// The command that helps, where there is one act that does.
    pub act: Option<String>,
    /// The command that shows why, where there is no such act.
    pub look: Option<String>,
}

/// Everything that wants a look, most urgent first.
pub fn attention(status: &StatusView) -> Vec<Entry<'_>> {
    let every = |kind, about, act: &str| Entry { kind, project: None, about, act: Some(act.to_owned()), look: None };
    let mut entries: Vec<Entry<'_>> = Vec::new();
    entries.extend(status.disk_full.map(|free| every(Kind::Asks, About::DiskFull(free), "trunkline explain TL0522")));
    entries.extend(status.safe_mode.as_ref().map(|safe| every(Kind::Asks, About::SafeMode(safe), "trunkline resume")));
    for project in &status.projects {
        let scope = Scope { project, projects: Projects::of(status.projects.len()) };
        entries.extend(scope.repository());
        entries.extend(project.last_run.as_ref().and_then(|run| scope.run(run)));
        for environment in &project.environments {
            entries.extend(scope.incoming(environment));
            entries.extend(scope.failed(environment).or_else(|| scope.rolled_back(environment)));
            entries.extend(scope.to_accept(environment));
        }
    }
    entries.sort_by_key(|entry| entry.kind);
    entries
}

/// A project, and whether commands have to name it.
struct Scope<'a> {
    project: &'a ProjectView,
    projects: Projects,
}

impl<'a> Scope<'a> {
    fn entry(&self, kind: Kind, about: About<'a>) -> Entry<'a> {
        Entry { kind, project: Some(self.project), about, act: None, look: None }
    }

    /// A command that means this project wherever it is typed.
    fn said(&self, command: &str) -> Option<String> {
        Some(self.projects.said(command, &self.project.name))
    }

    fn repository(&self) -> Option<Entry<'a>> {
        if self.project.repository_gone {
            let act = Some("trunkline explain TL0524".to_owned());
            return Some(Entry { act, ..self.entry(Kind::Fails, About::Gone) });
        }
        let why = self.project.source.as_ref()?.failed.as_deref()?;
        let act = Some(format!("trunkline sync {}", self.project.name));
        Some(Entry { act, ..self.entry(Kind::Fails, About::Unfollowed(why)) })
    }

    fn run(&self, run: &'a RunView) -> Option<Entry<'a>> {
        let entry = self.entry(Kind::Fails, About::Run(run));
        match run.result? {
            RunResult::Failed => Some(Entry { look: self.said(&format!("trunkline log {} --failed", run.number)), ..entry }),
            RunResult::Refused if run.refused_beyond_file => {
                Some(Entry { act: self.said(&format!("trunkline where {}", run.commit.revision.short())), ..entry })
            }
            RunResult::Refused => Some(Entry { act: Some("trunkline check".to_owned()), ..entry }),
            RunResult::Passed | RunResult::Cancelled => None,
        }
    }

    fn incoming(&self, environment: &'a EnvironmentView) -> Option<Entry<'a>> {
        let incoming = environment.incoming.as_ref()?;
        let about = About::Incoming(environment, incoming);
        match incoming.status {
            DeploymentStatus::Asking => {
                let act = self.said(&format!("trunkline settle deployment/{} --live", incoming.number));
                Some(Entry { act, ..self.entry(Kind::Asks, about) })
            }
            DeploymentStatus::Unknown => {
                let look = self.said(&format!("trunkline log deployment/{}", incoming.number));
                Some(Entry { look, ..self.entry(Kind::Unknown, about) })
            }
            DeploymentStatus::Waiting | DeploymentStatus::Deploying | DeploymentStatus::Verifying | DeploymentStatus::Ended(_) => None,
        }
    }

    fn failed(&self, environment: &'a EnvironmentView) -> Option<Entry<'a>> {
        let failed = environment.last_failed.as_ref()?;
        // What was cancelled, superseded or refused is somebody's decision, not a failure.
        let DeploymentStatus::Ended(DeploymentResult::Failed(_)) = failed.status else { return None };
        let act = match &environment.runs {
            // What runs here is well: it is what was to come that needs somebody.
            Some(_) => self.said(&format!("trunkline promote {} {}", failed.release.number, environment.name)),
            None if failed.undone_by(environment).is_none() && !environment.back_to.is_empty() => {
                self.said(&format!("trunkline rollback {}", environment.name))
            }
            None => None,
        };
        let look = self.said(&format!("trunkline log deployment/{}", failed.number));
        Some(Entry { act, look, ..self.entry(Kind::Fails, About::Failed(environment, failed)) })
    }

    fn rolled_back(&self, environment: &'a EnvironmentView) -> Option<Entry<'a>> {
        let release = environment.rolled_back.as_ref()?;
        let undone = environment.runs.as_ref().and_then(|runs| runs.undoes);
        let look = match undone {
            Some(undone) => format!("trunkline log deployment/{undone}"),
            None => format!("trunkline releases view {}", release.number),
        };
        Some(Entry { look: self.said(&look), ..self.entry(Kind::Fails, About::RolledBack(environment, release)) })
    }

    fn to_accept(&self, environment: &'a EnvironmentView) -> Option<Entry<'a>> {
        if environment.accepted {
            return None;
        }
        let act = self.said(&format!("trunkline environments accept {}", environment.name));
        Some(Entry { act, ..self.entry(Kind::Accept, About::Accept(environment)) })
    }
}

impl DeploymentRef {
    /// The earlier release that is on its way back after this one failed.
    pub fn undone_by<'a>(&self, environment: &'a EnvironmentView) -> Option<&'a DeploymentRef> {
        environment.incoming.as_ref().filter(|incoming| incoming.release.number < self.release.number)
    }
}
