//! Forward-auth: what a proxy is told of a request.

use serde_json::json;
use zeroid_tests::{Answer, Client, Server, delegate, is_active, issue, policy, register, revoke};

use crate::prover::{Prover, claims_with};

const VERIFY: &str = "/oauth2/token/verify";

const TOLD: [&str; 7] = [
    "x-forwarded-user",
    "x-zeroid-identity-type",
    "x-zeroid-trust-level",
    "x-zeroid-account-id",
    "x-zeroid-project-id",
    "x-zeroid-external-id",
    "x-zeroid-act-sub",
];

fn verify(client: &Client, query: &str, token: &str) -> Answer {
    let answer = client.bearer(token).get(&format!("{VERIFY}{query}"));
    assert_eq!(answer.header("cache-control"), "no-store", "{answer:?}");
    if answer.status != 200 {
        assert!(TOLD.iter().all(|name| !answer.headers.contains_key(*name)), "{answer:?}");
    }
    answer
}

#[track_caller]
fn refused(answer: &Answer, status: u16, error: &str) -> String {
    assert_eq!((answer.status, answer.text("/error").as_str()), (status, error), "{answer:?}");
    answer.header("www-authenticate").to_owned()
}

#[test]
fn who_passes_is_told_in_headers() {
    let server = Server::start();
    let client = server.client();
    let trusted = json!({"trust_level": "first_party"});
    let (boss, aide) = (register(&client, "boss", json!({})), register(&client, "aide", trusted));
    let root = issue(&client, &boss.api_key, "read").token();
    let passed = verify(&client, "", &root);
    assert_eq!((passed.status, &passed.json), (200, &json!({"active": true})));
    let told = |answer: &Answer| TOLD.map(|name| answer.header(name).to_owned());
    let uri = boss.uri.as_str();
    assert_eq!(told(&passed), [uri, "agent", "unverified", "default", "default", "boss", ""]);
    // What has nothing to say is there all the same, so that nobody's own header passes for it.
    assert!(passed.headers.contains_key("x-zeroid-act-sub"));
    let leaf = delegate(&client, &root, &aide.api_key, "read").token();
    let uri = aide.uri.as_str();
    let expected = [uri, "agent", "first_party", "default", "default", "aide", boss.uri.as_str()];
    assert_eq!(told(&verify(&client, "", &leaf)), expected);
    revoke(&client, &root);
    for token in [&root, &leaf] {
        assert!(!is_active(&client, token));
        let challenge = refused(&verify(&client, "", token), 401, "invalid_token");
        assert!(
            challenge.starts_with("Bearer ") && challenge.contains("error=\"invalid_token\""),
            "{challenge}"
        );
    }
}

#[test]
fn who_presents_no_token_is_told_how() {
    let server = Server::start();
    let client = server.client();
    let bare = refused(&client.get(VERIFY), 401, "missing_token");
    assert!(bare.starts_with("Bearer realm=\"zeroid\", DPoP "), "{bare}");
    assert!(!bare.contains("error"), "RFC 6750 §3.1: {bare}");
    for wrong in ["Basic YTpi", "Bearer", "Bearer ", "Bearer a b", "DPoP"] {
        let answer = client.send("GET", VERIFY, &[("authorization", wrong)], "");
        let challenge = refused(&answer, 401, "invalid_authorization_header");
        assert!(challenge.contains("error=\"invalid_request\""), "{wrong}: {challenge}");
    }
    for wrong in ["x", "a.b.c", "zid_sk_x", &server.management_key] {
        refused(&verify(&client, "", wrong), 401, "invalid_token");
    }
    assert_eq!(client.post(VERIFY, &json!({})).status, 405);
}

#[test]
fn rfc6750_section_3_a_challenge_names_the_missing_scopes_alone() {
    let server = Server::start();
    let client = server.client();
    let boss = register(&client, "boss", json!({}));
    let token = issue(&client, &boss.api_key, "read list").token();
    for enough in ["?scope=read", "?scope=read+list", "?scope=read&scope=list", "?scope=list%20read"] {
        assert_eq!(verify(&client, enough, &token).status, 200, "{enough}");
    }
    let challenge = refused(&verify(&client, "?scope=read+write+admin", &token), 403, "insufficient_scope");
    assert!(challenge.contains("scope=\"admin write\""), "{challenge}");
    assert!(challenge.contains("error=\"insufficient_scope\"") && !challenge.contains("read"), "{challenge}");
    // A set that cannot be met is not met by asking for a part of it.
    let challenge = refused(&verify(&client, "?scope=read&scope=write", &token), 403, "insufficient_scope");
    assert!(challenge.contains("scope=\"write\""), "{challenge}");
}

#[test]
fn trust_depth_and_audience_are_demanded() {
    let server = Server::start();
    let client = server.client();
    let policy = policy(
        &client,
        &json!({"name": "p", "allowed_grant_types": ["api_key", "token_exchange"], "max_delegation_depth": 5}),
    );
    let trusted = json!({"trust_level": "verified_third_party", "credential_policy_id": policy});
    let (boss, aide) = (register(&client, "boss", trusted), register(&client, "aide", json!({})));
    let root = issue(&client, &boss.api_key, "read").token();
    let leaf = delegate(&client, &root, &aide.api_key, "read").token();
    for (query, root_passes, leaf_passes) in [
        ("?trust_level=unverified", true, true),
        ("?trust_level=verified_third_party", true, false),
        ("?trust_level=first_party", false, false),
        ("?max_depth=0", true, false),
        ("?max_depth=1", true, true),
        ("?max_depth=1&trust_level=verified_third_party", true, false),
    ] {
        for (token, passes) in [(&root, root_passes), (&leaf, leaf_passes)] {
            let answer = verify(&client, query, token);
            if passes {
                assert_eq!(answer.status, 200, "{query}: {answer:?}");
            } else {
                let challenge = refused(&answer, 403, "insufficient_scope");
                assert!(!challenge.contains(", scope="), "{query}: {challenge}");
            }
        }
    }
    let body = json!({"grant_type": "api_key", "api_key": boss.api_key, "scope": "read",
        "resource": ["https://api.example/v1", "https://other.example"]});
    let bound = client.post("/oauth2/token", &body).token();
    let here = "?audience=https%3A%2F%2FAPI.example%2Fv1";
    assert_eq!(verify(&client, here, &bound).status, 200);
    assert_eq!(verify(&client, &format!("{here}&audience=https://other.example"), &bound).status, 200);
    assert_eq!(verify(&client, "", &bound).status, 200, "as introspection");
    for (query, token) in [(here, &root), ("?audience=https://elsewhere.example", &bound)] {
        let challenge = refused(&verify(&client, query, token), 401, "invalid_token");
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
    }
}

#[test]
fn a_demand_that_is_not_understood_lets_nobody_pass() {
    let server = Server::start();
    let client = server.client();
    let boss = register(&client, "boss", json!({}));
    let token = issue(&client, &boss.api_key, "read").token();
    for query in [
        "?scope=",
        "?scope",
        "?scope=%20",
        "?scopes=read",
        "?scope=read&x=1",
        "?trust_level=high",
        "?trust_level=first_party&trust_level=unverified",
        "?max_depth=-1",
        "?max_depth=256",
        "?max_depth=1&max_depth=2",
        "?audience=here",
        "?audience=",
        "?scope=%ff",
    ] {
        let answer = verify(&client, query, &token);
        assert_eq!((answer.status, answer.text("/error").as_str()), (400, "invalid_request"), "{query}");
    }
}

/// What a proxy says of a request to `https://api.example/orders?a=b`.
fn forwarded(method: &str) -> Vec<(&str, &str)> {
    vec![
        ("x-forwarded-method", method),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "api.example"),
        ("x-forwarded-uri", "/orders?a=b"),
    ]
}

const ORDERS: &str = "https://api.example/orders";

#[test]
fn rfc9449_section_7_1_a_bound_token_passes_with_a_proof_for_the_forwarded_request() {
    let server = Server::start_with(&[("ZEROID_TRUSTED_PROXIES", "10.0.0.0/8,127.0.0.1")]);
    let (client, prover) = (server.client(), Prover::new());
    let boss = register(&client, "boss", json!({}));
    let token = prover.issue(&client, &boss.api_key, "read").token();
    let authorization = format!("DPoP {token}");
    let send = |query: &str, proof: &str, forwarded: &[(&str, &str)]| {
        let own = [("authorization", authorization.as_str()), ("dpop", proof)];
        let headers: Vec<_> = own.into_iter().chain(forwarded.iter().copied()).collect();
        client.send("GET", &format!("{VERIFY}{query}"), &headers, "")
    };
    let fresh = || prover.proof_with("POST", ORDERS, &token);
    let proof = fresh();
    // What does not pass uses no proof up.
    let challenge = refused(&send("?scope=write", &proof, &forwarded("POST")), 403, "insufficient_scope");
    assert!(challenge.starts_with("DPoP ") && challenge.contains("scope=\"write\""), "{challenge}");
    let passed = send("?scope=read", &proof, &forwarded("POST"));
    assert_eq!((passed.status, passed.header("x-forwarded-user")), (200, boss.uri.as_str()), "{passed:?}");
    let challenge = refused(&send("", &proof, &forwarded("POST")), 401, "invalid_dpop_proof");
    assert!(challenge.starts_with("DPoP ") && challenge.contains("jti"), "{challenge}");

    let other = Prover::new().proof_with("POST", ORDERS, &token);
    let for_verify = prover.proof_with("GET", &format!("{}{VERIFY}", client.base), &token);
    let stale = {
        let mut claims = claims_with("POST", ORDERS, &token);
        claims["iat"] = json!(crate::prover::now() - 100);
        prover.sign(&claims)
    };
    for wrong in [other.as_str(), &for_verify, &stale, "x", &prover.proof("POST", ORDERS)] {
        refused(&send("", wrong, &forwarded("POST")), 401, "invalid_dpop_proof");
    }
    refused(&send("", &fresh(), &forwarded("GET")), 401, "invalid_dpop_proof");
    // What a proxy does not say, or says twice, nobody makes up.
    for at in 0..4 {
        let mut told = forwarded("POST");
        told.remove(at);
        refused(&send("", &fresh(), &told), 401, "invalid_dpop_proof");
        let mut told = forwarded("POST");
        told.push(told[at]);
        refused(&send("", &fresh(), &told), 401, "invalid_dpop_proof");
    }
    for (name, value) in [
        ("x-forwarded-host", "api.example, evil.example"),
        ("x-forwarded-host", "api.example/orders#"),
        ("x-forwarded-host", "evil.example@api.example"),
        ("x-forwarded-uri", "orders"),
    ] {
        let mut told = forwarded("POST");
        told.iter_mut().filter(|(known, _)| *known == name).for_each(|header| header.1 = value);
        refused(&send("", &fresh(), &told), 401, "invalid_dpop_proof");
    }
    // As a bearer token it passes nowhere, with a proof beside it or not.
    refused(&verify(&client, "", &token), 401, "invalid_token");
    let plain = issue(&client, &boss.api_key, "read").token();
    let proof = prover.proof_with("POST", ORDERS, &plain);
    let authorization = format!("DPoP {plain}");
    let mut headers = vec![("authorization", authorization.as_str()), ("dpop", proof.as_str())];
    headers.extend(forwarded("POST"));
    refused(&client.send("GET", VERIFY, &headers, ""), 401, "invalid_token");
    revoke(&client, &token);
    refused(&send("", &fresh(), &forwarded("POST")), 401, "invalid_token");
}

#[test]
fn who_is_no_trusted_proxy_is_not_believed() {
    let server = Server::start_with(&[("ZEROID_TRUSTED_PROXIES", "10.0.0.0/8")]);
    let (client, prover) = (server.client(), Prover::new());
    let boss = register(&client, "boss", json!({}));
    let token = prover.issue(&client, &boss.api_key, "read").token();
    let (authorization, proof) = (format!("DPoP {token}"), prover.proof_with("POST", ORDERS, &token));
    let mut headers = vec![("authorization", authorization.as_str()), ("dpop", proof.as_str())];
    headers.extend(forwarded("POST"));
    let challenge = refused(&client.send("GET", VERIFY, &headers, ""), 401, "invalid_dpop_proof");
    assert!(challenge.contains("nobody trusted"), "{challenge}");
    let plain = issue(&client, &boss.api_key, "read").token();
    assert_eq!(verify(&client, "", &plain).status, 200, "a bearer token needs no proxy's word");
}
