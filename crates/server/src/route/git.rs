//! `git push`, `git fetch` and `git clone` over HTTP.

use super::asked::{Ask, Place};
use super::table::Table;
use super::{Problem, stream};
use crate::about::About;
use crate::access::{Authorized, Push};
use crate::git::{self, GitError, upload_pack as upload_pack_of};
use crate::push::receive;
use crate::shared::{Failure, Shared, no_project};
use crate::within::Within;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use std::io::{Read, Write};
use std::sync::Arc;
use trunkline_domain::foundation::{ProjectKey, RepositoryKey};
use trunkline_domain::record::{Key, State as Record};

/// Bytes of a pushed pack.
const PACK_BYTES_MAX: u64 = 4 << 30;
/// Bytes of what a fetch asks for: a line for each ref that it has or wants.
const FETCH_BYTES_MAX: u64 = 32 << 20;

pub fn routes() -> Table {
    Table::below("/git/{project}")
        .get("/info/refs", refs, "Refs, for a push or a fetch.")
        .post("/git-receive-pack", receive_pack, "Takes a push.")
        .post("/git-upload-pack", upload_pack, "Answers a fetch.")
}

#[derive(Deserialize, JsonSchema)]
struct Service {
    service: String,
}

fn project_of(name: &str) -> Result<ProjectKey, Failure> {
    let name = name.strip_suffix(".git").unwrap_or(name);
    name.parse().map_err(|_| no_project(&name.chars().take(80).collect::<String>()))
}

fn answer(kind: &str, body: impl Into<Body>) -> Response {
    let kind = format!("application/x-{kind}");
    ([(header::CONTENT_TYPE, kind.as_str()), (header::CACHE_CONTROL, "no-cache")], body.into()).into_response()
}

async fn refs(
    _: Authorized<Push>,
    State(shared): State<Arc<Shared>>,
    Place(name): Place<String>,
    Ask(service): Ask<Service>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let project = project_of(&name)?;
    let repository = shared.repository_of(&project)?;
    match service.service.as_str() {
        service @ ("git-receive-pack" | "git-upload-pack") if let Err(error) = shared.repositories.present(&repository) => {
            eprintln!("error[TL0524]: {error}");
            // Git shows the words of its own protocol; of an HTTP error it would show the number.
            Ok(answer(&format!("{service}-advertisement"), git::advertise_failure(service, &error.to_string())))
        }
        "git-receive-pack" => {
            let refs = match shared.state(&Key::Repository(repository))? {
                Some(Record::Repository(repository)) => repository.refs,
                _ => Default::default(),
            };
            Ok(answer("git-receive-pack-advertisement", git::advertise(&refs)))
        }
        "git-upload-pack" => {
            let protocol = protocol_of(&headers);
            let arguments = vec!["--http-backend-info-refs".to_owned()];
            let body = fetch(shared, repository, arguments, (Box::new(std::io::empty()), protocol), b"001e# service=git-upload-pack\n0000");
            Ok(answer("git-upload-pack-advertisement", body))
        }
        _ => Err(Problem::new(StatusCode::FORBIDDEN, "TL0505", "this server knows git-upload-pack and git-receive-pack")),
    }
}

/// The protocol version that the client asks for, if it is one.
fn protocol_of(headers: &HeaderMap) -> Option<String> {
    let asked = headers.get("git-protocol")?.to_str().ok()?;
    matches!(asked, "version=1" | "version=2").then(|| asked.to_owned())
}

async fn upload_pack(
    _: Authorized<Push>,
    State(shared): State<Arc<Shared>>,
    Place(name): Place<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let repository = shared.repository_of(&project_of(&name)?)?;
    let (reader, pump) = stream::into_reader(body, FETCH_BYTES_MAX);
    let asked = unzip(&headers, reader, FETCH_BYTES_MAX)?;
    tokio::spawn(pump);
    Ok(answer("git-upload-pack-result", fetch(shared, repository, Vec::new(), (asked, protocol_of(&headers)), b"")))
}

type Input = Box<dyn Read + Send>;

/// What git answers, as it comes.
fn fetch(
    shared: Arc<Shared>,
    repository: RepositoryKey,
    arguments: Vec<String>,
    (mut asked, protocol): (Input, Option<String>),
    head: &'static [u8],
) -> Body {
    let (mut sender, body) = stream::out();
    tokio::task::spawn_blocking(move || {
        let path = shared.repositories.path(&repository);
        let fetched = sender.write_all(head).map_err(|source| GitError::Failed { what: "upload-pack".to_owned(), source });
        let fetched = fetched.and_then(|()| upload_pack_of(&path, &arguments, (asked.as_mut(), protocol), &mut sender));
        // The answer has begun: who fetches sees it end early, and git says so.
        if let Err(error) = fetched {
            eprintln!("a fetch from {repository} broke off: {error}");
        }
    });
    body
}

async fn receive_pack(
    authorized: Authorized<Push>,
    State(shared): State<Arc<Shared>>,
    Place(name): Place<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let project = project_of(&name)?;
    let (reader, pump) = stream::into_reader(body, PACK_BYTES_MAX);
    let mut pushed = unzip(&headers, reader, PACK_BYTES_MAX)?;
    let received = tokio::task::spawn_blocking(move || receive(&shared, &authorized.actor, &project, pushed.as_mut()));
    let (received, ()) = tokio::join!(received, pump);
    let report = received.map_err(|_| Failure::Internal("the push broke off".to_owned()))??;
    Ok(answer("git-receive-pack-result", report))
}

/// Git compresses larger requests.
fn unzip(headers: &HeaderMap, body: impl Read + Send + 'static, most: u64) -> Result<Input, Failure> {
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|encoding| encoding.to_str().ok());
    match encoding {
        None | Some("identity") => Ok(Box::new(body)),
        Some("gzip" | "x-gzip") => Ok(Box::new(Within::new(flate2::read::GzDecoder::new(body), most))),
        Some(other) => Err(Failure::Invalid(About::Other, format!("the body is encoded as '{other}', which this server does not read"))),
    }
}
