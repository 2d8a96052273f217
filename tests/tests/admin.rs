//! Who may administer, and whose tenant it is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods
)]

use serde_json::json;
use zeroid_tests::{Server, issue, register};

#[test]
fn the_tenant_comes_from_the_credential_and_a_foreign_id_is_an_unknown_one() {
    let server = Server::start();
    let ours = server.manager();
    let open = server.client();
    let mine = register(&ours, "boss", json!({}));
    let other = open.tenant("other", "prod");
    let theirs = register(&other, "boss", json!({}));
    assert!(theirs.uri.contains("/other/prod/"));

    // Headers that agree or carry the unconfigured name choose nothing; others are refused.
    assert_eq!(ours.tenant("default", "default").get("/agents/registry").json["total"], 2);
    assert_eq!(ours.tenant("other", "prod").get("/agents/registry").status, 403);
    assert_eq!(other.get("/agents/registry").json["total"], 1);

    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    for path in ["/agents/registry", "/identities"] {
        let foreign = ours.get(&format!("{path}/{}", theirs.id));
        let nobody = ours.get(&format!("{path}/{unknown}"));
        assert_eq!((foreign.status, foreign.body), (nobody.status, nobody.body));
        assert_eq!(ours.delete(&format!("{path}/{}", theirs.id)).status, 404);
        assert_eq!(ours.patch(&format!("{path}/{}", theirs.id), &json!({"name": "x"})).status, 404);
    }
    let root = issue(&open, &theirs.api_key, "x");
    let jti = root.text("/jti");
    assert_eq!(ours.get(&format!("/credentials/{jti}")).status, 404);
    assert_eq!(ours.get(&format!("/delegations/by-jti/{jti}")).status, 404);
    assert_eq!(ours.post(&format!("/credentials/{jti}/revoke"), &json!({})).status, 404);
    let mine_root = issue(&open, &mine.api_key, "x").token();
    let foreign = zeroid_tests::delegate(&open, &mine_root, &theirs.api_key, "x");
    let nobody = zeroid_tests::delegate(&open, &mine_root, "zid_sk_nobody", "x");
    assert_eq!((foreign.status, foreign.body), (nobody.status, nobody.body));
}

#[test]
fn a_bearer_needs_a_management_scope_even_in_dev() {
    let server = Server::start();
    let client = server.client();
    let boss = register(&client, "boss", json!({}));
    let plain = client.bearer(&issue(&client, &boss.api_key, "read").token());
    let refused = plain.get("/agents/registry");
    assert_eq!(refused.status, 403);
    assert!(refused.header("www-authenticate").contains("insufficient_scope"));
    let nonsense = client.bearer("nonsense").get("/agents/registry");
    assert_eq!(nonsense.status, 401);
    assert!(nonsense.header("www-authenticate").contains("invalid_token"));

    let half = issue(&client, &server.management_key, "credentials:manage").token();
    let half = client.bearer(&half);
    assert_eq!(half.get("/agents/registry").status, 403);
    assert_eq!(half.get(&format!("/credentials?identity_id={}", boss.id)).status, 200);

    // A token for somebody else's resource is none for us, and a revoked one none for anybody.
    let body = json!({"grant_type": "api_key", "api_key": server.management_key, "scope": "nhi:manage", "resource": "https://api.example"});
    let elsewhere = client.post("/oauth2/token", &body).token();
    assert_eq!(client.bearer(&elsewhere).get("/agents/registry").status, 401);
    let manager = issue(&client, &server.management_key, "nhi:manage").token();
    assert_eq!(client.bearer(&manager).get("/agents/registry").status, 200);
    zeroid_tests::revoke(&client, &manager);
    assert_eq!(client.bearer(&manager).get("/agents/registry").status, 401);
}

#[test]
fn dev_is_open_to_this_machine_and_not_to_web_pages() {
    let server = Server::start();
    let client = server.client();
    let get = |headers: &[(&str, &str)]| client.send("GET", "/agents/registry", headers, "").status;
    assert_eq!(get(&[]), 200);
    assert_eq!(get(&[("host", "evil.example")]), 421);
    assert_eq!(get(&[("origin", "https://evil.example")]), 403);
    assert_eq!(get(&[("origin", "null")]), 403);
    assert_eq!(get(&[("sec-fetch-site", "cross-site")]), 403);
    assert_eq!(get(&[("origin", "http://localhost:3000")]), 200);
    let jwks = client.send("GET", "/.well-known/jwks.json", &[("origin", "https://app.example")], "");
    assert_eq!((jwks.status, jwks.header("access-control-allow-origin")), (200, "*"));
    let again = client.send("GET", "/.well-known/jwks.json", &[("if-none-match", jwks.header("etag"))], "");
    assert_eq!(again.status, 304);
}

#[test]
fn routes_answer_at_the_root_and_under_the_prefix_and_head_wherever_get() {
    let server = Server::start();
    let client = server.client();
    for path in [
        "/agents/registry",
        "/api/v1/agents/registry",
        "/api/v1/identities",
        "/api-keys",
        "/credential-policies",
    ] {
        assert_eq!(client.get(path).status, 200, "{path}");
        assert_eq!(client.send("HEAD", path, &[], "").status, 200, "{path}");
    }
    assert_eq!(client.get("/agents/registry/").status, 404, "another path");
    let wrong = client.send("PUT", "/agents/registry", &[], "");
    assert_eq!((wrong.status, wrong.header("allow")), (405, "GET, HEAD"));
    let id = client.send("GET", "/health", &[("x-request-id", "mine-7")], "");
    assert_eq!(id.header("x-request-id"), "mine-7");
}

#[test]
fn api_keys_and_policies_live_and_die() {
    let server = Server::start();
    let client = server.client();
    let boss = register(&client, "boss", json!({}));
    let key = client.post("/api-keys", &json!({"name": "k", "identity_id": boss.id, "scopes": ["read"]}));
    assert_eq!(key.status, 201, "{key:?}");
    let (id, secret) = (key.text("/id"), key.text("/key"));
    let token = issue(&client, &secret, "read write");
    assert_eq!(token.text("/scope"), "read");
    let seen = client.get(&format!("/api-keys/{id}"));
    assert_eq!((seen.json["usage_count"].clone(), seen.text("/state").as_str()), (json!(1), "active"));
    assert!(!seen.body.contains(&secret));
    assert_eq!(
        client.send("POST", &format!("/api-keys/{id}/revoke"), &[], "").status,
        200,
        "an empty body will do"
    );
    assert!(!zeroid_tests::is_active(&client, &token.token()), "what a key minted dies with it");
    assert_eq!(issue(&client, &secret, "read").text("/error"), "invalid_grant");
    assert_eq!(client.get("/api-keys?state=revoked").json["total"], 1);

    let wide = client.post(
        "/credential-policies",
        &json!({"name": "wide", "allowed_grant_types": ["api_key"], "max_ttl_seconds": 90000}),
    );
    let refused = client.post(
        "/api-keys",
        &json!({"name": "k", "identity_id": boss.id, "credential_policy_id": wide.text("/id")}),
    );
    assert_eq!(refused.status, 400, "a key's policy must stay within its identity's: {refused:?}");
    let short = client.post(
        "/credential-policies",
        &json!({"name": "short", "allowed_grant_types": ["api_key"], "max_ttl_seconds": 60}),
    );
    let aide = register(&client, "aide", json!({"credential_policy_id": short.text("/id")}));
    assert_eq!(issue(&client, &aide.api_key, "x").json["expires_in"], 60);
    assert_eq!(client.delete(&format!("/credential-policies/{}", short.text("/id"))).status, 409);
    client.patch(&format!("/identities/{}", aide.id), &json!({"credential_policy_id": ""}));
    let path = format!("/credential-policies/{}", short.text("/id"));
    let off = client.patch(&path, &json!({"is_active": false}));
    assert_eq!(off.json["is_active"], false);
    assert_eq!(client.delete(&path).status, 204);
    assert_eq!(client.get(&path).status, 404);
    assert_eq!(client.post("/credential-policies", &json!({"name": "wide"})).status, 409);
}
