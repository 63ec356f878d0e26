//! Who may come in. Every handler takes an [`Authorized`], which only this module can make.

use crate::route::{Describe, Problem, Sketch};
use crate::shared::Shared;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use std::collections::HashMap;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use trunkline_domain::foundation::{Actor, Digest, Millis, Timestamp};

/// How long a one-time link opens.
const LINK_LIFE: Millis = Millis::minutes(10);
/// How long a browser stays signed in.
const SESSION_LIFE: Millis = Millis::hours(12);
/// Links and sessions kept.
const KEPT_MAX: usize = 1_000;
/// The cookie by which git brings the token; it counts below [`GIT_PATH`] alone, and no browser is ever given it.
pub const GIT_COOKIE: &str = "trunkline-git";
const GIT_PATH: &str = "/git/";
/// The browser's cookie.
pub const COOKIE: &str = "trunkline-session";

/// What may be done. One type for each, so that a handler says what it needs.
pub trait Action: Send + Sync + 'static {
    /// The least that a caller must be.
    const NEEDS: Level;
}

/// How far a caller is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Came by a one-time link: may read.
    Reader,
    /// Has the operator's token: may do everything.
    Operator,
}

macro_rules! actions {
    ($($name:ident $level:ident $what:literal;)*) => {
        $(
            #[doc = $what]
            #[derive(Debug)]
            pub struct $name;

            impl Action for $name {
                const NEEDS: Level = Level::$level;
            }
        )*
    };
}

actions! {
    Look Reader "Read anything that pages and commands show.";
    Operate Operator "Promote, roll back, cancel, settle, accept.";
    Administer Operator "Add projects, make links.";
    Push Operator "Read and change git repositories.";
    Execute Operator "Claim work and report it.";
}

/// What stands before a handler: the first argument of every one in the table of routes.
pub trait Gate {
    /// The least that a caller must be; none: everyone may come in.
    const NEEDS: Option<Level>;
}

/// For the few addresses that are open to everyone: they say nothing of what the server holds.
#[derive(Debug)]
pub struct Open;

impl Gate for Open {
    const NEEDS: Option<Level> = None;
}

impl<A: Action> Gate for Authorized<A> {
    const NEEDS: Option<Level> = Some(A::NEEDS);
}

impl<S: Send + Sync> FromRequestParts<S> for Open {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self)
    }
}

impl Describe for Open {
    fn describe(_: &mut Sketch<'_>) {}
}

impl<A: Action> Describe for Authorized<A> {
    fn describe(sketch: &mut Sketch<'_>) {
        sketch.refusal(401, "the request carries no valid token");
        if A::NEEDS == Level::Operator {
            sketch.refusal(403, "this needs the operator's token");
            sketch.refusal(404, "there is no such thing");
            sketch.refusal(409, "it does not fit what is there now");
            sketch.refusal(503, "the server is busy or is ending: try again");
            sketch.refusal(507, "the server's disk is full");
        }
    }
}

/// Proof that a caller may do the action.
#[derive(Debug)]
pub struct Authorized<A> {
    /// Who it is.
    pub actor: Actor,
    action: PhantomData<A>,
}

/// Tokens, links and sessions. Only digests are kept.
#[derive(Debug)]
pub struct Keys {
    operator: Digest,
    links: Mutex<HashMap<Digest, Timestamp>>,
    sessions: Mutex<HashMap<Digest, Timestamp>>,
}

impl Keys {
    /// With the operator's token.
    pub fn new(operator: &str) -> Self {
        Self { operator: Digest::of(operator.as_bytes()), links: Mutex::default(), sessions: Mutex::default() }
    }

    /// Remembers a link by its secret.
    pub fn link_add(&self, secret: &str, now: Timestamp) {
        add(&self.links, secret, now, LINK_LIFE);
    }

    /// Uses a link up.
    pub fn link_take(&self, secret: &str, now: Timestamp) -> bool {
        let until = self.links.lock().unwrap_or_else(PoisonError::into_inner).remove(&Digest::of(secret.as_bytes()));
        until.is_some_and(|until| now < until)
    }

    /// Begins a session.
    pub fn session_add(&self, secret: &str, now: Timestamp) {
        add(&self.sessions, secret, now, SESSION_LIFE);
    }

    fn level(&self, parts: &Parts, now: Timestamp) -> Option<Level> {
        // The token's digest is compared, so that the time taken tells nothing about it; an empty one is none.
        if let Some(token) = bearer(parts).or_else(|| basic_password(parts)).filter(|token| !token.is_empty()) {
            return (Digest::of(token.as_bytes()) == self.operator).then_some(Level::Operator);
        }
        if let Some(token) = cookie(parts, GIT_COOKIE).filter(|_| parts.uri.path().starts_with(GIT_PATH)) {
            return (Digest::of(token.as_bytes()) == self.operator).then_some(Level::Operator);
        }
        let secret = cookie(parts, COOKIE)?;
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(&Digest::of(secret.as_bytes())).filter(|until| now < **until).map(|_| Level::Reader)
    }
}

fn add(kept: &Mutex<HashMap<Digest, Timestamp>>, secret: &str, now: Timestamp, life: Millis) {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    kept.retain(|_, until| now < *until);
    if kept.len() < KEPT_MAX {
        kept.insert(Digest::of(secret.as_bytes()), now + life);
    }
}

fn header_text(parts: &Parts, name: header::HeaderName) -> Option<&str> {
    parts.headers.get(name)?.to_str().ok()
}

fn bearer(parts: &Parts) -> Option<String> {
    let (scheme, token) = header_text(parts, header::AUTHORIZATION)?.split_once(' ')?;
    // The scheme's name has no case (RFC 9110, 11.1).
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// Git sends the token as a password.
fn basic_password(parts: &Parts) -> Option<String> {
    let encoded = header_text(parts, header::AUTHORIZATION)?.strip_prefix("Basic ")?;
    let decoded = base64_decode(encoded.trim())?;
    String::from_utf8(decoded).ok()?.split_once(':').map(|(_, password)| password.to_owned())
}

fn cookie<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    let cookies = header_text(parts, header::COOKIE)?;
    cookies.split(';').find_map(|cookie| cookie.trim().strip_prefix(name)?.strip_prefix('='))
}

/// RFC 4648, section 4. Anything else is no credential.
fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0);
    for c in text.trim_end_matches('=').bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(bytes)
}

impl<A: Action> FromRequestParts<Arc<Shared>> for Authorized<A> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        match shared.keys.level(parts, shared.clock.now()) {
            Some(level) if level >= A::NEEDS => {
                let name = if level == Level::Operator { "operator" } else { "visitor" };
                Ok(Self { actor: Actor::person(name), action: PhantomData })
            }
            Some(_) => Err(Problem::new(StatusCode::FORBIDDEN, "TL0503", "this needs the operator's token")
                .help("a browser that came by a link may only read; use the command line")),
            None => Err(Problem::new(StatusCode::UNAUTHORIZED, "TL0501", "the request carries no valid token")
                .help("on the server's machine the command line finds the token by itself; elsewhere set TRUNKLINE_TOKEN. For a browser: trunkline open")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::base64_decode;

    #[test]
    fn base64_is_read_as_written() {
        assert_eq!(base64_decode("dHJ1bmtsaW5lOnM=").unwrap(), b"trunkline:s");
        assert_eq!(base64_decode("YQ==").unwrap(), b"a");
        assert_eq!(base64_decode("not base64!"), None);
    }
}
