//! The token endpoint.

use serde_json::{Value, json};
use zeroid_tests::{Server, claims as claims_of, introspect, issue, register, run_python};

use crate::prover::{Prover, ask, by_key, claims, exchange, no_proof, now, refused};

#[test]
fn rfc9449_section_5_a_token_is_bound_to_the_proven_key() {
    let server = Server::start();
    let client = server.client();
    let (boss, prover) = (register(&client, "boss", json!({})), Prover::new());
    let issued = prover.issue(&client, &boss.api_key, "read");
    assert_eq!(issued.text("/token_type"), "DPoP");
    assert!(issued.header("dpop-nonce").is_empty(), "nobody demands a nonce");
    let told = introspect(&client, &issued.token());
    assert_eq!(claims_of(&issued.token())["cnf"], json!({"jkt": prover.thumbprint()}));
    assert_eq!((told.text("/token_type"), told.text("/cnf/jkt")), ("DPoP".to_owned(), prover.thumbprint()));
    let plain = issue(&client, &boss.api_key, "read");
    assert_eq!(plain.text("/token_type"), "Bearer");
    assert!(claims_of(&plain.token()).get("cnf").is_none());
}

#[test]
fn rfc9449_section_4_3_a_proof_for_anything_else_buys_nothing() {
    let server = Server::start();
    let client = server.client();
    let (boss, prover) = (register(&client, "boss", json!({})), Prover::new());
    let uri = format!("{}/oauth2/token", client.base);
    let body = by_key(&boss.api_key, "read");
    let with = |name: &str, value: Value| {
        let mut claims = claims("POST", &uri);
        claims[name] = value;
        ask(&client, &body, &prover.sign(&claims))
    };
    for (name, value) in [
        ("htm", json!("GET")),
        ("htm", json!("post")),
        ("htu", json!(format!("{}/oauth2/token/introspect", client.base))),
        ("htu", json!("https://evil.example/oauth2/token")),
        ("iat", json!(now() - 70)),
        ("iat", json!(now() + 20)),
        ("iat", json!("now")),
        ("jti", json!("")),
        ("jti", json!("x".repeat(513))),
    ] {
        let answer = with(name, value.clone());
        assert_eq!(refused(&answer), no_proof(), "{name} {value}");
        assert!(answer.text("/error_description").contains(name), "{answer:?}");
    }
    // The address is one of ours, whatever the request's own `Host` says.
    let host = client.base.trim_start_matches("http://").replace("127.0.0.1", "127.0.0.2");
    let proof = prover.proof("POST", &format!("http://{host}/oauth2/token"));
    let headers = [("content-type", "application/json"), ("dpop", &proof), ("host", &host)];
    let answer = client.send("POST", "/oauth2/token", &headers, body.to_string());
    assert_eq!(refused(&answer), no_proof());
    for (name, value) in [("iat", json!(now() - 50)), ("htu", json!(format!("{uri}?a=b#c")))] {
        assert_eq!(with(name, value).status, 200, "{name}");
    }
}

#[test]
fn rfc9449_section_4_3_one_header_with_one_proof() {
    let server = Server::start();
    let client = server.client();
    let (boss, prover) = (register(&client, "boss", json!({})), Prover::new());
    let body = by_key(&boss.api_key, "read");
    for wrong in ["", "x", "a.b.c"] {
        assert_eq!(refused(&ask(&client, &body, wrong)), no_proof(), "{wrong}");
    }
    let (first, second) = (prover.for_token(&client), prover.for_token(&client));
    let both = format!("{first}, {second}");
    assert_eq!(refused(&ask(&client, &body, &both)), no_proof());
    let headers = [("content-type", "application/json"), ("dpop", &first), ("dpop", &second)];
    let answer = client.send("POST", "/oauth2/token", &headers, body.to_string());
    assert_eq!(refused(&answer), no_proof());
    assert!(answer.text("/error_description").contains("more than one"), "{answer:?}");
    assert_eq!(ask(&client, &body, &first).status, 200, "what was refused used nothing up");
}

#[test]
fn rfc9449_section_11_1_a_proof_is_good_once() {
    let server = Server::start();
    let client = server.client();
    let (boss, prover) = (register(&client, "boss", json!({})), Prover::new());
    let (body, proof) = (by_key(&boss.api_key, "read"), prover.for_token(&client));
    let mistaken = by_key("zid_sk_nobody", "read");
    assert_eq!(refused(&ask(&client, &mistaken, &proof)), (400, "invalid_grant".to_owned()));
    assert_eq!(ask(&client, &body, &proof).status, 200, "a refused request uses no proof up");
    let again = ask(&client, &body, &proof);
    assert_eq!(refused(&again), no_proof());
    assert!(again.text("/error_description").contains("jti"), "{again:?}");
    // Another client may happen to choose the same name.
    let mut claims = claims("POST", &format!("{}/oauth2/token", client.base));
    claims["jti"] = json!("the same");
    assert_eq!(ask(&client, &body, &prover.sign(&claims)).status, 200);
    assert_eq!(ask(&client, &body, &Prover::new().sign(&claims)).status, 200);
    assert_eq!(refused(&ask(&client, &body, &prover.sign(&claims))), no_proof());
    // It is remembered by what is on disk.
    let server = server.crash_and_restart();
    assert_eq!(refused(&ask(&server.client(), &body, &proof)), no_proof());
}

#[test]
fn a_bound_token_is_exchanged_with_a_proof_of_its_key() {
    let server = Server::start();
    let client = server.client();
    let (prover, other) = (Prover::new(), Prover::new());
    let boss = register(&client, "boss", json!({}));
    let aide = register(&client, "aide", json!({}));
    let root = prover.issue(&client, &boss.api_key, "read write").token();
    let body = exchange(&root, ("api_key", &aide.api_key), "read");
    // An API key is no key of the actor's own, so nothing stands in for the proof.
    assert_eq!(refused(&client.post("/oauth2/token", &body)), no_proof());
    assert_eq!(refused(&ask(&client, &body, &other.for_token(&client))), no_proof());
    let child = ask(&client, &body, &prover.for_token(&client));
    assert_eq!(child.text("/token_type"), "DPoP");
    assert_eq!(claims_of(&child.token())["cnf"]["jkt"], json!(prover.thumbprint()));
    // What binds the parent binds the child: its own exchange needs the proof as well.
    let third = register(&client, "third", json!({}));
    let body = exchange(&child.token(), ("api_key", &third.api_key), "read");
    assert_eq!(refused(&client.post("/oauth2/token", &body)), no_proof());
}

#[test]
fn an_actor_with_a_key_of_its_own_stands_in_for_the_proof() {
    let server = Server::start();
    let client = server.client();
    let (prover, own, fresh) = (Prover::new(), Prover::new(), Prover::new());
    let boss = register(&client, "boss", json!({}));
    let aide = register(&client, "aide", json!({"public_key_pem": own.pem()}));
    let root = prover.issue(&client, &boss.api_key, "read").token();
    let body = || exchange(&root, ("actor_token", &own.assertion(&aide, &client.base)), "read");
    // Without a proof the child is bound to the actor's registered key, with one to the proven key.
    let child = client.post("/oauth2/token", &body());
    assert_eq!(child.text("/token_type"), "DPoP", "{child:?}");
    assert_eq!(claims_of(&child.token())["cnf"]["jkt"], json!(own.thumbprint()));
    let child = ask(&client, &body(), &fresh.for_token(&client));
    assert_eq!(claims_of(&child.token())["cnf"]["jkt"], json!(fresh.thumbprint()));
    // Two things are used up here, and each of them but once.
    let (said, proof) = (body(), fresh.for_token(&client));
    assert_eq!(ask(&client, &said, &proof).status, 200);
    assert_eq!(refused(&ask(&client, &said, &fresh.for_token(&client))), (400, "invalid_grant".to_owned()));
    assert_eq!(refused(&ask(&client, &body(), &proof)), (400, "invalid_grant".to_owned()));
}

#[test]
fn an_unbound_token_is_bound_by_an_exchange_with_a_proof() {
    let server = Server::start();
    let client = server.client();
    let prover = Prover::new();
    let (boss, aide) = (register(&client, "boss", json!({})), register(&client, "aide", json!({})));
    let root = issue(&client, &boss.api_key, "read").token();
    let body = exchange(&root, ("api_key", &aide.api_key), "read");
    let child = ask(&client, &body, &prover.for_token(&client));
    assert_eq!(child.text("/token_type"), "DPoP");
    assert_eq!(claims_of(&child.token())["cnf"]["jkt"], json!(prover.thumbprint()));
}

#[test]
fn rfc9449_section_8_a_nonce_where_it_is_demanded() {
    let server = Server::start_with(&[("ZEROID_DPOP_NONCE_REQUIRED", "true")]);
    let client = server.client();
    let (boss, prover) = (register(&client, "boss", json!({})), Prover::new());
    assert!(issue(&client, &boss.api_key, "read").header("dpop-nonce").is_empty(), "no proof, no nonce");
    let body = by_key(&boss.api_key, "read");
    let asked = prover.issue(&client, &boss.api_key, "read");
    assert_eq!(refused(&asked), (400, "use_dpop_nonce".to_owned()));
    let nonce = asked.header("dpop-nonce").to_owned();
    let with = |nonce: &str| {
        let mut claims = claims("POST", &format!("{}/oauth2/token", client.base));
        claims["nonce"] = json!(nonce);
        ask(&client, &body, &prover.sign(&claims))
    };
    let issued = with(&nonce);
    assert_eq!((issued.status, issued.text("/token_type").as_str()), (200, "DPoP"));
    assert!(!issued.header("dpop-nonce").is_empty(), "the nonce for the next proof comes with the answer");
    for answer in [&asked, &issued] {
        let given: Vec<_> = answer.headers.get_all("dpop-nonce").iter().collect();
        assert_eq!(given.len(), 1, "§8: not more than one");
        let of_grammar = |byte: &u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        assert!(given[0].as_bytes().iter().all(of_grammar), "§8.1: {given:?}");
        assert_eq!(answer.header("cache-control"), "no-store", "§8.2");
    }
    let without = prover.issue(&client, &boss.api_key, "read");
    assert_eq!(refused(&without), (400, "use_dpop_nonce".to_owned()), "§11.3: no proof passes without it");
    assert_eq!(with(issued.header("dpop-nonce")).status, 200);
    let foreign = with(&"A".repeat(43));
    assert_eq!(refused(&foreign), (400, "use_dpop_nonce".to_owned()));
    assert!(!foreign.header("dpop-nonce").is_empty());
}

#[test]
fn rfc9449_section_5_1_the_algorithms_are_published() {
    let server = Server::start();
    let metadata = server.client().get("/.well-known/oauth-authorization-server");
    let listed = &metadata.json["dpop_signing_alg_values_supported"];
    assert_eq!(listed, &json!(["ES256", "EdDSA", "Ed25519", "RS256", "PS256"]));
}

#[test]
fn a_page_of_another_origin_may_send_a_proof_and_read_the_nonce() {
    let server = Server::start_with(&[("ZEROID_DPOP_NONCE_REQUIRED", "true")]);
    let client = server.client();
    let preflight = client.send("OPTIONS", "/oauth2/token", &[("origin", "https://app.example")], "");
    assert!(preflight.header("access-control-allow-headers").contains("dpop"), "{preflight:?}");
    let proof = Prover::new().for_token(&client);
    let headers = [("content-type", "application/json"), ("dpop", &proof), ("origin", "https://app.example")];
    let answer = client.send("POST", "/oauth2/token", &headers, by_key("zid_sk_x", "read").to_string());
    assert_eq!(refused(&answer), (400, "use_dpop_nonce".to_owned()));
    assert!(answer.header("access-control-expose-headers").contains("dpop-nonce"), "{answer:?}");
}

#[test]
fn proofs_of_another_implementation_are_taken_by_every_algorithm() {
    run_python(&Server::start(), "dpop.py");
}
