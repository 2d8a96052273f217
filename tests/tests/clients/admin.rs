//! `/oauth/clients/…`: what is registered reads back, belongs to its tenant, and says what is wrong with it.

use serde_json::{Value, json};
use zeroid_jose::SigningKey;
use zeroid_tests::{Server, policy, register};

#[test]
fn a_client_lives_from_registration_to_deletion() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "billing", json!({}));
    let policy_id = policy(&client, &json!({"name": "short", "max_ttl_seconds": 60}));
    let body = json!({
        "client_id": "app-1", "name": "App", "confidential": true, "description": "d",
        "identity_id": agent.id, "scopes": ["read", "write"], "credential_policy_id": policy_id,
        "grant_types": ["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"],
        "redirect_uris": ["https://app.example/cb"], "access_token_ttl": 120, "contacts": ["dev@company.com"],
        "metadata": {"team": "red"}, "created_by": "dev@company.com",
    });
    let made = client.post("/oauth/clients", &body);
    assert_eq!((made.status, made.header("cache-control")), (201, "no-store"), "{made:?}");
    let secret = made.text("/client_secret");
    assert!(secret.starts_with("zid_cs_") && secret.len() == 50, "256 bits after the prefix");
    assert!(!made.text("/note").is_empty());
    let shown = &made.json["client"];
    for (member, value) in body.as_object().unwrap().iter().filter(|(member, _)| *member != "confidential") {
        assert_eq!(&shown[member], value, "{member}");
    }
    assert_eq!(shown["client_type"], "confidential");
    assert_eq!((&shown["is_active"], &shown["scopes_restricted"]), (&json!(true), &json!(true)));
    assert!(shown.get("token_endpoint_auth_method").is_none(), "Basic or post, as none was registered");

    let id = made.text("/client/id");
    let path = format!("/api/v1/oauth/clients/{id}");
    let read = client.get(&path);
    assert_eq!((read.status, &read.json), (200, shown));
    assert!(!read.body.contains(&secret));
    let listed = client.get("/oauth/clients");
    assert_eq!((&listed.json["clients"][0], &listed.json["total"]), (shown, &json!(1)));

    let changed = client.patch(
        &path,
        &json!({"name": "App 2", "scopes_restricted": false, "access_token_ttl": 0, "credential_policy_id": ""}),
    );
    assert_eq!((changed.status, changed.text("/name")), (200, "App 2".to_owned()), "{changed:?}");
    assert_eq!((&changed.json["scopes"], &changed.json["scopes_restricted"]), (&json!([]), &json!(false)));
    for lifted in ["access_token_ttl", "credential_policy_id"] {
        assert!(changed.json.get(lifted).is_none(), "{lifted}");
    }
    assert_eq!(changed.text("/description"), "d", "what is not named stays");

    let rotated = client.post(&format!("{path}/rotate-secret"), &json!({}));
    assert_eq!(rotated.status, 200, "{rotated:?}");
    assert_ne!(rotated.text("/client_secret"), secret);
    assert_eq!(rotated.text("/client/id"), id);

    let deleted = client.delete(&path);
    assert_eq!((deleted.status, deleted.json), (200, json!({"deleted": true, "id": id})));
    for again in [client.get(&path), client.delete(&path), client.patch(&path, &json!({"name": "x"}))] {
        assert_eq!(again.status, 404, "{again:?}");
    }
    assert_eq!(client.get("/oauth/clients").json["total"], 0);
}

#[test]
fn what_is_left_out_has_its_default() {
    let server = Server::start();
    let client = server.client();
    let public = client.post("/oauth/clients", &json!({"client_id": "web", "name": "Web"}));
    assert_eq!(public.text("/client_secret"), "");
    let shown = &public.json["client"];
    assert_eq!(shown["client_type"], "public");
    assert_eq!(shown["token_endpoint_auth_method"], "none");
    assert_eq!(shown["grant_types"], json!(["authorization_code"]));
    for list in ["scopes", "redirect_uris"] {
        assert_eq!(shown[list], json!([]), "a list is never null");
    }
    for unset in ["jwks", "metadata", "description", "identity_id", "access_token_ttl", "contacts"] {
        assert!(shown.get(unset).is_none(), "{unset} is left out");
    }
    let refused =
        client.post(&format!("/oauth/clients/{}/rotate-secret", public.text("/client/id")), &json!({}));
    assert_eq!(refused.status, 400, "{refused:?}");

    let secret =
        client.post("/oauth/clients", &json!({"client_id": "job", "name": "Job", "confidential": true}));
    assert_eq!(secret.json["client"]["grant_types"], json!(["client_credentials"]));
    // A client named like an identity is bound to it at once.
    let agent = register(&client, "namesake", json!({}));
    let bound =
        client.post("/oauth/clients", &json!({"client_id": "namesake", "name": "N", "confidential": true}));
    assert_eq!(bound.text("/client/identity_id"), agent.id);
    let other = register(&client, "other", json!({}));
    let path = format!("/oauth/clients/{}", bound.text("/client/id"));
    let rebound = client.patch(&path, &json!({"identity_id": other.id}));
    assert_eq!(rebound.status, 400, "a binding is for good: {rebound:?}");
    assert_eq!(client.patch(&path, &json!({"identity_id": agent.id})).status, 200);
}

#[test]
fn what_is_wrong_is_named_and_nothing_is_stored() {
    let server = Server::start();
    let client = server.client();
    let key = json!(SigningKey::generate().unwrap().0.public().jwk("k", "sig"));
    let mut private = key.clone();
    private["d"] = json!("c2VjcmV0");
    let cases: Vec<(u16, &str, Value)> = vec![
        (422, "body.name", json!({"name": null})),
        (422, "body.client_id", json!({"client_id": ""})),
        (400, "body.client_id", json!({"client_id": "a\tb"})),
        (400, "body.client_id", json!({"client_id": "spiffe://zeroid.local/default/default/agent/boss"})),
        (400, "body.client_id", json!({"client_id": "https://app.example/client.json"})),
        (422, "body.surprise", json!({"surprise": 1})),
        (400, "body.grant_types[0]", json!({"grant_types": ["password"]})),
        (400, "body.grant_types", json!({"grant_types": ["client_credentials"]})),
        (
            400,
            "body.confidential",
            json!({"confidential": false, "token_endpoint_auth_method": "client_secret_basic"}),
        ),
        (400, "body.confidential", json!({"confidential": true, "token_endpoint_auth_method": "none"})),
        (400, "body.token_endpoint_auth_method", json!({"token_endpoint_auth_method": "tls_client_auth"})),
        (400, "body.jwks", json!({"token_endpoint_auth_method": "private_key_jwt"})),
        (400, "body.jwks", json!({"jwks": {"keys": []}})),
        (400, "body.jwks", json!({"jwks": {"keys": [private]}})),
        (400, "body.jwks_uri", json!({"jwks_uri": "http://app.example/jwks.json"})),
        (400, "body.jwks_uri", json!({"jwks_uri": "https://me@app.example/jwks.json"})),
        (400, "body.jwks_uri", json!({"jwks_uri": "https://app.example/jwks.json", "jwks": {"keys": []}})),
        (400, "body.redirect_uris", json!({"redirect_uris": ["javascript:alert(1)"]})),
        (400, "body.redirect_uris", json!({"redirect_uris": ["http://app.example/cb"]})),
        (400, "body.scopes[0]", json!({"scopes": ["a b"]})),
        (400, "body.access_token_ttl", json!({"access_token_ttl": -1})),
        (400, "body.access_token_ttl", json!({"access_token_ttl": 9_999_999})),
        (400, "body.identity_id", json!({"identity_id": "01890a5d-ac96-774b-bcce-b302099a8057"})),
        (
            400,
            "body.credential_policy_id",
            json!({"credential_policy_id": "01890a5d-ac96-774b-bcce-b302099a8057"}),
        ),
    ];
    for (status, place, change) in cases {
        let mut body = json!({"client_id": "c", "name": "n"});
        for (member, value) in change.as_object().unwrap() {
            body[member] = value.clone();
        }
        let refused = client.post("/oauth/clients", &body);
        assert_eq!(refused.status, status, "{change}: {refused:?}");
        assert_eq!(refused.header("content-type"), "application/problem+json");
        assert_eq!(refused.text("/errors/0/location"), place, "{refused:?}");
    }
    assert!(!client.get("/oauth/clients").body.contains("c2VjcmV0"));
    assert_eq!(client.get("/oauth/clients").json["total"], 0);
    assert_eq!(client.get("/oauth/clients/not-an-id").status, 404);
}

#[test]
fn a_client_is_its_tenants_and_its_name_is_everybodys() {
    let server = Server::start();
    let ours = server.client().tenant("ours", "prod");
    let theirs = server.client().tenant("theirs", "prod");
    let body = json!({"client_id": "app", "name": "App", "confidential": true});
    let made = ours.post("/oauth/clients", &body);
    assert_eq!((made.status, made.text("/client/account_id")), (201, "ours".to_owned()), "{made:?}");
    let taken = theirs.post("/oauth/clients", &body);
    assert_eq!(
        (taken.status, taken.text("/errors/0/location")),
        (409, "body.client_id".to_owned()),
        "{taken:?}"
    );
    let path = format!("/oauth/clients/{}", made.text("/client/id"));
    for refused in [
        theirs.get(&path),
        theirs.patch(&path, &json!({"name": "mine"})),
        theirs.delete(&path),
        theirs.post(&format!("{path}/rotate-secret"), &json!({})),
    ] {
        assert_eq!(refused.status, 404, "{refused:?}");
    }
    assert_eq!(theirs.get("/oauth/clients").json["total"], 0);
    let foreign = register(&theirs, "billing", json!({}));
    let bound = ours.patch(&path, &json!({"identity_id": foreign.id}));
    assert_eq!(bound.status, 400, "another tenant's identity is none: {bound:?}");
    assert_eq!(ours.get(&path).status, 200);
}
