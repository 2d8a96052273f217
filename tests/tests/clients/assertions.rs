//! Client authentication by `private_key_jwt` (RFC 7523 §2.2, §3).

use serde_json::{Value, json};
use zeroid_jose::{SigningAlgorithm, SigningKey};
use zeroid_tests::{Server, claims, is_active, issue, register};

use super::{JWT_BEARER, ask_by_assertion, jwks, make, refused, signed};

#[test]
fn an_assertion_buys_one_token() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "job", json!({"allowed_scopes": ["read"]}));
    let (ec, _) = SigningKey::generate().unwrap();
    let (ed, _) = SigningKey::generate_for(SigningAlgorithm::EdDsa).unwrap();
    let made = make(
        &client,
        "job",
        json!({"identity_id": agent.id, "jwks": jwks(&[&ec, &ed]), "token_endpoint_auth_method": "private_key_jwt"}),
    );
    for (key, typ) in [(&ec, "JWT"), (&ed, "client-authentication+jwt")] {
        let assertion = signed(key, &client, "job", typ, |_, _| {});
        let answer = ask_by_assertion(&client, &assertion);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(claims(&answer.token())["client_id"], "job");
        let again = ask_by_assertion(&client, &assertion);
        refused(&again, 401, "invalid_client");
        assert!(again.text("/error_description").contains("jti"), "{again:?}");
    }
    // A refused request uses nothing up: the grant is wrong, then the scope, then it is right.
    let assertion = signed(&ec, &client, "job", "JWT", |_, _| {});
    let ask = |grant: &str, scope: &str| {
        client.post(
            "/oauth2/token",
            &json!({"grant_type": grant, "client_assertion_type": JWT_BEARER, "client_assertion": assertion,
                    "client_id": "job", "scope": scope, "api_key": agent.api_key}),
        )
    };
    refused(&ask("api_key", "read"), 400, "unauthorized_client");
    refused(&ask("client_credentials", "write"), 400, "invalid_scope");
    assert_eq!(ask("client_credentials", "read").status, 200);

    // One that only looks uses it up as well.
    let token = issue(&client, &agent.api_key, "read").token();
    let assertion = signed(&ec, &client, "job", "JWT", |_, _| {});
    let form = format!("token={token}&client_assertion_type={JWT_BEARER}&client_assertion={assertion}");
    let look = || client.form("/oauth2/token/introspect", &form);
    assert_eq!(look().json["active"], true);
    refused(&look(), 401, "invalid_client");
    refused(&ask_by_assertion(&client, &assertion), 401, "invalid_client");

    // Without `jti` the signed bytes are what is used once, whatever the signature over them.
    let at = claims(&assertion)["iat"].as_i64().unwrap();
    let nameless = || {
        signed(&ec, &client, "job", "JWT", |it, _| {
            it.as_object_mut().unwrap().remove("jti");
            (it["iat"], it["exp"]) = (json!(at), json!(at + 100));
        })
    };
    assert_eq!(ask_by_assertion(&client, &nameless()).status, 200);
    refused(&ask_by_assertion(&client, &nameless()), 401, "invalid_client");

    // New keys count at once, and the old ones no more.
    let (new, _) = SigningKey::generate().unwrap();
    let bought = ask_by_assertion(&client, &signed(&ec, &client, "job", "JWT", |_, _| {})).token();
    let change = json!({"jwks": jwks(&[&new]), "revoke_existing": true});
    assert_eq!(client.patch(&made.path(), &change).status, 200);
    assert!(!is_active(&client, &bought));
    refused(
        &ask_by_assertion(&client, &signed(&ec, &client, "job", "JWT", |_, _| {})),
        401,
        "invalid_client",
    );
    assert_eq!(ask_by_assertion(&client, &signed(&new, &client, "job", "JWT", |_, _| {})).status, 200);
}

#[test]
fn an_assertion_that_breaks_a_rule_buys_nothing() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "job", json!({}));
    let ((key, _), (other, _)) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let by_key = |name: &str, key: &SigningKey| {
        let body = json!({"identity_id": agent.id, "jwks": jwks(&[key]), "token_endpoint_auth_method": "private_key_jwt"});
        make(&client, name, body)
    };
    by_key("job", &key);
    by_key("other", &other);
    make(&client, "by-secret", json!({"identity_id": agent.id, "jwks": jwks(&[&key])}));
    type Edit = fn(&mut Value, i64);
    let edits: [(&str, &str, Edit); 11] = [
        ("RFC 7523 §3 (1)", "`iss`", |it, _| drop(it.as_object_mut().unwrap().remove("iss"))),
        ("RFC 7523 §3 (2)", "`sub`", |it, _| it["sub"] = json!("other")),
        ("RFC 7523 §3 (2)", "`sub`", |it, _| drop(it.as_object_mut().unwrap().remove("sub"))),
        ("RFC 7523 §3 (3)", "`aud`", |it, _| it["aud"] = json!("https://other.example")),
        ("RFC 7523 §3 (3)", "`aud`", |it, _| it["aud"] = json!([it["aud"], "https://other.example"])),
        ("RFC 7523 §3 (3)", "`aud`", |it, _| {
            it["aud"] = json!(format!("{}/oauth2/token", it["aud"].as_str().unwrap()));
        }),
        ("RFC 7523 §3 (4)", "`exp`", |it, now| it["exp"] = json!(now - 1)),
        ("RFC 7523 §3 (4)", "`exp`", |it, now| it["exp"] = json!(now + 400)),
        ("RFC 7523 §3 (4)", "`exp`", |it, _| drop(it.as_object_mut().unwrap().remove("exp"))),
        ("RFC 7523 §3 (5)", "`nbf`", |it, now| it["nbf"] = json!(now + 90)),
        ("RFC 7523 §3 (6)", "`iat`", |it, now| it["iat"] = json!(now + 90)),
    ];
    for (source, claim, edit) in edits {
        let answer = ask_by_assertion(&client, &signed(&key, &client, "job", "JWT", edit));
        refused(&answer, 401, "invalid_client");
        let said = answer.text("/error_description");
        assert!(said.contains(claim), "{source}: {said} should name {claim}");
    }
    let bad_jti = signed(&key, &client, "job", "JWT", |it, _| it["jti"] = json!(7));
    refused(&ask_by_assertion(&client, &bad_jti), 401, "invalid_client");
    refused(
        &ask_by_assertion(&client, &signed(&key, &client, "job", "at+jwt", |_, _| {})),
        401,
        "invalid_client",
    );
    refused(&ask_by_assertion(&client, "not.a.jwt"), 401, "invalid_client");

    // Who is unknown, has another key or another method is not told apart.
    let mut told = Vec::new();
    for (key, name) in [(&other, "job"), (&key, "other"), (&key, "nobody"), (&key, "by-secret")] {
        let answer = ask_by_assertion(&client, &signed(key, &client, name, "JWT", |_, _| {}));
        refused(&answer, 401, "invalid_client");
        told.push(answer.body);
    }
    let good = signed(&key, &client, "job", "JWT", |_, _| {});
    let (head, signature) = good.rsplit_once('.').unwrap();
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let broken = format!("{head}.{flipped}{}", &signature[1..]);
    told.push(ask_by_assertion(&client, &broken).body);
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");

    let named = |name: &str| {
        client.post(
            "/oauth2/token",
            &json!({"grant_type": "client_credentials", "client_id": name, "client_assertion_type": JWT_BEARER,
                    "client_assertion": good}),
        )
    };
    refused(&named("other"), 401, "invalid_client");
    let answer = named("job");
    assert_eq!(answer.status, 200, "RFC 7521 §4.2: the same name may stand beside it: {answer:?}");
    // An assertion of an agent is none of a client.
    let uri = agent.uri.as_str();
    refused(&ask_by_assertion(&client, &signed(&key, &client, uri, "JWT", |_, _| {})), 401, "invalid_client");
}
