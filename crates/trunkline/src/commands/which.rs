//! Which run, which change, which environment a command means, from what people wrote or left out.

use crate::client::segment;
use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::git::{REMOTE, Repository};
use crate::globals::Remote;
use crate::invocation::{at_server, in_project};
use crate::reference::Reference;
use trunkline_api::view::{DeploymentView, EnvironmentView, ProjectView, RunView, StationKind, StationView, WhereView};
use trunkline_domain::foundation::ProjectKey;

/// What names a run or a commit.
const RUN_FORMS: &str = "write a run's number (812), a commit (4f2a91c) or a pull request (pr-482)";
/// What names a run, a commit or a deployment.
const WORK_FORMS: &str = "write a run's number (812), a commit (4f2a91c), a pull request (pr-482) or a deployment (deployment/31); a run or a deployment also with its project (shop/deployment/31)";

/// What a command is about that knows runs and deployments.
pub enum Work {
    /// A run.
    Run(Box<RunView>),
    /// A deployment, by its number.
    Deployment(u32),
}

/// The run or the deployment of a reference; without one, the run of the commit that is checked out, else the newest.
pub fn work(remote: &Remote, project: &ProjectKey, text: Option<&str>) -> Result<Work, Failure> {
    if let Some(Reference::Deployment(number)) = text.map(Reference::parse) {
        return Ok(Work::Deployment(number));
    }
    match run(remote, project, text) {
        Ok(run) => Ok(Work::Run(Box::new(run))),
        Err(failure) if failure.code == Code::NotAReference.as_str() => Err(failure.help(WORK_FORMS)),
        Err(failure) => Err(failure),
    }
}

/// The change that carries a reference; without one, the commit that is checked out.
pub fn change(remote: &Remote, project: &ProjectKey, text: Option<&str>) -> Result<WhereView, Failure> {
    let query = match text.map(Reference::parse) {
        None => head()?,
        Some(Reference::PullRequest(number)) => format!("pr-{number}"),
        Some(Reference::Commit(name)) => commit(&name)?,
        Some(Reference::Run(number)) => run_numbered(remote, project, number)?.commit.revision.to_string(),
        Some(Reference::Deployment(number)) => {
            let text = format!("deployment/{number}");
            return Err(Failure::new(Code::NotAReference, format!("'{text}' does not name a change"))
                .help(format!("see {}", in_project!("deployment view {number}"))));
        }
    };
    match where_is(remote, project, &query) {
        Err(mut failure) if text.is_none() && failure.exit == Exit::NotFound => {
            // The server cannot know which branch is meant.
            let branch = branch_here()?;
            failure.help = failure.help.map(|help| help.replace("BRANCH", &branch).into());
            Err(failure)
        }
        found => found,
    }
}

/// The run of a reference; without one, that of the commit that is checked out, else the newest.
pub fn run(remote: &Remote, project: &ProjectKey, text: Option<&str>) -> Result<RunView, Failure> {
    match text {
        Some(text) => match Reference::parse(text) {
            Reference::Run(number) => run_numbered(remote, project, number),
            _ => Ok(change(remote, project, Some(text))?.run),
        },
        None => run_here(remote, project),
    }
}

/// The run of the commit that is checked out, and no other; outside of any repository the newest.
pub fn run_here_alone(remote: &Remote, project: &ProjectKey) -> Result<RunView, Failure> {
    if Repository::here()?.is_none() {
        return run_here(remote, project);
    }
    match change(remote, project, None) {
        Ok(change) => Ok(change.run),
        Err(failure) if failure.exit == Exit::NotFound => {
            let newest = newest(remote, project)?.map(|run| format!("the newest run: {}", in_project!("watch {}", run.number)));
            let help: Vec<String> = failure.help.iter().map(ToString::to_string).chain(newest).collect();
            Err(if help.is_empty() { failure } else { failure.help(help.join("; ")) })
        }
        Err(failure) => Err(failure),
    }
}

/// The run with a number.
pub fn run_numbered(remote: &Remote, project: &ProjectKey, number: u32) -> Result<RunView, Failure> {
    remote.client.get(&format!("projects/{project}/runs/{number}"))
}

/// A deployment.
pub fn deployment(remote: &Remote, project: &ProjectKey, number: u32) -> Result<DeploymentView, Failure> {
    remote.client.get(&format!("projects/{project}/deployments/{number}"))
}

/// The newest deployment of a run's release in each environment that it came to, in the order of its way.
pub fn deployments(remote: &Remote, project: &ProjectKey, run: &RunView) -> Result<Vec<DeploymentView>, Failure> {
    let stations = way(remote, project, run)?;
    stations.iter().filter_map(|station| station.deployment).map(|number| deployment(remote, project, number)).collect()
}

/// The environments on the way of a run's release; none without one.
pub fn way(remote: &Remote, project: &ProjectKey, run: &RunView) -> Result<Vec<StationView>, Failure> {
    if run.release.is_none() {
        return Ok(Vec::new());
    }
    let change = where_is(remote, project, run.commit.revision.as_str())?;
    // A later run of the same commit has a way of its own.
    let stations = change.stations.into_iter().filter(|_| change.run.id == run.id);
    Ok(stations.filter(|station| station.kind == StationKind::Environment).collect())
}

/// An environment.
pub fn environment(remote: &Remote, project: &ProjectKey, name: &str) -> Result<EnvironmentView, Failure> {
    let name = crate::reference::environment(name)?;
    remote.client.get(&format!("projects/{project}/environments/{name}"))
}

/// What the server says of a commit id or `pr-N`.
pub fn where_is(remote: &Remote, project: &ProjectKey, query: &str) -> Result<WhereView, Failure> {
    let found = remote.client.get(&format!("projects/{project}/where/{}", segment(query)));
    if matches!(&found, Err(failure) if failure.exit == Exit::NotFound) {
        // To push a commit helps no project that is not there.
        let _: ProjectView = remote.client.get(&format!("projects/{project}"))?;
    }
    found
}

fn run_here(remote: &Remote, project: &ProjectKey) -> Result<RunView, Failure> {
    let mut missing = None;
    if let Some(revision) = Repository::here()?.and_then(|repository| repository.revision("HEAD")) {
        match where_is(remote, project, revision.as_str()) {
            Ok(view) => return Ok(view.run),
            Err(failure) if failure.exit == Exit::NotFound => missing = Some(revision),
            Err(failure) => return Err(failure),
        }
    }
    let Some(run) = newest(remote, project)? else {
        let known: ProjectView = remote.client.get(&format!("projects/{project}"))?;
        let help = if known.source.is_some() { at_server!("sync {project}") } else { push_here()? };
        return Err(Failure::new(Code::NothingThere, format!("project {project} has no run yet")).help(help));
    };
    if let Some(revision) = missing {
        remote.screen.note(&format!("{} has no run; this is the newest, run {}", revision.short(), run.number));
    }
    Ok(run)
}

/// The push that a repository here is for.
fn push_here() -> Result<String, Failure> {
    Ok(format!("git push {REMOTE} {}", branch_here()?))
}

fn branch_here() -> Result<String, Failure> {
    Ok(Repository::here()?.and_then(|here| here.branch()).unwrap_or_else(|| "main".to_owned()))
}

fn newest(remote: &Remote, project: &ProjectKey) -> Result<Option<RunView>, Failure> {
    let newest: Vec<RunView> = remote.client.get(&format!("projects/{project}/runs?limit=1"))?;
    Ok(newest.into_iter().next())
}

fn head() -> Result<String, Failure> {
    let repository = Repository::required()?;
    let revision = repository.revision("HEAD").ok_or_else(|| {
        Failure::new(Code::NothingThere, "this repository has no commit yet")
            .place(repository.root().display())
            .help("git commit, then git push trunkline BRANCH")
    })?;
    Ok(revision.to_string())
}

/// The whole id of a commit where it is known here; else its first digits, which the server may know.
fn commit(name: &str) -> Result<String, Failure> {
    if let Some(revision) = Repository::here()?.and_then(|repository| repository.revision(name)) {
        return Ok(revision.to_string());
    }
    let digits = name.len() >= 4 && name.len() <= 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits {
        return Ok(name.to_ascii_lowercase());
    }
    Err(Failure::new(Code::NotAReference, format!("'{name}' does not name a run or a commit")).help(RUN_FORMS))
}
