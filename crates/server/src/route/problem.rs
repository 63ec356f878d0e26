//! How a no looks on the wire.

use super::page::{html, wish};
use crate::about::{About, Arrival};
use crate::shared::Failure;
use crate::writer::Busy;
use axum::Json;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::borrow::Cow;
use trunkline_api::request::Refused;
use trunkline_domain::foundation::ProjectKey;
use trunkline_domain::record::Refusal;
use trunkline_domain::{deployment, environment, project, release, repository, run};
use trunkline_page as page;

/// A no, with its status.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    refused: Refused,
}

impl Problem {
    /// A no.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, refused: Refused { code: code.to_owned(), message: message.into(), help: None } }
    }

    /// A no to an act on one run or deployment, which the help then names: its project too, whatever folder its reader is in.
    pub fn of(failure: Failure, project: &ProjectKey, number: u32) -> Self {
        let help = match &failure {
            Failure::Refused(Refusal::Deployment(deployment::Refusal::Ended(_))) => {
                Some(format!("trunkline deployments view {project}/deployment/{number} shows how it ended"))
            }
            // Its commit has had its run: the same push again would start none.
            Failure::Refused(Refusal::Run(run::Refusal::Ended(_))) => Some(format!(
                "trunkline runs view {project}/{number} shows how it ended; for a new run: trunkline start -p {project}, where 'on' has 'manual', else push a new commit (git commit --allow-empty)"
            )),
            _ => None,
        };
        let problem = Self::from(failure);
        match help {
            Some(help) => problem.help(help),
            None => problem,
        }
    }

    /// With what would change the answer.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.refused.help = Some(help.into());
        self
    }
}

/// The ways to bring the token. Git asks its credential helper only when it sees `Basic`.
const CHALLENGES: [&str; 2] = ["Basic realm=\"trunkline\"", "Bearer realm=\"trunkline\""];

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(&self.refused)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            for challenge in CHALLENGES {
                response.headers_mut().append(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
        }
        // For whoever takes a page instead.
        response.extensions_mut().insert(self.refused);
        response
    }
}

/// A browser gets every refusal as a page, whatever the address: another form at some would tell strangers which there are.
pub async fn as_page(request: Request, next: Next) -> Response {
    let page = takes_pages(request.headers());
    let wish = wish(request.uri());
    let mut response = next.run(request).await;
    let Some(refused) = response.extensions_mut().remove::<Refused>().filter(|_| page) else { return response };
    let status = response.status();
    let mut answer = html(status, page::refused(status.as_u16(), &refused, wish));
    // Not the challenges: a browser would ask for a password, which nobody has.
    if let Some(allow) = response.headers_mut().remove(header::ALLOW) {
        answer.headers_mut().insert(header::ALLOW, allow);
    }
    answer
}

/// Whether the caller is a browser that shows pages. What reads JSON too, reads the refusal better so.
fn takes_pages(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accepted.contains("text/html") && !accepted.contains("application/json")
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let message = failure.to_string();
        let help = match &failure {
            Failure::Refused(refusal) => help_for(refusal),
            _ => None,
        };
        let (status, code, usual) = match &failure {
            Failure::Refused(_) => (StatusCode::CONFLICT, "TL0510", None),
            Failure::Unfit(about, _) => (StatusCode::CONFLICT, "TL0510", about.help()),
            Failure::NotFound(about, _) => (StatusCode::NOT_FOUND, "TL0504", about.help()),
            Failure::Invalid(about, _) => (StatusCode::BAD_REQUEST, "TL0505", about.help()),
            Failure::Conflict(_) => (StatusCode::CONFLICT, "TL0511", Some("use a fresh key for another command")),
            Failure::Busy(Busy::NoRoom(_)) => {
                (StatusCode::INSUFFICIENT_STORAGE, "TL0522", Some("free some of the server's disk; it then goes on by itself"))
            }
            Failure::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, "TL0520", Some("try again in a moment")),
            Failure::Git(crate::git::GitError::Missing(_)) => (StatusCode::NOT_FOUND, "TL0504", About::Branch(Arrival::Pushed).help()),
            // The words of both say already what helps.
            Failure::Git(crate::git::GitError::Gone(_)) => (StatusCode::INTERNAL_SERVER_ERROR, "TL0524", None),
            Failure::Blob(trunkline_engine::BlobError::Missing(_)) => (StatusCode::NOT_FOUND, "TL0504", None),
            Failure::Blob(trunkline_engine::BlobError::Mismatch { .. }) => (StatusCode::BAD_REQUEST, "TL0506", None),
            Failure::Store(_) | Failure::File(_) | Failure::Git(_) | Failure::Blob(_) | Failure::Internal(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "TL0521", Some("see the server's output"))
            }
        };
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            eprintln!("error[{code}]: {}", chain(&failure));
        }
        let problem = Problem::new(status, code, message);
        match help.or(usual.map(Cow::from)) {
            Some(help) => problem.help(help),
            None => problem,
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

/// What would change the answer.
fn help_for(refusal: &Refusal) -> Option<Cow<'static, str>> {
    let help = match refusal {
        Refusal::Project(project::Refusal::Exists) => "choose another name, or go on with that project",
        Refusal::Repository(repository::Refusal::NotFollowed) => "trunkline project view shows where it is pushed to",
        Refusal::Repository(repository::Refusal::RefElsewhere { .. }) => "git fetch, then push again",
        Refusal::Release(refusal) => return release_help(refusal),
        Refusal::Environment(refusal) => return environment_help(refusal),
        Refusal::Deployment(deployment::Refusal::NotUnknown) => "only an unknown deployment is settled by a person",
        Refusal::Restoration(_) => "deployments go on as they are: trunkline status shows what is where",
        _ => return None,
    };
    Some(help.into())
}

fn release_help(refusal: &release::Refusal) -> Option<Cow<'static, str>> {
    Some(match refusal {
        release::Refusal::Vetoed { version, verified: Some(environment), .. } => {
            format!("it was verified there before; while it is among those verified last: trunkline rollback {environment} --to {version}")
                .into()
        }
        release::Refusal::Vetoed { verified: None, .. } => "push a fix: its release carries no veto".into(),
        release::Refusal::NotVerifiedBefore { .. } => "promote it there first, or wait: trunkline watch".into(),
        release::Refusal::NoSuchEnvironment(_) => "trunkline environments lists them".into(),
        release::Refusal::Exists | release::Refusal::Missing => return None,
    })
}

fn environment_help(refusal: &environment::Refusal) -> Option<Cow<'static, str>> {
    Some(match refusal {
        environment::Refusal::Missing => About::Environment.help()?.into(),
        environment::Refusal::NothingToGoBackTo => "promote another release: trunkline releases list".into(),
        environment::Refusal::QueueFull { environment } => {
            format!("trunkline environments view {environment} lists what waits; trunkline cancel deployment/N takes one out").into()
        }
        environment::Refusal::AlreadyHere { environment } => {
            format!("where its target lost it: trunkline promote {environment} --again").into()
        }
        environment::Refusal::NotVerifiedHere { environment } => {
            format!("trunkline environments view {environment} lists what one can go back to").into()
        }
        environment::Refusal::AlreadyAccepted | environment::Refusal::NotWaiting(_) => return None,
    })
}
