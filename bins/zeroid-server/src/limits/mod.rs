//! How often one caller may ask (house rule E13): judged before anything is checked, looked up or changed, so that a
//! refusal costs little and loses nothing.
//!
//! A caller is counted twice: by its address, and by the credential it presents. Neither is kept, only a hash that is
//! good for this process. What is only a name, and could be anybody's, is counted together with the address that sent
//! it, so that nobody uses up another's share by naming it.

mod allowed;
mod table;

use std::borrow::Cow;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::Deserialize;
use zeroid_core::ClientProof;
use zeroid_jose::parse;
use zeroid_wire::Params;

use crate::app::App;
use crate::http::{Edge, Request};
use table::Table;

pub use allowed::{Limit, LimitError, RateLimits};

/// Everybody's buckets.
pub(crate) struct Limits {
    allowed: RateLimits,
    hasher: RandomState,
    started: Instant,
    addresses: Table,
    /// Apart, so that made-up credentials push no address out.
    credentials: Table,
}

impl Limits {
    pub(crate) fn new(allowed: RateLimits) -> Self {
        Self {
            allowed,
            hasher: RandomState::new(),
            started: Instant::now(),
            addresses: Table::default(),
            credentials: Table::default(),
        }
    }

    fn take(&self, table: &Table, limit: Limit, key: impl Hash) -> Result<(), Duration> {
        table.take(self.hasher.hash_one(key), limit, self.started.elapsed())
    }
}

/// What a caller presented, by which its requests are counted.
#[derive(Hash)]
enum Presented<'a> {
    ApiKey(&'a str),
    Token(&'a str),
    /// A name and its secret: with a wrong secret it is somebody else.
    Client(&'a str, &'a str),
    /// A name that anybody may say, and who said it.
    Name(Cow<'a, str>, IpAddr),
}

/// Count a request by the address it comes from.
///
/// # Errors
/// [`Edge::TooMany`].
pub(crate) fn by_address(app: &App, request: &Request) -> Result<(), Edge> {
    let Some(limit) = app.limits.allowed.by_address else { return Ok(()) };
    let key = (address(app, request), request.path());
    app.limits.take(&app.limits.addresses, limit, key).map_err(|wait| too_many("address", wait))
}

/// Count a request by the access token it presents.
///
/// # Errors
/// [`Edge::TooMany`].
pub(crate) fn by_token(app: &App, request: &Request, token: &str) -> Result<(), Edge> {
    by_credential(app, request, |_| Some(Presented::Token(token)))
}

/// Count a request by the credential in its parameters, or of its client; by none where there is none.
///
/// # Errors
/// [`Edge::TooMany`].
pub(crate) fn by_parameters(
    app: &App,
    request: &Request,
    params: &Params<'_>,
    client: Option<&ClientProof>,
) -> Result<(), Edge> {
    by_credential(app, request, |from| {
        let one = |name| params.one(name).ok().flatten();
        if let Some(api_key) = one("api_key") {
            return Some(Presented::ApiKey(api_key));
        }
        if let Some(client) = client {
            return Some(match client {
                ClientProof::Name(name) => Presented::Name(name.into(), from),
                ClientProof::Basic { client_id, secret } | ClientProof::Post { client_id, secret } => {
                    Presented::Client(client_id, secret.expose())
                }
                ClientProof::Assertion { assertion, .. } => {
                    Presented::Name(issuer(assertion.expose()).into(), from)
                }
            });
        }
        let assertion = one("actor_token").or_else(|| one("assertion")).or_else(|| one("subject"))?;
        Some(Presented::Name(issuer(assertion).into(), from))
    })
}

fn by_credential<'a>(
    app: &App,
    request: &Request,
    presented: impl FnOnce(IpAddr) -> Option<Presented<'a>>,
) -> Result<(), Edge> {
    let Some(limit) = app.limits.allowed.by_credential else { return Ok(()) };
    let Some(presented) = presented(address(app, request)) else { return Ok(()) };
    let key = (presented, request.path());
    app.limits.take(&app.limits.credentials, limit, key).map_err(|wait| too_many("credential", wait))
}

/// Who an assertion says signed it; nobody when it says nothing.
fn issuer(assertion: &str) -> String {
    #[derive(Default, Deserialize)]
    struct Claims {
        iss: String,
    }
    let claims = parse(assertion).ok().and_then(|jws| serde_json::from_slice(&jws.peek().payload).ok());
    let Claims { iss } = claims.unwrap_or_default();
    iss
}

/// Whom an address is counted as: a network of IPv6 is one caller, who may take any address in it.
fn address(app: &App, request: &Request) -> IpAddr {
    match app.trusted_proxies.client_of(request.peer, &request.headers) {
        IpAddr::V6(address) => {
            let network = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(network.into())
        }
        address @ IpAddr::V4(_) => address,
    }
}

fn too_many(of: &'static str, wait: Duration) -> Edge {
    Edge::TooMany { of, seconds: wait.as_secs() + u64::from(wait.subsec_nanos() > 0) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn made_up_api_keys_push_out_no_address_and_no_credential_that_is_refused() {
        let (limit, path): (Limit, _) = ("1/100".parse().unwrap(), "/oauth2/token");
        let limits = Limits::new(RateLimits { by_address: Some(limit), by_credential: Some(limit) });
        let address: IpAddr = "198.51.100.7".parse().unwrap();
        let by_address = || limits.take(&limits.addresses, limit, (address, path));
        let by_key = |key: &str| limits.take(&limits.credentials, limit, (Presented::ApiKey(key), path));
        for _ in 0..100 {
            by_address().unwrap();
            by_key("looping").unwrap();
        }
        // Far more than there is room for.
        for number in 0..200_000 {
            by_key(&format!("made-up-{number}")).unwrap();
        }
        let let_in = (0..100).filter(|_| by_key("looping").is_ok()).count();
        assert!(let_in < 50, "it was forgotten: {let_in}");
        assert!((0..100).filter(|_| by_address().is_ok()).count() < 50);
        by_key("fair").unwrap();
    }
}
