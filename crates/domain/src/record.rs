//! All rooms side by side: one command, one fact, one state, one refusal. Each function here only finds the room.

use crate::context::Context;
use crate::foundation::{DeploymentId, EnvironmentKey, ProjectKey, ReleaseId, RepositoryKey, RestorationNumber, RunId, Timestamp};
use crate::{deployment, environment, project, release, repository, restoration, run};
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! rooms {
    ($($room:ident $name:ident $id:ty, $state:ty;)*) => {
        /// Which thing a command, a fact or a state is of.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Key {
            $(#[doc = concat!("One of the room `", stringify!($room), "`.")] $name($id),)*
        }

        /// What may be asked.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Command {
            $(#[doc = concat!("Of the room `", stringify!($room), "`.")] $name($id, $room::Command),)*
        }

        /// What happened. This is the form of the ledger: `{"run":{"id":"run_…","fact":{…}}}`.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum Fact {
            $(
                #[doc = concat!("In the room `", stringify!($room), "`.")]
                $name {
                    /// To which thing.
                    id: $id,
                    /// What.
                    fact: $room::Fact,
                },
            )*
            /// What one fact should have made another thing do, and why that refused.
            FollowRefused {
                /// The kind and id of the other thing.
                target: String,
                /// Why.
                reason: String,
            },
        }

        /// What is, between two facts.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum State {
            $(#[doc = concat!("In the room `", stringify!($room), "`.")] $name($state),)*
        }

        /// A reasoned no.
        #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum Refusal {
            $(#[doc = concat!("Of the room `", stringify!($room), "`.")] #[error(transparent)] $name(#[from] $room::Refusal),)*
        }

        impl Key {
            /// The room's name.
            pub fn kind(&self) -> &'static str {
                match self { $(Key::$name(_) => stringify!($room),)* }
            }

            /// The id within the room.
            pub fn id(&self) -> String {
                match self { $(Key::$name(id) => id.to_string(),)* }
            }

            /// From the room's name and the id.
            pub fn parse(kind: &str, id: &str) -> Option<Key> {
                match kind {
                    $(stringify!($room) => id.parse().ok().map(Key::$name),)*
                    _ => None,
                }
            }
        }

        impl Command {
            /// Of which thing.
            pub fn key(&self) -> Key {
                match self { $(Command::$name(id, _) => Key::$name(id.clone()),)* }
            }
        }

        impl Fact {
            /// Of which thing; none where the fact changes nothing.
            pub fn key(&self) -> Option<Key> {
                match self {
                    $(Fact::$name { id, .. } => Some(Key::$name(id.clone())),)*
                    Fact::FollowRefused { .. } => None,
                }
            }
        }

        /// Whether the command may happen, and what follows from it. The state must be the command's.
        pub fn decide(state: Option<&State>, command: Command, context: &Context) -> Result<Vec<Fact>, Refusal> {
            match command {
                $(Command::$name(id, command) => {
                    let state = state.map(|state| match state {
                        State::$name(state) => state,
                        _ => unreachable!("INVARIANT: a state is looked up by its command's key"),
                    });
                    let facts = $room::decide(state, command, context)?;
                    Ok(facts.into_iter().map(|fact| Fact::$name { id: id.clone(), fact }).collect())
                })*
            }
        }
    };
}

rooms! {
    restoration Restoration RestorationNumber, restoration::Restoration;
    repository Repository RepositoryKey, repository::Repository;
    project Project ProjectKey, project::Project;
    run Run RunId, run::Run;
    release Release ReleaseId, release::Release;
    environment Environment EnvironmentKey, environment::Environment;
    deployment Deployment DeploymentId, deployment::Deployment;
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind(), self.id())
    }
}

/// The state after the fact, which was recorded at `at`. The state must be the fact's.
pub fn evolve(state: Option<State>, fact: &Fact, at: Timestamp) -> Option<State> {
    const WRONG: &str = "INVARIANT: a state is looked up by its fact's key";
    match (fact, state) {
        (Fact::Restoration { fact, .. }, None) => Some(State::Restoration(restoration::evolve(None, fact, at))),
        (Fact::Restoration { fact, .. }, Some(State::Restoration(state))) => {
            Some(State::Restoration(restoration::evolve(Some(state), fact, at)))
        }
        (Fact::Repository { fact, .. }, None) => Some(State::Repository(repository::evolve(None, fact))),
        (Fact::Repository { fact, .. }, Some(State::Repository(state))) => Some(State::Repository(repository::evolve(Some(state), fact))),
        (Fact::Project { fact, .. }, None) => Some(State::Project(project::evolve(None, fact))),
        (Fact::Project { fact, .. }, Some(State::Project(state))) => Some(State::Project(project::evolve(Some(state), fact))),
        (Fact::Run { fact, .. }, None) => Some(State::Run(run::evolve(None, fact, at))),
        (Fact::Run { fact, .. }, Some(State::Run(state))) => Some(State::Run(run::evolve(Some(state), fact, at))),
        (Fact::Release { fact, .. }, None) => Some(State::Release(release::evolve(None, fact, at))),
        (Fact::Release { fact, .. }, Some(State::Release(state))) => Some(State::Release(release::evolve(Some(state), fact, at))),
        (Fact::Environment { fact, .. }, None) => Some(State::Environment(environment::evolve(None, fact, at))),
        (Fact::Environment { fact, .. }, Some(State::Environment(state))) => {
            Some(State::Environment(environment::evolve(Some(state), fact, at)))
        }
        (Fact::Deployment { fact, .. }, None) => Some(State::Deployment(deployment::evolve(None, fact, at))),
        (Fact::Deployment { fact, .. }, Some(State::Deployment(state))) => {
            Some(State::Deployment(deployment::evolve(Some(state), fact, at)))
        }
        (Fact::FollowRefused { .. }, None) => None,
        _ => unreachable!("{WRONG}"),
    }
}

/// What a fact makes other things do. `state` is that of the fact's thing, after it.
pub fn follow(fact: &Fact, state: &State) -> Vec<Command> {
    match (fact, state) {
        (Fact::Run { id, fact }, State::Run(run)) => match release::follow(fact, *id, run) {
            // The new release's id is given by the dispatcher, which knows a fresh one.
            Some(command) => vec![Command::Release(ReleaseId::new(uuid::Uuid::nil()), command)],
            None => Vec::new(),
        },
        (Fact::Release { id, fact }, State::Release(release)) => environment::follow(fact, *id, release)
            .into_iter()
            .map(|(name, command)| Command::Environment(EnvironmentKey { project: release.cut.project.clone(), name }, command))
            .collect(),
        (Fact::Environment { fact, .. }, State::Environment(environment)) => {
            deployment::follow_environment(fact, environment).into_iter().map(|(id, command)| Command::Deployment(id, command)).collect()
        }
        (Fact::Deployment { id, fact }, State::Deployment(deployment)) => deployment::follow(fact, *id, deployment)
            .into_iter()
            .map(|follow| match follow {
                deployment::Follow::Environment(key, command) => Command::Environment(key, command),
                deployment::Follow::Release(id, command) => Command::Release(id, command),
            })
            .collect(),
        (Fact::Restoration { .. } | Fact::Repository { .. } | Fact::Project { .. }, _) => Vec::new(),
        _ => Vec::new(),
    }
}

/// A piece of work that waits for a runner, or whose runner shall end it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Want {
    /// Of a run.
    Run(RunId, run::Want),
    /// Of a deployment.
    Deployment(DeploymentId, deployment::Want),
}

/// What a thing wants of the outside world.
pub fn wants(key: &Key, state: &State) -> Vec<Want> {
    match (key, state) {
        (Key::Run(id), State::Run(run)) => run::wants(run).into_iter().map(|want| Want::Run(*id, want)).collect(),
        (Key::Deployment(id), State::Deployment(deployment)) => {
            deployment::wants(deployment).into_iter().map(|want| Want::Deployment(*id, want)).collect()
        }
        _ => Vec::new(),
    }
}

impl State {
    /// The nearest deadline; none where nothing is open.
    pub fn due(&self) -> Option<Timestamp> {
        match self {
            State::Run(run) => run.due(),
            State::Deployment(deployment) => deployment.due(),
            State::Restoration(_) | State::Repository(_) | State::Project(_) | State::Release(_) | State::Environment(_) => None,
        }
    }

    /// The project that the thing belongs to.
    pub fn project<'a>(&'a self, key: &'a Key) -> Option<&'a ProjectKey> {
        match (self, key) {
            (State::Run(run), _) => Some(&run.project),
            (State::Release(release), _) => Some(&release.cut.project),
            (State::Environment(environment), _) => Some(&environment.project),
            (State::Deployment(deployment), _) => Some(&deployment.project),
            (State::Project(_), Key::Project(project)) => Some(project),
            (State::Restoration(_) | State::Project(_) | State::Repository(_), _) => None,
        }
    }
}
