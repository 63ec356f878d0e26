//! Answers: how they look on the wire, and what the document says of them.

use super::Problem;
use super::sketch::Sketch;
use super::table::Describe;
use crate::shared::{Failure, Shared};
use axum::Json;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use std::sync::Arc;
use trunkline_api::request::Event;
use trunkline_domain::foundation::Actor;
use trunkline_domain::ledger::Via;
use trunkline_domain::record::Command;
use trunkline_engine::{CommandKey, Read, Receipt, Request};

/// How many entries of the ledger an answer knows at least.
const AS_OF: &str = "trunkline-as-of";
/// Whether more of a log may come.
const LOG_STATE: &str = "trunkline-log-state";

/// An answer made from committed state.
pub struct Told<T> {
    as_of: u64,
    value: T,
}

/// What most handlers give.
pub type Answer<T> = Result<Told<T>, Problem>;

/// Views read the database, which blocks for less than a millisecond as a rule; still, not on the threads that answer.
pub async fn look<T: Send + 'static>(
    shared: &Arc<Shared>,
    view: impl FnOnce(&Shared) -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    let shared = shared.clone();
    let result = tokio::task::spawn_blocking(move || view(&shared)).await;
    result.unwrap_or_else(|_| Err(Failure::Internal("reading broke off".to_owned())))
}

/// What one command brought about, done once for each key.
pub async fn act(
    shared: &Arc<Shared>,
    by: Actor,
    once: Option<CommandKey>,
    command: impl FnOnce(&Shared) -> Result<Command, Failure> + Send + 'static,
) -> Result<Receipt, Failure> {
    look(shared, move |shared| shared.act(once, || Ok(Request::new(by, Via::Api, command(shared)?)))).await
}

/// What one command would bring about.
pub async fn try_out(
    shared: &Arc<Shared>,
    by: Actor,
    command: impl FnOnce(&Shared) -> Result<Command, Failure> + Send + 'static,
) -> Result<Receipt, Failure> {
    look(shared, move |shared| shared.try_out(Request::new(by, Via::Api, command(shared)?))).await
}

/// The answer that is this view.
pub async fn answer<T: Serialize + Send + 'static>(
    shared: &Arc<Shared>,
    view: impl FnOnce(&Shared) -> Result<T, Failure> + Send + 'static,
) -> Answer<T> {
    let told = look(shared, move |shared| {
        // Before the view: what comes in between may be in it, and what the number promises is.
        let as_of = shared.reader.head()?.frontier.size();
        Ok(Told { as_of, value: view(shared)? })
    });
    Ok(told.await?)
}

impl<T: Serialize> IntoResponse for Told<T> {
    fn into_response(self) -> Response {
        ([(HeaderName::from_static(AS_OF), HeaderValue::from(self.as_of))], Json(self.value)).into_response()
    }
}

impl<T: JsonSchema> Describe for Told<T> {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.json::<T>(200, "the answer");
        sketch.header(200, AS_OF, "entries of the ledger that this answer knows at least", json!({"type": "integer", "format": "uint64"}));
    }
}

impl<T: JsonSchema> Describe for Json<T> {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.json::<T>(200, "the answer");
    }
}

/// A page, a redirect, what git reads: nothing that the document tells of.
impl Describe for Response {
    fn describe(_: &mut Sketch<'_>) {}
}

/// Bytes of a log.
pub struct LogText {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether more may come.
    pub open: bool,
}

impl IntoResponse for LogText {
    fn into_response(self) -> Response {
        let state = HeaderValue::from_static(if self.open { "open" } else { "ended" });
        let kind = HeaderValue::from_static("text/plain; charset=utf-8");
        ([(HeaderName::from_static(LOG_STATE), state), (header::CONTENT_TYPE, kind)], self.bytes).into_response()
    }
}

impl Describe for LogText {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.content(200, "bytes of the log from there on, at most 1 MiB", ("text/plain", json!({"type": "string"})));
        sketch.header(200, LOG_STATE, "whether more may come", json!({"enum": ["open", "ended"]}));
    }
}

/// A stream of events, which ends when the listener goes or the server ends.
pub struct Events(pub Body);

impl IntoResponse for Events {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")], self.0).into_response()
    }
}

impl Describe for Events {
    fn describe(sketch: &mut Sketch<'_>) {
        let words = "the number of the last entry that the listener knows: the stream goes on behind it";
        sketch.parameter("header", "last-event-id", words, json!({"type": "integer", "format": "uint64"}));
        let event = sketch.told_schema::<Event>();
        let words = "an event `entry` for each entry of the ledger, with its number as id; its data is an Event";
        sketch.refusal(412, "the entry to begin behind has not come");
        sketch.content(200, words, ("text/event-stream", json!({"type": "string", "x-event-data": event})));
    }
}

/// Bytes as they come.
pub struct Bytes(pub Body);

impl IntoResponse for Bytes {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, "application/octet-stream")], self.0).into_response()
    }
}

impl Describe for Bytes {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.content(200, "the bytes", ("application/octet-stream", json!({})));
    }
}

/// It is done, and there is nothing to say.
pub struct Done;

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl Describe for Done {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.empty(204, "it is done");
    }
}

impl Describe for Problem {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.refusal(500, "the server failed; its output says why");
    }
}
