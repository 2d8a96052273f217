//! OAuth clients over plain HTTP: registered, authenticated, and what they are issued.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods
)]

mod admin;
mod assertions;
mod authentication;
mod grants;
mod key_url;
mod peer;
mod races;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use zeroid_jose::SigningKey;
use zeroid_tests::{Answer, Client};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// A registered client as the tests hold it.
struct Made {
    id: String,
    client_id: String,
    secret: String,
}

/// Register a confidential client; `extra` overrides or adds members.
#[track_caller]
fn make(client: &Client, client_id: &str, extra: Value) -> Made {
    let mut body = json!({"client_id": client_id, "name": client_id, "confidential": true});
    for (name, value) in extra.as_object().unwrap() {
        body[name] = value.clone();
    }
    let answer = client.post("/oauth/clients", &body);
    assert_eq!(answer.status, 201, "{answer:?}");
    Made {
        id: answer.text("/client/id"),
        client_id: client_id.to_owned(),
        secret: answer.text("/client_secret"),
    }
}

impl Made {
    fn path(&self) -> String {
        format!("/oauth/clients/{}", self.id)
    }

    /// The header of RFC 6749 §2.3.1.
    fn basic(&self) -> String {
        basic(&self.client_id, &self.secret)
    }

    /// Ask for a token with the secret in the body.
    fn ask(&self, client: &Client, scope: &str) -> Answer {
        client.post(
            "/oauth2/token",
            &json!({
                "grant_type": "client_credentials", "client_id": self.client_id, "client_secret": self.secret,
                "scope": scope,
            }),
        )
    }
}

/// Each half encoded as in a form, then both as RFC 7617 says.
fn basic(client_id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(client_id), encoded(secret))))
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Ask for a token with a header of one's own.
fn ask_by_header(client: &Client, authorization: &str, form: &str) -> Answer {
    client.send("POST", "/oauth2/token", &[FORM, ("authorization", authorization)], form)
}

/// Ask for a token by an assertion.
fn ask_by_assertion(client: &Client, assertion: &str) -> Answer {
    client.post(
        "/oauth2/token",
        &json!({
            "grant_type": "client_credentials", "client_assertion_type": JWT_BEARER, "client_assertion": assertion,
        }),
    )
}

/// An assertion as clients sign it (RFC 7523 §2.2); `edit` changes its claims.
fn signed(
    key: &SigningKey,
    client: &Client,
    client_id: &str,
    typ: &str,
    edit: impl FnOnce(&mut Value, i64),
) -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let now = i64::try_from(since.as_secs()).unwrap();
    let jti = format!("{}", since.as_nanos());
    let mut claims = json!({
        "iss": client_id, "sub": client_id, "aud": client.base, "jti": jti, "iat": now, "exp": now + 120,
    });
    edit(&mut claims, now);
    key.sign(typ, claims.to_string().as_bytes()).unwrap()
}

/// The public halves of these keys, each under its id.
fn jwks(keys: &[&SigningKey]) -> Value {
    let keys: Vec<_> = keys.iter().map(|key| json!(key.public().jwk(key.kid().as_str(), "sig"))).collect();
    json!({"keys": keys})
}

/// An OAuth error of this status and code.
#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.text("/error").as_str()), (status, code), "{answer:?}");
    assert!(!answer.text("/error_description").is_empty());
    assert_eq!(answer.header("cache-control"), "no-store");
}
