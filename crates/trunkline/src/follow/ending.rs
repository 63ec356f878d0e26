//! When a followed thing is over, how the program then ends, what to do next and how to undo. Pure.

use super::Sight;
use super::sight::rollback_of;
use crate::exit::Exit;
use crate::invocation::{at_server, in_project};
use crate::render::words;
use trunkline_api::view::{
    DeploymentStatus, DeploymentView, EnvironmentView, ReleaseRef, RunView, SafeMode, StationKind, StationState, StationView, WhereView,
};
use trunkline_domain::deployment::{DeploymentResult, FailureCause, Live};
use trunkline_domain::run::{ReleaseVerdict, RunResult};

/// How following ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// How the program ends.
    pub exit: Exit,
    /// What became of it, and what comes next: a line each.
    pub words: Vec<String>,
}

impl Ending {
    fn new<const N: usize>(exit: Exit, words: [String; N]) -> Self {
        Self { exit, words: words.into() }
    }

    /// Nobody follows any more; the work goes on.
    pub fn detached(exit: Exit, again: &str) -> Self {
        Self::new(exit, [format!("it goes on; follow it again: {again}")])
    }

    /// The end of what is seen; None while it goes on.
    pub fn of(sight: &Sight) -> Option<Self> {
        match sight {
            Sight::Run(run) => of_run(run),
            Sight::Change { change, environments } => of_change(change, environments),
            Sight::Deployment { deployment, environment } => of_deployment(deployment, environment),
        }
    }
}

fn of_run(run: &RunView) -> Option<Ending> {
    let number = run.number;
    match run.result? {
        RunResult::Failed => Some(failed_run(run)),
        RunResult::Cancelled => Some(Ending::new(Exit::Failed, [format!("run {number} was cancelled")])),
        RunResult::Refused => Some(Ending { exit: Exit::Failed, words: refused(run) }),
        RunResult::Passed => match run.verdict.as_ref().and_then(|verdict| without_release(number, verdict)) {
            Some(ending) => Some(ending),
            None if run.release.is_some() => Some(Ending::new(Exit::Good, [format!("run {number} passed")])),
            None => None,
        },
    }
}

/// Why a run was refused, and where to look.
pub fn refused(run: &RunView) -> Vec<String> {
    let (number, short) = (run.number, run.commit.revision.short());
    let mut words = vec![match run.refused_beyond_file {
        true => format!("run {number} was refused: {short} cannot be run"),
        false => format!("run {number} was refused: the delivery file of {short} has errors"),
    }];
    words.extend(run.refused.iter().map(|refused| format!("  {}", crate::render::text::clean(refused))));
    // A check of the file finds nothing in one that only this server, or this commit, refuses.
    words.push(match run.beyond_file() {
        Some(_) => format!("next: {}", in_project!("where {short}")),
        None => "next: trunkline check".to_owned(),
    });
    words.extend(run.refused_code().map(|code| format!("more: trunkline explain {code}")));
    words
}

/// A run that passed and made no release: why, and what would make one.
fn without_release(number: u32, verdict: &ReleaseVerdict) -> Option<Ending> {
    let why = words::no_release(verdict)?;
    let next = match verdict {
        ReleaseVerdict::Cut => return None,
        ReleaseVerdict::NotAsked => {
            "to have one made, add 'release' and 'environments' to trunkline.yaml, then: trunkline check".to_owned()
        }
        ReleaseVerdict::NotPassed => in_project!("log {number} --failed"),
        ReleaseVerdict::ConditionFalse | ReleaseVerdict::Impossible(_) => in_project!("runs view {number}"),
    };
    let what = format!("run {number} passed; no release: {}", crate::render::text::clean(&why));
    Some(Ending::new(Exit::Good, [what, format!("next: {next}")]))
}

fn failed_run(run: &RunView) -> Ending {
    let number = run.number;
    let tests = run.tests.as_ref().is_some_and(|tests| tests.failed > 0);
    let next = if tests { in_project!("tests {number} --failed") } else { in_project!("log {number} --failed") };
    Ending::new(Exit::Failed, [format!("run {number} failed"), format!("next: {next}")])
}

fn of_change(change: &WhereView, environments: &[EnvironmentView]) -> Option<Ending> {
    if change.run.result? != RunResult::Passed || change.release.is_none() {
        return of_run(&change.run);
    }
    let stations: Vec<&StationView> = change.stations.iter().filter(|station| station.kind == StationKind::Environment).collect();
    let environment = |station: &StationView| environments.iter().find(|environment| environment.name.as_str() == station.name);
    if stations.iter().any(|station| station.state == StationState::Running && !asks(environment(station))) {
        return None;
    }
    for station in &stations {
        if let Some(ending) = blocked(station, environment(station)) {
            return Some(ending);
        }
    }
    if stations.iter().any(|station| station.state == StationState::Waiting) {
        return None;
    }
    let release = &change.release.as_ref()?.release;
    let bad = |station: &&&StationView| matches!(station.state, StationState::Failed | StationState::Stopped);
    if stations.iter().filter(bad).any(|station| comes_back(environment(station), station.deployment)) {
        return None;
    }
    if let Some(station) = stations.iter().find(bad) {
        return Some(stopped_at(station, &release.version, environment(station)));
    }
    Some(arrived(&stations, release, environments))
}

/// A station that waits for a person.
fn blocked(station: &StationView, environment: Option<&EnvironmentView>) -> Option<Ending> {
    let environment = environment?;
    let name = &environment.name;
    if station.state == StationState::Waiting && station.reason.as_deref() == Some(SafeMode::WHY) {
        return Some(Ending::new(Exit::Blocked, resume(name.as_str())));
    }
    if matches!(station.state, StationState::Waiting | StationState::Running) && asks(Some(environment)) {
        // Of the one that has the environment: this change's own may still wait for it.
        let deployment = environment.incoming.as_ref().map(|incoming| incoming.number).unwrap_or_default();
        return Some(Ending::new(Exit::Blocked, settle(deployment, name.as_str())));
    }
    let not_there = matches!(station.state, StationState::Waiting | StationState::Ahead);
    (not_there && !environment.accepted).then(|| {
        Ending::new(
            Exit::Blocked,
            [format!("{name} is new and waits to be accepted"), format!("next: {}", in_project!("environments accept {name}"))],
        )
    })
}

fn asks(environment: Option<&EnvironmentView>) -> bool {
    environment.and_then(|environment| environment.incoming.as_ref()).is_some_and(|incoming| incoming.status == DeploymentStatus::Asking)
}

fn resume(environment: &str) -> [String; 2] {
    [format!("nothing is deployed to {environment}: {}", SafeMode::WHY), format!("next: {}", at_server!("resume"))]
}

fn settle(deployment: u32, environment: &str) -> [String; 2] {
    [
        format!("nobody knows whether deployment {deployment} took effect in {environment}: look there, then say which release runs"),
        format!("next: {} (or --old)", in_project!("settle deployment/{deployment} --live")),
    ]
}

/// Whether the deployment that undoes a failed one is at work: until its end nobody can say what runs there.
fn comes_back(environment: Option<&EnvironmentView>, failed: Option<u32>) -> bool {
    let rollback = environment.zip(failed).and_then(|(environment, failed)| rollback_of(environment, failed));
    rollback.is_some_and(|rollback| rollback.status != DeploymentStatus::Asking)
}

fn stopped_at(station: &StationView, version: &str, environment: Option<&EnvironmentView>) -> Ending {
    let (_, word) = words::station(station);
    let why = station.reason.as_deref().map(|reason| format!(": {}", crate::render::text::clean(reason))).unwrap_or_default();
    failed(format!("{version} {word} in {}{why}", station.name), station.deployment, environment)
}

/// What failed, what runs now, and where to look.
fn failed(what: String, deployment: Option<u32>, environment: Option<&EnvironmentView>) -> Ending {
    let mut words = vec![what];
    let asking = environment.zip(deployment).and_then(|(environment, deployment)| rollback_of(environment, deployment));
    match (asking.filter(|rollback| rollback.status == DeploymentStatus::Asking), environment) {
        (Some(rollback), Some(environment)) => words.extend(settle(rollback.number, environment.name.as_str())),
        _ => {
            words.extend(runs_now(environment));
            words.extend(environment.zip(deployment).and_then(|(environment, deployment)| again(environment, deployment)));
            words.extend(deployment.map(|deployment| format!("next: {}", in_project!("log deployment/{deployment}"))));
        }
    }
    Ending { exit: Exit::Failed, words }
}

/// How a release comes that its target's machine hindered: nothing tries it again by itself.
fn again(environment: &EnvironmentView, deployment: u32) -> Option<String> {
    let hindered = DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Hindered));
    let last = environment.last_failed.as_ref().filter(|last| last.number == deployment && last.status == hindered)?;
    Some(format!("again: {}", in_project!("promote {} {}", last.release.number, environment.name)))
}

fn runs_now(environment: Option<&EnvironmentView>) -> Option<String> {
    let environment = environment?;
    if let Some(incoming) = &environment.incoming {
        let (_, word) = words::deployment(incoming.status);
        let version = crate::render::text::clean(&incoming.release.version);
        return Some(format!("{} now: deployment {} of {version} {word}", environment.name, incoming.number));
    }
    if let Some(runs) = &environment.runs {
        return Some(format!("{} runs {}", environment.name, crate::render::text::clean(&runs.release.version)));
    }
    let unverified = words::runs_unverified(environment)?;
    let failed = environment.hindered_since.iter().chain(&environment.last_failed).find(|failed| failed.undoes.is_some());
    let back = failed.map(|back| {
        let (_, word) = words::deployment(back.status);
        format!("the rollback to {}, deployment {}, {word}; ", crate::render::text::clean(&back.release.version), back.number)
    });
    Some(format!("{}: {}{unverified}", environment.name, back.unwrap_or_default()))
}

fn arrived(stations: &[&StationView], release: &ReleaseRef, environments: &[EnvironmentView]) -> Ending {
    let (version, release) = (&release.version, release.number);
    let there: Vec<&StationView> =
        stations.iter().filter(|station| matches!(station.state, StationState::Passed | StationState::Replaced)).copied().collect();
    // Without a check nothing proved that it runs.
    let (seen, unseen): (Vec<&StationView>, Vec<&StationView>) =
        there.iter().partition(|station| station.seen || station.state == StationState::Replaced);
    let names = |stations: &[&StationView]| stations.iter().map(|station| station.name.as_str()).collect::<Vec<_>>().join(", ");
    let mut words: Vec<String> = match (seen.as_slice(), unseen.as_slice()) {
        ([], []) => vec![format!("release {version} is cut")],
        (seen, []) => vec![format!("{version} is verified in {}", names(seen))],
        ([], unseen) => vec![format!("{version} is in place in {}; no check proves that it runs", names(unseen))],
        (seen, unseen) => vec![format!("{version} is verified in {}, and in place in {}", names(seen), names(unseen))],
    };
    let back = stations.iter().find(|station| station.state == StationState::RolledBack);
    if let Some(back) = back {
        let why = back.reason.as_deref().map(crate::render::text::clean).unwrap_or_default();
        words.push(format!("rolled back in {}: {why}", back.name));
        words.push(format!("again: {}", in_project!("promote {release} {}", back.name)));
        return Ending { exit: Exit::Good, words };
    }
    let last = stations.iter().rev().find(|station| station.state == StationState::Passed);
    if let Some(ahead) = stations.iter().find(|station| station.state == StationState::Ahead) {
        words.push(format!("next: {}", in_project!("promote {release} {}", ahead.name)));
    } else if let Some(last) = last {
        words.push(format!("next: {}", in_project!("trace {}", last.name)));
    }
    let back = |name: &str| environments.iter().find(|environment| environment.name.as_str() == name)?.back_to.first();
    words.extend(last.filter(|last| back(&last.name).is_some()).map(|last| format!("undo: {}", in_project!("rollback {}", last.name))));
    Ending { exit: Exit::Good, words }
}

fn of_deployment(deployment: &DeploymentView, environment: &EnvironmentView) -> Option<Ending> {
    let (number, name) = (deployment.number, &deployment.environment);
    let version = crate::render::text::clean(&deployment.release.version);
    match deployment.status {
        DeploymentStatus::Asking => Some(Ending::new(Exit::Blocked, settle(number, name.as_str()))),
        DeploymentStatus::Waiting if deployment.reason.as_deref() == Some(SafeMode::WHY) => {
            Some(Ending::new(Exit::Blocked, resume(name.as_str())))
        }
        DeploymentStatus::Ended(DeploymentResult::Succeeded) => Some(succeeded(deployment, &version, environment)),
        DeploymentStatus::Ended(_) if comes_back(Some(environment), Some(number)) => None,
        DeploymentStatus::Ended(result) => {
            let (_, word) = words::ended(result);
            let why = deployment.reason.as_deref().map(|reason| format!(": {}", crate::render::text::clean(reason))).unwrap_or_default();
            Some(failed(format!("deployment {number} of {version} to {name} {word}{why}"), Some(number), Some(environment)))
        }
        DeploymentStatus::Waiting | DeploymentStatus::Deploying | DeploymentStatus::Verifying | DeploymentStatus::Unknown => None,
    }
}

/// "Runs" is said only of what runs now: a later deployment may have replaced this one, and undoing it undoes nothing.
fn succeeded(deployment: &DeploymentView, version: &str, environment: &EnvironmentView) -> Ending {
    let (number, name) = (deployment.number, &environment.name);
    let next = format!("next: {}", in_project!("trace {name}"));
    if environment.runs.as_ref().is_none_or(|runs| runs.deployment != number) {
        let mut words = vec![format!("deployment {number} of {version} to {name} succeeded, but is not what runs there now")];
        words.extend(runs_now(Some(environment)));
        words.push(next);
        return Ending { exit: Exit::Good, words };
    }
    let mut words = vec![format!("{name} runs {version}"), next];
    words.extend(ran_before(deployment, environment).map(|back| format!("undo: {}", in_project!("rollback {name} --to {}", back.number))));
    Ending { exit: Exit::Good, words }
}

/// What a deployment replaced, where the record tells and a rollback can go back to it.
fn ran_before<'a>(deployment: &DeploymentView, environment: &'a EnvironmentView) -> Option<&'a ReleaseRef> {
    let seen = deployment.before.iter().filter(|observed| !matches!(observed.live, Live::Unknown(_)));
    let is_it = |live: &Live, release: &ReleaseRef| match live {
        Live::Release(digest) => release.digest == *digest,
        Live::Named(version) => release.version == *version,
        Live::Nothing | Live::Unknown(_) => false,
    };
    match seen.clone().next() {
        Some(_) => environment.back_to.iter().find(|release| seen.clone().any(|observed| is_it(&observed.live, release))),
        // By itself only a newer release comes, and what it replaces is the nearest; a person may have gone back.
        None => environment.back_to.first().filter(|_| environment.runs.as_ref().is_some_and(|runs| runs.by.is_none())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;
    use trunkline_domain::deployment::{Health, Observed};

    fn change(states: [StationState; 3]) -> (WhereView, Vec<EnvironmentView>) {
        let mut change = sample::change();
        let environments = change.stations.iter_mut().filter(|station| station.kind == StationKind::Environment);
        for (station, state) in environments.zip(states) {
            station.state = state;
        }
        let mut environments = sample::status().projects[1].environments.clone();
        environments[1].incoming = None;
        (change, environments)
    }

    fn exit(states: [StationState; 3]) -> Option<u8> {
        let (change, environments) = change(states);
        of_change(&change, &environments).map(|ending| ending.exit.number())
    }

    #[test]
    fn a_run_without_a_release_says_what_would_make_one() {
        let mut run = sample::change().run;
        (run.result, run.release) = (Some(RunResult::Passed), None);
        for (verdict, next) in [
            (ReleaseVerdict::NotAsked, "next: to have one made, add 'release'"),
            (ReleaseVerdict::NotPassed, "next: trunkline log 812 --failed"),
            (ReleaseVerdict::ConditionFalse, "next: trunkline runs view 812"),
        ] {
            run.verdict = Some(verdict);
            let ending = of_run(&run).unwrap();
            assert!(ending.words[0].starts_with("run 812 passed; no release: ") && ending.words[1].starts_with(next), "{:?}", ending.words);
        }
    }

    #[test]
    fn a_refusal_leads_to_where_its_reason_is_seen() {
        let mut run = sample::change().run;
        run.result = Some(RunResult::Refused);
        let why = "job a asks for 'sandbox: host', and this server allows no less than 'landlock'";
        let where_is = format!("next: trunkline where {}", run.commit.revision.short());
        let place = "TL0142 trunkline.yaml:3:1: Unknown key";
        let explained = ["next: trunkline check", "more: trunkline explain TL0142"];
        for (beyond_file, line, next) in [(false, place, &explained[..]), (true, why, &[where_is.as_str()])] {
            (run.refused, run.refused_beyond_file) = (vec![line.to_owned()], beyond_file);
            let words = of_run(&run).unwrap().words;
            assert_eq!(
                (&words[1], &words[2..]),
                (&format!("  {line}"), next.iter().map(|next| (*next).to_owned()).collect::<Vec<_>>().as_slice())
            );
        }
    }

    #[test]
    fn a_change_ends_when_no_environment_moves() {
        use StationState::{Ahead, Failed, Passed, Replaced, Running, Stopped, Waiting};
        let table = [
            ([Running, Ahead, Ahead], None),
            ([Passed, Waiting, Ahead], None),
            ([Passed, Passed, Passed], Some(0)),
            ([Replaced, Passed, Passed], Some(0)),
            ([Passed, Ahead, Ahead], Some(0)),
            ([Passed, Failed, Ahead], Some(1)),
            ([Passed, Stopped, Ahead], Some(1)),
            ([Failed, Running, Ahead], None),
        ];
        for (states, expected) in table {
            assert_eq!(exit(states), expected, "{states:?}");
        }
    }

    #[test]
    fn in_safe_mode_a_person_is_waited_for() {
        let (mut change, environments) = change([StationState::Waiting, StationState::Ahead, StationState::Ahead]);
        assert_eq!(of_change(&change, &environments), None);
        for station in &mut change.stations {
            station.reason = (station.state == StationState::Waiting).then(|| SafeMode::WHY.to_owned());
        }
        let ending = of_change(&change, &environments).unwrap();
        assert_eq!((ending.exit, ending.words[1].as_str()), (Exit::Blocked, "next: trunkline resume"));
    }

    #[test]
    fn a_failed_change_is_followed_until_its_rollback_has_ended() {
        let (change, mut environments) = change([StationState::Passed, StationState::Failed, StationState::Stopped]);
        let mut ending = |status| {
            environments[1].incoming = Some(sample::rollback(status));
            of_change(&change, &environments)
        };
        for status in [DeploymentStatus::Waiting, DeploymentStatus::Deploying, DeploymentStatus::Verifying, DeploymentStatus::Unknown] {
            assert_eq!(ending(status), None, "{status:?}");
        }
        let asks = ending(DeploymentStatus::Asking).unwrap();
        assert_eq!((asks.exit, asks.words[2].as_str()), (Exit::Failed, "next: trunkline settle deployment/31 --live (or --old)"));
        environments[1].queue = environments[1].incoming.take().into_iter().collect();
        environments[1].queue[0].status = DeploymentStatus::Waiting;
        assert_eq!(of_change(&change, &environments), None);
        environments[1].queue.clear();
        let back = of_change(&change, &environments).unwrap();
        assert_eq!(
            (back.exit, &back.words[1..]),
            (Exit::Failed, ["qa runs 1.41", "next: trunkline log deployment/30"].map(str::to_owned).as_slice())
        );
        // What comes next is not its rollback, and nothing to wait for.
        environments[1].incoming = Some(sample::incoming(DeploymentStatus::Deploying));
        assert_eq!(of_change(&change, &environments).unwrap().exit, Exit::Failed);
    }

    #[test]
    fn a_rollback_that_failed_too_is_named() {
        let (change, mut environments) = change([StationState::Passed, StationState::Failed, StationState::Stopped]);
        environments[1].runs = None;
        environments[1].last_failed = Some(sample::rollback(DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Health))));
        let ending = of_change(&change, &environments).unwrap();
        let expected = "qa: the rollback to 1.41, deployment 31, failed: not healthy; \
            what runs is not verified: 1.41 may be in place, or a part of it; to try again: trunkline rollback qa";
        assert_eq!((ending.exit, ending.words[1].as_str()), (Exit::Failed, expected));
        environments[1].last_failed = Some(sample::incoming(DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Verify))));
        let hindered = DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Hindered));
        environments[1].hindered_since = Some(sample::rollback(hindered));
        let words = of_change(&change, &environments).unwrap().words;
        let (_, word) = words::deployment(hindered);
        let expected = format!("qa: the rollback to 1.41, deployment 31, {word}; 1.42 runs on, unverified; ");
        assert!(words[1].starts_with(&expected), "{words:?}");
    }

    #[test]
    fn what_runs_on_because_nothing_was_there_before_is_said() {
        let (change, mut environments) = change([StationState::Passed, StationState::Failed, StationState::Stopped]);
        environments[1].runs = None;
        environments[1].back_to.clear();
        environments[1].last_failed = Some(sample::incoming(DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Verify))));
        let ending = of_change(&change, &environments).unwrap();
        assert_eq!(ending.words[1], "qa: 1.42 runs on, unverified; nothing to go back to");
    }

    #[test]
    fn a_failed_deployment_is_followed_until_its_rollback_has_ended() {
        let mut environment = sample::status().projects[1].environments[1].clone();
        let mut deployment = sample::deployment();
        deployment.number = 30;
        deployment.status = DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Verify));
        environment.incoming = Some(sample::rollback(DeploymentStatus::Deploying));
        assert_eq!(of_deployment(&deployment, &environment), None);
        environment.incoming = None;
        assert_eq!(of_deployment(&deployment, &environment).unwrap().exit, Exit::Failed);
    }

    #[test]
    fn what_a_person_put_back_is_no_failure_of_the_change() {
        let (mut change, environments) = change([StationState::Passed, StationState::Passed, StationState::RolledBack]);
        for station in change.stations.iter_mut().filter(|station| station.state == StationState::Passed) {
            station.seen = true;
        }
        change.stations.last_mut().unwrap().reason = Some("ana put 1.41 back there by deployment/31".to_owned());
        let ending = of_change(&change, &environments).unwrap();
        let expected = [
            "1.42 is verified in test, qa",
            "rolled back in production: ana put 1.41 back there by deployment/31",
            "again: trunkline promote 12 production",
        ];
        assert_eq!((ending.exit, ending.words), (Exit::Good, expected.map(str::to_owned).to_vec()));
    }

    #[test]
    fn verified_is_not_said_where_no_check_proved_it() {
        let (mut change, environments) = change([StationState::Passed; 3]);
        let first = |change: &WhereView| of_change(change, &environments).unwrap().words[0].clone();
        let stations = change.stations.len();
        change.stations[stations - 3].seen = true;
        assert_eq!(first(&change), "1.42 is verified in test, and in place in qa, production");
        change.stations[stations - 3].seen = false;
        assert_eq!(first(&change), "1.42 is in place in test, qa, production; no check proves that it runs");
    }

    #[test]
    fn undo_is_offered_only_where_there_is_something_to_go_back_to() {
        let (change, mut environments) = change([StationState::Passed; 3]);
        let words = |environments: &[EnvironmentView]| of_change(&change, environments).unwrap().words;
        assert_eq!(words(&environments)[2], "undo: trunkline rollback production");
        environments[2].back_to.clear();
        assert_eq!(words(&environments).len(), 2);
    }

    #[test]
    fn what_waits_for_a_person_ends_with_3_and_names_the_command() {
        let (change, mut environments) = change([StationState::Passed, StationState::Waiting, StationState::Ahead]);
        environments[1].accepted = false;
        let ending = of_change(&change, &environments).unwrap();
        assert_eq!((ending.exit.number(), ending.words[1].as_str()), (3, "next: trunkline environments accept qa"));
        environments[1].accepted = true;
        environments[1].incoming = Some(sample::incoming(DeploymentStatus::Asking));
        let ending = of_change(&change, &environments).unwrap();
        assert_eq!((ending.exit.number(), ending.words[1].as_str()), (3, "next: trunkline settle deployment/30 --live (or --old)"));
    }

    #[test]
    fn a_red_run_names_the_shortest_way_to_the_cause() {
        let ending = of_run(&sample::red_run()).unwrap();
        assert_eq!((ending.exit, ending.words[1].as_str()), (Exit::Failed, "next: trunkline tests 812 --failed"));
        let mut run = sample::red_run();
        run.tests = None;
        assert_eq!(of_run(&run).unwrap().words[1], "next: trunkline log 812 --failed");
        run.result = None;
        assert_eq!(of_run(&run), None);
    }

    #[test]
    fn a_deployment_ends_with_next_and_undo() {
        let environment = sample::trace().environment;
        let ending = of_deployment(&sample::deployment(), &environment).unwrap();
        assert_eq!(ending.exit, Exit::Good);
        assert_eq!(
            ending.words,
            ["production runs 1.42", "next: trunkline trace production", "undo: trunkline rollback production --to 11"]
        );
        let undo = |before: Live, by: Option<&str>| {
            let (mut deployment, mut environment) = (sample::deployment(), environment.clone());
            deployment.before = vec![Observed { live: before, fence: None, health: Health::Unknown, source: String::new() }];
            environment.runs.as_mut().unwrap().by = by.map(str::to_owned);
            of_deployment(&deployment, &environment).unwrap().words.get(2).cloned()
        };
        let old = &environment.back_to[0];
        let expected = format!("undo: trunkline rollback production --to {}", old.number);
        assert_eq!(undo(Live::Release(old.digest), Some("ana")).as_ref(), Some(&expected));
        assert_eq!(undo(Live::Named(old.version.clone()), None).as_ref(), Some(&expected));
        assert_eq!(undo(Live::Named("1.50".to_owned()), Some("ana")), None, "a person went back: no rollback leads to a newer one");
        assert_eq!(undo(Live::Nothing, None), None);
        assert_eq!(undo(Live::Unknown("no observe".to_owned()), Some("ana")), None);
        assert!(undo(Live::Unknown("no observe".to_owned()), None).is_some());
        let mut later = environment.clone();
        later.runs.as_mut().unwrap().deployment = 32;
        later.runs.as_mut().unwrap().release.version = "1.43".to_owned();
        let ending = of_deployment(&sample::deployment(), &later).unwrap();
        assert_eq!(
            ending.words,
            [
                "deployment 31 of 1.42 to production succeeded, but is not what runs there now",
                "production runs 1.43",
                "next: trunkline trace production"
            ]
        );
        let mut failed = sample::deployment();
        failed.status = DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Verify));
        failed.reason = Some("version is 1.41".to_owned());
        let ending = of_deployment(&failed, &environment).unwrap();
        assert_eq!(ending.words[0], "deployment 31 of 1.42 to production failed: not verified: version is 1.41");
        failed.status = DeploymentStatus::Verifying;
        assert_eq!(of_deployment(&failed, &environment), None);
    }
}
