//! What may happen to a release.

use super::{BuildStatement, CutNote, Manifest, Release, Veto};
use crate::context::Context;
use crate::foundation::{DeploymentId, Digest, EnvironmentName, RunId, Timestamp, alias_of};
use crate::run::{self, Artifact, Run};
use serde::{Deserialize, Serialize};

/// What may be asked of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Make it.
    Cut(Box<CutRelease>),
    /// Let it into an environment by a person's wish.
    Promote {
        /// Where.
        environment: EnvironmentName,
        /// What is wanted of it there.
        wish: Wish,
    },
    /// Remember that it was verified.
    NoteVerified {
        /// Where.
        environment: EnvironmentName,
    },
    /// Forbid it from an environment onwards.
    Veto {
        /// Where.
        from: EnvironmentName,
        /// Whose failure is the reason.
        deployment: DeploymentId,
    },
}

/// What a person wants of a release in an environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    /// That it comes.
    #[default]
    New,
    /// That it is deployed once more where the record has it: a target lost it.
    Again,
}

impl Wish {
    fn is_new(&self) -> bool {
        *self == Wish::New
    }
}

/// What a release is made of. `note` lacks what the decision adds: number, alias, manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CutRelease {
    /// The rest.
    pub note: CutNote,
}

/// What happened to a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// It was made.
    Cut(Box<CutNote>),
    /// A person wants it in an environment.
    PromotionRequested {
        /// Where.
        environment: EnvironmentName,
        /// Who.
        by: String,
        /// What they want of it there.
        #[serde(default, skip_serializing_if = "Wish::is_new")]
        wish: Wish,
    },
    /// It was verified.
    Verified {
        /// Where.
        environment: EnvironmentName,
    },
    /// It is forbidden from an environment onwards.
    Vetoed(Veto),
}

/// Why a release refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It was cut before.
    #[error("the release exists already")]
    Exists,
    /// It was never cut.
    #[error("there is no such release")]
    Missing,
    /// Its delivery file knows no such environment.
    #[error("the release's delivery file has no environment '{0}'")]
    NoSuchEnvironment(EnvironmentName),
    /// It is forbidden there.
    #[error("release {version} is vetoed from {} onwards, since its deployment there failed", .veto.from)]
    Vetoed {
        /// Its version.
        version: String,
        /// Where it was verified all the same before, if it was: there one can go back to it.
        verified: Option<EnvironmentName>,
        /// The veto.
        veto: Veto,
    },
    /// It must be verified elsewhere first.
    #[error("release {version} is not verified yet where '{environment}' comes after: {}", list(.before))]
    NotVerifiedBefore {
        /// Its version.
        version: String,
        /// Where it shall go.
        environment: EnvironmentName,
        /// Where it must be verified.
        before: Vec<EnvironmentName>,
    },
}

fn list(names: &[EnvironmentName]) -> String {
    names.iter().map(EnvironmentName::as_str).collect::<Vec<_>>().join(", ")
}

/// Whether the command may happen, and what follows from it.
pub fn decide(state: Option<&Release>, command: Command, context: &Context) -> Result<Vec<Fact>, Refusal> {
    match (state, command) {
        (None, Command::Cut(cut)) => Ok(vec![Fact::Cut(Box::new(number(cut.note, context)))]),
        (Some(_), Command::Cut(_)) => Err(Refusal::Exists),
        (None, _) => Err(Refusal::Missing),
        (Some(release), Command::Promote { environment, wish }) => promote(release, environment, wish, context),
        (Some(release), Command::NoteVerified { environment }) if release.verified.contains(&environment) => Ok(Vec::new()),
        (Some(_), Command::NoteVerified { environment }) => Ok(vec![Fact::Verified { environment }]),
        (Some(release), Command::Veto { from, .. }) if release.veto_for(&from).is_some() => Ok(Vec::new()),
        (Some(_), Command::Veto { from, deployment }) => Ok(vec![Fact::Vetoed(Veto { from, deployment })]),
    }
}

fn number(mut note: CutNote, context: &Context) -> CutNote {
    note.number = context.number;
    note.manifest = Digest::of(&Manifest::of(&note).to_bytes());
    note.alias = alias_of(&note.manifest);
    note
}

fn promote(release: &Release, environment: EnvironmentName, wish: Wish, context: &Context) -> Result<Vec<Fact>, Refusal> {
    let version = release.cut.version.clone();
    let Some(skeleton) = release.environment(&environment) else { return Err(Refusal::NoSuchEnvironment(environment)) };
    if let Some(veto) = release.veto_for(&environment) {
        let verified = release.verified.contains(&environment).then_some(environment);
        return Err(Refusal::Vetoed { version, verified, veto: veto.clone() });
    }
    // A release that was verified here before may come back whatever happened elsewhere since.
    if !release.verified.contains(&environment) && !skeleton.after.holds(&release.verified) {
        return Err(Refusal::NotVerifiedBefore { version, environment, before: skeleton.after.names().to_vec() });
    }
    Ok(vec![Fact::PromotionRequested { environment, by: context.actor.name.clone(), wish }])
}

/// The state after the fact, which was recorded at `at`.
pub fn evolve(state: Option<Release>, fact: &Fact, at: Timestamp) -> Release {
    match (state, fact) {
        (None, Fact::Cut(note)) => Release { cut: (**note).clone(), at, verified: Vec::new(), vetoes: Vec::new() },
        (None, _) | (Some(_), Fact::Cut(_)) => unreachable!("INVARIANT: a release is cut once, first"),
        (Some(mut release), fact) => {
            match fact {
                Fact::Verified { environment } => release.verified.push(environment.clone()),
                Fact::Vetoed(veto) => release.vetoes.push(veto.clone()),
                Fact::PromotionRequested { .. } | Fact::Cut(_) => {}
            }
            release
        }
    }
}

/// What a run's fact makes a release do.
pub fn follow(fact: &run::Fact, id: RunId, run: &Run) -> Option<Command> {
    let run::Fact::Ended { release: run::ReleaseVerdict::Cut, .. } = fact else { return None };
    let plan = run.plan.as_ref()?;
    let rule = plan.release.as_ref()?;
    let kept = run.jobs.iter().filter_map(|job| job.ended()).flat_map(|ended| &ended.artifacts);
    let artifacts: Vec<Artifact> = match &rule.artifacts {
        None => kept.cloned().collect(),
        Some(names) => kept.filter(|artifact| names.contains(&artifact.name)).cloned().collect(),
    };
    let statement = BuildStatement::of(id, run)?;
    let note = CutNote {
        project: run.project.clone(),
        number: 0,
        version: run.version.clone()?,
        alias: String::new(),
        manifest: Digest::of(&[]),
        statement: Digest::of(&statement.to_bytes()),
        run: id,
        run_number: run.number,
        revision: run.revision.clone(),
        reference: run.reference.clone(),
        change: run.change.clone(),
        plan: plan.digest,
        delivery_file: rule.delivery_file,
        artifacts,
        files: rule.files.clone(),
        environments: rule.environments.clone(),
    };
    Some(Command::Cut(Box::new(CutRelease { note })))
}
