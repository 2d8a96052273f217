//! RFC 8414 §2, §3 and RFC 9700 §2: what the server tells of itself.

use serde_json::json;
use zeroid_tests::{Server, claims, issue, register};

const METADATA: &str = "/.well-known/oauth-authorization-server";

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
