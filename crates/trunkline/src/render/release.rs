//! Releases: lists, and one with what is in it and where it is.

use super::Look;
use super::paint::{Mark, Style};
use super::table::{Cell, Table};
use super::text::{bytes, clean, count};
use trunkline_api::view::{ReleaseRef, ReleaseView};
use trunkline_domain::foundation::EnvironmentName;

/// `release 12, 1.42 "amber-heron"`.
pub fn name(release: &ReleaseRef) -> String {
    format!("release {}, {} \"{}\"", release.number, clean(&release.version), clean(&release.alias))
}

/// From where on a release is forbidden: "qa", "eu and us".
pub fn vetoed_from(release: &ReleaseRef) -> Option<String> {
    let from: Vec<&str> = release.vetoed_from.iter().map(|name| name.as_str()).collect();
    (!from.is_empty()).then(|| from.join(" and "))
}

/// A list of releases.
pub fn table(releases: &[ReleaseView], look: &Look) -> Table {
    let mut table = Table::new(["RELEASE", "VERSION", "ALIAS", "CUT", "RUN", "COMMIT", "VERIFIED IN", "SUBJECT"]);
    for release in releases {
        let verified: Vec<&str> = release.verified.iter().map(|name| name.as_str()).collect();
        let veto = vetoed_from(&release.release).map(|from| format!("vetoed from {from}"));
        let state = match &veto {
            Some(veto) => Cell::mark(Mark::Failed, veto),
            None if verified.is_empty() => Cell::mark(Mark::Ahead, "nowhere yet").plain(""),
            None => Cell::mark(Mark::Passed, verified.join(", ")).plain(verified.join(",")),
        };
        table.row([
            Cell::text(release.release.number.to_string()),
            Cell::text(&release.release.version),
            Cell::text(&release.release.alias),
            Cell::text(look.clock.ago(release.at)).plain(release.at.iso()),
            Cell::text(release.run.to_string()),
            Cell::text(release.commit.revision.short()).plain(release.commit.revision.as_str()),
            state,
            Cell::text(release.commit.subject.as_deref().unwrap_or_default()),
        ]);
    }
    table
}

/// One release.
pub fn view(release: &ReleaseView, look: &Look) -> String {
    let paint = look.paint;
    let mut out = format!("{} {}\n", paint.text(Style::Strong, &name(&release.release)), release.project);
    let mut line = |label: &str, text: &str| out += &format!("{} {text}\n", paint.text(Style::Muted, &format!("{label:<14}")));
    line("digest", &release.release.digest.to_string());
    line("cut", &format!("{} from run {}", look.clock.ago(release.at), release.run));
    line("commit", &super::change::commit(&release.commit, look));
    for artifact in &release.artifacts {
        line("artifact", &format!("{} {} {}", clean(&artifact.name), bytes(artifact.size), artifact.digest));
    }
    if !release.files.is_empty() {
        let shown: Vec<String> = release.files.iter().take(8).map(|file| clean(file)).collect();
        let more = release.files.len().saturating_sub(shown.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        line("files", &format!("{}: {}{more}", count(release.files.len(), "file"), shown.join(", ")));
    }
    line("delivery file", &release.delivery_file.to_string());
    line("built as said", &release.statement.to_string());
    for environment in &release.environments {
        let mark = stands(release, environment);
        let digest = release.configuration.get(environment).map(|digest| format!("  configuration {}", digest.short())).unwrap_or_default();
        line("environment", &format!("{}{digest}", paint.mark(mark.0, &format!("{environment} {}", mark.1))));
    }
    if let Some(from) = vetoed_from(&release.release) {
        line("veto", &paint.mark(Mark::Failed, &format!("forbidden from {from} on")));
    }
    out
}

/// Where a release stands in an environment. A veto begins where its deployment failed.
fn stands(release: &ReleaseView, environment: &EnvironmentName) -> (Mark, &'static str) {
    let failed = release.release.vetoed_from.contains(environment);
    match (release.verified.contains(environment), failed) {
        (true, true) => (Mark::Failed, "verified once, failed since"),
        (false, true) => (Mark::Failed, "failed"),
        (true, false) => (Mark::Passed, "verified"),
        (false, false) => (Mark::Ahead, "not yet"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::paint::Paint;
    use crate::render::sample;

    #[test]
    fn one_release() {
        let text = view(&sample::release(), &sample::look(Paint::PLAIN));
        assert!(text.starts_with("release 12, 1.42 \"amber-heron\" shop\ndigest         sha256:"), "{text}");
        assert!(text.contains("environment    V test verified  configuration "), "{text}");
        assert!(text.contains("environment    . production not yet\n"), "{text}");
        let mut failed = sample::release();
        failed.release.vetoed_from = vec!["production".parse().unwrap()];
        let text = view(&failed, &sample::look(Paint::PLAIN));
        assert!(text.contains("environment    X production failed\n"), "{text}");
    }

    #[test]
    fn a_veto_is_seen_in_the_list() {
        let mut release = sample::release();
        release.release.vetoed_from = vec!["qa".parse().unwrap(), "us".parse().unwrap()];
        assert!(table(&[release], &sample::look(Paint::PLAIN)).human(Paint::PLAIN, None).contains("X vetoed from qa and us"));
    }
}
