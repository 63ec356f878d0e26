//! The HTTP API, called. One place turns what can go wrong into failures with exit codes.

use crate::code::Code;
use crate::exit::Exit;
use crate::failure::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Read;
use std::time::Duration;
use trunkline_api::request::{Health, KEY_HEADER, Position, Refused};
use trunkline_domain::foundation::ProjectKey;
use ureq::http::Response;
use ureq::{Agent, Body};

/// Bytes of a JSON answer.
const ANSWER_BYTES_MAX: u64 = 32 << 20;
/// Bytes of a refusal.
const REFUSAL_BYTES_MAX: u64 = 64 << 10;
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// `wait` is held open for 25 s by the server; everything else answers sooner.
const ANSWER_WITHIN: Duration = Duration::from_secs(40);
const BODY_WITHIN: Duration = Duration::from_secs(600);

/// A server that can be asked.
pub struct Client {
    agent: Agent,
    base: String,
    /// How people know the server.
    name: String,
    token: Option<String>,
}

/// Bytes of a log from some offset on.
pub struct LogPart {
    /// Whether more may come.
    pub open: bool,
    /// The bytes.
    pub bytes: Box<dyn Read>,
}

impl Client {
    /// A server at `base` (`http://host:port`), called `name` in messages.
    pub fn new(base: &str, name: &str, token: Option<String>) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // Never through a proxy that an environment variable names: the token goes to the server alone.
            .proxy(None)
            .timeout_connect(Some(CONNECT_WITHIN))
            .timeout_recv_response(Some(ANSWER_WITHIN))
            .timeout_recv_body(Some(BODY_WITHIN))
            .user_agent(concat!("trunkline/", env!("CARGO_PKG_VERSION")))
            .build();
        let base = base.trim_end_matches('/').to_owned();
        Self { agent: config.into(), base, name: name.to_owned(), token: token.map(|token| format!("Bearer {token}")) }
    }

    /// The address of the pages.
    pub fn page(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Whether the server is up.
    pub fn health(&self) -> Result<Health, Failure> {
        self.get("health")
    }

    /// Waits until the ledger is longer than `after`, at most 25 s.
    pub fn wait(&self, after: u64) -> Result<Position, Failure> {
        self.get(&format!("wait?after={after}"))
    }

    /// Reads one answer. `path` is below `/api/v1/`.
    pub fn get<A: DeserializeOwned>(&self, path: &str) -> Result<A, Failure> {
        let mut request = self.agent.get(self.url(path));
        if let Some(token) = &self.token {
            request = request.header("authorization", token);
        }
        self.decode(request.call())
    }

    /// Acts, and reads what became of it.
    pub fn post<Q: Serialize, A: DeserializeOwned>(&self, path: &str, body: &Q) -> Result<A, Failure> {
        self.post_once(path, body, None)
    }

    /// The same; under a key of the caller's it happens once, however often it is sent.
    pub fn post_once<Q: Serialize, A: DeserializeOwned>(&self, path: &str, body: &Q, key: Option<&str>) -> Result<A, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| Failure::new(Code::Unexpected, error.to_string()))?;
        let mut request = self.agent.post(self.url(path)).content_type("application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", token);
        }
        if let Some(key) = key {
            request = request.header(KEY_HEADER, key);
        }
        self.decode(request.send(&body[..]))
    }

    /// A log from a byte on.
    pub fn log(&self, project: &ProjectKey, work: &str, from: u64) -> Result<LogPart, Failure> {
        let mut request = self.agent.get(self.url(&format!("projects/{project}/log"))).query("work", work).query("from", from.to_string());
        if let Some(token) = &self.token {
            request = request.header("authorization", token);
        }
        let answer = self.accepted(request.call())?;
        let open = answer.headers().get("trunkline-log-state").is_some_and(|state| state == "open");
        Ok(LogPart { open, bytes: Box::new(answer.into_body().into_with_config().limit(u64::MAX).reader()) })
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.base)
    }

    fn decode<A: DeserializeOwned>(&self, sent: Result<Response<Body>, ureq::Error>) -> Result<A, Failure> {
        let mut answer = self.accepted(sent)?;
        let bytes = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec().map_err(|error| self.unreachable(&error))?;
        serde_json::from_slice(&bytes).map_err(|error| {
            Failure::new(Code::Senseless, "the server's answer makes no sense")
                .place(&self.name)
                .why(error)
                .help("server and command line may be of different versions: compare trunkline version with trunkline doctor")
        })
    }

    fn accepted(&self, sent: Result<Response<Body>, ureq::Error>) -> Result<Response<Body>, Failure> {
        let mut answer = sent.map_err(|error| self.unreachable(&error))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status().as_u16();
        let text = answer.body_mut().with_config().limit(REFUSAL_BYTES_MAX).lossy_utf8(true).read_to_string().unwrap_or_default();
        Err(refusal(status, &text, &self.name))
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        Failure::new(Code::Unreachable, "the server does not answer")
            .place(&self.name)
            .why(error)
            .help("start it with trunkline serve, or name another one with --server")
    }
}

/// What a status and a body other than success mean.
fn refusal(status: u16, text: &str, server: &str) -> Failure {
    let exit = Exit::of_status(status);
    if let Ok(refused) = serde_json::from_str::<Refused>(text) {
        return Failure {
            code: refused.code,
            exit,
            what: refused.message,
            place: None,
            why: Vec::new(),
            help: refused.help.map(Into::into),
        };
    }
    let said: String = text.trim().chars().take(200).collect();
    let why = format!("status {status}{}{said}", if said.is_empty() { "" } else { ": " });
    let failure = match status {
        401 | 403 => Failure::new(Code::TokenRefused, "the server does not take the token")
            .help("TRUNKLINE_TOKEN or the file operator.token may belong to another server: see trunkline doctor"),
        500.. => Failure::new(Code::ServerFailed, "the server failed to answer").help("see what trunkline serve printed, then try again"),
        _ => Failure::new(Code::Senseless, "the server's answer makes no sense").help("is it a Trunkline server of this version?"),
    };
    let mut failure = failure.place(server).why(why);
    failure.exit = exit;
    failure
}

/// A text as one segment of a path.
pub fn segment(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_the_servers_words() {
        let body = r#"{"code":"TL0512","message":"that release is vetoed","help":"take another"}"#;
        let failure = refusal(409, body, "http://cd.example");
        assert_eq!((failure.code.as_str(), failure.exit), ("TL0512", Exit::Conflict));
        assert_eq!((failure.what.as_str(), failure.help.as_deref()), ("that release is vetoed", Some("take another")));
    }

    #[test]
    fn answers_that_are_no_refusals_get_a_code_of_ours() {
        for (status, code, exit) in [(401, "TL0205", 4), (404, "TL0202", 5), (502, "TL0208", 7), (418, "TL0202", 2)] {
            let failure = refusal(status, "<html>", "http://cd.example");
            assert_eq!((failure.code.as_str(), failure.exit.number()), (code, exit), "{status}");
        }
    }

    #[test]
    fn nobody_there_is_exit_7() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let failure = Client::new(&format!("http://127.0.0.1:{port}"), "here", None).health().unwrap_err();
        assert_eq!((failure.code.as_str(), failure.exit.number()), ("TL0201", 7));
    }

    #[test]
    fn segments_cannot_leave_their_place() {
        assert_eq!(segment("1.42+9c/../x?y#z ü"), "1.42%2B9c%2F..%2Fx%3Fy%23z%20%C3%BC");
    }
}
