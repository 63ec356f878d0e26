//! `git push`, `git fetch` and `git clone` over HTTP.

use super::Problem;
use crate::access::{Authorized, Push};
use crate::git::{self, command_for_fetch};
use crate::push::receive;
use crate::shared::{Failure, Shared};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use std::io::Read;
use std::sync::Arc;
use trunkline_domain::foundation::{ProjectKey, RepositoryKey};
use trunkline_domain::record::{Key, State as Record};

/// Bytes of a pushed pack.
const PACK_BYTES_MAX: usize = 1 << 30;

pub fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/git/{project}/info/refs", get(refs))
        .route("/git/{project}/git-receive-pack", post(receive_pack).layer(DefaultBodyLimit::max(PACK_BYTES_MAX)))
        .route("/git/{project}/git-upload-pack", post(upload_pack))
}

#[derive(Deserialize)]
struct Service {
    service: String,
}

fn project_of(name: &str) -> Result<ProjectKey, Failure> {
    let name = name.strip_suffix(".git").unwrap_or(name);
    name.parse().map_err(|_| Failure::NotFound(format!("project '{}'", name.chars().take(80).collect::<String>())))
}

fn answer(kind: &str, body: Vec<u8>) -> Response {
    let kind = format!("application/x-{kind}");
    ([(header::CONTENT_TYPE, kind.as_str()), (header::CACHE_CONTROL, "no-cache")], body).into_response()
}

async fn refs(
    _: Authorized<Push>,
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    Query(service): Query<Service>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let project = project_of(&name)?;
    let repository = shared.repository_of(&project)?;
    match service.service.as_str() {
        "git-receive-pack" => {
            let refs = match shared.state(&Key::Repository(repository))? {
                Some(Record::Repository(repository)) => repository.refs,
                _ => Default::default(),
            };
            Ok(answer("git-receive-pack-advertisement", git::advertise(&refs)))
        }
        "git-upload-pack" => {
            let protocol = protocol_of(&headers);
            let printed = fetch(shared, repository, vec!["--http-backend-info-refs".to_owned()], Bytes::new(), protocol).await?;
            let mut body = b"001e# service=git-upload-pack\n0000".to_vec();
            body.extend_from_slice(&printed);
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
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let repository = shared.repository_of(&project_of(&name)?)?;
    let body = unzip(&headers, body)?;
    let printed = fetch(shared, repository, Vec::new(), body, protocol_of(&headers)).await?;
    Ok(answer("git-upload-pack-result", printed))
}

async fn fetch(
    shared: Arc<Shared>,
    repository: RepositoryKey,
    arguments: Vec<String>,
    body: Bytes,
    protocol: Option<String>,
) -> Result<Vec<u8>, Failure> {
    let fetched =
        tokio::task::spawn_blocking(move || command_for_fetch(&shared.repositories.path(&repository), &arguments, &body, protocol));
    fetched.await.map_err(|_| Failure::Internal("fetching broke off".to_owned()))?.map_err(Failure::from)
}

async fn receive_pack(
    authorized: Authorized<Push>,
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let project = project_of(&name)?;
    let body = unzip(&headers, body)?;
    let received = tokio::task::spawn_blocking(move || receive(&shared, &authorized.actor, &project, &body));
    let report = received.await.map_err(|_| Failure::Internal("the push broke off".to_owned()))??;
    Ok(answer("git-receive-pack-result", report))
}

/// Git compresses larger requests.
fn unzip(headers: &HeaderMap, body: Bytes) -> Result<Bytes, Failure> {
    let encoding = headers.get(header::CONTENT_ENCODING).and_then(|encoding| encoding.to_str().ok());
    match encoding {
        None | Some("identity") => Ok(body),
        Some("gzip" | "x-gzip") => {
            let mut bytes = Vec::new();
            let read = flate2::read::GzDecoder::new(&body[..]).take(PACK_BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
            read.map_err(|error| Failure::Invalid(format!("the body is no gzip: {error}")))?;
            if bytes.len() > PACK_BYTES_MAX {
                return Err(Failure::Invalid(format!("the body has more than {PACK_BYTES_MAX} bytes")));
            }
            Ok(bytes.into())
        }
        Some(other) => Err(Failure::Invalid(format!("the body is encoded as '{other}', which this server does not read"))),
    }
}
