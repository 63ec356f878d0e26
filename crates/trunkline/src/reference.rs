//! How people name things on the command line: runs, changes, releases, deployments, environments.

use crate::code::Code;
use crate::failure::Failure;
use crate::invocation::{at_server, in_project};
use trunkline_domain::foundation::{EnvironmentName, ProjectKey};

/// A change or a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// `812`, `shop/812` or `shop/run/812`.
    Run(u32),
    /// `#482` or `pr-482`.
    PullRequest(u32),
    /// `deployment/31` or `shop/deployment/31`.
    Deployment(u32),
    /// A commit id or its beginning, or a name that git may know.
    Commit(String),
}

/// As commits are shown.
const SHORT_ID_CHARS: usize = 7;

impl Reference {
    /// Reads a reference.
    pub fn parse(text: &str) -> Self {
        let number = |text: &str| text.parse::<u32>().ok();
        let after = |prefixes: &[&str]| prefixes.iter().find_map(|prefix| number(text.strip_prefix(prefix)?));
        if let Some(pull_request) = after(&["#", "pr-", "PR-", "pr/"]) {
            return Reference::PullRequest(pull_request);
        }
        if let Some(deployment) = after(&["deployment/", "deployments/", "dep/"]) {
            return Reference::Deployment(deployment);
        }
        // One commit in 27 has a short id of digits alone: what is as long as one, or begins as no number does, is a commit.
        let is_id = text.len() >= SHORT_ID_CHARS || text.starts_with('0');
        if let Some(run) = number(text).filter(|_| !is_id).or_else(|| after(&["run/", "runs/"])) {
            return Reference::Run(run);
        }
        of_project(text).map_or_else(|| Reference::Commit(text.to_owned()), |(_, reference)| reference)
    }
}

/// What a word before a number says that it is: `run/812`, `deployment/31`.
fn of_kind(word: &str, number: u32) -> Option<Reference> {
    match word {
        "run" | "runs" => Some(Reference::Run(number)),
        "deployment" | "deployments" | "dep" => Some(Reference::Deployment(number)),
        _ => None,
    }
}

/// A reference with its project: `shop/812`, `shop/deployment/31`.
fn of_project(text: &str) -> Option<(ProjectKey, Reference)> {
    let (before, number) = text.rsplit_once('/')?;
    let number = number.parse().ok()?;
    let (project, reference) = match before.split_once('/') {
        Some((project, word)) => (project, of_kind(word, number)?),
        // `run/812` and `pr/482` have no project.
        None if before == "pr" || of_kind(before, number).is_some() => return None,
        None => (before, Reference::Run(number)),
    };
    Some((project.parse().ok()?, reference))
}

/// The project in `shop/812` or `shop/deployment/31`.
pub fn project_of(text: &str) -> Option<ProjectKey> {
    of_project(text).map(|(project, _)| project)
}

/// The number of a deployment: `31`, `deployment/31` or `shop/deployment/31`.
pub fn deployment(text: &str) -> Result<u32, Failure> {
    match Reference::parse(text) {
        Reference::Deployment(number) | Reference::Run(number) => Ok(number),
        Reference::PullRequest(_) | Reference::Commit(_) => Err(not_a(text, "a deployment", "write its number, such as deployment/31")),
    }
}

/// The name in `environment/qa`.
pub fn environment_of(text: &str) -> Option<&str> {
    text.strip_prefix("environment/").or_else(|| text.strip_prefix("environments/"))
}

/// An environment's name.
pub fn environment(text: &str) -> Result<EnvironmentName, Failure> {
    text.parse().map_err(|error| not_a(text, "an environment", &format!("see {}", in_project!("environments list"))).why(error))
}

/// A project's name.
pub fn project(text: &str) -> Result<ProjectKey, Failure> {
    text.parse().map_err(|error| not_a(text, "a project", &format!("see {}", at_server!("projects list"))).why(error))
}

/// A release's number, version or alias.
pub fn release(text: &str) -> &str {
    text.strip_prefix("release/").or_else(|| text.strip_prefix("releases/")).unwrap_or(text)
}

/// A span of time: `90s`, `15m`, `2h`, `1d`; without a unit seconds.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    let wrong = || format!("'{text}' is not a time: write 90s, 15m or 2h");
    let (digits, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, "s"),
    };
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let count: u64 = digits.parse().map_err(|_| wrong())?;
    count.checked_mul(factor).map(std::time::Duration::from_secs).ok_or_else(wrong)
}

fn not_a(text: &str, what: &str, help: &str) -> Failure {
    Failure::new(Code::NotAReference, format!("'{text}' does not name {what}")).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_name_things_in_many_ways() {
        let table = [
            ("812", Reference::Run(812)),
            ("shop/812", Reference::Run(812)),
            ("run/812", Reference::Run(812)),
            ("999999", Reference::Run(999_999)),
            ("0144144", Reference::Commit("0144144".to_owned())),
            ("1234567", Reference::Commit("1234567".to_owned())),
            ("run/1234567", Reference::Run(1_234_567)),
            ("#482", Reference::PullRequest(482)),
            ("pr-482", Reference::PullRequest(482)),
            ("deployment/31", Reference::Deployment(31)),
            ("shop/deployment/31", Reference::Deployment(31)),
            ("shop/deployments/31", Reference::Deployment(31)),
            ("shop/runs/812", Reference::Run(812)),
            ("shop/feature/31", Reference::Commit("shop/feature/31".to_owned())),
            ("shop/deployment/x", Reference::Commit("shop/deployment/x".to_owned())),
            ("4f2a91c", Reference::Commit("4f2a91c".to_owned())),
            ("HEAD~1", Reference::Commit("HEAD~1".to_owned())),
            ("release/next", Reference::Commit("release/next".to_owned())),
            ("#x", Reference::Commit("#x".to_owned())),
        ];
        for (text, reference) in table {
            assert_eq!(Reference::parse(text), reference, "{text}");
        }
        for text in ["shop/812", "shop/run/812", "shop/deployment/31", "shop/deployments/31"] {
            assert_eq!(project_of(text).unwrap().as_str(), "shop", "{text}");
        }
        assert!(
            ["812", "run/812", "deployment/31", "deployments/31", "feature/x", "shop/feature/31", "#4", "pr/4"]
                .iter()
                .all(|text| project_of(text).is_none())
        );
        assert_eq!((deployment("31").unwrap(), deployment("shop/deployment/31").unwrap()), (31, 31));
        assert_eq!(deployment("qa").unwrap_err().exit.number(), 2);
        assert_eq!(release("release/1.42"), "1.42");
        assert_eq!((environment_of("environment/qa"), environment_of("qa")), (Some("qa"), None));
    }

    #[test]
    fn times() {
        assert_eq!(duration("90s").unwrap().as_secs(), 90);
        assert_eq!(duration("2h").unwrap().as_secs(), 7_200);
        assert_eq!(duration("15").unwrap().as_secs(), 15);
        for text in ["", "m", "1w", "-1s", "99999999999999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
