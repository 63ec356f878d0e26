//! A release that its target lost is brought once more.

use super::{DEPLOY, Server, add_project, delivery_to};
use serde_json::json;

#[test]
fn a_lost_release_is_deployed_once_more_by_the_command_that_the_refusal_names() {
    let server = Server::start(2);
    let live = tempfile::tempdir().unwrap();
    let clone = add_project(&server);
    let file = delivery_to(live.path(), &[("test", "")]);
    let revision = clone.commit(&[("trunkline.yaml", &file), ("deploy.sh", DEPLOY), ("app.txt", "good and fine\n")], "Begin");
    clone.push();
    server.until("projects/shop/environments/test", |body| body["runs"].is_object());
    let arrived = || server.get(&format!("projects/shop/where/{revision}"))["stations"].as_array().unwrap().last().unwrap()["at"].clone();
    let first = arrived();
    for name in ["test", "test.observed"] {
        std::fs::remove_file(live.path().join(name)).unwrap();
    }
    let (status, refused) = server.post("projects/shop/releases/1/promote", json!({"environment": "test"}));
    assert_eq!(status, 409, "{refused}");
    assert!(refused["help"].as_str().unwrap().contains("trunkline promote test --again"), "{refused}");

    let (status, deployment) = server.post("projects/shop/releases/1/promote", json!({"environment": "test", "again": true}));
    assert_eq!((status, deployment["number"].as_u64()), (200, Some(2)), "{deployment}");
    assert_eq!(deployment["cause"], json!("asked once more by operator"));
    server.until("projects/shop/deployments/2", |body| body["status"] == json!({"ended": "succeeded"}));
    assert!(std::fs::read_to_string(live.path().join("test")).unwrap().contains("fine"));
    let observed = std::fs::read_to_string(live.path().join("test.observed")).unwrap();
    assert!(observed.contains("fence=2"), "{observed}");
    let environment = server.get("projects/shop/environments/test");
    assert_eq!((environment["runs"]["deployment"].as_u64(), &environment["back_to"]), (Some(2), &json!([])), "{environment}");
    assert_eq!(arrived(), first, "a change arrives once: its lead time does not grow");
}
