//! Client authentication by secret, by name alone, and where it is asked for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use zeroid_jose::SigningKey;
use zeroid_tests::{Server, introspect, is_active, issue, register};

use super::{JWT_BEARER, ask_by_assertion, ask_by_header, basic, encoded, jwks, make, refused, signed};

const GRANT: &str = "grant_type=client_credentials";

#[test]
fn a_client_uses_what_it_is_registered_for() {
    let server = Server::start();
    let client = server.client();
    let (key, _) = SigningKey::generate().unwrap();
    register(&client, "job", json!({"allowed_scopes": ["read"]}));
    let identity = client.get("/agents/registry").text("/agents/0/id");
    let registered = |name: &str, method: Option<&str>| {
        let mut body = json!({"identity_id": identity, "jwks": jwks(&[&key])});
        if let Some(method) = method {
            body["token_endpoint_auth_method"] = json!(method);
        }
        make(&client, name, body)
    };
    let cases = [
        ("either", None, [true, true, false]),
        ("by-basic", Some("client_secret_basic"), [true, false, false]),
        ("by-post", Some("client_secret_post"), [false, true, false]),
        ("by-key", Some("private_key_jwt"), [false, false, true]),
    ];
    for (name, method, expected) in cases {
        let made = registered(name, method);
        assert_eq!(made.secret.is_empty(), method == Some("private_key_jwt"));
        let secret = if made.secret.is_empty() { "zid_cs_guessed" } else { &made.secret };
        let answers = [
            ask_by_header(&client, &basic(name, secret), GRANT),
            client.form("/oauth2/token", &format!("{GRANT}&client_id={name}&client_secret={secret}")),
            ask_by_assertion(&client, &signed(&key, &client, name, "JWT", |_, _| {})),
        ];
        for (at, (answer, good)) in answers.iter().zip(expected).enumerate() {
            if good {
                assert_eq!(answer.status, 200, "{name} by method {at}: {answer:?}");
                assert_eq!(answer.text("/token_type"), "Bearer");
            } else {
                refused(answer, 401, "invalid_client");
            }
            let challenged = answer.header("www-authenticate").starts_with("Basic realm=");
            assert_eq!(challenged, at == 0 && !good, "{name} by method {at}: {answer:?}");
        }
    }
    let public = client.post(
        "/oauth/clients",
        &json!({"client_id": "public", "name": "p", "grant_types": ["api_key"], "identity_id": identity}),
    );
    assert_eq!(public.status, 201, "{public:?}");
    // Its name proves nothing: no token comes of it (RFC 6749 §4.4).
    refused(&client.form("/oauth2/token", &format!("{GRANT}&client_id=public")), 400, "unauthorized_client");
    refused(&client.form("/oauth2/token", &format!("{GRANT}&client_id=either")), 401, "invalid_client");
    refused(&client.form("/oauth2/token", GRANT), 401, "invalid_client");
}

#[test]
fn both_halves_of_basic_are_encoded_as_in_a_form() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "job", json!({"allowed_scopes": ["read"]}));
    let name = "my app:1 %2B+&=/~";
    let made = make(&client, name, json!({"identity_id": agent.id}));
    let good = ask_by_header(&client, &made.basic(), GRANT);
    assert_eq!(good.status, 200, "{good:?}");
    assert_eq!(introspect(&client, &good.token()).text("/client_id"), name);
    // A plus sign is a space there.
    let plus = STANDARD.encode(format!("{}:{}", encoded(name).replace("%20", "+"), made.secret));
    assert_eq!(ask_by_header(&client, &format!("bAsIc {plus}"), GRANT).status, 200);
    let raw = STANDARD.encode(format!("{name}:{}", made.secret));
    assert_ne!(ask_by_header(&client, &format!("Basic {raw}"), GRANT).status, 200, "RFC 6749 §2.3.1");
    let twice = format!("{GRANT}&client_id={}", encoded(name));
    assert_eq!(ask_by_header(&client, &made.basic(), &twice).status, 200, "the name may stand twice");
}

#[test]
fn a_page_may_ask_whether_it_may_send_the_header() {
    let server = Server::start();
    let asked = [
        ("origin", "https://app.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
    ];
    let answer = server.client().send("OPTIONS", "/oauth2/token", &asked, Vec::new());
    assert!(answer.header("access-control-allow-headers").contains("authorization"), "{answer:?}");
    assert_eq!(
        answer.header("access-control-allow-credentials"),
        "",
        "the browser's own credentials stay out"
    );
}

#[test]
fn whoever_fails_is_told_the_same() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "job", json!({}));
    let bound = make(&client, "bound", json!({"identity_id": agent.id}));
    make(&client, "unbound", json!({}));
    let off = make(&client, "off", json!({"identity_id": agent.id}));
    assert_eq!(client.patch(&off.path(), &json!({"is_active": false})).status, 200);
    let mut told = Vec::new();
    for (name, secret) in [
        ("bound", "wrong"),
        ("bound", ""),
        ("unbound", "wrong"),
        ("nobody", bound.secret.as_str()),
        ("off", off.secret.as_str()),
        ("spiffe://zeroid.local/default/default/agent/job", "x"),
        ("b\u{e4}d", "x"),
        ("bound\u{0}", "x"),
    ] {
        let answer = ask_by_header(&client, &basic(name, secret), GRANT);
        refused(&answer, 401, "invalid_client");
        assert_eq!(answer.header("www-authenticate"), "Basic realm=\"zeroid\", charset=\"UTF-8\"");
        told.push(answer.body);
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(!server.printed().contains(&bound.secret) && !server.printed().contains(&off.secret));
}

#[test]
fn what_is_malformed_or_twice_is_a_bad_request() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "job", json!({}));
    let made = make(&client, "job", json!({"identity_id": agent.id}));
    let by_post = format!("client_id=job&client_secret={}", made.secret);
    let by_key = format!("client_assertion_type={JWT_BEARER}&client_assertion=x");
    // Header, rest of the form, and where it is said.
    let own = made.basic();
    for (header, form, source) in [
        (Some(own.as_str()), by_post.as_str(), "RFC 6749 §2.3: one method"),
        (Some(&own), "client_id=other", "RFC 6749 §2.3.1: two names"),
        (Some("Basic"), "", "RFC 7617 §2: nothing"),
        (Some("Basic !!!"), "", "RFC 7617 §2: no base64"),
        (Some("Basic am9i"), "", "RFC 7617 §2: no colon"),
        (Some("Basic JTpi"), "", "RFC 6749 appendix B: bad percent-encoding"),
        (None, "client_assertion=x", "RFC 7521 §4.2: no type"),
        (None, &format!("client_assertion_type={JWT_BEARER}"), "RFC 7521 §4.2: no assertion"),
        (None, "client_id=job&client_id=job", "RFC 6749 §3.2: twice"),
        (None, &format!("{by_post}&client_secret=x"), "RFC 6749 §3.2: twice"),
    ] {
        let form = format!("{GRANT}&{form}");
        let answer = match header {
            Some(header) => ask_by_header(&client, header, &form),
            None => client.form("/oauth2/token", &form),
        };
        assert_eq!(
            (answer.status, answer.text("/error")),
            (400, "invalid_request".to_owned()),
            "{source}: {answer:?}"
        );
        assert!(!answer.body.contains(&made.secret), "{source}");
    }
    // Where an assertion is one of two methods, or of no type we take, it is the client that failed (RFC 7521 §4.2.1).
    let another = "client_assertion=x&client_assertion_type=saml";
    for (header, form) in
        [(own.as_str(), by_key.clone()), ("", format!("{by_post}&{by_key}")), ("", another.to_owned())]
    {
        let form = format!("{GRANT}&{form}");
        let answer = if header.is_empty() {
            client.form("/oauth2/token", &form)
        } else {
            ask_by_header(&client, header, &form)
        };
        refused(&answer, 401, "invalid_client");
        assert_eq!(answer.header("www-authenticate").is_empty(), header.is_empty(), "{answer:?}");
    }
    let both = [super::FORM, ("authorization", own.as_str()), ("authorization", own.as_str())];
    refused(&client.send("POST", "/oauth2/token", &both, GRANT), 400, "invalid_request");
    refused(&client.form("/oauth2/token", &format!("{GRANT}&client_secret=x")), 401, "invalid_client");
    // A bearer token is no client authentication here, and none is needed for a key of one's own.
    let bearer = client.bearer("zid_op_nonsense");
    assert_eq!(issue(&bearer, &agent.api_key, "read").status, 200);
}

#[test]
fn a_rotated_secret_takes_what_it_bought_with_it() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "job", json!({"allowed_scopes": ["read"]}));
    let mut made = make(&client, "job", json!({"identity_id": agent.id}));
    let before = made.ask(&client, "read").token();
    let own = issue(&client, &agent.api_key, "read").token();
    let rotated = client.post(&format!("{}/rotate-secret", made.path()), &json!({}));
    assert_eq!(rotated.status, 200, "{rotated:?}");
    refused(&made.ask(&client, "read"), 401, "invalid_client");
    assert!(!is_active(&client, &before) && is_active(&client, &own), "what the key bought is another's");
    made.secret = rotated.text("/client_secret");
    let after = made.ask(&client, "read").token();
    assert!(is_active(&client, &after));

    assert_eq!(client.patch(&made.path(), &json!({"is_active": false})).status, 200);
    refused(&made.ask(&client, "read"), 401, "invalid_client");
    assert!(!is_active(&client, &after), "switched off");
    assert_eq!(client.patch(&made.path(), &json!({"is_active": true})).status, 200);
    assert!(!is_active(&client, &after), "what was cut off stays dead");
    let last = made.ask(&client, "read").token();
    assert_eq!(client.patch(&made.path(), &json!({"revoke_existing": true})).status, 200);
    assert!(!is_active(&client, &last));
    let row = client.get(&format!("/credentials/{}", introspect_jti(&last)));
    assert_eq!(row.text("/revoke_reason"), "revoke_existing");
}

fn introspect_jti(token: &str) -> String {
    zeroid_tests::claims(token)["jti"].as_str().unwrap().to_owned()
}

#[test]
fn presented_credentials_are_checked_where_none_are_needed() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "job", json!({"allowed_scopes": ["read"]}));
    let made = make(&client, "job", json!({"identity_id": agent.id}));
    client.post("/oauth/clients", &json!({"client_id": "public", "name": "p"}));
    let token = issue(&client, &agent.api_key, "read").token();
    let good = format!("client_id=job&client_secret={}", made.secret);
    let bad = "client_id=job&client_secret=wrong";
    for path in ["/oauth2/token/introspect", "/oauth2/token/revoke"] {
        let send = |form: &str| client.form(path, &format!("token={token}&{form}"));
        refused(&send(bad), 401, "invalid_client");
        refused(&send("client_id=job"), 401, "invalid_client");
        refused(&send("client_id=nobody"), 401, "invalid_client");
        let header = [super::FORM, ("authorization", "Basic am9iOng=")];
        let answer = client.send("POST", path, &header, format!("token={token}"));
        refused(&answer, 401, "invalid_client");
        assert!(answer.header("www-authenticate").starts_with("Basic"));
        assert!(is_active(&client, &token), "nothing was given up");
    }
    let seen = |form: &str| client.form("/oauth2/token/introspect", &format!("token={token}&{form}"));
    for form in ["", "client_id=public", &good] {
        assert_eq!(seen(form).json["active"], true, "{form}");
    }
    refused(
        &client.form("/oauth2/token", &format!("grant_type=api_key&api_key={}&{bad}", agent.api_key)),
        401,
        "invalid_client",
    );
    let given_up = client.form("/oauth2/token/revoke", &format!("token={token}&{good}"));
    assert_eq!(given_up.json, json!({"revoked": true}));
    assert!(!is_active(&client, &token));
}

#[test]
fn where_a_client_is_required_it_sees_its_tenant() {
    let server = Server::start_with(&[("ZEROID_INTROSPECTION", "required")]);
    let ours = server.client().tenant("ours", "prod");
    let theirs = server.client().tenant("theirs", "prod");
    let (agent, foreign) = (register(&ours, "job", json!({})), register(&theirs, "job", json!({})));
    let own = make(&ours, "rs-ours", json!({}));
    let other = make(&theirs, "rs-theirs", json!({}));
    ours.post("/oauth/clients", &json!({"client_id": "public", "name": "p"}));
    let token = issue(&ours, &agent.api_key, "read").token();
    let strange = issue(&theirs, &foreign.api_key, "read").token();
    let look = |path: &str, token: &str, form: &str| ours.form(path, &format!("token={token}&{form}"));
    let by = |made: &super::Made| format!("client_id={}&client_secret={}", made.client_id, made.secret);
    for path in ["/oauth2/token/introspect", "/oauth2/token/revoke"] {
        refused(&look(path, &token, ""), 401, "invalid_client");
        refused(&look(path, &token, "client_id=public"), 401, "invalid_client");
    }
    let seen = look("/oauth2/token/introspect", &token, &by(&own));
    assert_eq!(seen.json["active"], true, "{seen:?}");
    assert_eq!(look("/oauth2/token/introspect", &strange, &by(&own)).json, json!({"active": false}));
    assert_eq!(look("/oauth2/token/revoke", &token, &by(&other)).json, json!({"revoked": true}));
    assert_eq!(
        look("/oauth2/token/introspect", &token, &by(&own)).json["active"],
        true,
        "not theirs to give up"
    );
    assert_eq!(look("/oauth2/token/revoke", &token, &by(&own)).status, 200);
    assert_eq!(look("/oauth2/token/introspect", &token, &by(&own)).json, json!({"active": false}));
    let told = ours.get("/.well-known/oauth-authorization-server").json;
    let methods = json!(["client_secret_basic", "client_secret_post", "private_key_jwt"]);
    assert_eq!(told["introspection_endpoint_auth_methods_supported"], methods);
    assert_eq!(told["revocation_endpoint_auth_methods_supported"], methods);
}
