//! End-to-end tests through the real binary: each test starts its own server on a free loopback port, with its
//! own data folder, and stops it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    clippy::disallowed_methods,
    reason = "a test that cannot go on panics, and reads the clock and the environment"
)]

mod client;
mod database;
mod node;
mod python;
mod server;

pub use client::{Answer, Client};
pub use database::on_postgres;
pub use node::run_node;
pub use python::{run_python, run_python_text, run_schemathesis};
pub use server::{Server, binary, command};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The grant type of token exchange.
pub const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// A registered agent as the tests hold it.
pub struct Agent {
    /// The identity's id.
    pub id: String,
    /// Its URI.
    pub uri: String,
    /// Its API key.
    pub api_key: String,
}

/// Register an agent; `extra` overrides or adds members.
pub fn register(client: &Client, external_id: &str, extra: Value) -> Agent {
    let mut body = json!({"name": external_id, "external_id": external_id, "created_by": "dev@company.com"});
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    let answer = client.post("/agents/register", &body);
    assert_eq!(answer.status, 201, "{answer:?}");
    Agent {
        id: answer.text("/identity/id"),
        uri: answer.text("/identity/wimse_uri"),
        api_key: answer.text("/api_key"),
    }
}

/// Make a credential policy and give its id.
pub fn policy(client: &Client, body: &Value) -> String {
    let answer = client.post("/credential-policies", body);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.text("/id")
}

/// Issue a root token by API key.
pub fn issue(client: &Client, api_key: &str, scope: &str) -> Answer {
    client.post("/oauth2/token", &json!({"grant_type": "api_key", "api_key": api_key, "scope": scope}))
}

/// Delegate to the holder of an API key.
pub fn delegate(client: &Client, subject_token: &str, api_key: &str, scope: &str) -> Answer {
    let body =
        json!({"grant_type": EXCHANGE, "subject_token": subject_token, "api_key": api_key, "scope": scope});
    client.post("/oauth2/token", &body)
}

/// Introspect a token.
pub fn introspect(client: &Client, token: &str) -> Answer {
    client.post("/oauth2/token/introspect", &json!({"token": token}))
}

/// Whether introspection calls a token active; an inactive answer says nothing else.
pub fn is_active(client: &Client, token: &str) -> bool {
    let answer = introspect(client, token);
    assert_eq!(answer.status, 200, "{answer:?}");
    match answer.json["active"].as_bool() {
        Some(true) => true,
        _ => {
            assert_eq!(answer.json, json!({"active": false}));
            false
        }
    }
}

/// Revoke a token at the revocation endpoint.
pub fn revoke(client: &Client, token: &str) {
    let answer = client.post("/oauth2/token/revoke", &json!({"token": token}));
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// The claims of a token, unchecked.
pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a compact token");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).expect("base64url")).expect("JSON")
}
