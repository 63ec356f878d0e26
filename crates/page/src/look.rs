//! How states look: icon, word and colour, always together. One word, one meaning, as in the glossary.

use trunkline_api::view::{DeploymentStatus, ReleaseRef, RunView, StationKind, StationState, StationView};
use trunkline_domain::deployment::{DeploymentResult, FailureCause};
use trunkline_domain::report::TestSummary;
use trunkline_domain::run::RunResult;

/// The shapes that the pages use. Kept in the page, so that an icon costs no request and takes the text's colour.
pub const SPRITE: &str = r##"<svg class="sprite" aria-hidden="true"><symbol id="i-ahead" viewBox="0 0 16 16"><circle cx="8" cy="8" r="5.5" stroke-dasharray="1.4 2.6"/></symbol><symbol id="i-back" viewBox="0 0 16 16"><path d="M2.5 6.2h7a3.9 3.9 0 0 1 0 7.8H6M2.5 6.2l3.2-3.4M2.5 6.2l3.2 3.3"/></symbol><symbol id="i-box" viewBox="0 0 16 16"><path d="m8 1.6 5.8 3.1v6.6L8 14.4l-5.8-3.1V4.7zM2.4 4.8 8 7.8l5.6-3M8 7.8v6.4"/></symbol><symbol id="i-cancel" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6.25"/><path d="M6.1 6.1h3.8v3.8H6.1z"/></symbol><symbol id="i-chev" viewBox="0 0 16 16"><path d="m6 3.5 4.5 4.5L6 12.5"/></symbol><symbol id="i-commit" viewBox="0 0 16 16"><circle cx="8" cy="8" r="3"/><path d="M1.5 8H5M11 8h3.5"/></symbol><symbol id="i-fail" viewBox="0 0 16 16"><path fill="currentColor" stroke="none" fill-rule="evenodd" d="M5.2 1.2h5.6l4 4v5.6l-4 4H5.2l-4-4V5.2zM5.3 6.36 6.94 8 5.3 9.64l1.06 1.06L8 9.06l1.64 1.64 1.06-1.06L9.06 8l1.64-1.64L9.64 5.3 8 6.94 6.36 5.3z"/></symbol><symbol id="i-hand" viewBox="0 0 16 16"><path d="M5 8.2V4a1 1 0 0 1 2 0v3.2-4.4a1 1 0 0 1 2 0v4.4-3.4a1 1 0 0 1 2 0V9c0 3.2-1.4 5.2-4 5.2-1.9 0-2.9-.9-3.7-2.4L2.4 9.6a.95.95 0 0 1 1.6-1l1 1.3z"/></symbol><symbol id="i-pass" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6.25"/><path d="m5.2 8.2 1.95 1.95L10.9 6"/></symbol><symbol id="i-pr" viewBox="0 0 16 16"><circle cx="4" cy="3.5" r="1.75"/><circle cx="4" cy="12.5" r="1.75"/><circle cx="12" cy="12.5" r="1.75"/><path d="M4 5.25v5.5M12 10.75V6A2.5 2.5 0 0 0 9.5 3.5H7.8M9.3 1.7 7.5 3.5l1.8 1.8"/></symbol><symbol id="i-run" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6.1" opacity=".3"/><path d="M8 1.9A6.1 6.1 0 0 1 14.1 8" stroke-width="2"/></symbol><symbol id="i-skip" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6.25"/><path d="M5.2 8h5.6"/></symbol><symbol id="i-super" viewBox="0 0 16 16"><path d="m3 4 4 4-4 4M8.5 4l4 4-4 4"/></symbol><symbol id="i-unknown" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6.25"/><path d="M6.3 6.3a1.75 1.75 0 1 1 2.6 1.5c-.6.35-.9.7-.9 1.3M8 11.4v.1"/></symbol><symbol id="i-wait" viewBox="0 0 16 16"><path d="M4.2 1.8h7.6M4.2 14.2h7.6M5.2 1.8v2.3c0 .9.4 1.5 1.1 2.1L8 8l1.7-1.8c.7-.6 1.1-1.2 1.1-2.1V1.8M5.2 14.2v-2.3c0-.9.4-1.5 1.1-2.1L8 8l1.7 1.8c.7.6 1.1 1.2 1.1 2.1v2.3"/></symbol></svg>"##;

/// The colour of a state, and how loud it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Well.
    Pass,
    /// Ended badly.
    Fail,
    /// Moves.
    Run,
    /// Waits.
    Wait,
    /// Nobody knows.
    Drift,
    /// Skipped, superseded, not yet.
    Off,
}

/// A shape of the sprite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// A dotted circle: not yet.
    Ahead,
    /// An arrow back.
    Back,
    /// A release.
    Box,
    /// Ended by somebody.
    Cancel,
    /// From old to new.
    Chev,
    /// A commit.
    Commit,
    /// Failed.
    Fail,
    /// A person must act.
    Hand,
    /// Well.
    Pass,
    /// A pull request.
    Pr,
    /// Moves.
    Run,
    /// Left out.
    Skip,
    /// Overtaken.
    Super,
    /// Nobody knows.
    Unknown,
    /// Waits.
    Wait,
}

/// A state as the pages show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Look {
    /// Its colour.
    pub tone: Tone,
    /// Its shape.
    pub icon: Icon,
    /// Its word.
    pub word: &'static str,
}

impl Tone {
    /// Its class.
    pub fn class(self) -> &'static str {
        match self {
            Tone::Pass => "s-pass",
            Tone::Fail => "s-fail",
            Tone::Run => "s-run",
            Tone::Wait => "s-wait",
            Tone::Drift => "s-drift",
            Tone::Off => "s-off",
        }
    }
}

impl Icon {
    /// The address of its symbol in the page.
    pub fn href(self) -> &'static str {
        match self {
            Icon::Ahead => "#i-ahead",
            Icon::Back => "#i-back",
            Icon::Box => "#i-box",
            Icon::Cancel => "#i-cancel",
            Icon::Chev => "#i-chev",
            Icon::Commit => "#i-commit",
            Icon::Fail => "#i-fail",
            Icon::Hand => "#i-hand",
            Icon::Pass => "#i-pass",
            Icon::Pr => "#i-pr",
            Icon::Run => "#i-run",
            Icon::Skip => "#i-skip",
            Icon::Super => "#i-super",
            Icon::Unknown => "#i-unknown",
            Icon::Wait => "#i-wait",
        }
    }
}

const fn look(tone: Tone, icon: Icon, word: &'static str) -> Look {
    Look { tone, icon, word }
}

/// Verified here, and nothing said otherwise since. Not "healthy": nobody looks at the targets between deployments.
pub const VERIFIED: Look = look(Tone::Pass, Icon::Pass, "verified");
/// Verified here once, and nobody knows whether it still runs.
pub const LAST_KNOWN: Look = look(Tone::Drift, Icon::Unknown, "last known");
/// An earlier release came back.
pub const ROLLED_BACK: Look = look(Tone::Fail, Icon::Back, "rolled back");
/// A person must let releases in.
pub const TO_ACCEPT: Look = look(Tone::Wait, Icon::Hand, "waits for you");
/// Nothing goes on until a person acts.
pub const STANDS_STILL: Look = look(Tone::Fail, Icon::Hand, "stands still");

/// Where a run stands.
pub fn run(run: &RunView) -> Look {
    match run.result {
        None if run.cancelling => look(Tone::Run, Icon::Run, "cancelling"),
        None => look(Tone::Run, Icon::Run, "running"),
        Some(RunResult::Passed) => look(Tone::Pass, Icon::Pass, "passed"),
        Some(RunResult::Failed) => look(Tone::Fail, Icon::Fail, "failed"),
        Some(RunResult::Refused) => look(Tone::Fail, Icon::Fail, "refused"),
        Some(RunResult::Cancelled) => look(Tone::Off, Icon::Cancel, "cancelled"),
    }
}

/// Where a deployment stands.
pub fn deployment(status: DeploymentStatus) -> Look {
    match status {
        DeploymentStatus::Waiting => look(Tone::Wait, Icon::Wait, "waits"),
        DeploymentStatus::Deploying => look(Tone::Run, Icon::Run, "deploying"),
        DeploymentStatus::Verifying => look(Tone::Run, Icon::Run, "verifying"),
        DeploymentStatus::Unknown => look(Tone::Drift, Icon::Unknown, "unknown"),
        DeploymentStatus::Asking => look(Tone::Wait, Icon::Hand, "asks you"),
        DeploymentStatus::Ended(result) => ended(result),
    }
}

fn ended(result: DeploymentResult) -> Look {
    match result {
        DeploymentResult::Succeeded => VERIFIED,
        DeploymentResult::Failed(FailureCause::Health | FailureCause::Verify) => look(Tone::Fail, Icon::Fail, "failed"),
        DeploymentResult::Failed(FailureCause::Lost | FailureCause::Stale | FailureCause::Settled | FailureCause::Hindered) => {
            look(Tone::Fail, Icon::Fail, "did not finish")
        }
        DeploymentResult::Cancelled => look(Tone::Off, Icon::Cancel, "cancelled"),
        DeploymentResult::Superseded => look(Tone::Off, Icon::Super, "superseded"),
        DeploymentResult::Refused => look(Tone::Off, Icon::Skip, "refused"),
    }
}

/// From where on a release is forbidden: "qa", "eu and us".
pub fn vetoed_from(release: &ReleaseRef) -> Option<String> {
    let from: Vec<&str> = release.vetoed_from.iter().map(|name| name.as_str()).collect();
    (!from.is_empty()).then(|| from.join(" and "))
}

/// Where a change stands at a station.
pub fn station(station: &StationView) -> Look {
    let environment = station.kind == StationKind::Environment;
    match station.state {
        // Without a check nothing proved that it runs.
        StationState::Passed if environment && !station.seen => look(Tone::Pass, Icon::Pass, "in place"),
        StationState::Passed => look(Tone::Pass, Icon::Pass, passed(station.kind)),
        StationState::Running if station.status == Some(DeploymentStatus::Unknown) => look(Tone::Drift, Icon::Unknown, "unknown"),
        StationState::Running if station.status == Some(DeploymentStatus::Verifying) => look(Tone::Run, Icon::Run, "verifying"),
        StationState::Running if environment => look(Tone::Run, Icon::Run, "deploying"),
        StationState::Running => look(Tone::Run, Icon::Run, "running"),
        StationState::Waiting if wants_person(station) => look(Tone::Wait, Icon::Hand, "waits for you"),
        StationState::Waiting => look(Tone::Wait, Icon::Wait, "waits"),
        StationState::Failed => look(Tone::Fail, Icon::Fail, "failed"),
        StationState::Replaced => look(Tone::Off, Icon::Super, "replaced"),
        StationState::RolledBack => look(Tone::Off, Icon::Back, "rolled back"),
        StationState::Stopped if station.kind == StationKind::Job => look(Tone::Off, Icon::Skip, "skipped"),
        StationState::Stopped => look(Tone::Off, Icon::Skip, "will not come"),
        StationState::Ahead => look(Tone::Off, Icon::Ahead, "not yet"),
    }
}

fn passed(kind: StationKind) -> &'static str {
    match kind {
        StationKind::Push => "done",
        StationKind::Job => "passed",
        StationKind::Release => "cut",
        StationKind::Environment => "verified",
    }
}

/// Whether only a person ends this wait: a deployment asks what runs, or a new environment waits to be accepted.
pub fn wants_person(station: &StationView) -> bool {
    station.kind == StationKind::Environment
        && station.state == StationState::Waiting
        && matches!(station.status, Some(DeploymentStatus::Asking) | None)
}

/// `1,203 tests passed`, `2 of 14 tests failed`.
pub fn tests(summary: &TestSummary) -> String {
    let total = u64::from(summary.passed) + u64::from(summary.failed);
    let noun = if total == 1 { "test" } else { "tests" };
    match summary.failed {
        0 => format!("{} {noun} passed", grouped(total)),
        failed => format!("{} of {} {noun} failed", grouped(failed.into()), grouped(total)),
    }
}

/// Thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
