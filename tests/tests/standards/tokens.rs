//! RFC 7009, RFC 7662 and RFC 9068: what a token is, what is told of it, and how it is given up.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use zeroid_tests::{Agent, Client, Server, claims, delegate, introspect, is_active, issue, register};

fn with_agent() -> (Server, Client, Agent) {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "boss", json!({}));
    (server, client, agent)
}

const HINTS: [&str; 5] = ["access_token", "refresh_token", "pat", "urn:x:y", ""];

#[test]
fn rfc7009_section_2_1_a_hint_only_hints() {
    let (_server, client, agent) = with_agent();
    for hint in HINTS {
        let token = issue(&client, &agent.api_key, "read").token();
        let form = format!("token={token}&token_type_hint={hint}");
        assert_eq!(client.form("/oauth2/token/revoke", &form).status, 200, "{hint}");
        assert!(!is_active(&client, &token), "{hint}");
    }
}

#[test]
fn rfc7009_section_2_1_what_came_of_the_grant_ends_with_it_at_once() {
    let (_server, client, agent) = with_agent();
    let aide = register(&client, "aide", json!({}));
    let root = issue(&client, &agent.api_key, "read").token();
    let leaf = delegate(&client, &root, &aide.api_key, "read").token();
    let other = issue(&client, &agent.api_key, "read").token();
    assert_eq!(client.form("/oauth2/token/revoke", &format!("token={root}")).status, 200);
    assert!(!is_active(&client, &root) && !is_active(&client, &leaf) && is_active(&client, &other));
    let again = client.form("/oauth2/token/revoke", &format!("token={root}"));
    assert_eq!(again.status, 200, "RFC 7009 §2.2: {again:?}");
}

#[test]
fn rfc7009_section_2_and_rfc7662_section_2_1_post_alone_and_a_token_in_the_body() {
    let (_server, client, agent) = with_agent();
    let token = issue(&client, &agent.api_key, "read").token();
    for path in ["/oauth2/token/revoke", "/oauth2/token/introspect"] {
        assert_eq!(client.get(&format!("{path}?token={token}")).status, 405, "{path}");
        for form in ["", "token=", "token_type_hint=access_token"] {
            let answer = client.form(&format!("{path}?token={token}"), form);
            assert_eq!(
                (answer.status, answer.text("/error")),
                (400, "invalid_request".to_owned()),
                "{path} {form}"
            );
        }
        let twice = client.form(path, &format!("token={token}&token={token}"));
        assert_eq!(twice.status, 400, "{twice:?}");
    }
    assert!(is_active(&client, &token));
}

#[test]
fn rfc7662_section_2_1_a_hint_only_hints() {
    let (_server, client, agent) = with_agent();
    let token = issue(&client, &agent.api_key, "read").token();
    for hint in HINTS {
        let told = client.form("/oauth2/token/introspect", &format!("token={token}&token_type_hint={hint}"));
        assert_eq!(told.json["active"], true, "{hint}");
    }
}

#[test]
fn rfc7662_section_2_2_what_is_told_of_a_live_token_is_what_it_says() {
    let (_server, client, agent) = with_agent();
    let body = json!({"grant_type": "api_key", "api_key": agent.api_key, "scope": "read write",
                      "resource": ["https://a.example", "https://b.example/x"]});
    let token = client.post("/oauth2/token", &body).token();
    let (told, says) = (introspect(&client, &token), claims(&token));
    assert_eq!((told.status, told.header("content-type")), (200, "application/json"));
    assert_eq!(told.json["active"], Value::Bool(true), "a boolean");
    for name in ["scope", "client_id", "exp", "iat", "sub", "aud", "iss", "jti"] {
        assert!(!says[name].is_null(), "{name}");
        assert_eq!(told.json[name], says[name], "{name}");
    }
    assert_eq!(told.text("/token_type"), "Bearer");
    assert!(told.json["exp"].is_i64() && told.json["iat"].is_i64(), "NumericDate");
}

#[test]
fn rfc7662_section_2_2_of_any_other_token_nothing_is_told() {
    let (_server, client, agent) = with_agent();
    let suspended = register(&client, "aide", json!({}));
    let [revoked, sleeping] =
        [&agent, &suspended].map(|agent| issue(&client, &agent.api_key, "read").token());
    zeroid_tests::revoke(&client, &revoked);
    let path = format!("/identities/{}", suspended.id);
    assert_eq!(client.patch(&path, &json!({"status": "suspended"})).status, 200);
    let answers = [revoked.as_str(), &sleeping, "unknown", &agent.api_key, "a.b.c"].map(|token| {
        let answer = introspect(&client, token);
        (answer.status, answer.body)
    });
    assert!(answers.iter().all(|answer| *answer == (200, "{\"active\":false}".to_owned())), "{answers:?}");
}

#[test]
fn rfc7662_section_4_and_rfc9701_section_5_a_resource_server_is_told_of_nothing_that_is_for_others() {
    for posture in ["possession", "required"] {
        let server = Server::start_with(&[("ZEROID_INTROSPECTION", posture)]);
        let client = server.client();
        let agent = register(&client, "boss", json!({}));
        let (here, there) = ("https://api.example/here", "https://api.example/there");
        let issued = |resource: Value| {
            let body = json!({"grant_type": "api_key", "api_key": agent.api_key, "scope": "read", "resource": resource});
            client.post("/oauth2/token", &body).token()
        };
        let made = |name: &str, resources: Value| {
            let body = json!({"client_id": name, "name": name, "confidential": true, "resources": resources});
            let made = client.post("/oauth/clients", &body);
            assert_eq!((made.status, &made.json["client"]["resources"]), (201, &resources), "{made:?}");
            (
                made.text("/client/id"),
                format!("client_id={name}&client_secret={}", made.text("/client_secret")),
            )
        };
        let (id, rs) = made("rs", json!(["HTTPS://API.example/here", "urn:example:rs"]));
        let (_, other) = made("other", json!([there]));
        let told = |who: &str, token: &str, accept: &str| {
            let headers = [("content-type", "application/x-www-form-urlencoded"), ("accept", accept)];
            let answer =
                client.send("POST", "/oauth2/token/introspect", &headers, format!("token={token}&{who}"));
            assert_eq!(answer.status, 200, "{answer:?}");
            match accept {
                "application/json" => answer.json.clone(),
                _ => claims(&answer.body)["token_introspection"].clone(),
            }
        };
        for accept in ["application/json", "application/token-introspection+jwt"] {
            for (resource, for_rs, for_other) in [
                (json!([here]), true, false),
                (json!([there]), false, true),
                (json!([here, there]), true, true),
                (json!(["urn:example:rs"]), true, false),
                (json!(["https://api.example/here/below"]), false, false),
                (json!(["https://api.example/HERE"]), false, false),
                (Value::Null, false, false),
            ] {
                let token = issued(resource.clone());
                for (who, expected) in [(&rs, for_rs), (&other, for_other)] {
                    let answer = told(who, &token, accept);
                    let cell = format!("{posture} {accept} {resource} {who}: {answer}");
                    assert_eq!(answer["active"], json!(expected), "{cell}");
                    assert!(expected || answer == json!({"active": false}), "nothing else is told: {cell}");
                }
                // It says who may look, not who may give up: whoever finds a token ends it.
                assert_eq!(client.form("/oauth2/token/revoke", &format!("token={token}&{rs}")).status, 200);
                assert_eq!(told(&other, &token, accept), json!({"active": false}));
            }
        }
        // It changes, and an empty list lifts it.
        let path = format!("/oauth/clients/{id}");
        let token = issued(json!([there]));
        for (resources, expected) in [(json!([there]), true), (json!([here]), false), (json!([]), true)] {
            assert_eq!(client.patch(&path, &json!({"resources": resources})).status, 200);
            assert_eq!(told(&rs, &token, "application/json")["active"], json!(expected), "{resources}");
        }
        for bad in [
            json!(["here"]),
            json!(["https://a.example#x"]),
            json!([""]),
            json!(vec!["https://a.example"; 17]),
        ] {
            let answer = client.patch(&path, &json!({"resources": bad}));
            assert_eq!(
                (answer.status, answer.text("/errors/0/location")),
                (400, "body.resources".to_owned())
            );
        }
    }
}

#[test]
fn rfc7662_section_4_a_token_that_has_ended_is_none_anywhere() {
    let (_server, client, agent) = with_agent();
    let body = json!({"client_id": "job", "name": "job", "confidential": true, "identity_id": agent.id,
                      "access_token_ttl": 1});
    let secret = client.post("/oauth/clients", &body).text("/client_secret");
    let form = format!("grant_type=client_credentials&client_id=job&client_secret={secret}&scope=read");
    let issued = client.form("/oauth2/token", &form);
    let (token, ends) = (issued.token(), claims(&issued.token())["exp"].as_i64().unwrap());
    assert_eq!(issued.json["expires_in"], json!(1));
    while crate::surfaces::now() < ends {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    // RFC 7519 §4.1.4: not even in the second it ends at.
    assert!(!is_active(&client, &token));
    let verify = client.bearer(&token).get("/oauth2/token/verify");
    assert_eq!(verify.status, 401, "{verify:?}");
    assert!(verify.header("www-authenticate").contains("error=\"invalid_token\""), "RFC 9068 §4: {verify:?}");
    let body = json!({
        "grant_type": zeroid_tests::EXCHANGE, "subject_token": token, "api_key": agent.api_key, "scope": "read",
    });
    assert_eq!(client.post("/oauth2/token", &body).text("/error"), "invalid_grant");
    assert_eq!(client.form("/oauth2/token/revoke", &format!("token={token}")).status, 200, "RFC 7009 §2.2");
}

#[test]
fn rfc7662_section_2_1_and_4_who_must_prove_who_it_is_finds_nothing_out_without() {
    let server = Server::start_with(&[("ZEROID_INTROSPECTION", "required")]);
    let client = server.client();
    let agent = register(&client, "boss", json!({}));
    let token = issue(&client, &agent.api_key, "read").token();
    for path in ["/oauth2/token/introspect", "/oauth2/token/revoke"] {
        for more in ["", "&client_id=nobody", "&client_id=nobody&client_secret=x"] {
            let answers =
                [token.as_str(), "unknown"].map(|token| client.form(path, &format!("token={token}{more}")));
            for answer in &answers {
                assert_eq!(
                    (answer.status, answer.text("/error")),
                    (401, "invalid_client".to_owned()),
                    "{answer:?}"
                );
            }
            assert_eq!(answers[0].body, answers[1].body, "a live token is not told from an unknown one");
        }
    }
    let body = json!({"client_id": "rs", "name": "rs", "confidential": true});
    let secret = client.post("/oauth/clients", &body).text("/client_secret");
    let told = client
        .form("/oauth2/token/introspect", &format!("token={token}&client_id=rs&client_secret={secret}"));
    assert_eq!(told.json["active"], true, "{told:?}");
}

#[test]
fn rfc9068_section_2_a_token_has_the_type_and_the_claims() {
    let (_server, client, agent) = with_agent();
    let aide = register(&client, "aide", json!({}));
    let root = issue(&client, &agent.api_key, "read").token();
    let leaf = delegate(&client, &root, &aide.api_key, "read").token();
    let keys = client.get("/.well-known/jwks.json").json;
    for token in [&root, &leaf] {
        let (header, _) = token.split_once('.').unwrap();
        let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        assert_eq!((&header["typ"], &header["alg"]), (&json!("at+jwt"), &json!("ES256")), "§2.1");
        let published = keys["keys"].as_array().unwrap().iter().any(|key| key["kid"] == header["kid"]);
        assert!(published, "§4: {header} is signed by a published key");
        let says = claims(token);
        for name in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
            assert!(!says[name].is_null(), "§2.2: {name} in {says}");
        }
        assert_eq!(says["iss"], client.get("/.well-known/oauth-authorization-server").json["issuer"]);
        assert_eq!(says["scope"], "read", "§2.2.3");
        assert_eq!(says["aud"], json!([says["iss"]]), "§3: a default, where no resource was named");
        assert!(says["exp"].as_i64().unwrap() > says["iat"].as_i64().unwrap());
    }
    assert_ne!(claims(&root)["jti"], claims(&leaf)["jti"]);
}

#[test]
fn rfc9068_section_4_a_token_for_another_resource_opens_nothing_here() {
    let (server, client, _) = with_agent();
    let body = json!({"grant_type": "api_key", "api_key": server.management_key, "scope": "nhi:manage",
                      "resource": "https://other.example"});
    let elsewhere = client.post("/oauth2/token", &body).token();
    let answer = client.bearer(&elsewhere).get("/agents/registry");
    assert_eq!(answer.status, 401, "{answer:?}");
    assert!(answer.header("www-authenticate").contains("invalid_token"), "{answer:?}");
}
