//! Labels in tokens: those that the credential policy lists, of who presents the token and nobody else.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::{Value, json};
use zeroid_tests::{Client, Server, claims, delegate, introspect, issue, policy, register};

const ALL: [&str; 3] = ["api_key", "token_exchange", "client_credentials"];

fn listing(client: &Client, name: &str, labels: &Value) -> String {
    let body =
        json!({"name": name, "allowed_grant_types": ALL, "max_delegation_depth": 3, "token_labels": labels});
    policy(client, &body)
}

fn labels(token: &str) -> Value {
    claims(token)["labels"].clone()
}

#[test]
fn the_token_has_what_the_policy_lists_and_introspection_has_all() {
    let server = Server::start();
    let client = server.client();
    let listed = listing(&client, "listed", &json!(["team", "tier", "no such label"]));
    let all = json!({"team": "red", "tier": 2, "salary": "secret"});
    let boss = register(&client, "boss", json!({"credential_policy_id": listed, "labels": all}));
    let plain = register(&client, "plain", json!({"labels": {"team": "blue"}}));
    let token = issue(&client, &boss.api_key, "read").token();
    assert_eq!(labels(&token), json!({"team": "red", "tier": 2}));
    assert_eq!(introspect(&client, &token).json["labels"], all, "as the registry has them");
    assert_eq!(labels(&issue(&client, &plain.api_key, "read").token()), Value::Null, "nobody listed them");

    // They are of who presents it: a child has none of its parent's.
    let child = delegate(&client, &token, &plain.api_key, "read").token();
    assert_eq!(labels(&child), Value::Null);
    assert_eq!(introspect(&client, &child).json["labels"], json!({"team": "blue"}));
    let narrowed = delegate(&client, &token, &boss.api_key, "read").token();
    assert_eq!(labels(&narrowed), json!({"team": "red", "tier": 2}));

    // A change holds from the next token on; introspection tells what is now.
    let path = format!("/credential-policies/{listed}");
    let changed = client.patch(&path, &json!({"token_labels": ["salary"]}));
    assert_eq!((changed.status, &changed.json["token_labels"]), (200, &json!(["salary"])));
    assert_eq!(client.get(&path).json["token_labels"], json!(["salary"]));
    assert_eq!(
        client.patch(&path, &json!({"description": "as it was"})).json["token_labels"],
        json!(["salary"])
    );
    assert_eq!(labels(&issue(&client, &boss.api_key, "read").token()), json!({"salary": "secret"}));
    let moved = client.patch(&format!("/identities/{}", boss.id), &json!({"labels": {"team": "green"}}));
    assert_eq!(moved.status, 200, "{moved:?}");
    assert_eq!(introspect(&client, &token).json["labels"], json!({"team": "green"}));
    assert_eq!(labels(&issue(&client, &boss.api_key, "read").token()), Value::Null);
    assert_eq!(client.patch(&path, &json!({"token_labels": []})).json["token_labels"], json!([]));
}

#[test]
fn every_policy_that_governs_must_list_a_label() {
    let server = Server::start();
    let client = server.client();
    let (both, one) =
        (listing(&client, "both", &json!(["team", "tier"])), listing(&client, "one", &json!(["team"])));
    let none = listing(&client, "none", &json!([]));
    let agent = json!({"credential_policy_id": both, "labels": {"team": "red", "tier": 2}});
    let agent = register(&client, "agent", agent);
    for (policy, expected) in
        [(&both, json!({"team": "red", "tier": 2})), (&one, json!({"team": "red"})), (&none, Value::Null)]
    {
        let body = json!({"name": "k", "identity_id": agent.id, "credential_policy_id": policy});
        let key = client.post("/api-keys", &body).text("/key");
        assert_eq!(labels(&issue(&client, &key, "read").token()), expected, "by a key under {policy}");
        let name = format!("client-{policy}");
        let body = json!({"client_id": name, "name": name, "confidential": true, "identity_id": agent.id,
                          "grant_types": ["client_credentials"], "credential_policy_id": policy});
        let secret = client.post("/oauth/clients", &body).text("/client_secret");
        let body = json!({"grant_type": "client_credentials", "client_id": name, "client_secret": secret});
        assert_eq!(
            labels(&client.post("/oauth2/token", &body).token()),
            expected,
            "by a client under {policy}"
        );
    }
    // A key's policy stays within its identity's.
    let wide = listing(&client, "wide", &json!(["team", "salary"]));
    let body = json!({"name": "k", "identity_id": agent.id, "credential_policy_id": wide});
    let refused = client.post("/api-keys", &body);
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.contains("token_labels"), "{refused:?}");
}

#[test]
fn a_list_of_labels_has_bounds() {
    let server = Server::start();
    let client = server.client();
    let names = |count: usize| json!((0..count).map(|n| format!("n{n}")).collect::<Vec<_>>());
    let ask =
        |labels: Value| client.post("/credential-policies", &json!({"name": "p", "token_labels": labels}));
    for bad in [names(17), json!([""]), json!(["a\nb"]), json!(["n".repeat(129)])] {
        let answer = ask(bad);
        assert_eq!(
            (answer.status, answer.text("/errors/0/location")),
            (400, "body.token_labels".to_owned()),
            "{answer:?}"
        );
    }
    for bad in [json!("team"), json!([7]), json!({"team": true})] {
        assert_eq!(ask(bad).status, 422);
    }
    let made = ask(json!(["team", "team", "ä".repeat(64)]));
    assert_eq!(
        (made.status, &made.json["token_labels"]),
        (201, &json!(["team", "ä".repeat(64)])),
        "{made:?}"
    );
}
