//! What a caller asks, read from the request: axum's own readers, but for the answer where they cannot read it, and for
//! what the document says of it.

use super::Problem;
use super::sketch::Sketch;
use super::table::Describe;
use crate::shared::Shared;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// How long a reading waits for an entry of the ledger. Whoever was told of an entry by this server finds it at once.
const WAIT_FOR_MAX: Duration = Duration::from_secs(2);
const WAIT_FOR: &str = "wait-for";

/// The body, as JSON. An act has no question after its path.
pub struct Body<T>(pub T);

/// The body, as bytes.
pub struct Raw(pub Bytes);

/// The question after the path: `?after=7`.
pub struct Ask<T>(pub T);

/// No question at all.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// The same for readings, which also take `wait-for`: they are answered once the ledger is that long.
pub struct Read<T>(pub T);

/// The names in the path.
pub struct Place<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &Arc<Shared>) -> Result<Self, Problem> {
        if let Some(question) = request.uri().query().filter(|question| !question.is_empty()) {
            let question: String = question.chars().take(80).collect();
            return Err(problem(StatusCode::BAD_REQUEST, &format!("an act is told in the body alone: nobody reads '?{question}'")));
        }
        let (parts, body) = request.into_parts();
        // The limit of the route's bodies is in the parts.
        let Raw(bytes) = Raw::from_request(Request::from_parts(parts.clone(), body), state).await?;
        let read = Json::from_request(Request::from_parts(parts, bytes.clone().into()), state).await;
        let Json(asked) = read.map_err(|error| problem(error.status(), &error.body_text()))?;
        // Serde takes a list of the fields' values for a struct too, and nobody should come to rely on that.
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return Err(problem(StatusCode::UNPROCESSABLE_ENTITY, "the body is no JSON object"));
        }
        Ok(Body(asked))
    }
}

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Bytes::from_request(request, state).await.map(Raw).map_err(|error| problem(error.status(), &error.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Ask<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let read = Query::try_from_uri(&parts.uri);
        read.map(|Query(asked)| Ask(asked)).map_err(|error| problem(error.status(), &error.body_text()).for_caller(&parts.headers))
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Shared>> for Read<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let (asked, seq) = reading(parts.uri.query().unwrap_or_default()).map_err(|problem| problem.for_caller(&parts.headers))?;
        if let Some(seq) = seq {
            wait_for(shared, seq).await?;
        }
        Ok(Read(asked))
    }
}

/// The question, and the entry to wait for. It is read without `wait-for`, so that the type behind it can refuse every name
/// that it does not know.
fn reading<T: DeserializeOwned>(question: &str) -> Result<(T, Option<u64>), Problem> {
    let invalid = |why: &str| problem(StatusCode::BAD_REQUEST, why);
    let (waits, rest): (Vec<&str>, Vec<&str>) = question.split('&').partition(|pair| pair.split('=').next() == Some(WAIT_FOR));
    let uri: Uri = format!("/?{}", rest.join("&")).parse().map_err(|_| invalid("the question after the path is no text"))?;
    let Query(asked) = Query::try_from_uri(&uri).map_err(|error| invalid(&error.body_text()))?;
    let seq = match waits[..] {
        [] => None,
        [one] => {
            let seq = one.split_once('=').and_then(|(_, seq)| seq.parse().ok());
            Some(seq.ok_or_else(|| invalid("wait-for is the number of an entry"))?)
        }
        _ => return Err(invalid("wait-for is named twice")),
    };
    Ok((asked, seq))
}

/// Waits until the ledger has so many entries; refuses a number that does not come.
pub async fn wait_for(shared: &Shared, seq: u64) -> Result<(), Problem> {
    let mut bell = shared.writer.bell().watch();
    let waited = tokio::time::timeout(WAIT_FOR_MAX, async { bell.wait_for(|have| *have >= seq).await.map(|have| *have) }).await;
    match waited {
        Ok(Ok(_)) => Ok(()),
        _ => Err(Problem::new(
            StatusCode::PRECONDITION_FAILED,
            "TL0523",
            format!("the ledger has {} entries and entry {seq} has not come", *shared.writer.bell().watch().borrow()),
        )
        .help("a number that this server gave out is there at once; after a restore the ledger may be shorter than it was")),
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Place<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Path::from_request_parts(parts, state).await;
        read.map(|Path(names)| Place(names)).map_err(|error| problem(error.status(), &error.body_text()).for_caller(&parts.headers))
    }
}

fn problem(status: StatusCode, why: &str) -> Problem {
    Problem::new(status, "TL0505", why)
        .help("the document of the API says the form of every address and body: GET /api/v1/openapi.json; see: trunkline explain TL0505")
}

const SENSELESS: &str = "the question makes no sense";

impl<T: JsonSchema> Describe for Body<T> {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.json_body::<T>();
        sketch.refusal(400, SENSELESS);
        sketch.refusal(413, "the body is too long");
        sketch.refusal(415, "the body is not said to be JSON");
        sketch.refusal(422, "the body is JSON of another form");
    }
}

impl Describe for Raw {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.bytes_body();
        sketch.refusal(400, SENSELESS);
        sketch.refusal(413, "the body is too long");
    }
}

/// A body that is read as it comes.
impl Describe for axum::body::Body {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.bytes_body();
    }
}

impl<T: JsonSchema> Describe for Ask<T> {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.query::<T>();
        sketch.refusal(400, SENSELESS);
    }
}

impl<T: JsonSchema> Describe for Read<T> {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.query::<T>();
        let words = "answer once the ledger has so many entries, and at the latest after two seconds";
        sketch.parameter("query", WAIT_FOR, words, json!({"type": "integer", "format": "uint64"}));
        sketch.refusal(400, SENSELESS);
        sketch.refusal(412, "the entry of wait-for has not come");
    }
}

impl<T: JsonSchema> Describe for Place<T> {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.path::<T>();
        sketch.refusal(400, SENSELESS);
        sketch.refusal(404, "there is no such thing");
    }
}

macro_rules! untold {
    ($($piece:ty),*) => {
        $(
            /// Nothing that the type could tell: what a handler reads from it, its answer's type describes.
            impl Describe for $piece {
                fn describe(_: &mut Sketch<'_>) {}
            }
        )*
    };
}

untold!(State<Arc<Shared>>, HeaderMap, Method);
