//! RFC 6749 §2.3, §3.2 and §5: how a token is asked for, and how a refusal is told.

use serde_json::json;
use zeroid_tests::{Answer, Client, EXCHANGE, Server, issue, register};

const GRANT: &str = "grant_type=client_credentials";

/// A server with a client of a secret; gives the secret, too.
fn with_client() -> (Server, Client, String) {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "job", json!({"allowed_scopes": ["read"]}));
    let body = json!({"client_id": "job", "name": "job", "confidential": true, "identity_id": agent.id});
    let secret = client.post("/oauth/clients", &body).text("/client_secret");
    (server, client, secret)
}

#[track_caller]
fn is_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.text("/error").as_str()), (status, code), "{answer:?}");
}

#[test]
fn rfc6749_section_2_3_1_credentials_in_the_uri_prove_nothing() {
    let (_server, client, secret) = with_client();
    let credentials = format!("client_id=job&client_secret={secret}");
    for path in ["/oauth2/token", "/oauth2/token/introspect", "/oauth2/token/revoke"] {
        let answer = client.form(&format!("{path}?{credentials}"), &format!("{GRANT}&token=x"));
        assert!(answer.json.get("access_token").is_none(), "{path}: {answer:?}");
        assert!(!answer.body.contains(&secret), "{path}");
    }
    let whole = client.form(&format!("/oauth2/token?{GRANT}&{credentials}"), "");
    is_error(&whole, 400, "invalid_request");
    assert_eq!(
        client.form("/oauth2/token", &format!("{GRANT}&{credentials}")).status,
        200,
        "in the body it is"
    );
}

#[test]
fn rfc6749_section_3_2_a_token_is_asked_for_by_post_alone() {
    let (_server, client, secret) = with_client();
    let query = format!("/oauth2/token?{GRANT}&client_id=job&client_secret={secret}");
    for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH"] {
        let answer = client.send(method, &query, &[], "");
        assert_eq!((answer.status, answer.header("allow")), (405, "POST, OPTIONS"), "{method}: {answer:?}");
    }
}

#[test]
fn rfc6749_section_3_2_a_parameter_without_a_value_is_none_and_an_unknown_one_is_ignored() {
    let (_server, client, secret) = with_client();
    let form = format!("{GRANT}&client_id=job&client_secret={secret}");
    for more in
        ["scope=", "resource=", "audience=&resource=", "client_assertion=", "unknown=1&other=", "scope"]
    {
        let answer = client.form("/oauth2/token", &format!("{form}&{more}"));
        assert_eq!((answer.status, answer.text("/scope").as_str()), (200, "read"), "{more}: {answer:?}");
    }
}

#[test]
fn rfc6749_section_3_2_a_parameter_comes_once() {
    let (_server, client, secret) = with_client();
    let form = format!("{GRANT}&client_id=job&client_secret={secret}&scope=read");
    for name in ["grant_type", "client_id", "client_secret", "scope"] {
        for value in ["read", "job", ""] {
            let answer = client.form("/oauth2/token", &format!("{form}&{name}={value}"));
            is_error(&answer, 400, "invalid_request");
        }
    }
    let twice = format!("{{\"grant_type\":\"api_key\",\"api_key\":\"a\",\"api_key\":\"{secret}\"}}");
    let answer = client.send("POST", "/oauth2/token", &[("content-type", "application/json")], twice);
    is_error(&answer, 400, "invalid_request");
}

#[test]
fn rfc6749_section_5_1_what_has_a_token_in_it_is_kept_by_nobody() {
    let (_server, client, secret) = with_client();
    let form = format!("{GRANT}&client_id=job&client_secret={secret}");
    let issued = client.form("/oauth2/token", &form);
    let seen = client.form("/oauth2/token/introspect", &format!("token={}", issued.token()));
    let refused = client.form("/oauth2/token", &form.replace(&secret, "wrong"));
    let made = client.post("/oauth/clients", &json!({"client_id": "b", "name": "b", "confidential": true}));
    for answer in [&issued, &seen, &refused, &made] {
        assert_eq!(
            (answer.header("cache-control"), answer.header("pragma")),
            ("no-store", "no-cache"),
            "{answer:?}"
        );
    }
    assert_eq!(issued.header("content-type"), "application/json");
    assert_eq!(issued.text("/token_type"), "Bearer");
    assert!(issued.json["expires_in"].is_u64() && !issued.text("/scope").is_empty(), "{issued:?}");
}

#[test]
fn rfc6749_section_3_3_what_is_not_asked_for_has_a_default_or_is_refused() {
    let (_server, client, secret) = with_client();
    let own = format!("client_id=job&client_secret={secret}");
    let answer = client.form("/oauth2/token", &format!("{GRANT}&{own}"));
    assert_eq!((answer.status, answer.text("/scope").as_str()), (200, "read"), "all it may have: {answer:?}");
    let more = client.form("/oauth2/token", &format!("{GRANT}&{own}&scope=read%20write"));
    assert_eq!(more.text("/scope"), "read", "told, as it is not what was asked for");
    // An exchange is for something: without scopes it is refused.
    let boss = register(&client, "boss", json!({}));
    let aide = register(&client, "aide", json!({}));
    let root = issue(&client, &boss.api_key, "read").token();
    let body = json!({"grant_type": EXCHANGE, "subject_token": root, "api_key": aide.api_key});
    is_error(&client.post("/oauth2/token", &body), 400, "invalid_scope");
    // §4.4.3: nothing to refresh it with.
    assert!(answer.json.get("refresh_token").is_none() && more.json.get("refresh_token").is_none());
}

#[test]
fn rfc6749_section_10_10_what_is_generated_cannot_be_guessed() {
    let (_server, client, secret) = with_client();
    let agent = |name| register(&client, name, json!({})).api_key;
    let body = json!({"client_id": "other", "name": "other", "confidential": true});
    let other = client.post("/oauth/clients", &body).text("/client_secret");
    let made = [agent("a"), agent("b"), secret, other];
    for (n, secret) in made.iter().enumerate() {
        // 43 characters of base64url are 256 bits.
        let (prefix, random) = secret.split_at(secret.len() - 43);
        let of_alphabet = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        assert!(prefix.starts_with("zid_") && prefix.ends_with('_') && random.bytes().all(of_alphabet));
        for earlier in &made[..n] {
            let both = secret.bytes().rev().zip(earlier.bytes().rev()).take(43);
            assert!(both.filter(|(one, other)| one == other).count() < 16, "nothing of one tells of another");
        }
    }
}

#[test]
fn rfc6749_section_5_2_each_mistake_has_its_code() {
    let (_server, client, secret) = with_client();
    let agent = register(&client, "aide", json!({"allowed_scopes": ["read"]}));
    let own = format!("client_id=job&client_secret={secret}");
    let root = issue(&client, &agent.api_key, "read").token();
    for (form, status, code) in [
        (String::new(), 400, "invalid_request"),
        (own.clone(), 400, "invalid_request"),
        ("grant_type=api_key".to_owned(), 400, "invalid_request"),
        (format!("grant_type={EXCHANGE}&subject_token={root}&scope=read"), 400, "invalid_request"),
        (format!("{GRANT}&client_id=job&client_secret=x"), 401, "invalid_client"),
        (format!("{GRANT}&client_id=nobody&client_secret={secret}"), 401, "invalid_client"),
        (GRANT.to_owned(), 401, "invalid_client"),
        ("grant_type=api_key&api_key=zid_sk_x".to_owned(), 400, "invalid_grant"),
        (format!("grant_type=api_key&api_key={}&{own}", agent.api_key), 400, "unauthorized_client"),
        (format!("grant_type=password&username=a&password=b&{own}"), 400, "unsupported_grant_type"),
        (format!("grant_type=API_KEY&api_key={}", agent.api_key), 400, "unsupported_grant_type"),
        (format!("{GRANT}&{own}&scope=write"), 400, "invalid_scope"),
        (format!("{GRANT}&{own}&scope=a%22b"), 400, "invalid_scope"),
    ] {
        let answer = client.form("/oauth2/token", &form);
        is_error(&answer, status, code);
        assert_eq!(answer.header("content-type"), "application/json", "{form}");
    }
}

#[test]
fn rfc6749_section_5_2_a_description_has_only_the_characters_it_may() {
    let (_server, client, _) = with_client();
    let agent = register(&client, "aide", json!({}));
    for odd in ["%C3%A4", "%22", "%5C", "%0A", "%00", "%7F", "%E2%80%A8", "%F0%9F%92%A9"] {
        for form in [
            format!("grant_type={odd}"),
            format!("grant_type=api_key&api_key={}&scope={odd}", agent.api_key),
            format!("grant_type=api_key&api_key={}&resource={odd}", agent.api_key),
            format!("grant_type=api_key&api_key=zid_sk_{odd}"),
            format!("{GRANT}&client_id={odd}&client_secret=x"),
            format!("grant_type={EXCHANGE}&subject_token=x&api_key=y&subject_token_type={odd}"),
        ] {
            let answer = client.form("/oauth2/token", &form);
            assert!([400, 401].contains(&answer.status), "{form}: {answer:?}");
            for member in ["/error", "/error_description"] {
                let text = answer.text(member);
                let allowed = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
                assert!(text.bytes().all(allowed), "{form}: {text:?}");
            }
        }
    }
}
