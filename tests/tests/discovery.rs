//! Discovery: RFC 8414, RFC 9728. What is told is so, and what is so is told.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::{Value, json};
use zeroid_tests::{Client, Server};

const METADATA: &str = "/.well-known/oauth-authorization-server";
const RESOURCE: &str = "/.well-known/oauth-protected-resource";

#[test]
fn rfc8414_section_3_and_5_the_same_document_wherever_clients_look() {
    let server = Server::start();
    let client = server.client();
    let told = client.get(METADATA);
    assert_eq!((told.status, told.header("content-type")), (200, "application/json"), "{told:?}");
    assert_eq!(told.json["issuer"], issuer(&client));
    assert_eq!(told.header("cache-control"), "public, max-age=300");
    let alias = client.get("/.well-known/openid-configuration");
    assert_eq!((alias.status, &alias.body), (200, &told.body));
    for other in ["/x", "/x/y"] {
        for document in [METADATA, "/.well-known/openid-configuration", RESOURCE] {
            assert_eq!(client.get(&format!("{document}{other}")).status, 404, "another issuer's: {other}");
        }
    }
}

#[test]
fn rfc8414_section_3_1_an_issuer_with_a_path() {
    let server = Server::start_with(&[("ZEROID_ISSUER", "https://id.example/tenants/one")]);
    let client = server.client();
    for at in ["", "/tenants/one"] {
        let told = client.get(&format!("{METADATA}{at}"));
        assert_eq!(told.text("/token_endpoint"), "https://id.example/tenants/one/oauth2/token");
        assert_eq!(client.get(&format!("/.well-known/openid-configuration{at}")).body, told.body);
        assert_eq!(client.get(&format!("{RESOURCE}{at}")).text("/resource"), told.text("/issuer"));
    }
    for at in ["/tenants", "/tenants/one/", "/tenants/two", "/Tenants/one"] {
        assert_eq!(client.get(&format!("{METADATA}{at}")).status, 404, "{at}");
    }
    let refused = client.bearer("no-token").get("/agents/registry");
    let where_told =
        "resource_metadata=\"https://id.example/.well-known/oauth-protected-resource/tenants/one\"";
    assert!(refused.header("www-authenticate").contains(where_told), "{refused:?}");
}

#[test]
fn every_endpoint_that_is_told_answers() {
    let server = Server::start();
    let client = server.client();
    let told = client.get(METADATA).json;
    let base = issuer(&client);
    let endpoints: Vec<(&String, &str)> = told
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| name.ends_with("_endpoint") || name.ends_with("_uri"))
        .map(|(name, url)| (name, url.as_str().unwrap().strip_prefix(&base).unwrap()))
        .collect();
    assert!(endpoints.len() >= 4, "{told}");
    for (name, path) in endpoints {
        let answer = if name.ends_with("_uri") { client.get(path) } else { client.post(path, &json!({})) };
        assert!(![404, 405, 500].contains(&answer.status), "{name}: {answer:?}");
    }
}

#[test]
fn a_grant_is_told_if_and_only_if_it_is_served() {
    let server = Server::start();
    let client = server.client();
    let told = client.get(METADATA).json;
    let is_told = |grant: &str| told["grant_types_supported"].as_array().unwrap().contains(&json!(grant));
    for grant in [
        "api_key",
        "client_credentials",
        "authorization_code",
        "refresh_token",
        "password",
        "implicit",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "urn:openid:params:grant-type:ciba",
        "urn:ietf:params:oauth:grant-type:device_code",
    ] {
        let answer = client.post("/oauth2/token", &json!({"grant_type": grant}));
        let is_served = answer.text("/error") != "unsupported_grant_type";
        assert_eq!(is_served, is_told(grant), "{grant}: {answer:?}");
    }
}

#[test]
fn rfc9728_section_2_and_5_1_the_administrative_routes_say_who_issues_their_tokens() {
    let server = Server::start();
    let client = server.client();
    let told = client.send("GET", RESOURCE, &[("origin", "https://app.example")], "");
    assert_eq!((told.status, told.header("access-control-allow-origin")), (200, "*"), "{told:?}");
    assert_eq!(told.json["resource"], issuer(&client));
    assert_eq!(told.json["authorization_servers"], json!([issuer(&client)]));
    assert_eq!(told.json["bearer_methods_supported"], json!(["header"]));
    assert_eq!(told.json["scopes_supported"], json!(["nhi:manage", "credentials:manage"]));
    let named = format!("resource_metadata=\"{}{RESOURCE}\"", issuer(&client));
    let client = client.bearer("no-token");
    let body = json!({"new_public_key_pem": "none", "new_key_proof": "none"});
    for refused in [client.get("/agents/registry"), client.post("/agents/self/public-key", &body)] {
        assert_eq!(refused.status, 401, "{refused:?}");
        assert!(refused.header("www-authenticate").starts_with("Bearer "), "{refused:?}");
        assert!(refused.header("www-authenticate").contains(&named), "{refused:?}");
    }
    let of_another = client.get("/oauth2/token/verify");
    assert_eq!(of_another.status, 401, "{of_another:?}");
    assert!(!of_another.header("www-authenticate").contains("resource_metadata"), "{of_another:?}");
}

fn issuer(client: &Client) -> String {
    let told: Value = client.get(METADATA).json;
    told["issuer"].as_str().unwrap().to_owned()
}
