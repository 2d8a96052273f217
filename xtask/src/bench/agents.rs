//! Who asks, and what they send.

use std::sync::{Mutex, PoisonError};

use zeroid_jose::{SigningKey, proof_hash};

use super::connection::{access_token, member};
use super::load::{self, Request};
use super::scenarios::CONNECTIONS;
use super::server::{BenchServer, ISSUER, REGISTER, Target, registration};
use crate::outcome::{Failure, Outcome};

pub(super) const TOKEN: &str = "/oauth2/token";
pub(super) const INTROSPECT: &str = "/oauth2/token/introspect";
pub(super) const REVOKE: &str = "/oauth2/token/revoke";
pub(super) const VERIFY: &str = "/oauth2/token/verify";

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// Agents of one server, and the forms they send.
pub(super) struct Agents {
    /// One agent asks for a token.
    pub(super) issue: String,
    /// The API key of an actor.
    aide: String,
    /// An actor that signs assertions.
    signer: Signer,
    /// A client that proves its key.
    prover: SigningKey,
}

impl Agents {
    /// Register those every scenario needs.
    pub(super) fn register(server: &BenchServer) -> Outcome<Self> {
        let issue = issue_form(&server.register("boss")?);
        let aide = server.register("aide")?;
        let key = SigningKey::generate().map_err(|error| Failure::new(error.to_string()))?.0;
        let uri = server.register_with_key("signer", &key.public().to_pem())?;
        let prover = SigningKey::generate().map_err(|error| Failure::new(error.to_string()))?.0;
        Ok(Self { issue, aide, signer: Signer { key, uri }, prover })
    }

    /// Header lines with a proof for a token request. A proof is used once, and soon, so they are signed just before the
    /// clock starts.
    pub(super) fn proofs(&self, count: usize) -> Outcome<Vec<String>> {
        let proof = |_| Ok(format!("DPoP: {}\r\n", self.proof("POST", &format!("{ISSUER}{TOKEN}"), None)?));
        (0..count).map(proof).collect()
    }

    /// Header lines of requests that a proxy forwards, with this bound token and a proof.
    pub(super) fn forwarded(&self, token: &str, count: usize) -> Outcome<Vec<String>> {
        let forwarded = |_| {
            let proof = self.proof("GET", "https://api.example/orders", Some(token))?;
            Ok(format!(
                "Authorization: DPoP {token}\r\nDPoP: {proof}\r\nX-Forwarded-Method: GET\r\n\
                 X-Forwarded-Proto: https\r\nX-Forwarded-Host: api.example\r\nX-Forwarded-Uri: /orders\r\n"
            ))
        };
        (0..count).map(forwarded).collect()
    }

    fn proof(&self, method: &str, uri: &str, token: Option<&str>) -> Outcome<String> {
        let mut claims = serde_json::json!({"htm": method, "htu": uri, "jti": fresh_name(), "iat": now()?});
        if let (Some(token), Some(claims)) = (token, claims.as_object_mut()) {
            claims.insert("ath".to_owned(), proof_hash(token.as_bytes()).into());
        }
        let signed = self.prover.sign_proof(claims.to_string().as_bytes());
        signed.map_err(|error| Failure::new(error.to_string()))
    }

    /// The form that delegates a token to the aide, who proves itself by its API key.
    pub(super) fn hop(&self, subject: &str) -> String {
        format!("grant_type={EXCHANGE}&subject_token={subject}&api_key={}&scope=read", self.aide)
    }

    /// Forms that delegate a token to the signer. An assertion is used once, so they are signed before the clock starts.
    pub(super) fn hops_by_assertion(&self, subject: &str, count: usize) -> Outcome<Vec<String>> {
        (0..count)
            .map(|_| {
                let proof = self.signer.assertion()?;
                Ok(format!("grant_type={EXCHANGE}&subject_token={subject}&actor_token={proof}&scope=read"))
            })
            .collect()
    }
}

/// The form that asks for a token by an API key.
pub(super) fn issue_form(api_key: &str) -> String {
    format!("grant_type=api_key&api_key={api_key}&scope=read+write")
}

/// Register many agents; gives the forms by which they ask for a token.
pub(super) fn register_many(server: &BenchServer, prefix: &str, count: usize) -> Outcome<Vec<String>> {
    let bodies: Vec<String> = (0..count).map(|number| registration(&format!("{prefix}-{number}"))).collect();
    collect(
        server,
        &bodies,
        |body| Request::json(REGISTER, body),
        |answer| Ok(issue_form(&member(answer, "api_key")?)),
    )
}

/// Ask for a token by each of these forms; gives the tokens.
pub(super) fn tokens(server: &BenchServer, forms: &[String]) -> Outcome<Vec<String>> {
    collect(server, forms, |form| Request::new(TOKEN, form), access_token)
}

/// Ask for a token by one form under each of these header lines; gives the tokens.
pub(super) fn tokens_under(server: &BenchServer, form: &str, headers: &[String]) -> Outcome<Vec<String>> {
    collect(server, headers, |headers| Request::new(TOKEN, form).under(headers), access_token)
}

/// Send each body once and keep something of each answer, in no order.
fn collect<'p, T: Send>(
    target: &impl Target,
    bodies: &'p [String],
    request: impl Fn(&'p str) -> Request<'p> + Sync,
    keep: impl Fn(&str) -> Outcome<T> + Sync,
) -> Outcome<Vec<T>> {
    let kept = Mutex::new(Vec::with_capacity(bodies.len()));
    load::run(target, CONNECTIONS, |worker| {
        let mut left = bodies.iter().skip(worker).step_by(CONNECTIONS);
        let (kept, request, keep) = (&kept, &request, &keep);
        move |answer: Option<&str>| {
            if let Some(answer) = answer {
                let thing = keep(answer)?;
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(thing);
            }
            Ok(left.next().map(|body| request(body)))
        }
    })?;
    Ok(kept.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// An agent that signs its own assertions.
struct Signer {
    key: SigningKey,
    uri: String,
}

impl Signer {
    fn assertion(&self) -> Outcome<String> {
        let at = now()?;
        let claims = serde_json::json!({"iss": self.uri, "sub": self.uri, "aud": ISSUER,
            "jti": fresh_name(), "iat": at, "exp": at + 290});
        let signed = self.key.sign("JWT", claims.to_string().as_bytes());
        signed.map_err(|error| Failure::new(error.to_string()))
    }
}

fn fresh_name() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("bench-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn now() -> Outcome<u64> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Ok(now.map_err(|error| Failure::new(error.to_string()))?.as_secs())
}
