//! What a refusal is about, and what helps with each: the one place that says so.

/// How commits come into a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// People push them here.
    Pushed,
    /// They are fetched from the repository that it follows: nobody can push them here.
    Followed,
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// A project.
    Project,
    /// An environment.
    Environment,
    /// A release.
    Release,
    /// A run.
    Run,
    /// A deployment.
    Deployment,
    /// What was delivered somewhere.
    Delivered,
    /// A branch, a tag or a commit on it.
    Branch(Arrival),
    /// The way of a change.
    Change(Arrival),
    /// A log.
    Log,
    /// The inputs of a start.
    Inputs,
    /// A commit that a start finds nothing to do for.
    Start,
    /// The address of a repository that is followed.
    Address,
    /// Anything else, whose words say what to do, or where nobody can do anything.
    Other,
}

impl About {
    /// What would change the answer, or show more.
    pub fn help(self) -> Option<&'static str> {
        Some(match self {
            About::Project => "trunkline projects list shows which there are",
            About::Environment => "trunkline environments shows which there are",
            About::Release => "trunkline releases list shows which there are",
            About::Run => "trunkline runs list shows which there are",
            About::Deployment => "trunkline deployments list shows which there are",
            About::Delivered => "trunkline deployments list shows what came there, and how it ended",
            About::Branch(Arrival::Pushed) => "push it first: git push trunkline BRANCH",
            About::Branch(Arrival::Followed) => "push it to the repository that is followed, then: trunkline sync",
            About::Change(Arrival::Followed) => {
                "push it to the repository that is followed, then: trunkline sync; trunkline runs list shows what has run"
            }
            About::Change(Arrival::Pushed) => {
                "push it, if it was not pushed: git push trunkline BRANCH; trunkline runs list shows what has run"
            }
            About::Log => "the field 'work' of a job, a part or a check names its log",
            About::Inputs => "on.manual in trunkline.yaml declares them; give each with trunkline start --input NAME=VALUE",
            About::Start => "name a commit that has something to do: trunkline start --commit SHA",
            About::Address => {
                "the server's user must be able to read it; a private one needs a token; where it was renamed: trunkline project follow NAME --git URL"
            }
            About::Other => return None,
        })
    }
}
