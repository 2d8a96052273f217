//! Claims of a caller's own: told by the token, by introspection and by everything below it, and never in our place.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::{Value, json};
use zeroid_tests::{Answer, Client, EXCHANGE, Server, claims, introspect, register};

fn root(client: &Client, api_key: &str, additional: Value) -> Answer {
    let body = json!({"grant_type": "api_key", "api_key": api_key, "scope": "read", "additional_claims": additional});
    client.post("/oauth2/token", &body)
}

fn hop(client: &Client, subject: &str, api_key: &str, additional: Value) -> Answer {
    let body = json!({"grant_type": EXCHANGE, "subject_token": subject, "api_key": api_key, "scope": "read",
                      "additional_claims": additional});
    client.post("/oauth2/token", &body)
}

fn form(client: &Client, body: String) -> Answer {
    client.send("POST", "/oauth2/token", &[("content-type", "application/x-www-form-urlencoded")], body)
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[track_caller]
fn refused(answer: &Answer, named: &str) {
    assert_eq!((answer.status, answer.text("/error")), (400, "invalid_request".to_owned()), "{answer:?}");
    assert!(answer.text("/error_description").contains(named), "{named}: {answer:?}");
}

#[test]
fn what_a_caller_says_is_in_the_token_at_introspection_and_below() {
    let server = Server::start();
    let client = server.client();
    let boss = register(&client, "boss", json!({}));
    let aide = register(&client, "aide", json!({}));
    let said = json!({"department": "billing", "https://acme.example/tier": {"level": [1, 0.5, null]}});
    let token = root(&client, &boss.api_key, said.clone()).token();
    let without = claims(&root(&client, &boss.api_key, Value::Null).token());
    let told = claims(&token);
    for (name, value) in said.as_object().unwrap() {
        assert_eq!(&told[name], value, "{name}");
        assert!(without.get(name).is_none(), "{name}");
    }
    for (name, value) in without.as_object().unwrap() {
        if !["jti", "mission_id", "iat", "exp"].contains(&name.as_str()) {
            assert_eq!(&told[name], value, "{name} is ours");
        }
    }
    let child = hop(&client, &token, &aide.api_key, json!({"department": "billing", "run": 7})).token();
    let leaf = hop(&client, &child, &boss.api_key, json!({})).token();
    for below in [&child, &leaf] {
        let (told, seen) = (claims(below), introspect(&client, below).json);
        assert_eq!(seen["active"], json!(true));
        for (name, value) in said.as_object().unwrap() {
            assert_eq!((&told[name], &seen[name]), (value, value), "{name}");
        }
        assert_eq!((&told["run"], &seen["run"]), (&json!(7), &json!(7)));
    }
    let stored = client.get(&format!("/credentials/{}", claims(&leaf)["jti"].as_str().unwrap())).json;
    let mut all = said.clone();
    all["run"] = json!(7);
    assert_eq!(stored["additional_claims"], all, "as an operator sees it");
    refused(&hop(&client, &child, &boss.api_key, json!({"run": 8})), "`run` is inherited");
    refused(&hop(&client, &child, &boss.api_key, json!({"department": null})), "`department` is inherited");
}

#[test]
fn a_form_has_the_text_of_an_object() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "agent", json!({}));
    let ask = |text: &str| {
        let key = &agent.api_key;
        form(
            &client,
            format!("grant_type=api_key&api_key={key}&scope=read&additional_claims={}", encoded(text)),
        )
    };
    let told = claims(&ask(r#"{"department":"billing","cost":{"centre":7}}"#).token());
    assert_eq!((&told["department"], &told["cost"]), (&json!("billing"), &json!({"centre": 7})));
    assert!(claims(&ask("").token()).get("department").is_none());
    for bad in ["billing", "[]", "7", "{}x", r#"{"a":1,"a":1}"#, r#"{"a":{"b":1,"b":2}}"#, r#"{"a":"#] {
        refused(&ask(bad), "additional_claims");
    }
    refused(&ask(r#"{"scope":"nhi:manage"}"#), "`scope`");
    for bad in [json!("{}"), json!([]), json!(7), json!(true)] {
        refused(&root(&client, &agent.api_key, bad), "additional_claims");
    }
    // In JSON a member that occurs twice is refused with the whole body, at every level.
    let body = format!(
        r#"{{"grant_type":"api_key","api_key":"{}","additional_claims":{{"a":1,"a":2}}}}"#,
        agent.api_key
    );
    let twice = client.send("POST", "/oauth2/token", &[("content-type", "application/json")], body);
    refused(&twice, "twice");
}

#[test]
fn nobody_says_what_is_ours_to_say() {
    let server = Server::start();
    let client = server.client();
    let boss = register(&client, "boss", json!({"labels": {"team": "red"}}));
    let aide = register(&client, "aide", json!({}));
    let token = root(&client, &boss.api_key, json!({})).token();
    let ours = introspect(&client, &token).json;
    let more = [
        "act",
        "cnf",
        "nbf",
        "may_act",
        "links",
        "user_id",
        "role",
        "groups",
        "authorization_details",
        "events",
    ];
    for name in ours.as_object().unwrap().keys().map(String::as_str).chain(more) {
        for name in [name.to_owned(), name.to_uppercase()] {
            refused(&root(&client, &boss.api_key, json!({&name: "forged"})), &format!("`{name}`"));
            refused(&hop(&client, &token, &aide.api_key, json!({&name: "forged"})), &format!("`{name}`"));
        }
    }
    // Who is nobody is told that and nothing else.
    let nobody = root(&client, "zid_sk_none", json!({"sub": "forged"}));
    assert_eq!((nobody.status, nobody.text("/error")), (400, "invalid_grant".to_owned()));
}

#[test]
fn bounds_are_named() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "agent", json!({}));
    let many = |count: usize| Value::Object((0..count).map(|n| (format!("n{n}"), json!(n))).collect());
    let full = root(&client, &agent.api_key, many(16)).token();
    assert_eq!(introspect(&client, &full).json["n15"], json!(15));
    refused(&root(&client, &agent.api_key, many(17)), "at most 16 claims");
    refused(&hop(&client, &full, &agent.api_key, json!({"one more": 1})), "printable");
    refused(&hop(&client, &full, &agent.api_key, json!({"one-more": 1})), "at most 16 claims");
    refused(&root(&client, &agent.api_key, json!({"n".repeat(65): 1})), "64");
    refused(&root(&client, &agent.api_key, json!({"a": [[[[[1]]]]]})), "4 levels");
    let long = |bytes: usize| json!({"a": "x".repeat(bytes)});
    let half = root(&client, &agent.api_key, long(1500)).token();
    refused(&root(&client, &agent.api_key, long(2048)), "2048 bytes");
    refused(&hop(&client, &half, &agent.api_key, json!({"b": "x".repeat(600)})), "2048 bytes");
}

#[test]
fn who_proved_nothing_adds_nothing() {
    let server = Server::start();
    let client = server.client();
    let boss = register(&client, "boss", json!({}));
    let aide = register(&client, "aide", json!({}));
    let route = json!({"from_identity_id": boss.id, "to_identity_id": aide.id, "scopes": ["read"]});
    assert_eq!(client.post("/delegation-routes", &route).status, 201);
    let token = root(&client, &boss.api_key, json!({"department": "billing"})).token();
    let body = json!({"grant_type": EXCHANGE, "subject_token": token, "scope": "read",
                      "additional_claims": {"sub": "forged", "department": "other", "mine": 1}});
    let told = claims(&client.post("/oauth2/token", &body).token());
    assert_eq!((&told["department"], &told["sub"]), (&json!("billing"), &json!(aide.uri)));
    assert!(told.get("mine").is_none(), "dropped, not refused: nobody stands for it");
}
