//! What a caller asks, read from the request: axum's own readers, but for the answer where they cannot read it.

use super::Problem;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// The body, as JSON.
pub struct Body<T>(pub T);

/// The body, as bytes.
pub struct Raw(pub Bytes);

/// The question after the path: `?after=7`.
pub struct Ask<T>(pub T);

/// The names in the path.
pub struct Place<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let read = Json::from_request(request, state).await;
        read.map(|Json(asked)| Body(asked)).map_err(|error| problem(error.status(), &error.body_text()))
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

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::from_request_parts(parts, state).await;
        read.map(|Query(asked)| Ask(asked)).map_err(|error| problem(error.status(), &error.body_text()).for_caller(&parts.headers))
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
    Problem::new(status, "TL0505", why).help("the table of the API says the form of every address and body; see: trunkline explain TL0505")
}
