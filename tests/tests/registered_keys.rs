//! Registered keys of each kind, from registration to everything they prove: P-256, RSA and Ed25519.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods)]

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use zeroid_jose::{SigningAlgorithm, SigningKey, proof_hash};
use zeroid_tests::{
    Agent, Answer, Client, EXCHANGE, Server, claims, is_active, issue, register, revoke, run_python,
};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A key of each kind; the RSA one is published (RFC 7515 A.2), as only the server can make one.
fn keys() -> [SigningKey; 3] {
    let text = include_str!("../../crates/jose/tests/fixtures/rfc7515-a2.pkcs8.b64");
    let rsa = STANDARD.decode(text.split_whitespace().collect::<String>()).unwrap();
    [
        SigningKey::generate().unwrap().0,
        SigningKey::load(SigningAlgorithm::Rs256, &rsa).unwrap(),
        SigningKey::generate_for(SigningAlgorithm::EdDsa).unwrap().0,
    ]
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// Claims of an assertion that is good once.
fn assertion_of(signer: &str, client: &Client) -> Value {
    let jti = format!("{:?}", SystemTime::now());
    json!({"iss": signer, "sub": signer, "aud": client.base, "jti": jti, "iat": now(), "exp": now() + 60})
}

fn signed(key: &SigningKey, agent: &Agent, client: &Client) -> String {
    key.sign("JWT", assertion_of(&agent.uri, client).to_string().as_bytes()).unwrap()
}

fn ask(client: &Client, assertion: &str) -> Answer {
    client.post("/oauth2/token", &json!({"grant_type": JWT_BEARER, "assertion": assertion, "scope": "read"}))
}

fn act(client: &Client, subject: &str, assertion: &str) -> Answer {
    let body =
        json!({"grant_type": EXCHANGE, "subject_token": subject, "actor_token": assertion, "scope": "read"});
    client.post("/oauth2/token", &body)
}

#[track_caller]
fn refused(answer: &Answer, told: &str) {
    let code = (answer.status, answer.text("/error"));
    assert_eq!(code, (400, "invalid_grant".to_owned()), "{told}: {answer:?}");
}

#[test]
fn a_registered_key_of_each_kind_proves_its_agent() {
    let server = Server::start();
    let client = server.client();
    let boss = register(&client, "boss", json!({}));
    let root = issue(&client, &boss.api_key, "read write").token();
    for key in keys() {
        let alg = key.public().algorithm();
        let pem = key.public().to_pem();
        let agent = register(&client, alg.as_str(), json!({"public_key_pem": pem}));
        let shown = client.get(&format!("/identities/{}", agent.id));
        assert_eq!(shown.text("/public_key_pem"), pem, "{alg}: as it was registered");

        // By itself, once.
        let assertion = signed(&key, &agent, &client);
        let own = ask(&client, &assertion);
        assert_eq!(
            (own.status, claims(&own.token())["sub"].as_str()),
            (200, Some(agent.uri.as_str())),
            "{alg}"
        );
        refused(&ask(&client, &assertion), "used before");

        // As the actor of an exchange, and its child is the agent's.
        let child = act(&client, &root, &signed(&key, &agent, &client)).token();
        let said = claims(&child);
        assert_eq!((&said["sub"], &said["act"]["sub"]), (&json!(agent.uri), &json!(boss.uri)), "{alg}");
        assert!(is_active(&client, &child) && is_active(&client, &own.token()), "{alg}");

        // A workload proof of what it holds.
        let wpt = json!({"aud": "https://shop.example", "exp": now() + 60, "jti": "1",
                         "wth": proof_hash(child.as_bytes())});
        let wpt = key.sign("wpt+jwt", wpt.to_string().as_bytes()).unwrap();
        let shown = json!({"proof_token": wpt, "access_token": child, "audience": "https://shop.example"});
        assert_eq!(client.post("/proof/verify", &shown).text("/subject"), agent.uri, "{alg}");

        // A client with the same key.
        let jwks = json!({"keys": [key.public().jwk(key.kid().as_str(), "sig")]});
        let name = format!("client-{alg}");
        let made = json!({"client_id": name, "name": name, "identity_id": agent.id, "jwks": jwks,
                          "token_endpoint_auth_method": "private_key_jwt"});
        assert_eq!(client.post("/oauth/clients", &made).status, 201, "{alg}");
        let by_client = key.sign("JWT", assertion_of(&name, &client).to_string().as_bytes()).unwrap();
        let body = json!({"grant_type": "client_credentials", "client_assertion": by_client,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"});
        assert_eq!(claims(&client.post("/oauth2/token", &body).token())["sub"], json!(agent.uri), "{alg}");

        revoke(&client, &own.token());
        assert!(!is_active(&client, &own.token()) && is_active(&client, &child), "{alg}");
        // Another key in its place: the one before proves nothing any more.
        let [other, ..] = keys();
        let change = json!({"public_key_pem": other.public().to_pem()});
        assert_eq!(client.patch(&format!("/identities/{}", agent.id), &change).status, 200, "{alg}");
        refused(&ask(&client, &signed(&key, &agent, &client)), "a replaced key");
        refused(&act(&client, &root, &signed(&key, &agent, &client)), "a replaced key");
        assert_eq!(ask(&client, &signed(&other, &agent, &client)).status, 200, "{alg}");
    }
}

#[test]
fn the_child_of_a_bound_token_is_bound_to_its_actors_registered_key() {
    let server = Server::start();
    let client = server.client();
    let boss = register(&client, "boss", json!({}));
    let (holder, _) = SigningKey::generate().unwrap();
    let uri = format!("{}/oauth2/token", client.base);
    let proof = json!({"jti": "1", "htm": "POST", "htu": uri, "iat": now()}).to_string();
    let proof = holder.sign_proof(proof.as_bytes()).unwrap();
    let body = json!({"grant_type": "api_key", "api_key": boss.api_key, "scope": "read"}).to_string();
    let headers = [("content-type", "application/json"), ("dpop", proof.as_str())];
    let root = client.send("POST", "/oauth2/token", &headers, body).token();
    for key in keys() {
        let alg = key.public().algorithm();
        let agent = register(&client, alg.as_str(), json!({"public_key_pem": key.public().to_pem()}));
        let child = act(&client, &root, &signed(&key, &agent, &client));
        assert_eq!(child.text("/token_type"), "DPoP", "{alg}: {child:?}");
        assert_eq!(claims(&child.token())["cnf"]["jkt"], json!(key.public().thumbprint()), "{alg}");
    }
}

#[test]
fn rfc8725_section_3_1_each_kind_of_registered_key_has_one_algorithm() {
    let server = Server::start();
    let client = server.client();
    let boss = register(&client, "boss", json!({}));
    let root = issue(&client, &boss.api_key, "read").token();
    let algs = [
        "none", "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
        "ES384", "ES512", "EdDSA", "Ed25519", "rs256", "RSA-OAEP", "RS1", "",
    ];
    for (n, key) in keys().into_iter().enumerate() {
        let own = key.public().algorithm();
        let agent = register(&client, own.as_str(), json!({"public_key_pem": key.public().to_pem()}));
        let under = |by: &SigningKey, alg: &str| {
            let header = json!({"alg": alg, "typ": "JWT"}).to_string();
            let [header, claims] = [header, assertion_of(&agent.uri, &client).to_string()]
                .map(|part| URL_SAFE_NO_PAD.encode(part));
            by.dangerous_sign_input(&format!("{header}.{claims}")).unwrap()
        };
        for alg in algs {
            let (asked, acted) = (ask(&client, &under(&key, alg)), act(&client, &root, &under(&key, alg)));
            if alg == own.as_str() {
                assert_eq!((asked.status, acted.status), (200, 200), "{alg}");
                continue;
            }
            refused(&asked, &format!("{alg} over a signature of {own}"));
            refused(&acted, &format!("{alg} over a signature of {own}"));
        }
        // And no other kind of key signs for this one, whatever it says of itself.
        for (m, other) in keys().iter().enumerate().filter(|(m, _)| *m != n) {
            for alg in [own.as_str(), other.public().algorithm().as_str()] {
                refused(&ask(&client, &under(other, alg)), &format!("key {m} for key {n} as {alg}"));
            }
        }
    }
}

#[test]
fn rfc7518_section_3_3_an_rsa_key_of_fewer_than_2048_bits_is_registered_by_nobody() {
    let server = Server::start();
    let client = server.client();
    // 1024 bits, made by OpenSSL.
    let short = "-----BEGIN PUBLIC KEY-----\n\
        MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDUaGOM+w+hDoosThIn2Wt0NKDC\n\
        t54c7GFW0graiE2WYlTaf1gNgYFvnC/S4RSrR/7e4hiKCLNFB6RGAJIkExK38Pvb\n\
        hN+SeSpiQU7mFW/li+ZXBF7bmzUph7KQvQdi6pKRLYC5q+RqppyOnj7fDheZZXB/\n\
        x8coimTZzcJAxycRIQIDAQAB\n\
        -----END PUBLIC KEY-----\n";
    let body =
        json!({"name": "a", "external_id": "a", "created_by": "dev@x.example", "public_key_pem": short});
    let made = client.post("/agents/register", &body);
    assert_eq!(
        (made.status, made.text("/errors/0/location")),
        (400, "body.public_key_pem".to_owned()),
        "{made:?}"
    );
    let agent = register(&client, "b", json!({}));
    let changed = client.patch(&format!("/identities/{}", agent.id), &json!({"public_key_pem": short}));
    assert_eq!(changed.status, 400, "{changed:?}");
    // The same numbers as a key of a client: the set has no key that can be used.
    let n = STANDARD.decode(short.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap();
    let jwk = json!({"kty": "RSA", "n": URL_SAFE_NO_PAD.encode(&n[29..157]), "e": "AQAB"});
    let body = json!({"client_id": "c", "name": "c", "token_endpoint_auth_method": "private_key_jwt",
                      "jwks": {"keys": [jwk]}});
    let made = client.post("/oauth/clients", &body);
    assert_eq!((made.status, made.text("/errors/0/location")), (400, "body.jwks".to_owned()), "{made:?}");
}

#[test]
fn registered_keys_of_another_implementation_sign_as_their_kind_does() {
    run_python(&Server::start(), "registered_keys.py");
}
