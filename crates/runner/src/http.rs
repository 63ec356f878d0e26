//! The port over HTTP: `/api/v1/runner/…` and `/api/v1/blobs/…` with a bearer token.
//!
//! Plain `http://` only; a remote runner stands behind a tunnel or a proxy that ends TLS until the runner speaks it.

use crate::archive;
use crate::port::{CallError, Port};
use serde::{Serialize, de::DeserializeOwned};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::time::Duration;
use trunkline_api::runner::{CallRefusal, ClaimRequest, Lease, RenewReply, RenewRequest, ReportRequest, WorkReply};
use trunkline_domain::foundation::{Digest, ProjectKey, Revision};
use ureq::http::Response;
use ureq::{Agent, Body, SendBody};

/// Bytes of a JSON answer.
const ANSWER_BYTES_MAX: u64 = 16 << 20;
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// A claim may be held open for 30 s by the server; a tree must be packed first.
const ANSWER_WITHIN: Duration = Duration::from_secs(45);
/// The calls that keep a lease. A connection whose other end vanished in silence gives no answer, ever: there must be
/// time for a second and a third one before the lease is lost.
const ANSWER_SOON: Duration = Duration::from_secs(10);
/// Silence in the middle of a body.
const TRANSFER_WITHIN: Duration = Duration::from_secs(600);

/// A server reached over HTTP.
pub struct HttpPort {
    agent: Agent,
    base: String,
    token: String,
    soon: Duration,
}

impl HttpPort {
    /// A server at `base` (`http://host:port`), which knows this runner by its token.
    pub fn new(base: &str, token: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // Never through a proxy that an environment variable names: the token goes to the server alone.
            .proxy(None)
            .timeout_connect(Some(CONNECT_WITHIN))
            .timeout_recv_response(Some(ANSWER_WITHIN))
            .timeout_send_body(Some(TRANSFER_WITHIN))
            .timeout_recv_body(Some(TRANSFER_WITHIN))
            .build();
        Self { agent: config.into(), base: base.trim_end_matches('/').to_owned(), token: format!("Bearer {token}"), soon: ANSWER_SOON }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.base)
    }

    fn post<Q: Serialize, A: DeserializeOwned>(&self, path: &str, request: &Q, within: Duration) -> Result<A, CallError> {
        let body = serde_json::to_vec(request).map_err(|error| CallError::Refused(CallRefusal::Invalid(error.to_string())))?;
        let call = self.agent.post(self.url(path)).config().timeout_recv_response(Some(within)).build();
        let sent = call.header("authorization", &self.token).content_type("application/json").send(&body[..]);
        let mut answer = accepted(sent)?;
        let bytes = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(unreachable)?;
        serde_json::from_slice(&bytes).map_err(|error| CallError::Unreachable(format!("its answer makes no sense: {error}")))
    }

    fn get(&self, path: &str) -> Result<Response<Body>, CallError> {
        accepted(self.agent.get(self.url(path)).header("authorization", &self.token).call())
    }

    fn has_blob(&self, digest: &Digest) -> Result<bool, CallError> {
        let answer = self.agent.head(self.url(&format!("blobs/{digest}"))).header("authorization", &self.token).call();
        Ok(answer.map_err(unreachable)?.status().is_success())
    }
}

impl Port for HttpPort {
    fn claim(&self, request: &ClaimRequest) -> Result<WorkReply, CallError> {
        self.post("runner/claim", request, ANSWER_WITHIN)
    }

    fn renew(&self, request: &RenewRequest) -> Result<RenewReply, CallError> {
        self.post("runner/renew", request, self.soon)
    }

    fn report(&self, request: &ReportRequest) -> Result<WorkReply, CallError> {
        self.post("runner/report", request, self.soon)
    }

    fn log_append(&self, lease: &Lease, offset: u64, bytes: &[u8]) -> Result<(), CallError> {
        let sent = self
            .agent
            .put(self.url("runner/logs"))
            .config()
            .timeout_recv_response(Some(self.soon))
            .build()
            .query("work", &lease.work)
            .query("epoch", lease.epoch.to_string())
            .query("offset", offset.to_string())
            .header("authorization", &self.token)
            .content_type("application/octet-stream")
            .send(bytes);
        accepted(sent).map(|_| ())
    }

    fn blob_get(&self, digest: &Digest, into: &mut dyn Write) -> Result<u64, CallError> {
        let answer = self.get(&format!("blobs/{digest}"))?;
        let expected = answer.body().content_length();
        let mut body = answer.into_body().into_with_config().limit(u64::MAX).reader();
        let copied = std::io::copy(&mut body, into).map_err(|error| CallError::Unreachable(error.to_string()))?;
        match expected {
            Some(expected) if expected != copied => Err(CallError::Unreachable(format!("{copied} of {expected} bytes came"))),
            _ => Ok(copied),
        }
    }

    fn blob_put(&self, digest: &Digest, size: u64, from: &mut dyn Read) -> Result<(), CallError> {
        if self.has_blob(digest)? {
            return Ok(());
        }
        let mut body = from.take(size);
        let sent = self
            .agent
            .put(self.url(&format!("blobs/{digest}")))
            .header("authorization", &self.token)
            .header("content-length", size.to_string())
            .content_type("application/octet-stream")
            .send(SendBody::from_reader(&mut body));
        accepted(sent).map(|_| ())
    }

    fn checkout(&self, project: &ProjectKey, revision: &Revision, into: &Path) -> Result<(), CallError> {
        let answer = self.get(&format!("runner/tree/{project}/{revision}"))?;
        let body = answer.into_body().into_with_config().limit(archive::BYTES_MAX).reader();
        archive::extract(body, into).map_err(|error| match error {
            archive::Error::Hostile(what) => CallError::Refused(CallRefusal::Invalid(format!("the tree holds {what}"))),
            // Asking again would not make room.
            archive::Error::Broken(error) if is_local(error.kind()) => {
                CallError::Refused(CallRefusal::Invalid(format!("the tree cannot be written here: {error}")))
            }
            archive::Error::Broken(error) => CallError::Unreachable(error.to_string()),
        })
    }
}

fn is_local(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

fn unreachable(error: ureq::Error) -> CallError {
    CallError::Unreachable(error.to_string())
}

/// Turns a status into success, a refusal, or "try again".
fn accepted(sent: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, CallError> {
    let mut answer = sent.map_err(unreachable)?;
    let status = answer.status().as_u16();
    if answer.status().is_success() {
        return Ok(answer);
    }
    let text = answer.body_mut().with_config().limit(64 << 10).lossy_utf8(true).read_to_string().unwrap_or_default();
    if let Ok(refusal) = serde_json::from_str::<CallRefusal>(&text) {
        return Err(CallError::Refused(refusal));
    }
    let said: String = text.chars().take(200).collect();
    Err(match status {
        400 | 413 | 422 => CallError::Refused(CallRefusal::Invalid(said)),
        404 => CallError::Refused(CallRefusal::NotFound(said)),
        409 => CallError::Refused(CallRefusal::Stale),
        // 401 too: a token that is refused now may be renewed by an operator while the work goes on.
        _ => CallError::Unreachable(format!("status {status} {said}")),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::time::Instant;

    #[test]
    fn a_server_that_vanished_in_silence_is_asked_again_before_the_lease_is_lost() {
        // It takes connections and requests, and never answers.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut port = HttpPort::new(&format!("http://{}", listener.local_addr().unwrap()), "none");
        assert!(port.soon.as_millis() * 3 < u128::from(trunkline_api::runner::LOST_AFTER.0));
        port.soon = Duration::from_millis(100);
        let lease = Lease { work: "run/a".to_owned(), epoch: 1 };
        let started = Instant::now();
        let renewal = RenewRequest { runner: "r1".parse().unwrap(), leases: vec![lease.clone()] };
        assert!(matches!(port.renew(&renewal), Err(CallError::Unreachable(_))));
        assert!(matches!(port.log_append(&lease, 0, b"line"), Err(CallError::Unreachable(_))));
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}
