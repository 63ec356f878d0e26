//! The runner protocol over HTTP. Each route hands its call to the same port that the built-in runner uses.

use super::Problem;
use super::asked::{self, Ask, Place, Raw};
use crate::access::{Authorized, Execute};
use crate::port::LocalPort;
use crate::route::stream;
use crate::shared::Shared;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use std::sync::Arc;
use trunkline_api::runner::{CallRefusal, ClaimRequest, LOG_CHUNK_BYTES_MAX, Lease, RenewRequest, ReportRequest};
use trunkline_domain::foundation::{Digest, ProjectKey, Revision};
use trunkline_runner::{CallError, Port};

/// Bytes of a blob that travels in one request.
const BLOB_BYTES_MAX: u64 = 8 << 30;
/// Bytes of a report: outputs, failures and an inline log.
const REPORT_BYTES_MAX: usize = 4 << 20;

pub fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/api/v1/runner/claim", post(claim))
        .route("/api/v1/runner/renew", post(renew))
        .route("/api/v1/runner/report", post(report).layer(DefaultBodyLimit::max(REPORT_BYTES_MAX)))
        .route("/api/v1/runner/logs", put(log_append).layer(DefaultBodyLimit::max(LOG_CHUNK_BYTES_MAX)))
        .route("/api/v1/runner/tree/{project}/{revision}", get(tree))
        .route("/api/v1/blobs/{digest}", get(blob_get).put(blob_put).layer(DefaultBodyLimit::disable()))
}

/// A refusal as the runner's client reads it: the status says the kind, the body is the refusal itself.
struct Refusal(CallError);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self.0 {
            CallError::Refused(refusal) => {
                let status = match &refusal {
                    CallRefusal::Stale => StatusCode::CONFLICT,
                    CallRefusal::Offset { .. } => StatusCode::RANGE_NOT_SATISFIABLE,
                    CallRefusal::Invalid(_) => StatusCode::BAD_REQUEST,
                    CallRefusal::NotFound(_) => StatusCode::NOT_FOUND,
                };
                (status, Json(refusal)).into_response()
            }
            CallError::Unreachable(why) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "TL0520", why).into_response(),
        }
    }
}

/// Port calls block; they run where blocking is allowed.
async fn on_port<T: Send + 'static>(
    shared: Arc<Shared>,
    call: impl FnOnce(&LocalPort) -> Result<T, CallError> + Send + 'static,
) -> Result<T, Refusal> {
    let result = tokio::task::spawn_blocking(move || call(&LocalPort::new(shared))).await;
    result.unwrap_or_else(|_| Err(CallError::Unreachable("the call broke off".to_owned()))).map_err(Refusal)
}

async fn claim(
    _: Authorized<Execute>,
    State(shared): State<Arc<Shared>>,
    asked::Body(request): asked::Body<ClaimRequest>,
) -> Result<Response, Refusal> {
    on_port(shared, move |port| port.claim(&request)).await.map(|reply| Json(reply).into_response())
}

async fn renew(
    _: Authorized<Execute>,
    State(shared): State<Arc<Shared>>,
    asked::Body(request): asked::Body<RenewRequest>,
) -> Result<Response, Refusal> {
    on_port(shared, move |port| port.renew(&request)).await.map(|reply| Json(reply).into_response())
}

async fn report(
    _: Authorized<Execute>,
    State(shared): State<Arc<Shared>>,
    asked::Body(request): asked::Body<ReportRequest>,
) -> Result<Response, Refusal> {
    on_port(shared, move |port| port.report(&request)).await.map(|reply| Json(reply).into_response())
}

#[derive(Deserialize)]
struct LogPlace {
    work: String,
    epoch: u64,
    offset: u64,
}

async fn log_append(
    _: Authorized<Execute>,
    State(shared): State<Arc<Shared>>,
    Ask(place): Ask<LogPlace>,
    Raw(body): Raw,
) -> Result<StatusCode, Refusal> {
    let lease = Lease { work: place.work, epoch: place.epoch };
    on_port(shared, move |port| port.log_append(&lease, place.offset, &body)).await.map(|()| StatusCode::NO_CONTENT)
}

async fn blob_get(_: Authorized<Execute>, State(shared): State<Arc<Shared>>, Place(digest): Place<Digest>) -> Result<Body, Refusal> {
    if !shared.blobs.has(&digest) {
        return Err(Refusal(CallError::Refused(CallRefusal::NotFound(format!("blob {digest}")))));
    }
    let (mut sender, body) = stream::out();
    tokio::task::spawn_blocking(move || {
        // A reader that went away, or a blob that turns out damaged, ends the answer short: its reader checks the digest.
        let _ = LocalPort::new(shared).blob_get(&digest, &mut sender);
    });
    Ok(body)
}

async fn blob_put(
    _: Authorized<Execute>,
    State(shared): State<Arc<Shared>>,
    Place(digest): Place<Digest>,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let (mut reader, pump) = stream::into_reader(body, BLOB_BYTES_MAX);
    let put = on_port(shared, move |port| port.blob_put(&digest, 0, &mut reader));
    let (put, ()) = tokio::join!(put, pump);
    put.map(|()| StatusCode::NO_CONTENT)
}

async fn tree(
    _: Authorized<Execute>,
    State(shared): State<Arc<Shared>>,
    Place((project, revision)): Place<(ProjectKey, Revision)>,
) -> Result<Vec<u8>, Refusal> {
    on_port(shared, move |port| port.tree_tar(&project, &revision)).await
}
