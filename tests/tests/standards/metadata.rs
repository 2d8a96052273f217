//! RFC 8414 §2, §3 and RFC 9700 §2: what the server tells of itself.

use serde_json::json;
use zeroid_tests::{Server, claims, issue, register};

const METADATA: &str = "/.well-known/oauth-authorization-server";
const RESOURCE: &str = "/.well-known/oauth-protected-resource";

#[test]
fn rfc8414_section_2_the_members_that_must_be_there() {
    let server = Server::start();
    let told = server.client().get(METADATA);
    let issuer = told.text("/issuer");
    assert!(!issuer.contains(['?', '#']), "{issuer}");
    for name in ["token_endpoint", "jwks_uri", "introspection_endpoint", "revocation_endpoint"] {
        assert!(told.text(&format!("/{name}")).starts_with(&issuer), "{name}");
    }
    // Where `private_key_jwt` is named, its algorithms are, and `none` is none of them.
    for endpoint in ["token", "introspection", "revocation"] {
        let methods = &told.json[format!("{endpoint}_endpoint_auth_methods_supported")];
        assert!(methods.as_array().unwrap().contains(&json!("private_key_jwt")), "{methods}");
        let algorithms = told.json[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")].clone();
        let algorithms = algorithms.as_array().unwrap();
        assert!(!algorithms.is_empty() && !algorithms.contains(&json!("none")), "{algorithms:?}");
    }
}

#[test]
fn rfc8414_section_3_2_nothing_is_told_by_an_empty_list() {
    let server = Server::start();
    let told = server.client().get(METADATA);
    assert_eq!((told.status, told.header("content-type")), (200, "application/json"));
    for (name, value) in told.json.as_object().unwrap() {
        // §2 asks for this one whatever it says, and there is no authorization endpoint.
        let must_be_there = name == "response_types_supported";
        let is_empty =
            value.as_array().is_some_and(Vec::is_empty) || value.as_str() == Some("") || value.is_null();
        assert!(!is_empty || must_be_there, "{name}: {value}");
    }
}

#[test]
fn rfc8414_section_3_3_the_issuer_is_the_one_in_the_tokens() {
    let server = Server::start_with(&[("ZEROID_ISSUER", "https://id.example/one")]);
    let client = server.client();
    let agent = register(&client, "boss", json!({}));
    let token = issue(&client, &agent.api_key, "read").token();
    assert_eq!(client.get(&format!("{METADATA}/one")).text("/issuer"), "https://id.example/one");
    assert_eq!(claims(&token)["iss"], "https://id.example/one");
}

#[test]
fn rfc8414_section_2_and_3_1_an_issuer_is_a_plain_https_url() {
    for (issuer, why) in [
        ("http://id.example", "https"),
        ("https://id.example/", "final slash"),
        ("https://id.example?x=1", "issuer"),
        ("https://id.example/#x", "issuer"),
        ("https://me@id.example", "issuer"),
        ("id.example", "issuer"),
        ("https://", "issuer"),
    ] {
        let data = tempfile::tempdir().unwrap();
        let settings = [("ZEROID_ISSUER", issuer), ("ZEROID_WIMSE_DOMAIN", "id.example")];
        let output = zeroid_tests::command(data.path(), &settings).arg("check-config").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(why), "{issuer}: {said}");
    }
}

#[test]
fn rfc9728_section_2_and_3_the_resource_is_the_one_that_was_asked_for() {
    for (issuer, path) in [("https://id.example/one", "/one"), ("https://id.example", "")] {
        let server = Server::start_with(&[("ZEROID_ISSUER", issuer)]);
        let client = server.client();
        let told = client.get(&format!("{RESOURCE}{path}"));
        assert_eq!((told.status, told.header("content-type")), (200, "application/json"), "§3.2");
        assert_eq!(told.text("/resource"), issuer, "§3.3");
        assert_eq!(told.json["authorization_servers"], json!([issuer]));
        for (name, value) in told.json.as_object().unwrap() {
            let is_empty = value.as_array().is_some_and(Vec::is_empty) || value.is_null() || value == "";
            assert!(!is_empty, "§3.2: {name}");
        }
        assert!(!told.json["dpop_signing_alg_values_supported"].to_string().contains("none"));
        let posted = client.form(&format!("{RESOURCE}{path}"), "");
        assert_eq!(posted.status, 405, "§3.1: {posted:?}");
        assert_eq!(client.get(&format!("{RESOURCE}/other")).status, 404, "another resource's");
    }
}

#[test]
fn rfc9700_section_4_15_no_client_is_named_like_a_subject() {
    let server = Server::start();
    let client = server.client();
    let boss = register(&client, "boss", json!({}));
    for name in [boss.uri.as_str(), "spiffe://other.example/x", "https://a.example", "https:x"] {
        let made =
            client.post("/oauth/clients", &json!({"client_id": name, "name": "x", "confidential": true}));
        assert_eq!(
            (made.status, made.text("/errors/0/location")),
            (400, "body.client_id".to_owned()),
            "{name}"
        );
    }
    // What a client gets is of the identity it is bound to, and says so.
    let body = json!({"client_id": "job", "name": "job", "confidential": true, "identity_id": boss.id});
    let secret = client.post("/oauth/clients", &body).text("/client_secret");
    let form = format!("grant_type=client_credentials&client_id=job&client_secret={secret}");
    let says = claims(&client.form("/oauth2/token", &form).token());
    assert_eq!((&says["sub"], &says["client_id"]), (&json!(boss.uri), &json!("job")));
}

#[test]
fn rfc9700_section_2_4_and_2_1_2_no_password_and_no_implicit_grant() {
    let server = Server::start();
    let client = server.client();
    for grant in ["password", "implicit"] {
        let form = format!("grant_type={grant}&username=a&password=b&client_id=a&response_type=token");
        let answer = client.form("/oauth2/token", &form);
        assert_eq!((answer.status, answer.text("/error")), (400, "unsupported_grant_type".to_owned()));
    }
    let told = client.get(METADATA).json;
    assert!(!told.to_string().contains("password") && !told.to_string().contains("implicit"), "{told}");
    assert!(!told["response_types_supported"].to_string().contains("token"), "{told}");
}

#[test]
fn rfc9700_section_4_12_nothing_redirects() {
    let server = Server::start();
    let client = server.client();
    for path in
        ["/oauth2/token", "/oauth2/token/", "/oauth2/token/introspect/", "/oauth2//token", "/OAUTH2/token"]
    {
        for method in ["GET", "POST"] {
            let answer = client.send(method, path, &[("content-type", "application/json")], "{}");
            assert!(!(300..400).contains(&answer.status), "{method} {path}: {answer:?}");
        }
    }
}
