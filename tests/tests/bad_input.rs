//! Bad input: a specific 4xx in the right shape, nothing stored, nothing secret echoed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods
)]

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;
use zeroid_tests::{Answer, EXCHANGE, Server, delegate, is_active, issue, register};

fn oauth(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.text("/error"), code, "{answer:?}");
    assert!(!answer.text("/error_description").is_empty());
    assert_eq!(answer.header("content-type"), "application/json");
    assert!(!answer.header("x-request-id").is_empty());
}

fn problem(answer: &Answer, status: u16, words: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.json["status"], status, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert!(answer.body.contains(words), "{words} in {answer:?}");
}

#[test]
fn the_token_endpoint_says_what_is_wrong() {
    let server = Server::start();
    let client = server.client();
    let boss = register(&client, "boss", json!({"allowed_scopes": ["read"]}));
    let key = boss.api_key.as_str();
    let json_type = [("content-type", "application/json")];
    let raw = |body: &[u8]| client.send("POST", "/oauth2/token", &json_type, body);

    oauth(&raw(b""), 400, "invalid_request");
    oauth(&raw(b"{"), 400, "invalid_request");
    oauth(&raw(b"[]"), 400, "invalid_request");
    oauth(&raw(b"null"), 400, "invalid_request");
    oauth(&raw(b"{\"grant_type\":\"api_key\"} x"), 400, "invalid_request");
    oauth(&raw(b"{\"grant_type\":\"api_key\",\"grant_type\":\"api_key\"}"), 400, "invalid_request");
    oauth(&raw(b"{\"grant_type\":\"\xff\"}"), 400, "invalid_request");
    oauth(
        &raw(format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200)).as_bytes()),
        400,
        "invalid_request",
    );
    oauth(&client.post("/oauth2/token", &json!({"grant_type": 7})), 400, "invalid_request");
    oauth(&client.post("/oauth2/token", &json!({"grant_type": "password"})), 400, "unsupported_grant_type");
    oauth(
        &client.post("/oauth2/token", &json!({"grant_type": "token_exchange"})),
        400,
        "unsupported_grant_type",
    );
    oauth(&client.post("/oauth2/token", &json!({"grant_type": "api_key"})), 400, "invalid_request");
    oauth(
        &client.form("/oauth2/token", &format!("grant_type=api_key&api_key={key}&api_key={key}")),
        400,
        "invalid_request",
    );
    oauth(&client.form("/oauth2/token", "grant_type=api_key&api_key=%zz"), 400, "invalid_request");
    oauth(&issue(&client, "zid_sk_nobody", "read"), 400, "invalid_grant");
    oauth(&issue(&client, key, "write"), 400, "invalid_scope");
    oauth(&issue(&client, key, "nhi:manage"), 400, "invalid_scope");
    for bad in ["a\tb", "a\"b", "a\\b", "é", "a\u{0}b"] {
        oauth(&issue(&client, key, bad), 400, "invalid_scope");
    }
    oauth(&issue(&client, key, &"x ".repeat(3000)), 400, "invalid_scope");
    let basic = client.send(
        "POST",
        "/oauth2/token",
        &[("content-type", "application/x-www-form-urlencoded"), ("authorization", "Basic YTpi")],
        "grant_type=api_key&api_key=x",
    );
    oauth(&basic, 401, "invalid_client");
    assert!(basic.header("www-authenticate").starts_with("Basic"));
    let text = client.send("POST", "/oauth2/token", &[("content-type", "text/plain")], "grant_type=api_key");
    oauth(&text, 415, "invalid_request");
    oauth(
        &client.send("POST", "/oauth2/token", &json_type, "x".repeat(1024 * 1024 + 1)),
        413,
        "invalid_request",
    );
    oauth(&client.get("/oauth2/token"), 405, "invalid_request");
    oauth(&client.get("/oauth2/nothing"), 404, "invalid_request");

    // A scope with a narrower ceiling is narrowed, and the answer says so.
    assert_eq!(issue(&client, key, "read write").text("/scope"), "read");
    let total = client.get(&format!("/credentials?identity_id={}", boss.id)).json["total"].clone();
    assert_eq!(total, 1, "refusals store nothing");
}

#[test]
fn exchanges_with_bad_tokens_are_refused() {
    let server = Server::start();
    let client = server.client();
    let (boss, aide) = (register(&client, "boss", json!({})), register(&client, "aide", json!({})));
    let root = issue(&client, &boss.api_key, "read").token();
    let exchange = |extra: serde_json::Value| {
        let mut body = json!({"grant_type": EXCHANGE, "scope": "read"});
        for (name, value) in extra.as_object().unwrap() {
            body[name] = value.clone();
        }
        client.post("/oauth2/token", &body)
    };
    oauth(&exchange(json!({"subject_token": root})), 400, "invalid_request");
    oauth(&exchange(json!({"subject_token": root, "actor_token": ""})), 400, "invalid_request");
    oauth(&exchange(json!({"api_key": aide.api_key})), 400, "invalid_request");
    oauth(&exchange(json!({"subject_token": "x", "api_key": aide.api_key})), 400, "invalid_grant");
    oauth(&exchange(json!({"subject_token": root, "api_key": "zid_sk_nobody"})), 400, "invalid_grant");
    oauth(&exchange(json!({"subject_token": root, "actor_token": root})), 400, "invalid_grant");
    oauth(
        &exchange(json!({"subject_token": root, "api_key": aide.api_key, "scope": "write"})),
        400,
        "invalid_scope",
    );
    oauth(
        &exchange(json!({"subject_token": root, "api_key": aide.api_key, "scope": ""})),
        400,
        "invalid_scope",
    );
    oauth(
        &exchange(json!({"subject_token": root, "api_key": aide.api_key, "subject_token_type": "urn:x"})),
        400,
        "invalid_request",
    );
    let bound = client.post("/oauth2/token", &json!({"grant_type": "api_key", "api_key": boss.api_key, "scope": "read", "resource": "https://a.example"}));
    let elsewhere =
        json!({"subject_token": bound.token(), "api_key": aide.api_key, "resource": "https://b.example"});
    oauth(&exchange(elsewhere), 400, "invalid_target");
    let inherited = exchange(json!({"subject_token": bound.token(), "api_key": aide.api_key})).token();
    let seen = zeroid_tests::introspect(&client, &inherited);
    assert_eq!(seen.json["aud"], json!(["https://a.example"]), "a resource binding is inherited");
}

#[test]
fn tokens_that_are_not_ours_are_inactive_and_revoking_them_is_no_error() {
    let server = Server::start();
    let client = server.client();
    let boss = register(&client, "boss", json!({}));
    let good = issue(&client, &boss.api_key, "read").token();
    let parts: Vec<&str> = good.split('.').collect();
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{}.", parts[1]);
    let hs256 = format!("eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9.{}.{}", parts[1], parts[2]);
    let other_server = Server::start();
    let foreigner = register(&other_server.client(), "boss", json!({}));
    let foreign = issue(&other_server.client(), &foreigner.api_key, "read").token();
    let bad = [
        String::from("x"),
        "a.b.c".to_owned(),
        "...".to_owned(),
        format!("{good}="),
        format!("{good}.x"),
        format!("{}.{}.AAAA", parts[0], parts[1]),
        unsigned,
        hs256,
        foreign,
        "A".repeat(100_000),
        boss.api_key.clone(),
    ];
    for token in &bad {
        assert!(!is_active(&client, token), "{}", &token[..token.len().min(40)]);
        let answer = client.post("/oauth2/token/revoke", &json!({"token": token}));
        assert_eq!((answer.status, answer.json), (200, json!({"revoked": true})));
    }
    assert!(is_active(&client, &good));
    oauth(&client.post("/oauth2/token/introspect", &json!({})), 400, "invalid_request");
    oauth(&client.post("/oauth2/token/revoke", &json!({"token": ""})), 400, "invalid_request");
    oauth(
        &client.post(
            "/oauth2/token/introspect",
            &json!({"token": good, "client_id": "a", "client_secret": "b"}),
        ),
        401,
        "invalid_client",
    );
}

#[test]
fn the_administrative_routes_say_what_is_wrong() {
    let server = Server::start();
    let client = server.client();
    let boss = register(&client, "boss", json!({}));
    let post = |body: serde_json::Value| client.post("/agents/register", &body);
    let secret = "hunter2-hunter2";

    problem(&client.post("/agents/register", &json!({})), 422, "body.name");
    problem(
        &client.send("POST", "/agents/register", &[("content-type", "application/json")], ""),
        400,
        "request body is required",
    );
    problem(
        &client.send("POST", "/agents/register", &[("content-type", "application/json")], "{"),
        400,
        "validation failed",
    );
    problem(&client.send("POST", "/agents/register", &[], "{}"), 415, "Content-Type");
    problem(&client.form("/agents/register", "name=x"), 415, "Content-Type");
    problem(&post(json!({"name": "x", "external_id": "x", "zz": 1, "created_by": "d"})), 422, "body.zz");
    problem(&post(json!({"name": "x", "external_id": "..", "created_by": "d"})), 400, "external_id");
    problem(
        &post(json!({"name": "x", "external_id": "x", "sub_type": "llm_provider", "created_by": "d"})),
        400,
        "sub_type",
    );
    problem(
        &post(json!({"name": "x", "external_id": "x", "trust_level": secret, "created_by": "d"})),
        422,
        "trust_level",
    );
    problem(&post(json!({"name": "x", "external_id": "x"})), 400, "created_by");
    problem(
        &post(json!({"name": "x", "external_id": "x", "created_by": "d", "public_key_pem": secret})),
        400,
        "public_key_pem",
    );
    problem(
        &post(
            json!({"name": "x", "external_id": "x", "created_by": "d", "expires_at": "2001-01-01T00:00:00Z"}),
        ),
        400,
        "expires_at",
    );
    problem(
        &post(
            json!({"name": "x", "external_id": "x", "created_by": "d", "credential_policy_id": "01890a5d-ac96-774b-bcce-b302099a8057"}),
        ),
        400,
        "credential_policy_id",
    );
    problem(&post(json!({"name": "x", "external_id": "boss", "created_by": "d"})), 409, "external_id");
    assert!(
        !post(json!({"name": "x", "external_id": format!("{secret} y"), "created_by": "d"}))
            .body
            .contains(secret)
    );

    for id in ["01890a5d-ac96-774b-bcce-b302099a8057", "nonsense", "%2e%2e"] {
        problem(&client.get(&format!("/agents/registry/{id}")), 404, "not found");
        problem(&client.get(&format!("/identities/{id}")), 404, "not found");
        problem(&client.get(&format!("/api-keys/{id}")), 404, "not found");
        problem(&client.get(&format!("/credential-policies/{id}")), 404, "not found");
        problem(&client.get(&format!("/credentials/{id}")), 404, "not found");
        problem(&client.post(&format!("/credentials/{id}/revoke"), &json!({})), 404, "not found");
        problem(&client.post(&format!("/api-keys/{id}/revoke"), &json!({})), 404, "not found");
    }
    problem(&client.get("/delegations/by-jti/nonsense"), 422, "path.jti");
    problem(&client.patch(&format!("/identities/{}", boss.id), &json!({"status": "pending"})), 400, "status");
    problem(
        &client.patch(&format!("/identities/{}", boss.id), &json!({"identity_type": "service"})),
        400,
        "identity_type",
    );
    problem(&client.get("/identities?limit=0"), 422, "limit");
    problem(&client.get("/identities?status=x"), 422, "status");
    problem(&client.get("/identities/by-wimse"), 422, "uri");
    problem(&client.get("/identities/by-wimse?uri=spiffe://x"), 400, "invalid_wimse_uri");
    problem(&client.get("/identities/by-wimse?uri=spiffe://zeroid.local/a/b"), 404, "identity_not_found");
    problem(&client.get("/credentials"), 400, "exactly one");
    problem(
        &client.post("/credential-policies", &json!({"name": "p", "allowed_scopes": ["a b"]})),
        400,
        "allowed_scopes[0]",
    );
    problem(
        &client.post("/credential-policies", &json!({"name": "p", "max_delegation_depth": 17})),
        400,
        "max_delegation_depth",
    );
    assert_eq!(client.get("/identities?limit=1000").json["limit"], 100);
    let default = client.get(&format!("/identities/{}", boss.id)).text("/credential_policy_id");
    problem(&client.delete(&format!("/credential-policies/{default}")), 409, "in use");
    problem(
        &client.send(
            "POST",
            "/agents/register",
            &[("content-type", "application/json"), ("x-account-id", "only")],
            "{}",
        ),
        400,
        "X-Project-ID",
    );
    assert_eq!(client.get("/agents/registry").json["total"], 2, "nothing was stored");
}

#[test]
fn clients_that_break_http_do_not_hold_the_server_up() {
    let server = Server::start();
    let address = server.base.trim_start_matches("http://").to_owned();
    let speak = |text: &[u8]| -> String {
        let mut stream = TcpStream::connect(&address).unwrap();
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(text);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let (mut answer, mut bytes) = (Vec::new(), [0_u8; 4096]);
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            answer.extend_from_slice(&bytes[..count]);
        }
        String::from_utf8_lossy(&answer).into_owned()
    };
    let long = format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", "x".repeat(9000));
    assert!(speak(long.as_bytes()).starts_with("HTTP/1.1 414"));
    let heavy = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(200_000));
    assert!(speak(heavy.as_bytes()).starts_with("HTTP/1.1 431"));
    assert!(speak(b"nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
    let cut = b"POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{";
    assert!(speak(cut).is_empty() || speak(cut).starts_with("HTTP/1.1 400"));
    assert_eq!(server.client().get("/ready").status, 200);
}

#[test]
fn nothing_secret_is_logged() {
    let server = Server::start_with(&[("ZEROID_LOG_LEVEL", "debug")]);
    let client = server.client();
    let (boss, aide) = (register(&client, "boss", json!({})), register(&client, "aide", json!({})));
    let root = issue(&client, &boss.api_key, "read").token();
    let leaf = delegate(&client, &root, &aide.api_key, "read").token();
    delegate(&client, &root, "zid_sk_mistyped-secret", "read");
    issue(&client, "zid_sk_mistyped-secret", "read");
    client.get(&format!("/identities?search={root}"));
    is_active(&client, &leaf);
    // What proves somebody once: an assertion, a DPoP proof, a workload proof token (draft-ietf-wimse-wpt §3.1).
    let [assertion, proof, wpt] = ["aaaa.assertion.aaaa", "bbbb.dpop-proof.bbbb", "cccc.workload-proof.cccc"];
    let jwt_bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    client.post("/oauth2/token", &json!({"grant_type": jwt_bearer, "assertion": assertion}));
    client.send("POST", "/oauth2/token", &[("content-type", "application/json"), ("dpop", proof)], "{}");
    client.post("/proof/verify", &json!({"proof_token": wpt, "access_token": leaf, "audience": "a"}));
    let basic = "Y2xpZW50OnNlY3JldC1vZi1pdHM=";
    let credentials = format!("Basic {basic}");
    let headers = [("content-type", "application/json"), ("authorization", credentials.as_str())];
    client.send("POST", "/oauth2/token", &headers, "{}");
    let last = client.bearer(&root).get("/agents/registry");
    let printed = server.printed_until(&last);
    assert!(printed.contains("/oauth2/token"), "requests are logged: {printed}");
    assert!(printed.contains("/proof/verify"), "requests are logged: {printed}");
    let secrets = [boss.api_key.as_str(), &aide.api_key, &root, &leaf, "mistyped-secret"];
    for secret in secrets.into_iter().chain([assertion, proof, wpt, basic, "secret-of-its"]) {
        assert!(!printed.contains(secret));
    }
}

#[test]
fn nul_is_no_fault_of_ours_wherever_it_stands() {
    let server = Server::start();
    let client = server.client();
    for path in ["/identities", "/agents/registry", "/api-keys", "/credential-policies", "/credentials"] {
        for query in ["search=%00", "search=a%00b", "label=a:%00", "owner_user_id=%00", "status=%00", "%00=a"]
        {
            problem(&client.get(&format!("{path}?{query}")), 422, "validation failed");
        }
    }
    // Nor in JSON of the caller's own, at any depth.
    for odd in [json!({"team": "a\u{0}b"}), json!({"te\u{0}am": "red"}), json!({"deep": [{"er": "\u{0}"}]})] {
        for member in ["labels", "metadata", "capabilities"] {
            let body =
                json!({"name": "odd", "external_id": "odd", "created_by": "dev@company.com", member: odd});
            problem(&client.post("/agents/register", &body), 400, &format!("{member} must not contain NUL"));
        }
    }
    register(&client, "plain", json!({"labels": {"team": "red"}}));
    assert_eq!(client.get("/identities?label=team:red").json["total"], json!(1));
}
