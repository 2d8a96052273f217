//! Introspection answers that are signed (RFC 9701): for whom, what they say, and that they open nothing.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::disallowed_methods)]

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zeroid_jose::{KeySet, SigningKey, parse};
use zeroid_tests::{Answer, Client, EXCHANGE, Server, introspect, is_active, issue, register, revoke};

const PATH: &str = "/oauth2/token/introspect";
const SIGNED: &str = "application/token-introspection+jwt";
const METADATA: &str = "/.well-known/oauth-authorization-server";

/// Register a confidential client and give its `Authorization` header.
fn resource_server(client: &Client, name: &str) -> String {
    let made = client.post("/oauth/clients", &json!({"client_id": name, "name": name, "confidential": true}));
    assert_eq!(made.status, 201, "{made:?}");
    format!("Basic {}", STANDARD.encode(format!("{name}:{}", made.text("/client_secret"))))
}

fn ask(client: &Client, accept: &str, authorization: Option<&str>, body: &Value) -> Answer {
    let mut headers = vec![("content-type", "application/json"), ("accept", accept)];
    headers.extend(authorization.map(|value| ("authorization", value)));
    client.send("POST", PATH, &headers, body.to_string())
}

/// Header and claims of a signed answer, verified by the published keys.
#[track_caller]
fn opened(client: &Client, answer: &Answer) -> (Value, Value) {
    assert_eq!((answer.status, answer.header("content-type")), (200, SIGNED), "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    let keys = KeySet::parse(client.get("/.well-known/jwks.json").body.as_bytes()).unwrap();
    let jws = keys.verify(parse(&answer.body).unwrap()).unwrap().into_inner();
    let header = json!({"typ": jws.header.typ, "alg": jws.header.alg, "kid": jws.header.kid});
    (header, serde_json::from_slice(&jws.payload).unwrap())
}

#[test]
fn rfc9701_section_5_what_a_signed_answer_says() {
    for algorithm in ["ES256", "RS256"] {
        let server = Server::start_with(&[("ZEROID_SIGNING_ALGORITHM", algorithm)]);
        let client = server.client();
        let agent = register(&client, "aide", json!({"allowed_scopes": ["read", "write"]}));
        let body = json!({"grant_type": "api_key", "api_key": agent.api_key, "scope": "read",
                          "additional_claims": {"department": "billing"}});
        let token = client.post("/oauth2/token", &body).token();
        let who = resource_server(&client, "resource server");
        let answer = ask(&client, SIGNED, Some(&who), &json!({"token": token}));
        let (header, claims) = opened(&client, &answer);
        assert_eq!(header["typ"], "token-introspection+jwt");
        assert_eq!(header["alg"], algorithm);
        assert_eq!(
            client.get(METADATA).json["introspection_signing_alg_values_supported"],
            json!([algorithm])
        );
        assert_eq!(claims["iss"], server.base.as_str());
        assert_eq!(claims["aud"], "resource server");
        assert!(claims["iat"].is_i64());
        assert_eq!(claims["token_introspection"], introspect(&client, &token).json);
        assert_eq!(claims["token_introspection"]["scope"], "read");
        assert_eq!(claims["token_introspection"]["department"], "billing", "the caller's own word");
        let mut names: Vec<&String> = claims.as_object().unwrap().keys().collect();
        names.sort();
        assert_eq!(names, ["aud", "iat", "iss", "token_introspection"], "no `sub`, no `exp`: RFC 9701 §5");

        revoke(&client, &token);
        for dead in [token.as_str(), "no token", &answer.body] {
            let answer = ask(&client, SIGNED, Some(&who), &json!({"token": dead}));
            let (_, claims) = opened(&client, &answer);
            assert_eq!(claims["token_introspection"], json!({"active": false}), "nothing more is said");
        }
    }
}

#[test]
fn rfc9701_section_5_an_answer_without_a_client_to_name_is_refused() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "aide", json!({}));
    let token = issue(&client, &agent.api_key, "").token();
    let public = client.post("/oauth/clients", &json!({"client_id": "app", "name": "app"}));
    assert_eq!(public.status, 201, "{public:?}");
    let nobody = ask(&client, SIGNED, None, &json!({"token": token}));
    let named = ask(&client, SIGNED, None, &json!({"token": token, "client_id": "app"}));
    for refused in [nobody, named] {
        assert_eq!(
            (refused.status, refused.text("/error").as_str()),
            (400, "invalid_request"),
            "{refused:?}"
        );
        assert_eq!(refused.header("content-type"), "application/json");
        assert_eq!(refused.header("cache-control"), "no-store");
    }
    let wrong = format!("Basic {}", STANDARD.encode("app:guessed"));
    let refused = ask(&client, SIGNED, Some(&wrong), &json!({"token": token}));
    assert_eq!((refused.status, refused.text("/error").as_str()), (401, "invalid_client"), "{refused:?}");
    assert!(refused.header("www-authenticate").starts_with("Basic "), "{refused:?}");
    assert!(is_active(&client, &token));
}

#[test]
fn a_client_is_told_of_its_own_tenant_in_signed_answers() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "aide", json!({}));
    let token = issue(&client, &agent.api_key, "").token();
    let foreign = resource_server(&client.tenant("acme", "prod"), "theirs");
    let told = ask(&client, SIGNED, Some(&foreign), &json!({"token": token}));
    assert_eq!(opened(&client, &told).1["token_introspection"], json!({"active": false}));
    let plain = ask(&client, "application/json", Some(&foreign), &json!({"token": token}));
    assert_eq!(plain.json["active"], true, "whoever has a token may read it: {plain:?}");
}

#[test]
fn a_client_that_signs_its_own_name_is_named_where_clients_are_required() {
    let server = Server::start_with(&[("ZEROID_INTROSPECTION", "required")]);
    let client = server.client();
    let agent = register(&client, "aide", json!({}));
    let token = issue(&client, &agent.api_key, "").token();
    let (key, _) = SigningKey::generate().unwrap();
    let jwks = json!({"keys": [key.public().jwk(key.kid().as_str(), "sig")]});
    let made = json!({
        "client_id": "rs", "name": "rs", "confidential": true, "token_endpoint_auth_method": "private_key_jwt",
        "jwks": jwks,
    });
    assert_eq!(client.post("/oauth/clients", &made).status, 201);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({"iss": "rs", "sub": "rs", "aud": server.base, "jti": "once", "exp": now + 60});
    let body = json!({
        "token": token, "client_assertion": key.sign("JWT", claims.to_string().as_bytes()).unwrap(),
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    });
    // Refused for having no client, it is told so before its token is looked at.
    assert_eq!(ask(&client, SIGNED, None, &json!({"token": token})).status, 400);
    let (_, said) = opened(&client, &ask(&client, SIGNED, None, &body));
    assert_eq!((&said["aud"], &said["token_introspection"]["active"]), (&json!("rs"), &json!(true)));
    let again = ask(&client, SIGNED, None, &body);
    assert_eq!(
        (again.status, again.text("/error").as_str()),
        (401, "invalid_client"),
        "used before: {again:?}"
    );
}

#[test]
fn json_is_what_everybody_else_gets() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "aide", json!({}));
    let token = issue(&client, &agent.api_key, "").token();
    let who = resource_server(&client, "rs");
    for (accept, signed) in [
        ("*/*", false),
        ("application/json", false),
        ("text/html", false),
        ("application/json, application/token-introspection+jwt;q=0.5", false),
        ("application/json;q=0.5, application/token-introspection+jwt", true),
        ("application/token-introspection+jwt;q=0", false),
        ("APPLICATION/TOKEN-INTROSPECTION+JWT, */*", true),
    ] {
        let answer = ask(&client, accept, Some(&who), &json!({"token": token}));
        let media = if signed { SIGNED } else { "application/json" };
        assert_eq!((answer.status, answer.header("content-type")), (200, media), "{accept}: {answer:?}");
        assert_eq!(answer.header("vary"), "accept");
    }
}

#[test]
fn a_signed_answer_opens_nothing() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "aide", json!({}));
    let admin = issue(&client, &server.management_key, "nhi:manage credentials:manage").token();
    let token = issue(&client, &agent.api_key, "").token();
    let who = resource_server(&client, "rs");
    let answer = ask(&client, SIGNED, Some(&who), &json!({"token": admin})).body;
    assert!(parse(&answer).is_ok(), "{answer}");

    assert!(!is_active(&client, &answer), "no token");
    assert_eq!(client.bearer(&answer).get("/agents/registry").status, 401, "no bearer token");
    let body = json!({"new_public_key_pem": "x", "new_key_proof": &answer});
    assert_eq!(client.bearer(&answer).post("/agents/self/public-key", &body).status, 401);
    let passes = client.bearer(&answer).get("/oauth2/token/verify");
    assert_eq!(passes.status, 401, "{passes:?}");
    for (body, why) in [
        (
            json!({"grant_type": EXCHANGE, "subject_token": answer, "api_key": agent.api_key, "scope": "a"}),
            "subject",
        ),
        (
            json!({"grant_type": EXCHANGE, "subject_token": token, "actor_token": answer, "scope": "a"}),
            "actor",
        ),
        (
            json!({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": answer}),
            "assertion",
        ),
        (
            json!({
                "grant_type": "client_credentials", "client_assertion": answer,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            }),
            "client assertion",
        ),
    ] {
        let refused = client.post("/oauth2/token", &body);
        assert!([400, 401].contains(&refused.status), "{why}: {refused:?}");
        assert!(
            ["invalid_grant", "invalid_client"].contains(&&*refused.text("/error")),
            "{why}: {refused:?}"
        );
    }
    let headers = [("content-type", "application/json"), ("dpop", answer.as_str())];
    let body = json!({"grant_type": "api_key", "api_key": agent.api_key}).to_string();
    let refused = client.send("POST", "/oauth2/token", &headers, body);
    assert_eq!(refused.text("/error"), "invalid_dpop_proof", "{refused:?}");
    revoke(&client, &answer);
    assert!(is_active(&client, &admin), "giving up an answer gives up no token");
}
