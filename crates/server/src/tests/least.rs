//! On production a check never has less of a sandbox than the last verified one had, unless its file says so.

use super::{Server, add_project};
use trunkline_api::runner::{Assignment, ClaimRequest, LogEnd, Outcome, ReportRequest, Work};
use trunkline_domain::deployment::{ApplyOutcome, CheckOutcome, CheckVerdict, Health, Live, Observed};
use trunkline_domain::foundation::{Digest, Millis, RunnerKey};
use trunkline_domain::pipeline::SandboxLevel;
use trunkline_domain::run::{AttemptResult, JobOutcome};
use trunkline_runner::{HttpPort, Port};

const FILE: &str = "on: push\njobs:\n  a: { run: 'true' }\nrelease: { version: calver }\nenvironments:\n  \
qa:\n    deploy: { kind: run, apply: 'true' }\n    verify: [{ run: 'true' }]\n  \
live:\n    tier: production\n    deploy: { kind: run, apply: 'true' }\n    verify: [{ run: 'true' }]\n";

#[test]
fn production_remembers_what_its_checks_stood_behind() {
    let server = Server::start(0);
    let clone = add_project(&server);
    let port = HttpPort::new(&server.address, &server.token);
    let told = |subject: &str| {
        clone.commit(&[("trunkline.yaml", FILE)], subject);
        clone.push();
        let mut least = checks(&port);
        least.sort();
        least
    };
    let of = |qa, live| vec![("live".to_owned(), live), ("qa".to_owned(), qa)];
    assert_eq!(told("Begin"), of(None, None), "nothing was verified yet");
    assert_eq!(told("Go on"), of(None, Some(SandboxLevel::Landlock)));
}

/// Does all work until two checks were made, each behind Landlock; the least that each was told, by environment.
fn checks(port: &HttpPort) -> Vec<(String, Option<SandboxLevel>)> {
    let mut least = Vec::new();
    while least.len() < 2 {
        let given = port.claim(&ClaimRequest { runner: runner(), wait_ms: 5_000 }).unwrap().next.expect("there is work");
        if let Work::Verify(verify) = &given.work {
            least.push((given.subject.environment.clone().unwrap().to_string(), verify.least));
        }
        port.report(&report(&given)).unwrap();
    }
    least
}

fn runner() -> RunnerKey {
    "by-hand".parse().unwrap()
}

fn report(given: &Assignment) -> ReportRequest {
    let outcome = match &given.work {
        Work::Job(_) => Outcome::Job(JobOutcome::bare(AttemptResult::Passed)),
        Work::Observe(_) => {
            Outcome::Observe(Observed { live: Live::Nothing, fence: None, health: Health::Unknown, source: "by hand".to_owned() })
        }
        Work::Apply(_) => Outcome::Apply(ApplyOutcome::Applied),
        Work::Verify(_) => Outcome::Verify(CheckOutcome {
            verdict: CheckVerdict::Passed,
            evidence: "exit 0".to_owned(),
            tests: None,
            took: Millis(1),
            sandbox: Some(SandboxLevel::Landlock),
        }),
    };
    let log = LogEnd { bytes: 0, digest: Digest::of(b""), inline: Some(String::new()), dropped: 0, spent: false };
    ReportRequest { runner: runner(), lease: given.lease.clone(), outcome, log, claim_next: false }
}
