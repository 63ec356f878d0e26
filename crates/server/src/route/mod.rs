//! The routes: one file for each kind of caller.

mod api;
mod asked;
mod events;
mod git;
mod page;
mod problem;
mod runner;
mod stream;

pub use problem::Problem;

use crate::access::{Authorized, Look};
use crate::shared::Shared;
use axum::Router;
use axum::http::StatusCode;
use std::sync::Arc;

/// All routes.
pub fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .merge(api::routes())
        .merge(events::routes())
        .merge(runner::routes())
        .merge(git::routes())
        .merge(page::routes())
        .fallback(unknown)
        .method_not_allowed_fallback(unfit)
        .with_state(shared)
}

/// Nor are they told which methods an address knows.
async fn unfit(_: Authorized<Look>) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "TL0505", "this address does not know that method")
}

/// Strangers are not told which addresses exist: the gate comes before "not found".
async fn unknown(_: Authorized<Look>) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "TL0504", "there is no such address")
}
