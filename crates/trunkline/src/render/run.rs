//! Runs: lists, and one with its jobs.

use super::Look;
use super::paint::{Mark, Style};
use super::table::{Cell, Table, align};
use super::text::{bytes, clean};
use super::words;
use crate::invocation::in_project;
use trunkline_api::view::{JobView, RunView, StationState, StationView};
use trunkline_domain::foundation::Millis;
use trunkline_domain::run::{RunResult, Trigger};

/// A list of runs.
pub fn table(runs: &[RunView], look: &Look) -> Table {
    let mut table = Table::new(["RUN", "STATE", "TOOK", "STARTED", "COMMIT", "REF", "SUBJECT", "RELEASE"]);
    for run in runs {
        let (mark, word) = words::run(run);
        let took = took(run, look);
        table.row([
            Cell::text(run.number.to_string()),
            Cell::mark(mark, word),
            Cell::text(took.to_string()).plain(took.0.to_string()),
            Cell::text(look.clock.ago(run.started_at)).plain(run.started_at.iso()),
            Cell::text(run.commit.revision.short()).plain(run.commit.revision.as_str()),
            Cell::text(short_reference(&run.reference)).plain(&run.reference),
            Cell::text(run.commit.subject.as_deref().unwrap_or_default()),
            Cell::text(run.release.as_ref().map(|release| release.version.as_str()).unwrap_or_default()),
        ]);
    }
    table
}

/// One run with its jobs.
pub fn view(run: &RunView, look: &Look) -> String {
    let paint = look.paint;
    let (mark, word) = words::run(run);
    let title = paint.text(Style::Strong, &format!("run {}", run.number));
    let mut out = format!("{title} {} {} {}\n", run.project, paint.mark(mark, word), took(run, look));
    out += &format!(
        "{} {} {}, {}\n",
        super::change::commit(&run.commit, look),
        paint.dot(),
        clean(short_reference(&run.reference)),
        look.clock.ago(run.started_at)
    );
    if run.trigger == Trigger::Manual {
        out += "started by hand\n";
    }
    for (name, value) in run.inputs.iter().filter(|(_, value)| !value.is_empty()) {
        out += &format!("  input {name} = {}\n", clean(value));
    }
    for refused in &run.refused {
        out += &format!("  {}\n", paint.mark(Mark::Failed, &clean(refused)));
    }
    if let Some(code) = run.refused_code() {
        out += &format!("  more: trunkline explain {code}\n");
    }
    out += &align(&run.jobs.iter().map(|job| job_line(job, look)).collect::<Vec<_>>(), look.columns);
    if let Some(tests) = &run.tests {
        out += &format!("tests    {}\n", words::tests(tests));
    }
    match (&run.release, &run.verdict) {
        (Some(release), _) => out += &format!("release  {}\n", super::release::name(release)),
        // Why it was refused stands above, and is why there is none.
        (None, Some(_)) if run.result == Some(RunResult::Refused) => {}
        (None, Some(verdict)) => {
            out += &words::no_release(verdict).map(|why| format!("release  none: {}\n", clean(&why))).unwrap_or_default();
        }
        (None, None) => {}
    }
    out
}

/// How far its release came, one line for each environment.
pub fn way(stations: &[StationView], look: &Look) -> String {
    let line = |station: &StationView| {
        let (mark, word) = words::station(station);
        let took = station.took.map(|took| took.to_string()).unwrap_or_default();
        let name = format!("  {}", look.paint.mark(mark, &clean(&station.name)));
        vec![name, word.to_owned(), took, station.reason.as_deref().map(clean).unwrap_or_default()]
    };
    align(&stations.iter().map(line).collect::<Vec<_>>(), look.columns)
}

/// Where to look next: at the deployment that failed, or at a release whose way belongs to a later run of the same commit.
pub fn next(run: &RunView, stations: &[StationView]) -> Option<String> {
    let failed = stations.iter().find(|station| station.state == StationState::Failed).and_then(|station| station.deployment);
    match (failed, &run.release) {
        (Some(deployment), _) => Some(format!("next: {}", in_project!("log deployment/{deployment}"))),
        (None, Some(release)) if stations.is_empty() => Some(format!("next: {}", in_project!("release view {}", release.number))),
        (None, _) => None,
    }
}

fn job_line(job: &JobView, look: &Look) -> Vec<String> {
    let (mark, word) = words::job(job);
    let took = job_took(job, look).map(|took| took.to_string()).unwrap_or_default();
    let mut facts: Vec<String> = job.reason.iter().map(|reason| clean(reason)).collect();
    facts.extend(job.tests.as_ref().map(words::tests));
    facts.extend((job.log_sealed == Some(false)).then(|| "log incomplete".to_owned()));
    facts.extend((job.attempt > 1).then(|| format!("try {}", job.attempt)));
    facts.extend(job.sandbox.map(|level| words::sandbox(level).to_owned()));
    facts.extend(words::usage(&job.steps));
    facts.extend(job.artifacts.iter().map(|artifact| format!("{} {}", clean(&artifact.name), bytes(artifact.size))));
    vec![format!("  {}", look.paint.mark(mark, job.key.as_str())), word.to_owned(), took, facts.join(&format!(" {} ", look.paint.dot()))]
}

/// How long a job took, or has taken until now.
pub fn job_took(job: &JobView, look: &Look) -> Option<Millis> {
    match (job.began, job.ended_at) {
        (Some(began), Some(ended)) => Some(ended.since(began)),
        (Some(began), None) => Some(look.clock.elapsed(began)),
        (None, _) => None,
    }
}

/// How long a run took, or has taken until now.
pub fn took(run: &RunView, look: &Look) -> Millis {
    run.ended_at.map_or_else(|| look.clock.elapsed(run.started_at), |ended| ended.since(run.started_at))
}

/// `main` for `refs/heads/main`.
pub fn short_reference(reference: &str) -> &str {
    reference.strip_prefix("refs/heads/").or_else(|| reference.strip_prefix("refs/tags/")).unwrap_or(reference)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::paint::Paint;
    use crate::render::sample;

    #[test]
    fn one_run() {
        let expected = "\
run 812 shop V passed 6 min 41 s
4f2a91c Add coupon field (ana, #482) - main, 1 h ago
  V build  passed  2 min 10 s  shop 84.0 kB
  V unit   passed  4 min 31 s  1,203 tests passed - in a sandbox - cpu 7 min 01 s, 1.2 GB
tests    1,203 tests passed
release  release 12, 1.42 \"amber-heron\"
";
        assert_eq!(view(&sample::run(), &sample::look(Paint::PLAIN)), expected);
    }

    #[test]
    fn a_refused_run_says_why_and_nothing_of_a_release() {
        let mut run = sample::red_run();
        (run.result, run.verdict) = (Some(RunResult::Refused), Some(trunkline_domain::run::ReleaseVerdict::NotAsked));
        run.refused = vec!["TL0142 trunkline.yaml:3:1: Unknown key".to_owned()];
        run.jobs.clear();
        let text = view(&run, &sample::look(Paint::PLAIN));
        assert!(
            text.contains("X TL0142 trunkline.yaml:3:1: Unknown key\n  more: trunkline explain TL0142\n") && !text.contains("release"),
            "{text}"
        );
    }

    #[test]
    fn a_run_that_passed_says_where_its_release_failed() {
        let mut change = sample::change();
        let mut stations = change.stations.split_off(4);
        (stations[1].state, stations[1].reason) = (StationState::Failed, Some("smoke failed".to_owned()));
        let expected = "  V test        verified  4.0 s  http: 200, version 1.42
  X qa          failed           smoke failed
  . production  not yet
";
        assert_eq!(way(&stations, &sample::look(Paint::PLAIN)), expected);
        assert_eq!(next(&sample::run(), &stations).as_deref(), Some("next: trunkline log deployment/30"));
        assert_eq!(next(&sample::run(), &[]).as_deref(), Some("next: trunkline release view 12"));
        assert_eq!(next(&sample::red_run(), &[]), None);
    }

    #[test]
    fn a_list_for_programs() {
        let plain = table(&[sample::run()], &sample::look(Paint::PLAIN)).plain();
        let revision = sample::run().commit.revision;
        assert_eq!(plain, format!("812\tpassed\t401000\t2026-11-25T10:00:00Z\t{revision}\trefs/heads/main\tAdd coupon field\t1.42\n"));
    }
}
