//! The dry run at the edge.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::{Value, json};
use zeroid_tests::{EXCHANGE, Server, issue, policy, register};

const PATH: &str = "/credential-policies/evaluate";

#[test]
fn an_operator_sees_what_would_be_decided_and_why() {
    let server = Server::start();
    let client = server.client();
    let narrow = policy(
        &client,
        &json!({"name": "narrow", "allowed_grant_types": ["api_key"], "allowed_scopes": ["a", "b"], "max_ttl_seconds": 120}),
    );
    let agent = register(&client, "agent", json!({"credential_policy_id": narrow}));
    let ask = |more: Value| {
        let mut body = json!({"identity_id": agent.id});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.post(PATH, &body)
    };

    let said = ask(json!({"scopes": ["a", "x"]}));
    assert_eq!(said.status, 200, "{said:?}");
    let (said, did) = (said.json, issue(&client, &agent.api_key, "a x").json);
    assert_eq!(said["allowed"], json!(true));
    assert_eq!(said["credential"]["scopes"], json!([did["scope"]]));
    assert_eq!(said["credential"]["ttl_seconds"], did["expires_in"]);
    assert_eq!(said["credential"]["sub"], json!(agent.uri));
    assert_eq!(said["policies"], json!([{"id": narrow, "version": 1}]));
    let left_out = json!([{"scope": "x", "refused_by": "identity_policy", "reason": "not in the identity's credential policy"}]);
    assert_eq!(said["left_out"], left_out);

    let refused = ask(json!({"ttl_seconds": 600})).json;
    assert_eq!(refused["allowed"], json!(false));
    assert_eq!(refused["refusal"]["error"], json!("policy_violation"));
    assert_eq!(refused["refusal"]["reason"], json!("ttl"));
    let dead = ask(json!({"scopes": ["x"]})).json;
    assert_eq!(dead["refusal"]["reason"], json!("no_scope_left"));
    assert_eq!(dead["left_out"], left_out);

    // The grant of an exchange by its wire name, under another policy than its own.
    let wide = policy(
        &client,
        &json!({"name": "wide", "allowed_grant_types": ["api_key", "token_exchange"], "max_delegation_depth": 3}),
    );
    let boss = register(&client, "boss", json!({"credential_policy_id": wide}));
    let root = issue(&client, &boss.api_key, "a").token();
    let jti = zeroid_tests::claims(&root)["jti"].clone();
    let hop = json!({"grant_type": EXCHANGE, "parent_jti": jti, "scopes": ["a"]});
    assert_eq!(ask(hop.clone()).json["refusal"]["reason"], json!("chain_too_deep"));
    let mut under = hop;
    under["credential_policy_id"] = json!(wide);
    let said = ask(under).json;
    assert_eq!(said["credential"]["act"]["sub"], json!(boss.uri), "{said}");

    let unknown = client.post(PATH, &json!({"identity_id": jti}));
    assert_eq!((unknown.status, unknown.text("/errors/0/location")), (400, "body.identity_id".to_owned()));
    assert_eq!(client.post(PATH, &json!({})).status, 422);
    let listed = client.get(&format!("/credentials?identity_id={}", agent.id)).json;
    assert_eq!(listed["total"], json!(1), "the one that was issued");
}

#[test]
fn only_a_manager_may_ask() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "agent", json!({}));
    let token = issue(&client, &agent.api_key, "a").token();
    let answer = client.bearer(&token).post(PATH, &json!({"identity_id": agent.id}));
    assert_eq!(answer.status, 403, "{answer:?}");
}
