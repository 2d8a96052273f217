//! What a token is for, told by itself, by introspection and by everything below it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::{Value, json};
use zeroid_tests::{EXCHANGE, Server, claims, introspect, register};

const TEXTS: [&str; 5] = ["session_id", "task_id", "task_type", "workspace", "environment"];

#[test]
fn a_child_inherits_what_its_parent_is_for() {
    let server = Server::start();
    let client = server.client();
    let boss = register(&client, "boss", json!({}));
    let aide = register(&client, "aide", json!({}));
    let ask = |more: Value| {
        let mut body = json!({"grant_type": "api_key", "api_key": boss.api_key, "scope": "read"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.post("/oauth2/token", &body)
    };
    let root = ask(json!({"session_id": "s", "task_id": "ENG-4421", "task_type": "fix", "workspace": "repo",
                          "environment": "staging", "allowed_tools": ["git", "test"]}))
    .token();
    let hop = |more: Value| {
        let mut body =
            json!({"grant_type": EXCHANGE, "subject_token": root, "api_key": aide.api_key, "scope": "read"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.post("/oauth2/token", &body)
    };
    let (own, child) = (claims(&root), hop(json!({"allowed_tools": ["git"], "task_id": "ENG-4421"})).token());
    let told = claims(&child);
    for name in TEXTS {
        assert!(own[name].is_string(), "{name}");
        assert_eq!(told[name], own[name], "{name}");
    }
    assert_eq!((&own["allowed_tools"], &told["allowed_tools"]), (&json!(["git", "test"]), &json!(["git"])));
    let seen = introspect(&client, &child).json;
    for name in TEXTS.iter().chain(&["allowed_tools"]) {
        assert_eq!(seen[name], told[name], "{name}");
    }
    assert_eq!(claims(&hop(json!({})).token())["allowed_tools"], own["allowed_tools"]);
    assert_eq!(claims(&hop(json!({"allowed_tools": []})).token())["allowed_tools"], json!([]));
    for (name, value) in [("task_id", json!("other")), ("allowed_tools", json!(["git", "deploy"]))] {
        let answer = hop(json!({name: value}));
        assert_eq!((answer.status, answer.text("/error")), (400, "invalid_request".to_owned()), "{answer:?}");
        assert!(answer.text("/error_description").contains(name), "{answer:?}");
    }
    for bad in [json!({"task_id": 7}), json!({"allowed_tools": [7]}), json!({"allowed_tools": vec!["t"; 65]})]
    {
        assert_eq!(ask(bad).text("/error"), "invalid_request");
    }
    assert!(claims(&ask(json!({})).token()).get("task_id").is_none());
}

#[test]
fn who_proved_nothing_says_nothing_of_the_task() {
    let server = Server::start();
    let client = server.client();
    let boss = register(&client, "boss", json!({}));
    let aide = register(&client, "aide", json!({}));
    let route = json!({"from_identity_id": boss.id, "to_identity_id": aide.id, "scopes": ["read"]});
    assert_eq!(client.post("/delegation-routes", &route).status, 201);
    let root =
        json!({"grant_type": "api_key", "api_key": boss.api_key, "scope": "read", "workspace": "repo"});
    let root = client.post("/oauth2/token", &root).token();
    let body = json!({"grant_type": EXCHANGE, "subject_token": root, "scope": "read", "task_id": "mine",
                      "allowed_tools": ["git"]});
    let told = claims(&client.post("/oauth2/token", &body).token());
    assert_eq!((&told["workspace"], &told["task_id"]), (&json!("repo"), &Value::Null));
    assert_eq!(told["allowed_tools"], json!(["git"]), "a limit is kept");
}
