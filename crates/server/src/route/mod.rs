//! The routes: one file for each kind of caller.

mod api;
mod asked;
mod delivery;
mod document;
mod events;
mod git;
mod head;
mod named;
mod page;
mod problem;
mod run;
mod runner;
mod sketch;
mod stream;
mod table;
mod told;

pub use asked::{body, question};
pub use document::document;
pub use problem::Problem;
pub use sketch::Sketch;
pub use table::Describe;

use crate::access::{Authorized, Look};
use crate::shared::Shared;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::Response;
use std::sync::Arc;
use table::Table;

/// Every route there is.
fn table() -> Table {
    api::routes()
        .and(run::routes())
        .and(delivery::routes())
        .and(events::routes())
        .and(runner::routes())
        .and(git::routes())
        .and(page::routes())
}

/// Every route there is, one by one.
#[cfg(test)]
pub fn routes() -> Vec<table::Route> {
    table().routes()
}

/// All routes.
pub fn router(shared: Arc<Shared>) -> Router {
    let known = table().router().fallback(unknown).method_not_allowed_fallback(unfit).with_state(shared);
    // Around the whole router: a layer of its own would be within what it does to an answer.
    let whole = Router::new().fallback_service(known).layer(axum::middleware::map_response(discreet));
    whole.layer(axum::middleware::from_fn(head::within)).layer(axum::middleware::from_fn(problem::as_page))
}

/// Nor are they told which methods an address knows.
async fn unfit(_: Authorized<Look>) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "TL0505", "this address does not know that method")
        .help("the header 'allow' says which methods it knows")
}

/// Strangers are not told which addresses exist: the gate comes before "not found".
async fn unknown(_: Authorized<Look>) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "TL0504", "there is no such address")
        .help("the document of the API names every address: GET /api/v1/openapi.json, or trunkline schema --api")
}

/// The router tells the methods of an address with every answer of [`unfit`], also with the gate's: there it would say
/// that the address exists.
async fn discreet(mut response: Response) -> Response {
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().remove(header::ALLOW);
    }
    response
}
