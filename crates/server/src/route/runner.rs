//! The runner protocol over HTTP. Each route hands its call to the same port that the built-in runner uses.

use super::Problem;
use super::asked::{self, Ask, Nothing, Place, Raw};
use super::document::ROOT;
use super::sketch::Sketch;
use super::table::{BodyMax, Describe, Table};
use super::told::{Bytes, Done};
use crate::access::{Authorized, Execute};
use crate::port::LocalPort;
use crate::route::stream;
use crate::shared::Shared;
use crate::within::TooLong;
use crate::writer::Origin;
use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use trunkline_api::runner::{
    BLOB_BYTES_MAX, CallRefusal, ClaimRequest, LOG_CHUNK_BYTES_MAX, Lease, RenewReply, RenewRequest, ReportRequest, WorkReply,
};
use trunkline_domain::foundation::{Digest, ProjectKey, Revision};
use trunkline_runner::{CallError, Port};

/// Bytes of a report: outputs, failures and an inline log.
const REPORT_BYTES_MAX: usize = 4 << 20;

pub fn routes() -> Table {
    Table::below(ROOT)
        .post("/runner/claim", claim, "A runner asks for work, and waits for it.")
        .post("/runner/renew", renew, "A runner still holds its leases.")
        .route((Method::POST, "/runner/report"), report, "A runner tells how its work ended.", BodyMax::Bytes(REPORT_BYTES_MAX))
        .route((Method::PUT, "/runner/logs"), log_append, "More of a log.", BodyMax::Bytes(LOG_CHUNK_BYTES_MAX))
        .get("/runner/tree/{project}/{revision}", tree, "The files of a commit, as a tar archive.")
        .get("/blobs/{digest}", blob_get, "The bytes that have this digest.")
        .route((Method::PUT, "/blobs/{digest}"), blob_put, "Keeps bytes under their digest.", BodyMax::Counted(BLOB_BYTES_MAX))
}

/// A refusal as the runner's client reads it: the status says the kind, the body is the refusal itself.
enum Refusal {
    Call(CallError),
    TooLong(TooLong),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Refusal::TooLong(why) => asked::too_long(why).into_response(),
            Refusal::Call(CallError::Refused(refusal)) => {
                let status = match &refusal {
                    CallRefusal::Stale => StatusCode::CONFLICT,
                    CallRefusal::Offset { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
                    CallRefusal::Invalid(_) => StatusCode::BAD_REQUEST,
                    CallRefusal::NotFound(_) => StatusCode::NOT_FOUND,
                };
                (status, Json(refusal)).into_response()
            }
            Refusal::Call(CallError::Unreachable(why)) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "TL0520", why).into_response(),
        }
    }
}

impl Describe for Refusal {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.json::<CallRefusal>(400, "the call makes no sense");
        sketch.json::<CallRefusal>(404, "there is no such thing");
        sketch.json::<CallRefusal>(409, "the lease is not held any more");
        sketch.json::<CallRefusal>(416, "the log does not go on there: send from the offset in the answer");
        sketch.refusal(503, "the server is busy or is ending: try again");
    }
}

/// Port calls block; they run where blocking is allowed.
async fn on_port<T: Send + 'static>(
    shared: Arc<Shared>,
    call: impl FnOnce(&LocalPort) -> Result<T, CallError> + Send + 'static,
) -> Result<T, Refusal> {
    let result = tokio::task::spawn_blocking(move || call(&LocalPort::new(shared, Origin::Outside))).await;
    result.unwrap_or_else(|_| Err(CallError::Unreachable("the call broke off".to_owned()))).map_err(Refusal::Call)
}

async fn claim(
    _: Authorized<Execute>,
    State(shared): State<Arc<Shared>>,
    asked::Body(request): asked::Body<ClaimRequest>,
) -> Result<Json<WorkReply>, Refusal> {
    let caller = Caller(Arc::new(AtomicBool::new(true)));
    let there = caller.0.clone();
    on_port(shared, move |port| port.claim_while(&request, &|| there.load(Ordering::Acquire))).await.map(Json)
}

/// A connection that ends while its call is under way drops the call, and this with it.
struct Caller(Arc<AtomicBool>);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

async fn renew(
    _: Authorized<Execute>,
    State(shared): State<Arc<Shared>>,
    asked::Body(request): asked::Body<RenewRequest>,
) -> Result<Json<RenewReply>, Refusal> {
    on_port(shared, move |port| port.renew(&request)).await.map(Json)
}

async fn report(
    _: Authorized<Execute>,
    State(shared): State<Arc<Shared>>,
    asked::Body(request): asked::Body<ReportRequest>,
) -> Result<Json<WorkReply>, Refusal> {
    on_port(shared, move |port| port.report(&request)).await.map(Json)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LogPlace {
    /// The work.
    work: String,
    /// The lease's.
    epoch: u64,
    /// Bytes that were sent before.
    offset: u64,
}

async fn log_append(
    _: Authorized<Execute>,
    State(shared): State<Arc<Shared>>,
    Ask(place): Ask<LogPlace>,
    Raw(body): Raw,
) -> Result<Done, Refusal> {
    let lease = Lease { work: place.work, epoch: place.epoch };
    on_port(shared, move |port| port.log_append(&lease, place.offset, &body)).await.map(|()| Done)
}

async fn blob_get(
    _: Authorized<Execute>,
    State(shared): State<Arc<Shared>>,
    Place(digest): Place<Digest>,
    Ask(Nothing {}): Ask<Nothing>,
) -> Result<Bytes, Refusal> {
    if !shared.blobs.has(&digest) {
        return Err(Refusal::Call(CallError::Refused(CallRefusal::NotFound(format!("blob {digest}")))));
    }
    let (mut sender, body) = stream::out();
    tokio::task::spawn_blocking(move || {
        // A reader that went away, or a blob that turns out damaged, ends the answer short: its reader checks the digest.
        let _ = LocalPort::new(shared, Origin::Outside).blob_get(&digest, &mut sender);
    });
    Ok(Bytes(body))
}

async fn blob_put(
    _: Authorized<Execute>,
    State(shared): State<Arc<Shared>>,
    Place(digest): Place<Digest>,
    Ask(Nothing {}): Ask<Nothing>,
    body: Body,
) -> Result<Done, Refusal> {
    let (mut reader, pump) = stream::into_reader(body, BLOB_BYTES_MAX);
    // How the call ended comes with how much was read: the port makes an outage of every error of its reader.
    let put = on_port(shared, move |port| {
        let put = port.blob_put(&digest, 0, &mut reader);
        Ok((put, reader))
    });
    let (put, ()) = tokio::join!(put, pump);
    let (put, reader) = put?;
    match (put, reader.exceeded()) {
        (Ok(()), _) => Ok(Done),
        (Err(_), Some(why)) => Err(Refusal::TooLong(why)),
        (Err(error), None) => Err(Refusal::Call(error)),
    }
}

async fn tree(
    _: Authorized<Execute>,
    State(shared): State<Arc<Shared>>,
    Place((project, revision)): Place<(ProjectKey, Revision)>,
    Ask(Nothing {}): Ask<Nothing>,
) -> Result<Bytes, Refusal> {
    on_port(shared, move |port| port.tree_tar(&project, &revision)).await.map(|tar| Bytes(tar.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_blob_that_is_too_long_is_refused_with_the_limit() {
        let response = Refusal::TooLong(TooLong(8)).into_response();
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let body = axum::body::to_bytes(response.into_body(), 1 << 10).await.unwrap();
        assert!(String::from_utf8_lossy(&body).contains("the body has more than 8 bytes, the most that this address takes"), "{body:?}");
    }
}
