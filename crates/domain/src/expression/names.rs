//! The one table of names that expressions may use, with their types and where they are visible. The
//! checker, the suggestions and the reference page all read it.

use super::{Problem, ProblemKind, Type};
use crate::foundation::JobKey;
use std::ops::Range;

/// Where an expression stands; decides which roots it sees.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// `if` of a job; sees the results of the jobs in its `needs`.
    JobCondition {
        /// The job's `needs`.
        needs: &'a [JobKey],
        /// Names of the inputs of a manual start.
        inputs: &'a [String],
    },
    /// A value in `env` of a job or of `defaults`.
    JobEnv {
        /// The job's `needs`; empty for `defaults`.
        needs: &'a [JobKey],
        /// Names of the inputs of a manual start.
        inputs: &'a [String],
    },
    /// `if` of the release; sees the results of the jobs that it needs.
    ReleaseCondition {
        /// The release's `needs`, or every job where it names none.
        needs: &'a [JobKey],
        /// Names of the inputs of a manual start.
        inputs: &'a [String],
    },
    /// `version` of the release: known from the start of the run, so it sees no results.
    Version {
        /// Names of the inputs of a manual start.
        inputs: &'a [String],
    },
    /// `http`, `json` and `text` of a check.
    CheckValue,
    /// A value in `env` of a part.
    PartEnv,
}

impl<'a> Place<'a> {
    /// The roots visible here.
    pub fn roots(&self) -> &'static [&'static str] {
        match self {
            Place::JobCondition { .. } | Place::JobEnv { .. } | Place::ReleaseCondition { .. } => &["change", "event", "inputs", "needs"],
            Place::Version { .. } => &["change", "event", "inputs"],
            Place::CheckValue | Place::PartEnv => &["release", "environment", "target"],
        }
    }

    /// The jobs whose results are visible here.
    pub fn needs(&self) -> &'a [JobKey] {
        match self {
            Place::JobCondition { needs, .. } | Place::JobEnv { needs, .. } | Place::ReleaseCondition { needs, .. } => needs,
            Place::Version { .. } | Place::CheckValue | Place::PartEnv => &[],
        }
    }

    /// The inputs of a manual start that are visible here.
    pub fn inputs(&self) -> &'a [String] {
        match self {
            Place::JobCondition { inputs, .. }
            | Place::JobEnv { inputs, .. }
            | Place::ReleaseCondition { inputs, .. }
            | Place::Version { inputs } => inputs,
            Place::CheckValue | Place::PartEnv => &[],
        }
    }

    /// For messages: "in …".
    pub(super) fn title(&self) -> &'static str {
        match self {
            Place::JobCondition { .. } => "the condition of a job",
            Place::JobEnv { .. } => "the environment variables of a job",
            Place::ReleaseCondition { .. } => "the condition of the release",
            Place::Version { .. } => "the version",
            Place::CheckValue => "a check",
            Place::PartEnv => "the environment variables of a part",
        }
    }
}

/// One name of the table.
#[derive(Clone, Debug)]
pub struct NameDoc {
    /// The path: `change.branch`. `*` stands for a name of the user's: `needs.*.result`.
    pub path: &'static str,
    /// Its type.
    pub value: Type,
    /// One sentence for the reference page.
    pub doc: &'static str,
}

/// Every name, in the order of the reference page.
pub fn names() -> Vec<NameDoc> {
    let name = |path, value, doc| NameDoc { path, value, doc };
    vec![
        name("change.revision", Type::Text, "The commit."),
        name("change.branch", Type::Text, "The branch; empty for a tag. In a pull request the source branch with its repository."),
        name("change.tag", Type::Text, "The tag; empty for a branch."),
        name("change.pull_request", Type::Int, "Number of the pull request; 0 when there is none."),
        name("change.target_branch", Type::Text, "Where the pull request goes; empty when there is none."),
        name("event", Type::Text, "What started the run: 'push' or 'manual'."),
        name("inputs.*", Type::Text, "An input of 'on.manual': what was given at the start, else its default, else the empty text."),
        name("needs.*.result", Type::Text, "Result of a needed job: 'passed', 'failed', 'skipped', 'cancelled' or 'lost'."),
        name("needs.*.outputs", Type::Map(Box::new(Type::Text)), "Outputs that a needed job wrote to the file named by TRUNKLINE_OUTPUT."),
        name("release.version", Type::Text, "The release's version."),
        name("release.revision", Type::Text, "The commit that the release was made of."),
        name("release.digest", Type::Text, "The release's digest."),
        name("environment.name", Type::Text, "The environment's name."),
        name("environment.tier", Type::Text, "The environment's tier."),
        name("target.name", Type::Text, "The target's name."),
    ]
}

/// Names of the design that this version does not have yet.
pub(super) const NOT_YET: [&str; 5] = ["change.author", "change.files", "change.labels", "matrix", "plan"];

/// Names from elsewhere and what to write here instead.
pub(super) const FOREIGN: [(&str, &str); 9] = [
    ("github", "the change is in 'change' (revision, branch, tag, pull_request), what started the run in 'event'"),
    ("CI_COMMIT_BRANCH", "write change.branch"),
    ("CI_COMMIT_TAG", "write change.tag"),
    ("CI_PIPELINE_SOURCE", "write event"),
    ("env", "environment variables are not visible to expressions; use change, event or the outputs of a needed job"),
    ("secrets", "secrets reach scripts only as files or environment variables, never expressions"),
    ("steps", "outputs belong to jobs: needs['job'].outputs['name']"),
    ("vars", "values come from the delivery file itself; use change, event or the outputs of a needed job"),
    ("runner", "expressions do not depend on the runner"),
];

/// What stands at a path, which is a root followed by fields.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Entry {
    /// A value of this type.
    Value(Type),
    /// A record; more fields follow.
    Record,
    /// `needs`: a record for each needed job.
    Jobs,
    /// `inputs`: a text for each input of a manual start.
    Inputs,
}

/// Looks a path up, with job names already replaced by `*`.
pub(super) fn look_up(path: &str) -> Option<Entry> {
    if path == "needs" {
        return Some(Entry::Jobs);
    }
    if path == "inputs" {
        return Some(Entry::Inputs);
    }
    let all = names();
    if let Some(found) = all.iter().find(|name| name.path == path) {
        return Some(Entry::Value(found.value.clone()));
    }
    all.iter().any(|name| name.path.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))).then_some(Entry::Record)
}

/// An input of a manual start: a text, if it is declared.
pub(super) fn input(declared: &[String], name: &str, at: Range<usize>) -> Result<Type, Problem> {
    if declared.iter().any(|input| input == name) {
        return Ok(Type::Text);
    }
    let help = match declared {
        [] => format!("declare it: on: {{ manual: {{ inputs: {{ {name}: {{ type: string }} }} }} }}"),
        known => format!("declared in on.manual: {}", known.iter().take(10).cloned().collect::<Vec<_>>().join(", ")),
    };
    Err(Problem::new(ProblemKind::UnknownName, at, format!("'{name}' is no input")).help(help))
}

/// The fields that a record has.
pub(super) fn fields_of(path: &str) -> Vec<&'static str> {
    names().iter().filter_map(|name| name.path.strip_prefix(path)?.strip_prefix('.')?.split('.').next()).collect()
}
