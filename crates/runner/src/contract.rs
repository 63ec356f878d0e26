//! What every [`Port`] must do, as functions to call from the tests of each implementation.
//!
//! The port must be empty: no work waits for `runner`. Each function panics with what was wrong.

use crate::port::{CallError, Port};
use trunkline_api::runner::{CallRefusal, ClaimRequest, Lease, LogEnd, Outcome, RenewRequest, ReportRequest};
use trunkline_domain::foundation::{Digest, RunnerKey};
use trunkline_domain::run::{AttemptResult, JobOutcome};

/// Everything that holds without any work.
pub fn without_work(port: &dyn Port, runner: &RunnerKey) {
    claim_nothing(port, runner);
    unknown_lease_is_stale(port, runner);
    blob_round_trip(port);
    blob_is_stored_once(port);
    wrong_digest_is_refused(port);
    missing_blob_is_not_found(port);
}

/// Everything that holds for a lease that is held. The lease may be used up: its work is finished afterwards.
pub fn with_lease(port: &dyn Port, runner: &RunnerKey, lease: &Lease) {
    held_lease_is_renewed(port, runner, lease);
    stale_epoch_is_refused(port, runner, lease);
    log_gap_is_refused(port, lease);
    log_overlap_is_accepted(port, lease);
}

/// Without work a claim answers with none, within its time.
pub fn claim_nothing(port: &dyn Port, runner: &RunnerKey) {
    let reply = port.claim(&ClaimRequest { runner: runner.clone(), wait_ms: 10 }).expect("a claim is answered");
    assert_eq!(reply.next, None, "nothing waits");
}

/// A lease that was never given is lost on renewal, and its writes are refused.
pub fn unknown_lease_is_stale(port: &dyn Port, runner: &RunnerKey) {
    let lease = Lease { work: "run_00000000000000000000000000000000/job/none/1".to_owned(), epoch: 1 };
    let renewed = port.renew(&RenewRequest { runner: runner.clone(), leases: vec![lease.clone()] }).expect("a renewal is answered");
    assert_eq!(renewed.lost, std::slice::from_ref(&lease), "it is not held");
    refused_as_stale("log_append", port.log_append(&lease, 0, b"x"));
    refused_as_stale("report", port.report(&report(runner, &lease)).map(|_| ()));
}

/// A blob comes back as it was put.
pub fn blob_round_trip(port: &dyn Port) {
    let bytes: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    let digest = Digest::of(&bytes);
    port.blob_put(&digest, bytes.len() as u64, &mut &bytes[..]).expect("a blob is stored");
    let mut back = Vec::new();
    let size = port.blob_get(&digest, &mut back).expect("a stored blob is read");
    assert_eq!(size, bytes.len() as u64);
    assert!(back == bytes, "the same bytes");
}

/// Putting a blob again is accepted.
pub fn blob_is_stored_once(port: &dyn Port) {
    let digest = Digest::of(b"twice");
    for _ in 0..2 {
        port.blob_put(&digest, 5, &mut &b"twice"[..]).expect("a blob may be put again");
    }
}

/// Bytes that do not have the digest are refused and not stored.
pub fn wrong_digest_is_refused(port: &dyn Port) {
    let digest = Digest::of(b"what was promised");
    let put = port.blob_put(&digest, 13, &mut &b"what was sent"[..]);
    assert!(matches!(put, Err(CallError::Refused(CallRefusal::Invalid(_)))), "refused as invalid, not {put:?}");
    assert!(port.blob_get(&digest, &mut Vec::new()).is_err(), "nothing is stored under a wrong digest");
}

/// A blob that nobody put is not found.
pub fn missing_blob_is_not_found(port: &dyn Port) {
    let got = port.blob_get(&Digest::of(b"never put"), &mut Vec::new());
    assert!(matches!(got, Err(CallError::Refused(CallRefusal::NotFound(_)))), "refused as not found, not {got:?}");
}

/// A held lease is neither lost nor cancelled.
pub fn held_lease_is_renewed(port: &dyn Port, runner: &RunnerKey, lease: &Lease) {
    let renewed = port.renew(&RenewRequest { runner: runner.clone(), leases: vec![lease.clone()] }).expect("a renewal is answered");
    assert!(renewed.lost.is_empty() && renewed.cancel.is_empty(), "it is held: {renewed:?}");
}

/// Every write under another epoch is refused.
pub fn stale_epoch_is_refused(port: &dyn Port, runner: &RunnerKey, lease: &Lease) {
    let old = Lease { epoch: lease.epoch.wrapping_sub(1), ..lease.clone() };
    refused_as_stale("log_append", port.log_append(&old, 0, b"x"));
    refused_as_stale("report", port.report(&report(runner, &old)).map(|_| ()));
    let renewed = port.renew(&RenewRequest { runner: runner.clone(), leases: vec![old.clone()] }).expect("a renewal is answered");
    assert_eq!(renewed.lost, [old], "an old epoch is lost");
}

/// A chunk that leaves a gap is refused with what the server has.
pub fn log_gap_is_refused(port: &dyn Port, lease: &Lease) {
    port.log_append(lease, 0, b"four").expect("the first chunk");
    let gap = port.log_append(lease, 9, b"later");
    assert_eq!(gap, Err(CallError::Refused(CallRefusal::Offset { have: 4 })), "a gap is refused");
    port.log_append(lease, 4, b"more").expect("the next chunk");
}

/// A chunk sent again, because its answer was lost, changes nothing.
pub fn log_overlap_is_accepted(port: &dyn Port, lease: &Lease) {
    match port.log_append(lease, 4, b"more") {
        Ok(()) | Err(CallError::Refused(CallRefusal::Offset { have: 8 })) => {}
        other => panic!("a repeated chunk is accepted or answered with what is there, not {other:?}"),
    }
    port.log_append(lease, 8, b"!").expect("it goes on where it ended");
}

fn report(runner: &RunnerKey, lease: &Lease) -> ReportRequest {
    let outcome = JobOutcome::bare(AttemptResult::Passed);
    let log = LogEnd { bytes: 0, digest: Digest::of(b""), inline: Some(String::new()), dropped: 0, spent: false };
    ReportRequest { runner: runner.clone(), lease: lease.clone(), outcome: Outcome::Job(outcome), log, claim_next: false }
}

fn refused_as_stale(call: &str, result: Result<(), CallError>) {
    assert_eq!(result, Err(CallError::Refused(CallRefusal::Stale)), "{call} under a lease that is not held");
}
