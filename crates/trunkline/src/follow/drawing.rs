//! How a followed thing is drawn: in place on a terminal, a line for each change elsewhere, JSON where asked for.

use super::sight::Line;
use super::{Place, Sight};
use crate::render::paint::{Mark, Style};
use crate::render::table::align;
use crate::render::text::fit;
use crate::render::{Look, Screen};
use std::collections::HashMap;
use std::io::Write;

/// Rows that are drawn in place; what has passed folds first.
const ROWS_MAX: usize = 16;

/// What has been drawn.
pub struct Drawing {
    place: Place,
    form: Form,
    /// Lines that stand on the terminal and will be drawn over.
    standing: usize,
    /// Mark and word that were told of each name.
    told: HashMap<String, (Mark, String)>,
    titled: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Live,
    Changes,
    Json,
    Silent,
}

impl Drawing {
    /// An empty drawing.
    pub fn new(screen: &Screen, place: Place) -> Self {
        let terminal = match place {
            Place::Out => screen.out_terminal,
            Place::Err => screen.err_terminal,
        };
        let form = match place {
            Place::Out if screen.json() => Form::Json,
            Place::Err if screen.quiet() => Form::Silent,
            _ if terminal => Form::Live,
            _ => Form::Changes,
        };
        Self { place, form, standing: 0, told: HashMap::new(), titled: false }
    }

    /// Whether it is drawn in place, so that times should move.
    pub fn is_live(&self) -> bool {
        self.form == Form::Live
    }

    /// Draws a sight. Says whether anything new was told.
    pub fn show(&mut self, sight: &Sight, screen: &Screen) -> anyhow::Result<bool> {
        let look = match self.place {
            Place::Out => &screen.out,
            Place::Err => &screen.err,
        };
        match self.form {
            Form::Silent => Ok(false),
            Form::Live => self.redraw(sight, look).map(|()| true),
            Form::Changes => {
                let news = self.news(sight, look);
                self.write(&news)?;
                Ok(!news.is_empty())
            }
            Form::Json => self.json(sight, screen),
        }
    }

    /// Leaves what stands on the terminal as it is.
    pub fn finish(&mut self) {
        self.standing = 0;
    }

    fn redraw(&mut self, sight: &Sight, look: &Look) -> anyhow::Result<()> {
        let text = picture(sight, look, ROWS_MAX);
        let up = if self.standing > 0 { format!("\x1b[{}A\x1b[0J", self.standing) } else { String::new() };
        self.standing = text.lines().count();
        self.write(&format!("{up}{text}"))
    }

    /// What is new in a sight.
    fn news(&mut self, sight: &Sight, look: &Look) -> String {
        let mut text = String::new();
        if !std::mem::replace(&mut self.titled, true) {
            text += &format!("{}\n", sight.title(look));
        }
        for line in sight.lines() {
            let state = (line.mark, line.word.clone());
            let before = self.told.insert(line.name.clone(), state.clone());
            // What is still ahead at the first sight is no change.
            if before.as_ref() == Some(&state) || (before.is_none() && line.mark == Mark::Ahead) {
                continue;
            }
            text += &change_line(&line, look);
        }
        text
    }

    /// The API's own objects, one line for each that differs from the last.
    fn json(&mut self, sight: &Sight, screen: &Screen) -> anyhow::Result<bool> {
        let text = match sight {
            Sight::Run(run) => serde_json::to_string(run)?,
            Sight::Change { change, .. } => serde_json::to_string(change)?,
            Sight::Deployment { deployment, .. } => serde_json::to_string(deployment)?,
        };
        let same = self.told.get("json").is_some_and(|(_, last)| *last == text);
        if !same {
            screen.print(&crate::render::text::safe_json(&text))?;
            self.told.insert("json".to_owned(), (Mark::Running, text));
        }
        Ok(!same)
    }

    fn write(&self, text: &str) -> anyhow::Result<()> {
        match self.place {
            Place::Out => {
                let mut out = std::io::stdout().lock();
                out.write_all(text.as_bytes())?;
                out.flush()?;
            }
            Place::Err => std::io::stderr().lock().write_all(text.as_bytes())?,
        }
        Ok(())
    }
}

/// `build passed 2.1 s: 12 tests passed`
fn change_line(line: &Line, look: &Look) -> String {
    let time = line.took.map(|took| format!(" {took}")).unwrap_or_default();
    let note = if line.note.is_empty() { String::new() } else { format!(": {}", line.note) };
    format!("{}{time}{note}\n", look.paint.mark(line.mark, &format!("{} {}", line.name, line.word)))
}

/// The whole drawing, at most `rows` lines below its title.
fn picture(sight: &Sight, look: &Look, rows: usize) -> String {
    let mut lines = sight.lines();
    let mut folded = String::new();
    if lines.len() > rows {
        let all = lines.len();
        let waits = |line: &Line| matches!(line.mark, Mark::Ahead | Mark::Skipped);
        let passed = |line: &Line| line.mark == Mark::Passed;
        let (ahead, done) = (lines.iter().filter(|line| waits(line)).count(), lines.iter().filter(|line| passed(line)).count());
        lines.retain(|line| !waits(line) && !passed(line));
        let busy = lines.len();
        lines.truncate(rows);
        let more = if busy > lines.len() { format!(", {} more at work", busy - lines.len()) } else { String::new() };
        folded = look.paint.text(Style::Muted, &format!("  {done} of {all} passed, {ahead} ahead{more}")) + "\n";
    }
    let cells = |line: &Line| {
        let name = format!("  {}", look.paint.mark(line.mark, &line.name));
        vec![name, line.word.clone(), line.time(look), look.paint.text(Style::Muted, &line.note)]
    };
    let title = sight.title(look);
    let title = look.columns.map_or(title.clone(), |columns| fit(&title, columns));
    format!("{title}\n{}{folded}", align(&lines.iter().map(cells).collect::<Vec<_>>(), look.columns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::paint::Paint;
    use crate::render::{sample, words};
    use trunkline_api::view::DeploymentStatus;
    use trunkline_domain::deployment::{DeploymentResult, FailureCause};

    #[test]
    fn one_line_for_each_job_and_environment() {
        let sight = Sight::Change { change: Box::new(sample::change()), environments: sample::status().projects[1].environments.clone() };
        let expected = "\
run 812 4f2a91c Add coupon field (ana, #482)
  V build       passed     2 min 10 s
  V unit        passed     4 min 31 s  1,203 tests passed
  V release     cut                    1.42 \"amber-heron\"
  V test        verified   4.0 s       http: 200, version 1.42
  > qa          deploying  30.0 s      checks run
  . production  not yet
";
        assert_eq!(picture(&sight, &sample::look(Paint::PLAIN), ROWS_MAX), expected);
    }

    #[test]
    fn a_rollback_has_a_line_of_its_own() {
        let mut change = sample::change();
        let qa = change.stations.iter_mut().find(|station| station.name == "qa").unwrap();
        (qa.state, qa.reason) = (trunkline_api::view::StationState::Failed, Some("smoke failed".to_owned()));
        let mut environments = sample::status().projects[1].environments.clone();
        environments[1].incoming = Some(sample::rollback(trunkline_api::view::DeploymentStatus::Deploying));
        let sight = Sight::Change { change: Box::new(change.clone()), environments: environments.clone() };
        let text = picture(&sight, &sample::look(Paint::PLAIN), ROWS_MAX);
        let lines: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        let at = lines.iter().position(|line| line == "X qa failed smoke failed").unwrap();
        assert_eq!(lines[at + 1], "> qa rollback deploying 30.0 s back to 1.41");
        environments[1].hindered_since = environments[1].incoming.take();
        let hindered = DeploymentStatus::Ended(DeploymentResult::Failed(FailureCause::Hindered));
        environments[1].hindered_since.as_mut().unwrap().status = hindered;
        let (_, word) = words::deployment(hindered);
        let sight = Sight::Change { change: Box::new(change.clone()), environments: environments.clone() };
        let text = picture(&sight, &sample::look(Paint::PLAIN), ROWS_MAX);
        assert!(text.contains(&format!("X qa rollback  {word}")), "{text}");
        environments[1].runs.as_mut().unwrap().undoes = change.stations.iter().find(|station| station.name == "qa").unwrap().deployment;
        let text = picture(&Sight::Change { change: Box::new(change), environments }, &sample::look(Paint::PLAIN), ROWS_MAX);
        let lines: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines[at + 1], "V qa rollback succeeded back to 1.41", "it stays in sight");
    }

    #[test]
    fn many_jobs_fold_what_has_passed() {
        let mut run = sample::run();
        let job = run.jobs[0].clone();
        run.jobs =
            (0..200).map(|index| trunkline_api::view::JobView { key: format!("job{index}").parse().unwrap(), ..job.clone() }).collect();
        run.jobs[7].status = trunkline_api::view::JobStatus::Running;
        let text = picture(&Sight::Run(Box::new(run)), &sample::look(Paint::PLAIN), 8);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.contains("> job7") && text.contains("199 of 200 passed"), "{text}");
    }

    #[test]
    fn a_pipe_hears_each_change_once() {
        let mut drawing = Drawing { place: Place::Err, form: Form::Changes, standing: 0, told: HashMap::new(), titled: false };
        let look = sample::look(Paint::PLAIN);
        let mut run = sample::run();
        run.jobs[1].status = trunkline_api::view::JobStatus::Blocked;
        let (early, late) = (Sight::Run(Box::new(run)), Sight::Run(Box::new(sample::run())));
        assert_eq!(drawing.news(&early, &look), "run 812 4f2a91c Add coupon field (ana, #482)\nV build passed 2 min 10 s\n");
        assert_eq!(drawing.news(&early, &look), "");
        assert_eq!(drawing.news(&late, &look), "V unit passed 4 min 31 s: 1,203 tests passed\n");
    }
}
