//! Who asks, and what they send.

use std::sync::{Mutex, PoisonError};

use zeroid_jose::SigningKey;

use super::connection::{access_token, member};
use super::load::{self, Request};
use super::scenarios::CONNECTIONS;
use super::server::{BenchServer, ISSUER, REGISTER, Target, registration};
use crate::outcome::{Failure, Outcome};

pub(super) const TOKEN: &str = "/oauth2/token";
pub(super) const INTROSPECT: &str = "/oauth2/token/introspect";
pub(super) const REVOKE: &str = "/oauth2/token/revoke";

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// Agents of one server, and the forms they send.
pub(super) struct Agents {
    /// One agent asks for a token.
    pub(super) issue: String,
    /// The API key of an actor.
    aide: String,
    /// An actor that signs assertions.
    signer: Signer,
}

impl Agents {
    /// Register those every scenario needs.
    pub(super) fn register(server: &BenchServer) -> Outcome<Self> {
        let issue = issue_form(&server.register("boss")?);
        let aide = server.register("aide")?;
        let key = SigningKey::generate().map_err(|error| Failure::new(error.to_string()))?.0;
        let uri = server.register_with_key("signer", &key.public().to_pem())?;
        Ok(Self { issue, aide, signer: Signer { key, uri } })
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
        use std::sync::atomic::{AtomicU64, Ordering};
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let at = now.map_err(|error| Failure::new(error.to_string()))?.as_secs();
        let claims = serde_json::json!({"iss": self.uri, "sub": self.uri, "aud": ISSUER,
            "jti": format!("bench-{number}"), "iat": at, "exp": at + 290});
        let signed = self.key.sign("JWT", claims.to_string().as_bytes());
        signed.map_err(|error| Failure::new(error.to_string()))
    }
}
