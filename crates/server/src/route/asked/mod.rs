//! What a caller asks, read from the request, and what the document says of it. What cannot be read is refused in plain
//! words: see [`wrong`].

mod value;
mod wrong;

use super::Problem;
use super::sketch::Sketch;
use super::table::{BodyMax, Describe};
use crate::once::Once;
use crate::shared::Shared;
use crate::within::TooLong;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use trunkline_api::request::{KEY_BYTES_MAX, KEY_HEADER};
use trunkline_domain::foundation::Digest;
use value::Value;
use wrong::{Part, Step, Wrong};

/// How long a reading waits for an entry of the ledger. Whoever was told of an entry by this server finds it at once.
const WAIT_FOR_MAX: Duration = Duration::from_secs(2);
const WAIT_FOR: &str = "wait-for";

/// The body, as JSON. An act has no question after its path.
pub struct Body<T>(pub T);

/// An act on the record: its body, and what makes it happen once.
pub struct Order<T>(pub T, pub Once);

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
        read_body(&json_bytes(request, state).await?).map(Body)
    }
}

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for Order<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &Arc<Shared>) -> Result<Self, Problem> {
        let key = key(request.headers())?;
        // The address has no line break in it: no other address and body are the same bytes.
        let address = format!("{}\n", request.uri().path());
        let bytes = json_bytes(request, state).await?;
        let asked = Digest::of(&[address.as_bytes(), &bytes].concat());
        read_body(&bytes).map(|body| Order(body, Once { key, asked }))
    }
}

/// The caller's own key. One that cannot be kept is refused: passed over, it would promise what does not hold.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut keys = headers.get_all(KEY_HEADER).iter();
    let (Some(key), more) = (keys.next(), keys.next()) else { return Ok(None) };
    let text = key.to_str().ok().filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()));
    match text {
        Some(key) if more.is_none() => Ok(Some(key.to_owned())),
        Some(_) => Err(problem(StatusCode::BAD_REQUEST, &format!("the header '{KEY_HEADER}' is given twice"))),
        None => {
            let why = format!("the header '{KEY_HEADER}' has 1 to {KEY_BYTES_MAX} printable ASCII characters without spaces");
            Err(problem(StatusCode::BAD_REQUEST, &why))
        }
    }
}

/// The bytes of a body that is said to be JSON.
async fn json_bytes(request: Request, state: &Arc<Shared>) -> Result<Bytes, Problem> {
    if let Some(question) = request.uri().query().filter(|question| !question.is_empty()) {
        let question: String = question.chars().take(80).collect();
        return Err(problem(StatusCode::BAD_REQUEST, &format!("an act is told in the body alone: nobody reads '?{question}'")));
    }
    if !is_json(request.headers()) {
        let why = "the body is not said to be JSON; expected the header 'content-type: application/json'";
        return Err(problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    Raw::from_request(request, state).await.map(|Raw(bytes)| bytes)
}

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let most = request.extensions().get::<BodyMax>().copied();
        Bytes::from_request(request, state).await.map(Raw).map_err(|error| match (error.status(), most) {
            (StatusCode::PAYLOAD_TOO_LARGE, Some(BodyMax::Bytes(most))) => too_long(TooLong(most as u64)),
            (status, _) => problem(status, "the body broke off before its end"),
        })
    }
}

/// The no to a body that is longer than its address takes.
pub fn too_long(why: TooLong) -> Problem {
    problem(StatusCode::PAYLOAD_TOO_LARGE, &format!("the body has {why}, the most that this address takes"))
}

/// `application/json`, or a kind that is JSON too (RFC 6839, 3.1).
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.strip_prefix("application/").is_some_and(|kind| kind.ends_with("+json"))
}

fn read_body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    body(bytes).map_err(|(status, why)| problem(status, &why))
}

/// Reads a body. An error is the status and the words of a refusal.
pub fn body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, (StatusCode, String)> {
    if bytes.trim_ascii().is_empty() {
        let why = "the body is empty; expected a JSON object, which is {} where nothing is to be said";
        return Err((StatusCode::BAD_REQUEST, why.to_owned()));
    }
    let read: Value = serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        // It is JSON, but says something twice.
        Category::Data => (StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
        Category::Syntax | Category::Eof | Category::Io => (StatusCode::BAD_REQUEST, format!("the body is no JSON: {error}")),
    })?;
    T::deserialize(read).map_err(|wrong| (StatusCode::UNPROCESSABLE_ENTITY, wrong.words(Part::Body)))
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Ask<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        asked(pairs(&parts.uri)?).map(Ask)
    }
}

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<Shared>> for Read<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let (asked, seq) = reading(pairs(&parts.uri)?)?;
        if let Some(seq) = seq {
            wait_for(shared, seq).await?;
        }
        Ok(Read(asked))
    }
}

/// Names and words after the question mark.
type Pairs = Vec<(String, String)>;

fn pairs(uri: &Uri) -> Result<Pairs, Problem> {
    let read = Query::try_from_uri(uri);
    read.map(|Query(pairs)| pairs).map_err(|_| problem(StatusCode::BAD_REQUEST, "the question after the path is no list of name=value"))
}

fn asked<T: DeserializeOwned>(pairs: Pairs) -> Result<T, Problem> {
    question(pairs).map_err(|why| problem(StatusCode::BAD_REQUEST, &why))
}

/// Reads a question of names and words. An error is the words of a refusal.
pub fn question<T: DeserializeOwned>(pairs: Vec<(String, String)>) -> Result<T, String> {
    Value::of_question(pairs).and_then(T::deserialize).map_err(|wrong| wrong.words(Part::Question))
}

/// The entry to wait for.
#[derive(Deserialize)]
struct WaitFor {
    #[serde(rename = "wait-for")]
    seq: Option<u64>,
}

/// The question, and the entry to wait for. It is read without `wait-for`, so that the type behind it can refuse every name
/// that it does not know.
fn reading<T: DeserializeOwned>(pairs: Pairs) -> Result<(T, Option<u64>), Problem> {
    let (waits, rest): (Pairs, Pairs) = pairs.into_iter().partition(|(name, _)| name == WAIT_FOR);
    let wait: WaitFor = asked(waits)?;
    let read = Value::of_question(rest).and_then(T::deserialize);
    // Whoever is told what there is, is told all of it.
    let read = read.map_err(|wrong| problem(StatusCode::BAD_REQUEST, &wrong.beside(WAIT_FOR).words(Part::Question)))?;
    Ok((read, wait.seq))
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
        let Ok(Path(names)) = Path::<Pairs>::from_request_parts(parts, state).await else {
            return Err(problem(StatusCode::BAD_REQUEST, "a name in the path is no text: it is not UTF-8"));
        };
        place(names).map(Place).map_err(|wrong| problem(StatusCode::BAD_REQUEST, &wrong.words(Part::Path)))
    }
}

/// One name is the type itself, several are a tuple.
fn place<T: DeserializeOwned>(mut names: Pairs) -> Result<T, Wrong> {
    match names.pop() {
        Some((name, word)) if names.is_empty() => T::deserialize(Value::Word(word)).map_err(|wrong| wrong.within(Step::Name(name))),
        last => T::deserialize(Value::of_path(names.into_iter().chain(last).collect())),
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
        describe_too_long(sketch);
        sketch.refusal(415, "the body is not said to be JSON");
        sketch.refusal(422, "the body is JSON of another form");
    }
}

impl<T: JsonSchema> Describe for Order<T> {
    fn describe(sketch: &mut Sketch<'_>) {
        Body::<T>::describe(sketch);
        let words = "the caller's own key: the same act sent again with it happens once, and another one is refused";
        sketch.parameter("header", KEY_HEADER, words, json!({"type": "string", "pattern": format!("^[!-~]{{1,{KEY_BYTES_MAX}}}$")}));
    }
}

impl Describe for Raw {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.bytes_body();
        sketch.refusal(400, SENSELESS);
        describe_too_long(sketch);
    }
}

fn describe_too_long(sketch: &mut Sketch<'_>) {
    let most = match sketch.route().body {
        BodyMax::Bytes(most) => most as u64,
        BodyMax::Counted(most) => most,
    };
    sketch.refusal(413, &format!("the body has {}", TooLong(most)));
}

/// A body that is read as it comes.
impl Describe for axum::body::Body {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.bytes_body();
        describe_too_long(sketch);
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
