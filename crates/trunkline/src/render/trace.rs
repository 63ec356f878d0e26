//! From what runs in an environment back to the pull request, a proof for each link. A gap is shown as a gap.

use super::Look;
use super::paint::{Mark, Style};
use super::table::{Cell, Table};
use super::text::{clean, width};
use super::words;
use crate::invocation::on_folder;
use trunkline_api::view::TraceView;

/// One link of the chain.
struct Link {
    kind: &'static str,
    name: String,
    facts: String,
    proof: String,
    mark: Mark,
}

/// The chain for people.
pub fn chain(view: &TraceView, look: &Look) -> String {
    let paint = look.paint;
    let links = links(view, look);
    let title = |link: &Link| format!("{} {}", link.kind, link.name).trim().to_owned();
    let widest = links.iter().map(|link| width(&title(link))).max().unwrap_or(0);
    let mut chain = String::new();
    for (index, link) in links.iter().enumerate() {
        let arrow = if index == 0 { "" } else { paint.from() };
        let title = title(link);
        let gap = " ".repeat(widest - width(&title) + 2);
        chain += format!("{arrow:<3}{}{gap}{}", paint.mark(link.mark, &title), link.facts).trim_end();
        chain.push('\n');
        // A proof is long, and is copied rather than read: a line of its own.
        if !link.proof.is_empty() {
            chain += &format!("{:indent$}{}\n", "", paint.text(Style::Muted, &link.proof), indent = widest + 7);
        }
    }
    let ledger = format!("ledger of {} entries, root {}", view.as_of, view.root);
    let verify = on_folder!("ledger verify --at-size {} --root {}", view.as_of, view.root);
    let keep = format!("keep this root elsewhere; later, on the server's machine: {verify}");
    format!("{chain}{ledger}\n{}\n", paint.text(Style::Muted, &keep))
}

/// One line for each link, for programs: kind, name, facts, proof. The ledger comes last.
pub fn table(view: &TraceView, look: &Look) -> Table {
    let mut table = Table::new(["LINK", "NAME", "FACTS", "PROOF"]);
    for link in links(view, look) {
        table.row([Cell::text(link.kind), Cell::text(&link.name), Cell::text(&link.facts), Cell::text(&link.proof)]);
    }
    table.row([Cell::text("ledger"), Cell::text(view.as_of.to_string()), Cell::text(""), Cell::text(view.root.to_string())]);
    table
}

fn links(view: &TraceView, look: &Look) -> Vec<Link> {
    let dot = format!(" {} ", look.paint.dot());
    vec![
        environment(view, look),
        deployment(view, look),
        release(view, &dot),
        run(view, look, &dot),
        configuration(view),
        commit(view, look),
        pull_request(view),
    ]
}

fn environment(view: &TraceView, look: &Look) -> Link {
    let since = view.environment.runs.as_ref().map(|runs| look.clock.ago(runs.since)).unwrap_or_default();
    let facts = format!("{} verified {since}", clean(&view.release.release.version));
    Link { kind: "environment", name: view.environment.name.to_string(), facts, proof: String::new(), mark: Mark::Passed }
}

fn deployment(view: &TraceView, look: &Look) -> Link {
    let deployment = &view.deployment;
    let (mark, _) = words::deployment(deployment.status);
    let checks: Vec<String> = deployment
        .checks
        .iter()
        .map(|check| format!("{} {}: {}", clean(&check.name), words::check(check, deployment.status).1, super::deployment::evidence(check)))
        .collect();
    let verified =
        if checks.is_empty() { "gap: nothing was verified, the environment has no checks".to_owned() } else { checks.join("; ") };
    let at = deployment.ended_at.map(|at| look.clock.ago(at)).unwrap_or_default();
    let proof = deployment.fence.map(|fence| format!("fence {fence}")).unwrap_or_default();
    Link {
        kind: "deployment",
        name: deployment.number.to_string(),
        facts: format!("{}, {at}; {verified}", clean(&deployment.cause)),
        proof,
        mark,
    }
}

fn release(view: &TraceView, dot: &str) -> Link {
    let release = &view.release;
    let mut facts = vec![format!("{} \"{}\"", clean(&release.release.version), clean(&release.release.alias))];
    facts.extend(release.artifacts.iter().map(|artifact| format!("{} {}", clean(&artifact.name), artifact.digest.short())));
    facts.push(format!("delivery file {}", release.delivery_file.short()));
    facts.push(format!("build statement {}", release.statement.short()));
    let proof = release.release.digest.to_string();
    Link { kind: "release", name: release.release.number.to_string(), facts: facts.join(dot), proof, mark: Mark::Passed }
}

fn run(view: &TraceView, look: &Look, dot: &str) -> Link {
    let run = &view.run;
    let (mark, _) = words::run(run);
    let jobs: Vec<&str> = run.jobs.iter().map(|job| job.key.as_str()).collect();
    let tests = run.tests.as_ref().map_or_else(|| "gap: no tests were reported".to_owned(), words::tests);
    let facts = [tests, format!("jobs {}", jobs.join(", ")), look.clock.ago(run.started_at)].join(dot);
    let proof = run.plan.as_ref().map_or_else(|| "gap: no plan".to_owned(), ToString::to_string);
    Link { kind: "run", name: run.number.to_string(), facts, proof, mark }
}

fn configuration(view: &TraceView) -> Link {
    match &view.configuration {
        Some(digest) => {
            let facts = format!("of {} in the release", view.environment.name);
            Link { kind: "configuration", name: digest.short(), facts, proof: digest.to_string(), mark: Mark::Passed }
        }
        None => gap("configuration", "the environment has no configuration of its own"),
    }
}

fn commit(view: &TraceView, look: &Look) -> Link {
    let commit = &view.release.commit;
    let subject =
        commit.subject.as_deref().map_or_else(|| "gap: its message was erased".to_owned(), |subject| format!("\"{}\"", clean(subject)));
    let author = commit.author.as_deref().map_or_else(|| "(name erased)".to_owned(), clean);
    let facts = format!("{subject} by {author}, {}", look.clock.ago(commit.committed_at));
    Link { kind: "commit", name: commit.revision.short().to_owned(), facts, proof: commit.revision.to_string(), mark: Mark::Passed }
}

fn pull_request(view: &TraceView) -> Link {
    match &view.release.commit.pull_request {
        Some(pull_request) => {
            let proof = clean(&pull_request.evidence);
            Link { kind: "pull request", name: format!("#{}", pull_request.number), facts: String::new(), proof, mark: Mark::Passed }
        }
        None => {
            let reference = super::run::short_reference(&view.run.reference).to_owned();
            gap("pull request", &format!("none is known: pushed directly to {}", clean(&reference)))
        }
    }
}

/// A link that is not there. It says so rather than being left out.
fn gap(kind: &'static str, why: &str) -> Link {
    Link { kind, name: String::new(), facts: format!("gap: {why}"), proof: String::new(), mark: Mark::Skipped }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::paint::Paint;
    use crate::render::sample;

    #[test]
    fn every_link_has_its_proof() {
        let text = chain(&sample::trace(), &sample::look(Paint::PLAIN));
        let links: Vec<&str> = text.lines().filter(|line| line.contains("V ")).map(|line| line[..20].trim()).collect();
        let expected = [
            "V environment pro",
            "<- V deployment 31",
            "<- V release 12",
            "<- V run 812",
            "<- V configuration b",
            "<- V commit 4f2a91c",
            "<- V pull request #4",
        ];
        assert_eq!(links.len(), expected.len(), "{text}");
        assert!(links.iter().zip(expected).all(|(link, expected)| link.starts_with(expected)), "{links:?}");
        assert_eq!(text.matches("sha256:").count(), 5, "{text}");
    }

    #[test]
    fn gaps_are_shown() {
        let mut trace = sample::trace();
        trace.release.commit.pull_request = None;
        trace.configuration = None;
        trace.deployment.checks.clear();
        trace.run.tests = None;
        let text = chain(&trace, &sample::look(Paint::PLAIN));
        for gap in
            ["gap: none is known: pushed directly to main", "gap: the environment has no", "gap: nothing was verified", "gap: no tests"]
        {
            assert!(text.contains(gap), "{gap}\n{text}");
        }
    }
}
