//! Clients that ask with a proof alone (RFC 9449 §5.2).

use serde_json::{Value, json};
use zeroid_tests::{Client, EXCHANGE, Server, claims as claims_of, issue, register};

use crate::prover::{Prover, ask, no_proof, refused};

/// A client of an identity, with its secret.
fn make(client: &Client, name: &str, more: Value) -> (Value, String) {
    let agent = register(client, name, json!({}));
    let mut body = json!({"client_id": name, "name": name, "confidential": true, "identity_id": agent.id,
                          "grant_types": ["client_credentials", "token_exchange", "api_key"]});
    for (member, value) in more.as_object().unwrap() {
        body[member] = value.clone();
    }
    let made = client.post("/oauth/clients", &body);
    assert_eq!(made.status, 201, "{made:?}");
    (made.json["client"].clone(), made.text("/client_secret"))
}

#[test]
fn rfc9449_section_5_2_a_client_that_is_registered_for_proofs_gets_nothing_without_one() {
    let server = Server::start();
    let (client, prover) = (server.client(), Prover::new());
    let (shown, secret) = make(&client, "job", json!({"dpop_bound_access_tokens": true}));
    assert_eq!(shown["dpop_bound_access_tokens"], json!(true));
    let boss = register(&client, "boss", json!({}));
    let root = issue(&client, &boss.api_key, "read").token();
    let by = |more: Value| {
        let mut body = json!({"client_id": "job", "client_secret": secret});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    for body in [
        by(json!({"grant_type": "client_credentials"})),
        by(json!({"grant_type": EXCHANGE, "subject_token": root, "scope": "read"})),
        by(json!({"grant_type": "api_key", "api_key": boss.api_key, "scope": "read"})),
    ] {
        let answer = client.post("/oauth2/token", &body);
        assert_eq!(refused(&answer), no_proof(), "{body}");
        assert!(answer.text("/error_description").contains("dpop_bound_access_tokens"), "{answer:?}");
        let issued = ask(&client, &body, &prover.for_token(&client));
        assert_eq!(issued.text("/token_type"), "DPoP", "{issued:?}");
        assert_eq!(claims_of(&issued.token())["cnf"]["jkt"], json!(prover.thumbprint()));
    }
    // Who guesses its secret is told nothing of it.
    let guess = json!({"grant_type": "client_credentials", "client_id": "job", "client_secret": "x"});
    assert_eq!(refused(&client.post("/oauth2/token", &guess)), (401, "invalid_client".to_owned()));

    // A public client that only names itself is held to it as well.
    let open = json!({"client_id": "app", "name": "app", "grant_types": ["api_key"],
                      "dpop_bound_access_tokens": true});
    assert_eq!(client.post("/oauth/clients", &open).status, 201);
    let body = json!({"grant_type": "api_key", "api_key": boss.api_key, "scope": "read", "client_id": "app"});
    assert_eq!(refused(&client.post("/oauth2/token", &body)), no_proof());
    assert_eq!(ask(&client, &body, &prover.for_token(&client)).text("/token_type"), "DPoP");
}

#[test]
fn whether_a_client_needs_proofs_is_said_at_registration_and_changed_later() {
    let server = Server::start();
    let client = server.client();
    let (shown, secret) = make(&client, "job", json!({}));
    assert_eq!(shown["dpop_bound_access_tokens"], json!(false), "§5.2: the default");
    let path = format!("/oauth/clients/{}", shown["id"].as_str().unwrap());
    let body = json!({"grant_type": "client_credentials", "client_id": "job", "client_secret": secret});
    for (wanted, status) in [(true, 400), (false, 200)] {
        let changed = client.patch(&path, &json!({"dpop_bound_access_tokens": wanted}));
        assert_eq!(changed.json["dpop_bound_access_tokens"], json!(wanted), "{changed:?}");
        let kept = client.patch(&path, &json!({"description": "x"}));
        assert_eq!(kept.json["dpop_bound_access_tokens"], json!(wanted), "{kept:?}");
        assert_eq!(client.post("/oauth2/token", &body).status, status, "{wanted}");
    }
    let odd = client.patch(&path, &json!({"dpop_bound_access_tokens": "yes"}));
    assert_eq!(
        (odd.status, odd.text("/errors/0/location")),
        (422, "body.dpop_bound_access_tokens".to_owned())
    );
}
