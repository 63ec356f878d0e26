//! What is refused says which part of the question, what it is and what was expected, in words of the API alone.

use super::{Server, add_project};
use crate::route::routes;
use serde_json::{Value, json};
use ureq::http::{Request, Response};
use ureq::{Agent, Body};

fn agent() -> Agent {
    Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into()
}

/// One question as the operator asks it, with these headers beside the token.
fn call(server: &Server, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(format!("{}{path}", server.address));
    request = request.header("authorization", format!("Bearer {}", server.token));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    agent().run(request.body(body.to_owned()).unwrap()).unwrap()
}

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

fn refused(mut answer: Response<Body>) -> (u16, Value) {
    let text = answer.body_mut().read_to_string().unwrap();
    let refused: Value = serde_json::from_str(&text).unwrap_or_else(|_| panic!("{} without a reason: {text}", answer.status()));
    (answer.status().as_u16(), refused)
}

#[test]
fn a_refused_body_says_which_field_is_wrong_and_what_was_expected() {
    let server = Server::start(0);
    add_project(&server);
    let bodies = [
        ("projects", "{not json", 400, "the body is no JSON: key must be a string at line 1 column 2"),
        ("projects", "{\n  \"name\": }", 400, "the body is no JSON: expected value at line 2 column 11"),
        ("projects", "", 400, "the body is empty; expected a JSON object, which is {} where nothing is to be said"),
        ("projects", "[]", 422, "the body is a list; expected a JSON object"),
        ("projects", "7", 422, "the body is 7; expected a JSON object"),
        ("projects", "{}", 422, "the field 'name' is missing"),
        ("projects", r#"{"name": null}"#, 422, "the field 'name' is null; expected a text"),
        ("projects", r#"{"name": {"a": 1}}"#, 422, "the field 'name' is an object; expected a text"),
        ("projects", r#"{"name": "a", "name": "b"}"#, 422, "the field 'name' is given twice at line 1 column 20"),
        ("projects", r#"{"name": "shop.git"}"#, 422, "the field 'name': 'shop.git' is not a name of a project: it has letters, digits,"),
        ("projects", r#"{"nam": "x"}"#, 422, "the field 'nam' is not known; expected 'name', 'git', 'token', 'beside' or 'folder'"),
        ("projects/shop/runs", r#"{"inputs": {"who": 7}}"#, 422, "the field 'inputs.who' is 7; expected a text"),
        (
            "projects/shop/runs",
            r#"{"revision": "main"}"#,
            422,
            "the field 'revision': 'main' is not a commit id: expected 40 or 64 hex digits",
        ),
        ("projects/shop/runs/1/cancel", r#"{"now": true}"#, 422, "the field 'now' is not known; none is taken here"),
        ("projects/shop/deployments/1/settle", r#"{"runs": "new"}"#, 422, "the field 'runs' is 'new'; expected 'live' or 'old'"),
        ("projects/shop/deployments/1/settle", r#"{"runs": 7}"#, 422, "the field 'runs' is 7; expected 'live' or 'old'"),
        ("runner/claim", r#"{"runner": "r", "wait_ms": -1}"#, 422, "the field 'wait_ms' is -1; expected a whole number from 0 to"),
    ];
    for (path, body, status, words) in bodies {
        let (found, refused) = refused(call(&server, "POST", &format!("/api/v1/{path}"), &JSON, body));
        let said = refused["message"].as_str().unwrap();
        assert!(found == status && said.starts_with(words), "{path} {body}: {found} {said}");
        assert_eq!((refused["code"].as_str(), refused["help"].is_string()), (Some("TL0505"), true), "{path} {body}");
    }
    let (status, refused) = refused(call(&server, "POST", "/api/v1/projects", &[("content-type", "text/plain")], "{}"));
    assert!(status == 415 && refused["message"].as_str().unwrap().contains("'content-type: application/json'"), "{refused}");
    let charset = [("content-type", "Application/JSON; charset=utf-8")];
    assert_eq!(call(&server, "POST", "/api/v1/projects", &charset, r#"{"name": "other"}"#).status().as_u16(), 200);
}

#[test]
fn a_refused_address_says_which_name_is_wrong_and_what_was_expected() {
    let server = Server::start(0);
    add_project(&server);
    let addresses = [
        ("wait", "the parameter 'after' is missing"),
        ("wait?after=x", "the parameter 'after' is 'x'; expected a whole number from 0 to 18446744073709551615"),
        ("wait?after=1&after=2", "the parameter 'after': given twice"),
        ("projects/shop/runs?before=-1", "the parameter 'before' is -1; expected a whole number from 0 to 4294967295"),
        ("projects/shop/runs?limit=many", "the parameter 'limit' is 'many'; expected a whole number from 1 to 200"),
        ("projects/shop/runs?limit=201", "the parameter 'limit' is 201; expected a whole number from 1 to 200"),
        ("projects/shop/releases?limit=0", "the parameter 'limit' is 0; expected a whole number from 1 to 200"),
        ("projects/shop/deployments?limit=4294967296", "the parameter 'limit' is 4294967296; expected a whole number from 1 to 200"),
        ("projects/shop/runs?pages=2", "the parameter 'pages' is not known; expected 'before', 'limit' or 'wait-for'"),
        ("status?x=1", "the parameter 'x' is not known; expected 'wait-for'"),
        ("health?x=1", "the parameter 'x' is not known; none is taken here"),
        ("status?wait-for=", "the parameter 'wait-for' is ''; expected a whole number"),
        ("projects/No%20Name", "'project' in the path: 'No Name' is not a name of a project"),
        ("projects/%ff", "a name in the path is no text"),
        ("projects/shop/runs/seven", "'number' in the path is 'seven'; expected a whole number from 0 to 4294967295"),
        ("blobs/sha256:x", "'digest' in the path: 'sha256:x' is not a digest"),
    ];
    for (path, words) in addresses {
        let (status, refused) = refused(call(&server, "GET", &format!("/api/v1/{path}"), &[], ""));
        let said = refused["message"].as_str().unwrap();
        assert!(status == 400 && said.starts_with(words), "{path}: {status} {said}");
    }
}

/// T1: every route that takes a body, asked with every form of JSON, in no word of the language that it is written in.
#[test]
fn no_refusal_names_a_type_of_ours() {
    let server = Server::start(0);
    add_project(&server);
    let document: Value = serde_json::from_str(&crate::api_document()).unwrap();
    let types: Vec<&String> = document["components"]["schemas"].as_object().unwrap().keys().collect();
    let forms = [json!(null), json!(true), json!(7), json!(-7), json!(1.5), json!("x"), json!([]), json!([1]), json!({}), json!({"x": 1})];
    for route in routes().iter().filter(|route| route.path.starts_with("/api/") && route.method == "POST") {
        let path = super::access::filled(&route.path);
        let operation = &document["paths"][&route.path]["post"];
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let schema = schema["$ref"].as_str().map_or(schema, |to| document.pointer(&to[1..]).unwrap());
        let names: Vec<&String> = schema["properties"].as_object().into_iter().flat_map(|fields| fields.keys()).collect();
        let wrong = names.iter().flat_map(|name| forms.iter().map(move |form| json!({name.as_str(): form})));
        for body in wrong.chain(forms.iter().cloned()) {
            let (status, refused) = server.ask("POST", &path, Some(body.clone()));
            let Some(said) = refused["message"].as_str().filter(|_| status == 422) else { continue };
            let foreign =
                ["struct", "enum", "tuple", "variant", "u32", "u64", "string", "::", "deserialize", "another form", "map", "sequence"];
            let ours = types.iter().find(|name| said.contains(name.as_str())).map(|name| name.as_str());
            let foreign = foreign.into_iter().find(|word| said.contains(word)).or(ours);
            assert_eq!(foreign, None, "{path} {body}: {said}");
        }
    }
}

/// What is too long is told how long it may be, also to strangers: it says nothing of what there is.
#[test]
fn what_is_too_long_is_told_the_limit_in_bytes() {
    let server = Server::start(0);
    let long = |bytes: usize| "x".repeat(bytes);
    let body = format!("{{\"name\": \"{}\"}}", long(2 << 20));
    let address = format!("/{}", long(8 << 10));
    let cookie = long(32 << 10);
    let many: Vec<String> = (0..101).map(|number| format!("x-{number}")).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|name| (name.as_str(), "1")).collect();
    let asked = [
        (call(&server, "POST", "/api/v1/projects", &JSON, &body), 413, "more than 2097152 bytes"),
        (call(&server, "GET", &address, &[], ""), 414, "8193 bytes; the server takes at most 8192"),
        (call(&server, "GET", "/", &[("cookie", &cookie)], ""), 431, "the server takes at most 100 of 32768 bytes"),
        (call(&server, "GET", "/", &many, ""), 431, "the server takes at most 100 of 32768 bytes"),
        (agent().get(format!("{}{address}", server.address)).call().unwrap(), 414, "at most 8192"),
    ];
    for (answer, status, words) in asked {
        let (found, refused) = refused(answer);
        assert!(found == status && refused["message"].as_str().unwrap().contains(words), "{status}: {found} {refused}");
        assert_eq!(refused["code"], json!("TL0505"), "{status}");
    }
    let (status, page) = page(call(&server, "GET", &address, &[BROWSER], ""));
    assert!(status == 414 && page.contains("The question makes no sense"), "{page}");
    // One byte less is an address that nobody knows.
    assert_eq!(call(&server, "GET", &address[..8 << 10], &[], "").status().as_u16(), 404);
}

const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");

/// What a browser sees.
fn page(mut answer: Response<Body>) -> (u16, String) {
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    assert!(answer.headers().contains_key("content-security-policy"));
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

#[test]
fn a_browser_is_refused_with_a_page() {
    let server = Server::start(0);
    add_project(&server);
    let pages = [
        ("/nowhere", 404, "There is no such thing", "There is no such address."),
        ("/api/v1/projects/shp", 404, "There is no such thing", "There is no project &#39;shp&#39;"),
        ("/c/4f2a91c", 404, "Commit 4f2a91c was not seen here", "git push trunkline BRANCH"),
        ("/p/shop/c/4f2a91c", 404, "Commit 4f2a91c was not seen here", "git push trunkline BRANCH"),
        ("/p/No%20Name/c/4f2a91c", 400, "The question makes no sense", "&#39;No Name&#39; is not a name of a project"),
        ("/?refresh=on&refresh=off", 400, "The question makes no sense", "The parameter &#39;refresh&#39;: given twice."),
    ];
    for (path, status, title, why) in pages {
        let (found, page) = page(call(&server, "GET", path, &[BROWSER], ""));
        let why = why.replace("&#39;", "'");
        assert!(found == status && page.contains(&format!("{title}</h1>")), "{path}: {found} {page}");
        assert!(page.contains(&why) && page.contains("<a href=\"/\""), "{path} says {why}: {page}");
        assert_eq!(page.contains("http-equiv=\"refresh\""), path.contains("/c/") && status == 404, "{path}");
    }
    let delete = call(&server, "DELETE", "/", &[BROWSER], "");
    assert_eq!((delete.status().as_u16(), delete.headers().contains_key("allow")), (405, true));
    // What reads JSON too gets JSON.
    let (status, refused) = refused(call(&server, "GET", "/nowhere", &[("accept", "text/html, application/json")], ""));
    assert_eq!((status, refused["code"].as_str()), (404, Some("TL0504")));
}

/// Whatever a stranger's browser asks, it sees the same page.
#[test]
fn a_strangers_browser_sees_one_page() {
    let server = Server::start(0);
    add_project(&server);
    let mut seen = std::collections::BTreeSet::new();
    for path in [
        "/",
        "/nowhere",
        "/p/shop/c/4f2a91c",
        "/p/No%20Name/c/x",
        "/?refresh=on&refresh=off",
        "/api/v1/projects/shop",
        "/api/v1/x",
        "/git/x",
    ] {
        let answer = agent().get(format!("{}{path}", server.address)).header(BROWSER.0, BROWSER.1).call().unwrap();
        let headers: Vec<String> = answer.headers().keys().map(|name| name.to_string()).collect();
        let (status, page) = page(answer);
        assert!(status == 401 && page.contains("trunkline open"), "{path}: {status} {page}");
        seen.insert((headers, page));
    }
    assert_eq!(seen.len(), 1, "{seen:#?}");
}

/// Each from another room: what would change the answer, or show more.
#[test]
fn a_refusal_from_a_deeper_room_says_what_helps() {
    let server = Server::start(0);
    let clone = add_project(&server);
    clone.commit(
        &[(
            "trunkline.yaml",
            "on: { push: {}, manual: { inputs: { who: { type: string, required: true } } } }\njobs: { a: { run: 'true' } }\n",
        )],
        "Begin",
    );
    clone.push();
    clone.commit(&[("trunkline.yaml", "no: file\n")], "Break the file");
    clone.git(&["push", "-q", "trunkline", "main:refs/heads/side"]);
    let questions = [
        (
            "POST",
            "projects/shop/runs/2/cancel",
            409,
            "trunkline runs view shop/2 shows how it ended; for a new run: trunkline start -p shop, where 'on' has 'manual', else push a new commit",
        ),
        ("GET", "nowhere", 404, "GET /api/v1/openapi.json"),
        ("POST", "resume", 409, "trunkline status"),
        ("GET", "projects/shp", 404, "trunkline projects list"),
        ("GET", "projects/shp/runs/1", 404, "trunkline projects list"),
        ("GET", "projects/shop/runs/9", 404, "trunkline runs list"),
        ("GET", "projects/shop/releases/9", 404, "trunkline releases list"),
        ("GET", "projects/shop/deployments/9", 404, "trunkline deployments list"),
        ("GET", "projects/shop/environments/qa", 404, "trunkline environments"),
        ("GET", "projects/shop/where/abcdef0", 404, "git push trunkline"),
        ("GET", "projects/shop/where/pr-7", 404, "git push trunkline"),
        ("POST", "projects/shop/runs", 400, "--input NAME=VALUE"),
        ("POST", "projects/shop/environments/qa/rollback", 409, "trunkline environments"),
    ];
    for (method, path, status, help) in questions {
        let body = if method == "POST" { "{}" } else { "" };
        let (found, refused) = refused(call(&server, method, &format!("/api/v1/{path}"), &JSON, body));
        let said = refused["help"].as_str().unwrap_or_default();
        assert!(found == status && said.contains(help), "{method} {path}: {found} {refused}");
    }
    // Git is told of an unknown project as everybody is, also where it cannot be the name of one.
    for name in ["shp.git", "No%20Name"] {
        let (status, refused) = refused(call(&server, "GET", &format!("/git/{name}/info/refs?service=git-upload-pack"), &[], ""));
        assert_eq!((status, refused["help"].as_str()), (404, Some("trunkline projects list shows which there are")), "{refused}");
    }
}
