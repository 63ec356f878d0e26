//! What may happen to an environment.

use super::command::Declined;
use super::{Cause, Command, Current, Environment, Fact, Offer, QUEUE_MAX, Refusal, Slot, VERIFIED_MAX, VerifiedRelease};
use crate::context::{Context, Mode};
use crate::deployment::{DeploymentResult, FailureCause};
use crate::foundation::{DeploymentId, EnvironmentName, ReleaseId, Timestamp};
use crate::pipeline::{QueuePolicy, RollbackCause};
use crate::release::{self, Release, Wish};
use crate::restoration::raised;

/// Whether the command may happen, and what follows from it.
pub fn decide(state: Option<&Environment>, command: Command, context: &Context) -> Result<Vec<Fact>, Refusal> {
    match (state, command) {
        (None, Command::Open { project, name }) => Ok(opened(Fact::Opened { project, name, accepted: true }, context)),
        (Some(_), Command::Open { .. }) => Ok(Vec::new()),
        (None, Command::Offer(offer)) => Ok(open(*offer, context)),
        // Nothing waits where nothing ever came.
        (None, Command::Forbid { .. } | Command::Restore | Command::Resume) => Ok(Vec::new()),
        (None, _) => Err(Refusal::Missing),
        (Some(environment), Command::Forbid { release }) => Ok(forbid(environment, release)),
        (Some(environment), Command::Offer(offer)) => Ok(take(environment, *offer, context)),
        (Some(environment), Command::Accept) => accept(environment, context),
        (Some(environment), Command::RollBack { to }) => roll_back(environment, to, context),
        (Some(environment), Command::Settle { deployment, result, touched }) => {
            Ok(settle(environment, deployment, result, touched, context))
        }
        (Some(environment), Command::Withdraw { deployment }) => withdraw(environment, deployment),
        (Some(environment), Command::Restore) => Ok(vec![Fact::Restored { fence: raised(environment.fence, context.now) }]),
        (Some(environment), Command::Resume) => Ok(Course::of(environment, context).grant()),
    }
}

/// Facts so far together with the state that they make.
struct Course<'a> {
    environment: Environment,
    facts: Vec<Fact>,
    context: &'a Context,
}

impl<'a> Course<'a> {
    fn of(environment: &Environment, context: &'a Context) -> Self {
        Self { environment: environment.clone(), facts: Vec::new(), context }
    }

    fn record(&mut self, fact: Fact) {
        apply(&mut self.environment, &fact, self.context.now);
        self.facts.push(fact);
    }

    /// Grants the lock to the next in the queue, if nobody holds it and anything may be deployed.
    fn grant(mut self) -> Vec<Fact> {
        if self.context.mode == Mode::Safe {
            return self.facts;
        }
        while self.environment.holder.is_none()
            && let Some(next) = self.environment.queue.first()
        {
            // What runs may have become newer while it waited: a person may have brought it, or brought it back.
            let current = self.environment.current.as_ref().filter(|_| next.cause == Cause::Promotion);
            let fact = match current.filter(|current| next.brief.is_older_than(&current.brief)) {
                Some(newer) => Fact::Superseded { deployment: next.deployment, by: newer.deployment },
                None => Fact::LockGranted { deployment: next.deployment, fence: self.environment.fence + 1 },
            };
            self.record(fact);
        }
        self.facts
    }
}

/// A restored record may have lost the environment: its targets then hold fences that this record never gave.
fn opened(opened: Fact, context: &Context) -> Vec<Fact> {
    let raised = (context.fence > 0).then_some(Fact::Restored { fence: context.fence });
    [opened].into_iter().chain(raised).collect()
}

fn open(offer: Offer, context: &Context) -> Vec<Fact> {
    let first = Fact::Opened { project: offer.project.clone(), name: offer.skeleton.name.clone(), accepted: false };
    let mut facts = opened(first, context);
    let environment = facts.iter().fold(None, |environment, fact| Some(evolve(environment, fact, context.now)));
    facts.extend(environment.iter().flat_map(|environment| take(environment, offer.clone(), context)));
    facts
}

fn take(environment: &Environment, offer: Offer, context: &Context) -> Vec<Fact> {
    if !environment.accepted {
        let older = environment.pending.as_ref().is_some_and(|pending| offer.brief.is_older_than(&pending.brief));
        return match offer.cause {
            Cause::Promotion if older => vec![Fact::Declined { release: offer.release, reason: Declined::Older }],
            // Nothing ever came here: nothing can come once more.
            Cause::Again(_) => vec![Fact::Declined { release: offer.release, reason: Declined::NotHere }],
            _ => vec![Fact::Pending(Box::new(offer))],
        };
    }
    if let Some(reason) = declined(environment, &offer) {
        return vec![Fact::Declined { release: offer.release, reason }];
    }
    let mut course = Course::of(environment, context);
    let deployment = DeploymentId::new(context.id);
    if offer.skeleton.queue == QueuePolicy::Newest {
        for slot in environment.queue.iter().filter(|slot| !slot.cause.is_rollback()) {
            course.record(Fact::Superseded { deployment: slot.deployment, by: deployment });
        }
    }
    let Offer { release, brief, cause, skeleton, .. } = offer;
    course.record(Fact::Promoted { deployment, release, brief, cause, skeleton });
    course.grant()
}

fn declined(environment: &Environment, offer: &Offer) -> Option<Declined> {
    // A weakened `after` takes effect one release later: the one in force must hold too, also when a person asks.
    // What was verified here once may come back whatever happened elsewhere since.
    let was_here = offer.verified_in.contains(&environment.name);
    if !was_here && environment.after_in_force().is_some_and(|after| !after.holds(&offer.verified_in)) {
        return Some(Declined::EarlierAfterInForce);
    }
    if offer.cause == Cause::Promotion && environment.is_ahead_of(&offer.brief) {
        return Some(Declined::Older);
    }
    // In safe mode one waits that would have the lock otherwise.
    let busy = environment.holder.is_some() || !environment.queue.is_empty();
    let last = environment.current.as_ref().filter(|current| current.release == offer.release);
    let here = last.is_some_and(|current| current.result == DeploymentResult::Succeeded);
    let again = matches!(offer.cause, Cause::Again(_));
    if environment.holder.iter().chain(&environment.queue).any(|slot| slot.release == offer.release) || (here && !busy && !again) {
        return Some(Declined::AlreadyHere);
    }
    // What was there when a person looked may have given way since: it must not take the place of what came instead.
    if again && (busy || last.is_none()) {
        return Some(Declined::NotHere);
    }
    match offer.skeleton.queue {
        QueuePolicy::Reject if busy => Some(Declined::Busy),
        QueuePolicy::Queue if environment.queue.len() >= QUEUE_MAX => Some(Declined::QueueFull),
        QueuePolicy::Reject | QueuePolicy::Queue | QueuePolicy::Newest => None,
    }
}

fn accept(environment: &Environment, context: &Context) -> Result<Vec<Fact>, Refusal> {
    if environment.accepted {
        return Err(Refusal::AlreadyAccepted);
    }
    let mut course = Course::of(environment, context);
    course.record(Fact::Accepted);
    let accepted = course.environment.clone();
    let mut facts = course.facts;
    if let Some(offer) = environment.pending.clone() {
        facts.extend(take(&accepted, *offer, context));
    }
    Ok(facts)
}

fn roll_back(environment: &Environment, to: Option<ReleaseId>, context: &Context) -> Result<Vec<Fact>, Refusal> {
    let name = || environment.name.clone();
    let current = environment.current.as_ref();
    let runs_here = current.filter(|current| current.result == DeploymentResult::Succeeded).map(|current| current.release);
    let target = match to {
        Some(to) if runs_here == Some(to) => return Err(Refusal::AlreadyHere { environment: name() }),
        Some(to) => environment
            .verified
            .iter()
            .find(|verified| verified.release == to)
            .ok_or_else(|| Refusal::NotVerifiedHere { environment: name() })?,
        None => environment.way_back().next().ok_or(Refusal::NothingToGoBackTo)?,
    };
    if environment.queue.len() >= QUEUE_MAX {
        return Err(Refusal::QueueFull { environment: name() });
    }
    let cause = Cause::Rollback { undoes: current.map(|current| current.deployment), by: Some(context.actor.name.clone()) };
    let mut course = Course::of(environment, context);
    course.record(promoted(target, cause, context));
    Ok(course.grant())
}

fn promoted(target: &VerifiedRelease, cause: Cause, context: &Context) -> Fact {
    let VerifiedRelease { release, brief, skeleton, .. } = target.clone();
    Fact::Promoted { deployment: DeploymentId::new(context.id), release, brief, cause, skeleton }
}

fn settle(environment: &Environment, deployment: DeploymentId, result: DeploymentResult, touched: bool, context: &Context) -> Vec<Fact> {
    let Some(holder) = environment.holder.as_ref().filter(|holder| holder.deployment == deployment) else { return Vec::new() };
    let mut course = Course::of(environment, context);
    course.record(Fact::LockReleased { deployment, result, touched, kept: result.blames_release() });
    if undo_wanted(holder, result, touched)
        && let Some(target) = course.environment.last_good().cloned()
    {
        let cause = Cause::Rollback { undoes: Some(deployment), by: None };
        course.record(promoted(&target, cause, context));
    }
    course.grant()
}

/// Whether the last verified release shall come back by itself.
fn undo_wanted(holder: &Slot, result: DeploymentResult, touched: bool) -> bool {
    let rule = |cause| holder.skeleton.rollback.contains(&cause);
    let wanted = match result {
        DeploymentResult::Failed(FailureCause::Verify) => rule(RollbackCause::Verify),
        // The release may be fine, but it is not all in place.
        DeploymentResult::Failed(
            FailureCause::Health | FailureCause::Lost | FailureCause::Stale | FailureCause::Settled | FailureCause::Hindered,
        )
        | DeploymentResult::Cancelled => rule(RollbackCause::Health),
        DeploymentResult::Succeeded | DeploymentResult::Superseded | DeploymentResult::Refused => false,
    };
    // A rollback that fails is not rolled back again: it would go round for ever.
    wanted && touched && !holder.cause.is_rollback()
}

/// What brings an earlier release back may still come: that one was verified here.
fn forbid(environment: &Environment, release: ReleaseId) -> Vec<Fact> {
    let offered = environment.pending.iter().filter(|offer| offer.release == release);
    let waits = environment.queue.iter().filter(|slot| slot.release == release && !slot.cause.is_rollback());
    offered
        .map(|_| Fact::Declined { release, reason: Declined::Vetoed })
        .chain(waits.map(|slot| Fact::Forbidden { deployment: slot.deployment }))
        .collect()
}

fn withdraw(environment: &Environment, deployment: DeploymentId) -> Result<Vec<Fact>, Refusal> {
    if environment.queue.iter().any(|slot| slot.deployment == deployment) {
        Ok(vec![Fact::Withdrawn { deployment }])
    } else {
        Err(Refusal::NotWaiting(deployment))
    }
}

/// The state after the fact, which was recorded at `at`.
pub fn evolve(state: Option<Environment>, fact: &Fact, at: Timestamp) -> Environment {
    match (state, fact) {
        (None, Fact::Opened { project, name, accepted }) => Environment {
            project: project.clone(),
            name: name.clone(),
            accepted: *accepted,
            pending: None,
            fence: 0,
            holder: None,
            queue: Vec::new(),
            current: None,
            hindered: None,
            verified: Vec::new(),
        },
        (None, _) => unreachable!("INVARIANT: the first fact of an environment is Opened"),
        (Some(mut environment), fact) => {
            apply(&mut environment, fact, at);
            environment
        }
    }
}

fn apply(environment: &mut Environment, fact: &Fact, at: Timestamp) {
    match fact {
        Fact::Opened { .. } => unreachable!("INVARIANT: an environment is opened once"),
        Fact::Pending(offer) => environment.pending = Some(offer.clone()),
        Fact::Accepted => {
            environment.accepted = true;
            environment.pending = None;
        }
        Fact::Declined { release, reason: Declined::Vetoed } => {
            environment.pending.take_if(|offer| offer.release == *release);
        }
        Fact::Declined { .. } => {}
        Fact::Promoted { deployment, release, brief, cause, skeleton } => {
            let (brief, cause, skeleton) = (brief.clone(), cause.clone(), skeleton.clone());
            let slot = Slot { deployment: *deployment, release: *release, brief, cause, skeleton, since: at };
            // What brings production back goes before what is new.
            let place = if slot.cause.is_rollback() { 0 } else { environment.queue.len() };
            environment.queue.insert(place, slot);
        }
        Fact::Superseded { deployment, .. } | Fact::Withdrawn { deployment } | Fact::Forbidden { deployment } => {
            environment.queue.retain(|slot| slot.deployment != *deployment);
        }
        Fact::LockGranted { deployment, fence } => {
            let place = environment.queue.iter().position(|slot| slot.deployment == *deployment);
            let mut slot = environment.queue.remove(place.expect("INVARIANT: the lock goes to one in the queue"));
            slot.since = at;
            environment.fence = *fence;
            environment.holder = Some(slot);
        }
        Fact::LockReleased { deployment, result, touched, kept } => {
            release_lock(environment, *deployment, *result, (*touched, *kept), at);
        }
        Fact::Restored { fence } => environment.fence = *fence,
    }
}

fn release_lock(
    environment: &mut Environment,
    deployment: DeploymentId,
    result: DeploymentResult,
    (touched, kept): (bool, bool),
    at: Timestamp,
) {
    let holder = environment.holder.take().expect("INVARIANT: only a holder releases the lock");
    match result {
        DeploymentResult::Failed(FailureCause::Hindered) if !touched => environment.hindered = Some(deployment),
        _ if touched || result == DeploymentResult::Succeeded => environment.hindered = None,
        _ => {}
    }
    if !touched && result != DeploymentResult::Succeeded {
        // Nothing was changed: what ran before runs on, and what was verified stays so.
        return;
    }
    let Slot { release, brief, skeleton, .. } = holder;
    if kept {
        environment.verified.iter_mut().filter(|verified| verified.release == release).for_each(|verified| verified.failed_since = true);
    } else if result.blames_release() || result == DeploymentResult::Succeeded {
        environment.verified.retain(|verified| verified.release != release);
    }
    // One that succeeded becomes the newest.
    if result == DeploymentResult::Succeeded {
        environment.verified.insert(0, VerifiedRelease { release, brief: brief.clone(), deployment, skeleton, failed_since: false });
        environment.verified.truncate(VERIFIED_MAX);
    }
    environment.current = Some(Current { deployment, release, brief, result, at });
}

/// What a release's fact makes environments do.
pub fn follow(fact: &release::Fact, id: ReleaseId, release: &Release) -> Vec<(EnvironmentName, Command)> {
    let offer = |name: &EnvironmentName, cause: Cause| {
        let skeleton = release.environment(name)?;
        let offer = Offer {
            project: release.cut.project.clone(),
            release: id,
            brief: release.brief(),
            cause,
            skeleton: Box::new(skeleton.clone()),
            verified_in: release.verified.clone(),
        };
        Some((name.clone(), Command::Offer(Box::new(offer))))
    };
    let newly_open = |before: &EnvironmentName| {
        let earlier: Vec<_> = release.verified.iter().filter(|name| *name != before).cloned().collect();
        release
            .cut
            .environments
            .iter()
            .filter(|next| next.after.names().contains(before))
            .filter(|next| next.after.holds(&release.verified) && !next.after.holds(&earlier))
            .filter(|next| release.veto_for(&next.name).is_none())
            .filter_map(|next| offer(&next.name, Cause::Promotion))
            .collect()
    };
    match fact {
        release::Fact::Cut(cut) => {
            let names = || cut.environments.iter().map(|environment| &environment.name);
            // Those of the first file need no acceptance, whether or not this release ever reaches them.
            let open = |name: &EnvironmentName| (name.clone(), Command::Open { project: cut.project.clone(), name: name.clone() });
            let opened = names().filter(|_| cut.number == 1).map(open);
            let begins = cut.environments.iter().filter(|environment| environment.after.names().is_empty());
            opened.chain(begins.filter_map(|environment| offer(&environment.name, Cause::Promotion))).collect()
        }
        release::Fact::Verified { environment } => newly_open(environment),
        release::Fact::PromotionRequested { environment, by, wish: Wish::New } => {
            offer(environment, Cause::Person(by.clone())).into_iter().collect()
        }
        release::Fact::PromotionRequested { environment, by, wish: Wish::Again } => {
            offer(environment, Cause::Again(by.clone())).into_iter().collect()
        }
        release::Fact::Vetoed(veto) => release.onwards(&veto.from).map(|name| (name.clone(), Command::Forbid { release: id })).collect(),
    }
}
