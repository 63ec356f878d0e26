//! T1: every route in the table, asked by every kind of caller, and with its path bent.

use super::{Server, add_project};
use crate::access::Level;
use crate::route::routes;
use ureq::http::Response;
use ureq::{Agent, Body};

/// A path with names that exist or could.
pub fn filled(path: &str) -> String {
    let digest = format!("sha256:{}", "0".repeat(64));
    let names = [
        ("{project}", "shop"),
        ("{number}", "1"),
        ("{name}", "test"),
        ("{question}", "abcdef"),
        ("{revision}", "0123456789012345678901234567890123456789"),
        ("{digest}", digest.as_str()),
        ("{secret}", "0000"),
    ];
    let filled = names.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value));
    assert!(!filled.contains('{'), "{path} has a name that this test does not know");
    filled
}

/// What a caller brings.
struct Caller {
    name: &'static str,
    header: Option<(&'static str, String)>,
    /// What it is trusted with.
    level: Option<Level>,
}

fn callers(server: &Server) -> Vec<Caller> {
    let caller = |name, header, level| Caller { name, header, level };
    let bearer = |token: &str| Some(("authorization", format!("Bearer {token}")));
    let mut almost = server.token.clone();
    almost.pop();
    almost.push(if server.token.ends_with('0') { '1' } else { '0' });
    let basic = |password: &str| Some(("authorization", format!("Basic {}", base64(&format!("trunkline:{password}")))));
    vec![
        caller("nobody", None, None),
        caller("an empty token", bearer(""), None),
        caller("garbage", bearer("tl_wrong"), None),
        caller("a token with one other digit", bearer(&almost), None),
        caller("half a token", bearer(&server.token[..32]), None),
        caller("the token under another scheme", Some(("authorization", format!("Digest {}", server.token))), None),
        caller("the token in a cookie of the pages", Some(("cookie", format!("trunkline-session={}", server.token))), None),
        caller("a session that nobody began", Some(("cookie", format!("trunkline-session={}", "0".repeat(64)))), None),
        caller("a wrong password", basic("secret"), None),
        caller("a one-time link's session", Some(("cookie", session(server))), Some(Level::Reader)),
        caller("the token as a password", basic(&server.token), Some(Level::Operator)),
        caller("the operator", bearer(&server.token), Some(Level::Operator)),
    ]
}

fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = |three: &[u8]| {
        let bits = three.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        (0..=three.len()).map(|place| char::from(DIGITS[(bits >> (18 - 6 * place) & 63) as usize])).collect::<String>()
    };
    let plain: String = text.as_bytes().chunks(3).map(digits).collect();
    let padding = (4 - plain.len() % 4) % 4;
    plain + &"=".repeat(padding)
}

/// The cookie that a browser is given for a link.
fn session(server: &Server) -> String {
    let link = server.post("links", serde_json::json!({})).1["path"].as_str().unwrap().to_owned();
    let agent: Agent = Agent::config_builder().max_redirects(0).http_status_as_error(false).build().into();
    let answer = agent.get(format!("{}{link}", server.address)).call().unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    cookie.split(';').next().unwrap().to_owned()
}

fn call(agent: &Agent, server: &Server, caller: &Caller, method: &str, path: &str) -> Response<Body> {
    let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", server.address));
    if let Some((name, value)) = &caller.header {
        request = request.header(*name, value);
    }
    // Nothing in it that would be taken: what matters is how far the call comes.
    agent
        .run(request.header("content-type", "application/json").body("[]").unwrap())
        .unwrap_or_else(|error| panic!("{method} {path} as {}: {error}", caller.name))
}

fn agent() -> Agent {
    // A server may end a connection whose body it did not read.
    Agent::config_builder()
        .max_idle_connections(0)
        .max_redirects(0)
        .http_status_as_error(false)
        .allow_non_standard_methods(true)
        .build()
        .into()
}

/// Whether a route of this need lets such a caller in: 200 stands for every answer but the gate's.
fn expected(needs: Option<Level>, caller: Option<Level>) -> u16 {
    match (needs, caller) {
        (None, _) => 200,
        (Some(_), None) => 401,
        (Some(needs), Some(level)) if level >= needs => 200,
        (Some(_), Some(_)) => 403,
    }
}

#[test]
fn every_route_lets_in_whom_it_says_and_nobody_else() {
    let server = Server::start(0);
    add_project(&server);
    let (agent, callers) = (agent(), callers(&server));
    let mut cells = 0;
    // A link is its own key, and has its own answer.
    for route in routes().iter().filter(|route| route.path != "/l/{secret}") {
        let path = filled(&route.path);
        for caller in &callers {
            let answer = call(&agent, &server, caller, route.method.as_str(), &path);
            let status = answer.status().as_u16();
            let gate = if matches!(status, 401 | 403) { status } else { 200 };
            // Git's own routes answer 403 to a service that they do not know.
            let elsewhere = route.path.ends_with("/info/refs") && caller.level == Some(Level::Operator);
            assert!(elsewhere || gate == expected(route.needs, caller.level), "{} {path} as {}: {status}", route.method, caller.name);
            assert!(status < 500 && status != 405, "{} {path} as {}: {status}", route.method, caller.name);
            cells += 1;
        }
    }
    assert!(cells > 500, "{cells}");
}

/// Whoever lowers what a route needs, or opens one, changes this too.
#[test]
fn acts_need_the_operator_and_little_is_open() {
    let routes = routes();
    let open: Vec<&str> = routes.iter().filter(|route| route.needs.is_none()).map(|route| route.path.as_str()).collect();
    assert_eq!(open, ["/api/v1/health", "/l/{secret}", "/trunkline.css", "/icon.svg"]);
    for route in &routes {
        let inner = route.path.starts_with("/git/") || route.path.contains("/runner/") || route.path.contains("/blobs/");
        if route.method != "GET" || inner {
            assert_eq!(route.needs, Some(Level::Operator), "{} {}", route.method, route.path);
        }
    }
}

#[test]
fn a_bent_path_opens_nothing() {
    let server = Server::start(0);
    add_project(&server);
    let (agent, callers) = (agent(), callers(&server));
    let open: Vec<String> = routes().into_iter().filter(|route| route.needs.is_none()).map(|route| route.path).collect();
    for route in routes().iter().filter(|route| route.needs.is_some()) {
        let path = filled(&route.path);
        for bent in bends(&path).into_iter().filter(|bent| !open.contains(bent)) {
            for caller in callers.iter().filter(|caller| caller.level != Some(Level::Operator)) {
                let status = call(&agent, &server, caller, route.method.as_str(), &bent).status().as_u16();
                match caller.level {
                    None => assert_eq!(status, 401, "{} {bent} as {}", route.method, caller.name),
                    _ if route.needs == Some(Level::Operator) => assert!((400..500).contains(&status), "{} {bent}: {status}", route.method),
                    _ => assert!(status < 500, "{} {bent}: {status}", route.method),
                }
            }
        }
    }
}

/// The same place, said in ways that some parsers take for another.
fn bends(path: &str) -> Vec<String> {
    let (head, last) = path.rsplit_once('/').unwrap();
    let upper = path.to_ascii_uppercase();
    let bends = vec![
        format!("{path}/"),
        format!("/{path}"),
        format!("{head}//{last}"),
        format!("{head}/./{last}"),
        format!("{head}/x/../{last}"),
        format!("{head}/%2e%2e/{last}"),
        format!("{head}%2f{last}"),
        format!("/api/v1/health/..{path}"),
        format!("/trunkline.css{path}"),
        format!("{path};.css"),
        format!("{path}%00"),
        format!("{path}.css"),
        format!("{path}%20"),
        if upper == path { format!("{path}/.") } else { upper },
    ];
    // The root's last part is all of it.
    bends.into_iter().filter(|bent| bent.starts_with('/')).collect()
}

/// Which methods an address knows is for those who may come in.
#[test]
fn another_method_is_refused_and_the_right_ones_are_named() {
    let server = Server::start(0);
    add_project(&server);
    let (agent, callers) = (agent(), callers(&server));
    let routes = routes();
    for route in &routes {
        let path = filled(&route.path);
        let known: Vec<&str> = routes.iter().filter(|other| other.path == route.path).map(|other| other.method.as_str()).collect();
        for caller in callers.iter().filter(|caller| caller.header.is_none() || caller.level.is_some()) {
            for method in ["DELETE", "PATCH", "PROPFIND"] {
                let answer = call(&agent, &server, caller, method, &path);
                let allow = answer.headers().get("allow").map(|allow| allow.to_str().unwrap().to_owned());
                let place = format!("{method} {path} as {}", caller.name);
                if caller.level.is_none() {
                    assert_eq!((answer.status().as_u16(), allow), (401, None), "{place}");
                    continue;
                }
                assert_eq!(answer.status().as_u16(), 405, "{place}");
                let allow = allow.expect("405 names the methods");
                assert!(known.iter().all(|method| allow.split(',').any(|one| one == *method)), "{place}: {allow}");
            }
        }
    }
}
