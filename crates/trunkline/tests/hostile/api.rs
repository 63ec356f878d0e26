//! What the API and the pages are asked: names in paths, questions, bodies and headers, addresses of repositories.

use crate::place::Place;
use crate::text::{assert_shown, encoded, is_name, texts};
use serde_json::{Value, json};

/// An answer that is a yes or a no, and no trouble of the server's own.
fn answered((status, text): (u16, String), what: &str) -> u16 {
    assert!((200..500).contains(&status), "{what}: {status} {text}");
    status
}

#[test]
fn paths_and_questions() {
    let place = Place::new();
    let (mut asked, mut refused) = (0, 0);
    for text in texts() {
        let name = encoded(&text);
        let project = "/api/v1/projects/shop";
        for path in [
            format!("/api/v1/projects/{name}"),
            format!("/api/v1/projects/{name}/runs"),
            format!("{project}/runs/{name}"),
            format!("{project}/runs?before={name}"),
            format!("{project}/runs?{name}=1"),
            format!("{project}/log?work={name}"),
            format!("{project}/where/{name}"),
            format!("{project}/releases/{name}"),
            format!("{project}/deployments/{name}"),
            format!("{project}/environments/{name}"),
            format!("{project}/trace/{name}"),
            format!("/api/v1/blobs/{name}"),
            format!("/api/v1/{name}"),
            format!("/git/{name}/info/refs?service=git-upload-pack"),
            format!("/git/shop.git/info/refs?service={name}"),
            format!("/{name}"),
        ] {
            let status = answered(place.get(&path), &path);
            refused += usize::from(status >= 400);
            asked += 1;
        }
        for path in [format!("/c/{name}"), format!("/p/{name}/c/abcdef1"), format!("/p/shop/c/{name}"), format!("/l/{name}")] {
            place.page(&path);
        }
    }
    assert!(asked >= 16 * 500 && refused * 10 > asked * 9, "{refused} of {asked} were refused");
    place.end();
}

#[test]
fn bodies_and_headers() {
    let place = Place::new();
    let texts = texts();
    let mut taken = 0;
    for text in &texts {
        let harmless = is_name(text);
        let bodies: [(&str, Value); 7] = [
            ("projects", json!({ "name": text })),
            ("projects", json!({ "name": "other", "beside": text })),
            ("projects/shop/runs", json!({ "reference": text })),
            ("projects/shop/runs", json!({ "revision": text, "inputs": { text: text } })),
            ("projects/shop/releases/1/promote", json!({ "environment": text })),
            ("projects/shop/environments/test/rollback", json!({ "to": text })),
            ("projects/shop/deployments/1/settle", json!({ "runs": text, text: text })),
        ];
        for (path, body) in bodies {
            let status = answered(place.ask(path, &body, &[]), &format!("{path} {body}"));
            assert!(status >= 400 || harmless, "{path} took {body}");
        }
        // A folder may have almost any name; it is told as it was given, but for the slashes at its ends.
        let name = format!("folder{taken}");
        let (status, answer) = place.ask("projects", &json!({ "name": name, "beside": "shop", "folder": text }), &[]);
        if answered((status, answer.clone()), text) < 300 {
            let view: Value = serde_json::from_str(&answer).unwrap();
            assert_eq!(view["folder"], text.trim_matches('/'));
            taken += 1;
        }
        // What no header can hold does not leave the client.
        if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            answered(place.get_with("/api/v1/status", &[("authorization", text)]), text);
            answered(place.get_with("/git/shop.git/info/refs?service=git-upload-pack", &[("git-protocol", text)]), text);
            answered(place.ask("projects/shop/sync", &json!({}), &[("idempotency-key", text), ("user-agent", text)]), text);
        }
    }
    assert!(taken >= 250, "{taken} folders were taken");
    // A push looks into every folder, and says where there is none.
    std::fs::write(place.path("shop/trunkline.yaml"), "on: push\njobs: { a: { run: 'true', sandbox: host } }\n").unwrap();
    let said = place.git("git add -A && git commit -qm Add && git push trunkline main 2>&1");
    assert!(said.matches("there is no folder").count() >= taken, "{said}");
    assert_shown(&said.replace("\x1b[K", ""), "what the pusher is told");
    place.page("/");
    for arguments in [&["projects", "list"][..], &["projects", "list", "--json"], &["projects", "view", "folder7"], &["status"]] {
        place.cli(arguments, 0);
    }
    place.end();
}

#[test]
fn addresses_of_followed_repositories() {
    let place = Place::new();
    let folder = place.path("").display().to_string();
    let (mut reached, mut refused) = (0, 0);
    for (number, text) in texts().iter().enumerate() {
        let addresses = [
            text.clone(),
            format!("file://{folder}{text}"),
            format!("{text}:x"),
            format!("git@host:{text}"),
            format!("ssh://host/{text}"),
            format!("ssh://{text}/x"),
            format!("https://{text}"),
        ];
        // Every kind is tried by a seventh of them, each text as itself.
        for address in [&addresses[0], &addresses[number % 7]] {
            // No name is to be looked up, and nobody to be called: what would be is the fake `ssh`.
            if address.starts_with("https://") && address["https://".len()..].contains('/') {
                continue;
            }
            let (status, answer) = place.ask("projects", &json!({ "name": "other", "git": address }), &[]);
            assert!((400..500).contains(&status), "{address:?}: {status} {answer}");
            if answer.contains("cannot be read: git") { reached += 1 } else { refused += 1 }
        }
    }
    assert!(reached >= 50 && refused >= 500, "{reached} reached git, {refused} did not");
    let called = std::fs::read(place.path("ssh.called")).unwrap();
    let arguments: Vec<&[u8]> = called.split(|byte| *byte == 0).collect();
    assert!(arguments.iter().all(|argument| !argument.starts_with(b"-oProxy")), "an address became an option");
    place.end();
}
