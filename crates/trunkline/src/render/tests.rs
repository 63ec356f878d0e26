//! Failed tests first: name, place, message.

use super::Look;
use super::paint::{Mark, Style};
use super::table::{Cell, Table};
use super::text::clean;
use super::words;
use serde::Serialize;
use trunkline_domain::report::{TestFailure, TestSummary};

/// Lines of a failure's message that are shown.
const MESSAGE_LINES_MAX: usize = 12;

/// The tests of one job or check.
#[derive(Serialize)]
pub struct Tested {
    /// The job's key; for a check, the environment and its name: `qa/smoke`.
    pub place: String,
    /// Its tests.
    pub tests: TestSummary,
}

/// Each failure, then what each job or check counted.
pub fn view(tested: &[Tested], failed_only: bool, look: &Look) -> String {
    let mut out = String::new();
    for (job, summary) in summaries(tested) {
        for failure in &summary.failures {
            out += &self::failure(job, failure, look);
        }
        let hidden = summary.failed as usize - summary.failures.len().min(summary.failed as usize);
        if hidden > 0 {
            out += &format!("  and {hidden} more failed in {job}\n");
        }
    }
    if !failed_only || out.is_empty() {
        for (job, summary) in summaries(tested) {
            let mark = if summary.failed > 0 { Mark::Failed } else { Mark::Passed };
            out += &format!("{} {}\n", look.paint.mark(mark, job), words::tests(summary));
        }
    }
    out
}

/// For programs: one line for each failed test, with job or check, name, file, line and message; then, unless only failures are
/// wanted, one for each of them, without a name, whose message is what it counted.
pub fn table(tested: &[Tested], failed_only: bool) -> Table {
    let mut table = Table::new(["JOB", "TEST", "FILE", "LINE", "MESSAGE"]);
    for (job, summary) in summaries(tested) {
        for failure in &summary.failures {
            table.row([
                Cell::text(job),
                Cell::text(&failure.name),
                Cell::text(failure.file.as_deref().unwrap_or_default()),
                Cell::text(failure.line.map(|line| line.to_string()).unwrap_or_default()),
                Cell::text(&failure.message),
            ]);
        }
    }
    for (job, summary) in summaries(tested).filter(|_| !failed_only) {
        table.row([Cell::text(job), Cell::text(""), Cell::text(""), Cell::text(""), Cell::text(words::tests(summary))]);
    }
    table
}

fn summaries(tested: &[Tested]) -> impl Iterator<Item = (&str, &TestSummary)> {
    tested.iter().map(|one| (one.place.as_str(), &one.tests))
}

fn failure(job: &str, failure: &TestFailure, look: &Look) -> String {
    let place = match (&failure.file, failure.line) {
        (Some(file), Some(line)) => format!("  {}:{line}", clean(file)),
        (Some(file), None) => format!("  {}", clean(file)),
        (None, _) => String::new(),
    };
    let title = look.paint.mark(Mark::Failed, &clean(&failure.name));
    let mut out = format!("{title}{place}  {}\n", look.paint.text(Style::Muted, job));
    let lines: Vec<&str> = failure.message.lines().collect();
    for line in lines.iter().take(MESSAGE_LINES_MAX) {
        // Indentation carries meaning in a comparison of values.
        let indent = line.len() - line.trim_start().len();
        out += &format!("    {}{}\n", " ".repeat(indent.min(40)), clean(line));
    }
    if lines.len() > MESSAGE_LINES_MAX {
        out += &format!("    ({} more lines: trunkline log)\n", lines.len() - MESSAGE_LINES_MAX);
    }
    out
}

#[cfg(test)]
mod unit {
    use super::*;
    use crate::render::paint::Paint;
    use crate::render::sample;
    use trunkline_api::view::RunView;

    fn of(run: RunView) -> Vec<Tested> {
        run.jobs.into_iter().filter_map(|job| Some(Tested { place: job.key.to_string(), tests: job.tests? })).collect()
    }

    #[test]
    fn failures_come_first_with_their_place() {
        let expected = "\
X cart::coupon_expired  src/cart.rs:88  unit
    assertion failed
      left: 0
  and 1 more failed in unit
X unit 2 of 1,203 tests failed
";
        assert_eq!(view(&of(sample::red_run()), false, &sample::look(Paint::PLAIN)), expected);
        assert!(!view(&of(sample::red_run()), true, &sample::look(Paint::PLAIN)).contains("1,203"));
    }

    #[test]
    fn programs_get_one_line_for_each_failure_and_each_count() {
        let failure = "unit\tcart::coupon_expired\tsrc/cart.rs\t88\tassertion failed   left: 0\n";
        assert_eq!(table(&of(sample::red_run()), true).plain(), failure);
        assert_eq!(table(&of(sample::red_run()), false).plain(), format!("{failure}unit\t\t\t\t2 of 1,203 tests failed\n"));
        assert_eq!(table(&of(sample::run()), false).plain(), "unit\t\t\t\t1,203 tests passed\n");
    }
}
