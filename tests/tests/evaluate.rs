//! The dry run at the edge.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::{Value, json};
use zeroid_tests::{Answer, EXCHANGE, Server, issue, policy, register};

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

/// What is said of a request, and what then happens, in the words of the answer.
#[track_caller]
fn same(said: &Value, did: &Answer) {
    if said["allowed"] == json!(false) {
        assert_eq!(said["refusal"]["error"], did.json["error"], "{said} {did:?}");
        // RFC 6749 §5.2 leaves no double quotes in a description.
        assert_eq!(said["refusal"]["detail"], did.json["error_description"], "{said} {did:?}");
        return;
    }
    let (told, claims) = (&said["credential"], zeroid_tests::claims(&did.token()));
    assert_eq!(told["scopes"], claims.get("scopes").cloned().unwrap_or(json!([])));
    assert_eq!(told["ttl_seconds"], did.json["expires_in"]);
    for (there, here) in [
        ("sub", "sub"),
        ("act", "act"),
        ("audience", "aud"),
        ("actor_proof", "actor_proof"),
        ("labels", "labels"),
        ("delegation_depth", "delegation_depth"),
    ] {
        assert_eq!(told[there], claims[here], "{there}");
    }
    for (name, value) in
        told["task"].as_object().into_iter().chain(told["additional_claims"].as_object()).flatten()
    {
        assert_eq!(value, &claims[name], "{name}");
    }
}

fn with(mut body: Value, more: &Value) -> Value {
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[test]
fn a_client_is_evaluated_as_it_would_ask_and_nothing_is_bound() {
    let server = Server::start();
    let client = server.client();
    let narrow = json!({"name": "narrow", "allowed_grant_types": ["client_credentials", "token_exchange"],
                        "allowed_scopes": ["a", "b"], "max_ttl_seconds": 90, "max_delegation_depth": 2});
    let narrow = policy(&client, &narrow);
    let agent = register(&client, "agent", json!({}));
    let boss = register(&client, "boss", json!({}));
    let made = |body: Value| {
        let answer = client.post("/oauth/clients", &body);
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.text("/client_secret")
    };
    let secret = made(
        json!({"client_id": "bound", "name": "bound", "confidential": true, "identity_id": agent.id,
        "grant_types": ["client_credentials", EXCHANGE], "credential_policy_id": narrow, "scopes": ["b", "c"]}),
    );
    let said = |more: Value| {
        client.post(PATH, &with(json!({"identity_id": agent.id, "client_id": "bound"}), &more)).json
    };
    let did = |more: Value| {
        client.post("/oauth2/token", &with(json!({"client_id": "bound", "client_secret": secret}), &more))
    };
    for scopes in ["b", "a b c", "a", ""] {
        let listed: Vec<_> = scopes.split(' ').filter(|scope| !scope.is_empty()).collect();
        let answer = said(json!({"grant_type": "client_credentials", "scopes": listed}));
        same(&answer, &did(json!({"grant_type": "client_credentials", "scope": scopes})));
        assert_eq!(answer["proof"], json!({"type": "client", "client_id": "bound"}));
    }
    let answer = said(json!({"grant_type": "client_credentials", "scopes": ["a", "b", "c"]}));
    assert_eq!(answer["policies"][1]["id"], json!(narrow), "{answer}");
    let sides: Vec<_> = answer["left_out"].as_array().unwrap().iter().map(|out| &out["refused_by"]).collect();
    assert_eq!(sides, [&json!("client"), &json!("client_policy")]);

    // As the actor of an exchange, alone and beside the agent's key; and limiting a grant it may not use.
    let root = issue(&client, &boss.api_key, "a b").token();
    let jti = zeroid_tests::claims(&root)["jti"].clone();
    let hop = json!({"grant_type": EXCHANGE, "subject_token": root, "scope": "a b"});
    let asked = json!({"grant_type": "token_exchange", "parent_jti": jti, "scopes": ["a", "b"]});
    let answer = said(asked.clone());
    same(&answer, &did(hop.clone()));
    assert_eq!(answer["proof"]["type"], json!("client"));
    let key = client.get(&format!("/api-keys?identity_id={}", agent.id)).text("/keys/0/id");
    let answer = said(with(asked.clone(), &json!({"api_key_id": key})));
    same(&answer, &did(with(hop, &json!({"api_key": agent.api_key}))));
    assert_eq!(answer["proof"], json!({"type": "client", "client_id": "bound", "api_key_id": key}));
    let answer = said(json!({"grant_type": "api_key"}));
    same(&answer, &did(json!({"grant_type": "api_key", "api_key": agent.api_key})));
    assert_eq!(answer["refusal"]["error"], json!("unauthorized_client"));

    // Bound at its first use, and not by a question.
    let unbound = json!({"client_id": "late", "name": "late", "confidential": true, "grant_types": ["client_credentials"]});
    let secret = made(unbound);
    let late = register(&client, "late", json!({}));
    let ask = || {
        let body = json!({"identity_id": late.id, "client_id": "late", "grant_type": "client_credentials", "scopes": ["a"]});
        client.post(PATH, &body)
    };
    let answer = ask();
    let listed = client.get("/oauth/clients").json;
    let listed = listed["clients"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["client_id"] == json!("late"))
        .cloned()
        .unwrap();
    assert_eq!(listed.get("identity_id").cloned().unwrap_or_default(), Value::Null, "{listed}");
    let body = json!({"grant_type": "client_credentials", "client_id": "late", "client_secret": secret, "scope": "a"});
    same(&answer.json, &client.post("/oauth2/token", &body));
    assert_eq!(ask().json["credential"]["sub"], json!(late.uri));
    let other = client.post(
        PATH,
        &json!({"identity_id": agent.id, "client_id": "late", "grant_type": "client_credentials"}),
    );
    assert_eq!(
        (other.status, other.text("/errors/0/location")),
        (400, "body.client_id".to_owned()),
        "{other:?}"
    );
}

#[test]
fn a_route_is_evaluated_as_it_would_stand_in() {
    let server = Server::start();
    let client = server.client();
    let boss = register(&client, "boss", json!({}));
    let (aide, other) = (register(&client, "aide", json!({})), register(&client, "other", json!({})));
    let root = issue(&client, &boss.api_key, "a b").token();
    let jti = zeroid_tests::claims(&root)["jti"].clone();
    let ask = |to: &str, scope: &str, more: &Value| {
        let scopes: Vec<_> = scope.split(' ').collect();
        let body = json!({"identity_id": to, "grant_type": "token_exchange", "parent_jti": jti, "scopes": scopes, "proof": "route"});
        client.post(PATH, &with(body, more))
    };
    let follow = |scope: &str, more: &Value| {
        let body = json!({"grant_type": EXCHANGE, "subject_token": root, "scope": scope});
        client.post("/oauth2/token", &with(body, more))
    };
    let none = json!({});
    same(&ask(&aide.id, "a", &none).json, &follow("a", &none));
    let route = json!({"from_identity_id": boss.id, "to_identity_id": aide.id, "scopes": ["a"], "max_ttl_seconds": 60});
    let route = client.post("/delegation-routes", &route).text("/id");
    let words =
        json!({"allowed_tools": ["git"], "task_id": "mine", "additional_claims": {"mine": 1, "sub": "x"}});
    for more in [&none, &words] {
        let said = ask(&aide.id, "a", more).json;
        same(&said, &follow("a", more));
        assert_eq!(said["proof"], json!({"type": "route", "delegation_route_id": route}));
        assert_eq!(said["credential"]["additional_claims"], Value::Null, "nobody stands for it");
    }
    same(&ask(&aide.id, "a b", &none).json, &follow("a b", &none));
    let elsewhere = ask(&other.id, "a", &none);
    assert_eq!(
        (elsewhere.status, elsewhere.text("/errors/0/location")),
        (400, "body.identity_id".to_owned())
    );
    let second = json!({"from_identity_id": boss.id, "to_identity_id": other.id, "scopes": ["a"]});
    assert_eq!(client.post("/delegation-routes", &second).status, 201);
    same(&ask(&aide.id, "a", &none).json, &follow("a", &none));
    // An agent without any key is asked for by a route alone.
    let bare = client
        .post("/identities", &json!({"external_id": "bare", "owner_user_id": "dev@company.com"}))
        .text("/id");
    let body =
        json!({"identity_id": bare, "grant_type": "token_exchange", "parent_jti": jti, "scopes": ["b"]});
    let said = client.post(PATH, &body).json;
    assert_eq!(
        (&said["proof"]["type"], &said["refusal"]["error"]),
        (&json!("route"), &json!("invalid_request")),
        "{said}"
    );
}

#[test]
fn what_a_request_would_say_is_evaluated_with_it() {
    let server = Server::start();
    let client = server.client();
    let labelled = json!({"name": "labelled", "allowed_grant_types": ["api_key"], "token_labels": ["team"],
                          "max_delegation_depth": 3});
    let labelled = policy(&client, &labelled);
    let boss = json!({"credential_policy_id": labelled, "labels": {"team": "red", "salary": 1}});
    let boss = register(&client, "boss", boss);
    let aide = register(&client, "aide", json!({}));
    let words = json!({"task_id": "ENG-4421", "allowed_tools": ["git", "test"], "additional_claims": {"department": "billing"}});
    let root = |more: &Value| {
        let body = json!({"grant_type": "api_key", "api_key": boss.api_key, "scope": "a"});
        client.post("/oauth2/token", &with(body, more))
    };
    let said =
        |more: &Value| client.post(PATH, &with(json!({"identity_id": boss.id, "scopes": ["a"]}), more)).json;
    same(&said(&words), &root(&words));
    let answer = said(&words);
    assert_eq!(
        answer["credential"]["task"],
        json!({"task_id": "ENG-4421", "allowed_tools": ["git", "test"]})
    );
    assert_eq!(answer["credential"]["additional_claims"], words["additional_claims"]);
    assert_eq!(answer["credential"]["labels"], json!({"team": "red"}));
    let forged = json!({"additional_claims": {"sub": "x"}});
    same(&said(&forged), &root(&forged));
    let token = root(&words).token();
    let jti = zeroid_tests::claims(&token)["jti"].clone();
    for more in [
        json!({"allowed_tools": ["git"]}),
        json!({"allowed_tools": ["deploy"]}),
        json!({"task_id": "other"}),
        json!({"additional_claims": {"department": "other"}}),
        json!({"additional_claims": {"run": 7}}),
    ] {
        let asked = json!({"identity_id": aide.id, "grant_type": "token_exchange", "parent_jti": jti, "scopes": ["a"]});
        let hop =
            json!({"grant_type": EXCHANGE, "subject_token": token, "api_key": aide.api_key, "scope": "a"});
        same(&client.post(PATH, &with(asked, &more)).json, &client.post("/oauth2/token", &with(hop, &more)));
    }
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
