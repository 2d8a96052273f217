//! A client with a key of its own.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use zeroid_jose::{Random, SigningKey, SystemRandom, proof_hash};
use zeroid_tests::{Agent, Answer, Client, EXCHANGE};

/// A key, and the proofs it signs.
pub(crate) struct Prover(SigningKey);

impl Prover {
    pub(crate) fn new() -> Self {
        Self(SigningKey::generate().unwrap().0)
    }

    /// What a token is bound to.
    pub(crate) fn thumbprint(&self) -> String {
        self.0.public().thumbprint().to_string()
    }

    /// Its key as an agent registers it.
    pub(crate) fn pem(&self) -> String {
        self.0.public().to_pem()
    }

    /// A proof for a request.
    pub(crate) fn proof(&self, method: &str, uri: &str) -> String {
        self.sign(&claims(method, uri))
    }

    /// A proof for a request with an access token.
    pub(crate) fn proof_with(&self, method: &str, uri: &str, token: &str) -> String {
        self.sign(&claims_with(method, uri, token))
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.0.sign_proof(claims.to_string().as_bytes()).unwrap()
    }

    /// A proof for a token request to this server.
    pub(crate) fn for_token(&self, client: &Client) -> String {
        self.proof("POST", &format!("{}/oauth2/token", client.base))
    }

    /// A token by API key, bound to this key.
    pub(crate) fn issue(&self, client: &Client, api_key: &str, scope: &str) -> Answer {
        ask(client, &by_key(api_key, scope), &self.for_token(client))
    }

    /// An assertion that proves an agent by this key.
    pub(crate) fn assertion(&self, agent: &Agent, issuer: &str) -> String {
        let claims = json!({"iss": agent.uri, "sub": agent.uri, "aud": issuer, "jti": fresh(),
            "iat": now(), "exp": now() + 60});
        self.0.sign("JWT", claims.to_string().as_bytes()).unwrap()
    }
}

/// The claims of a proof that is good now.
pub(crate) fn claims(method: &str, uri: &str) -> Value {
    json!({"jti": fresh(), "htm": method, "htu": uri, "iat": now()})
}

/// The claims of a proof that is good now, with this access token.
pub(crate) fn claims_with(method: &str, uri: &str, token: &str) -> Value {
    let mut claims = claims(method, uri);
    claims["ath"] = json!(proof_hash(token.as_bytes()));
    claims
}

pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn fresh() -> String {
    let mut bytes = [0_u8; 16];
    SystemRandom::new().fill(&mut bytes).unwrap();
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Ask for a token with a proof.
pub(crate) fn ask(client: &Client, body: &Value, proof: &str) -> Answer {
    let headers = [("content-type", "application/json"), ("dpop", proof)];
    client.send("POST", "/oauth2/token", &headers, body.to_string())
}

pub(crate) fn by_key(api_key: &str, scope: &str) -> Value {
    json!({"grant_type": "api_key", "api_key": api_key, "scope": scope})
}

pub(crate) fn exchange(subject: &str, actor: (&str, &str), scope: &str) -> Value {
    let (name, proof) = actor;
    json!({"grant_type": EXCHANGE, "subject_token": subject, name: proof, "scope": scope})
}

/// The code of a refusal that issued nothing.
#[track_caller]
pub(crate) fn refused(answer: &Answer) -> (u16, String) {
    assert!(answer.json.get("access_token").is_none(), "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store", "{answer:?}");
    (answer.status, answer.text("/error"))
}

/// What `refused` gives for a proof that was not taken.
pub(crate) fn no_proof() -> (u16, String) {
    (400, "invalid_dpop_proof".to_owned())
}
