//! The pages, without script: the board, a change, and the link that opens them.

use super::Problem;
use super::api::hex;
use super::asked::{Ask, Place};
use super::table::Table;
use crate::about::{About, Arrival};
use crate::access::{Authorized, COOKIE, Look, Open};
use crate::shared::{Failure, Shared};
use crate::view;
use axum::extract::{Query, State};
use axum::http::{Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use trunkline_page::{self as page, Refresh};

/// Nothing from elsewhere, no script at all, no frames.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

pub fn routes() -> Table {
    Table::below("")
        .get("/", board, "The board.")
        .get("/c/{question}", change, "A change, looked for in every project.")
        .get("/p/{project}/c/{question}", change_of, "A change of a project.")
        .get("/l/{secret}", open, "Opens the pages once.")
        .get("/trunkline.css", style, "How the pages look.")
        .get("/icon.svg", icon, "The pages' icon.")
}

/// A page with the headers that every page has.
pub fn html(status: StatusCode, body: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (status, headers, body).into_response()
}

/// What the pages know, and whether it is what was asked for.
type Page = (StatusCode, String);

async fn render(shared: Arc<Shared>, page: impl FnOnce(&Shared) -> Result<Page, Failure> + Send + 'static) -> Result<Response, Problem> {
    let rendered = tokio::task::spawn_blocking(move || page(&shared)).await;
    let (status, body) = rendered.unwrap_or_else(|_| Err(Failure::Internal("the page broke off".to_owned())))?;
    Ok(html(status, body))
}

/// `?refresh=off`, as the link in the footer says; anything else lets the page refresh itself.
#[derive(Deserialize, JsonSchema)]
struct Wish {
    refresh: Option<String>,
}

impl Wish {
    fn refresh(&self) -> Refresh {
        if self.refresh.as_deref() == Some("off") { Refresh::Paused } else { Refresh::On }
    }
}

/// What a question says of refreshing; one that makes no sense says nothing.
pub fn wish(uri: &Uri) -> Refresh {
    Query::<Wish>::try_from_uri(uri).map_or(Refresh::On, |Query(wish)| wish.refresh())
}

async fn board(_: Authorized<Look>, State(shared): State<Arc<Shared>>, Ask(wish): Ask<Wish>) -> Result<Response, Problem> {
    render(shared, move |shared| Ok((StatusCode::OK, page::board(&view::status(shared)?, wish.refresh())))).await
}

/// A commit without its project: looked for in every project.
async fn change(
    _: Authorized<Look>,
    State(shared): State<Arc<Shared>>,
    Place(question): Place<String>,
    Ask(wish): Ask<Wish>,
) -> Result<Response, Problem> {
    render(shared, move |shared| {
        for project in view::project_rows(shared)?.into_iter().map(|row| row.project) {
            match view::where_is(shared, &project, &question) {
                Err(Failure::NotFound(..)) => {}
                found => return Ok((StatusCode::OK, page::change(&found?, view::projects(shared)?, shared.clock.now(), wish.refresh()))),
            }
        }
        Ok((StatusCode::NOT_FOUND, page::unknown_change(&question, None, wish.refresh())))
    })
    .await
}

async fn change_of(
    _: Authorized<Look>,
    State(shared): State<Arc<Shared>>,
    Place((project, question)): Place<(trunkline_domain::foundation::ProjectKey, String)>,
    Ask(wish): Ask<Wish>,
) -> Result<Response, Problem> {
    render(shared, move |shared| match view::where_is(shared, &project, &question) {
        Err(Failure::NotFound(about, _)) => {
            let followed = (about == About::Change(Arrival::Followed)).then_some(&project);
            Ok((StatusCode::NOT_FOUND, page::unknown_change(&question, followed, wish.refresh())))
        }
        found => Ok((StatusCode::OK, page::change(&found?, view::projects(shared)?, shared.clock.now(), wish.refresh()))),
    })
    .await
}

/// Opens the pages once: the link is used up, the browser gets a session that may read.
async fn open(_: Open, State(shared): State<Arc<Shared>>, method: Method, Place(secret): Place<String>) -> Result<Response, Problem> {
    // A chat or a mail program that looks at a link must not use it up.
    if method == Method::HEAD {
        return Ok(StatusCode::OK.into_response());
    }
    let now = shared.clock.now();
    if !shared.keys.link_take(&secret, now) {
        return Err(Problem::new(StatusCode::UNAUTHORIZED, "TL0502", "this link was used before, or is too old")
            .help("make a new one on the server's machine: trunkline open"));
    }
    let session = hex(&shared.random::<32>()?);
    shared.keys.session_add(&session, now);
    let cookie = format!("{COOKIE}={session}; HttpOnly; SameSite=Strict; Path=/; Max-Age=43200");
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response())
}

async fn style(_: Open) -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")], page::STYLE).into_response()
}

async fn icon(_: Open) -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "max-age=300")], page::ICON).into_response()
}
