//! What every handler shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde_json::Value;
use zeroid_core::Engine;
use zeroid_jose::{Random, SystemRandom, TargetUri};

use crate::handlers::metadata::{Documents, resource_metadata_url};
use crate::limits::{Limits, RateLimits};
use crate::proxies::TrustedProxies;

/// The running service.
pub struct App {
    /// The engine.
    pub engine: Arc<Engine>,
    /// Whether the administrative routes are open without a credential.
    pub dev: bool,
    /// The addresses this server is reached under, without a slash at the end.
    pub public_urls: Vec<String>,
    /// Whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: TrustedProxies,
    pub(crate) started: Instant,
    /// Where callers learn who issues the tokens this server takes (RFC 9728 §5.1).
    pub(crate) resource_metadata: String,
    request_prefix: String,
    requests: AtomicU64,
    /// Documents that are the same until the signing keys change.
    pub(crate) documents: Documents,
    /// How often one caller asked.
    pub(crate) limits: Limits,
    /// The description of every route.
    pub(crate) openapi: Value,
}

impl App {
    /// The service around an engine, and the description of its routes.
    pub fn new(
        engine: Arc<Engine>,
        dev: bool,
        public_urls: Vec<String>,
        trusted_proxies: TrustedProxies,
        rate_limits: RateLimits,
        openapi: Value,
    ) -> Self {
        let mut seed = [0_u8; 8];
        // Only a label: without randomness ids still differ within the process.
        let _ = SystemRandom::new().fill(&mut seed);
        let request_prefix = format!("{:016x}", u64::from_be_bytes(seed));
        let resource_metadata = resource_metadata_url(&engine.settings().rules.issuer);
        Self {
            resource_metadata,
            engine,
            dev,
            public_urls,
            trusted_proxies,
            started: Instant::now(),
            request_prefix,
            requests: AtomicU64::new(0),
            documents: Documents::default(),
            limits: Limits::new(rate_limits),
            openapi,
        }
    }

    /// What a DPoP proof may call a path of this server: under its public addresses, never under the request's own `Host`
    /// (house rule E21).
    pub(crate) fn targets(&self, path: &str) -> Vec<TargetUri> {
        self.public_urls.iter().filter_map(|base| format!("{base}{path}").parse().ok()).collect()
    }

    /// A fresh id for a request that brought none.
    pub(crate) fn request_id(&self) -> String {
        format!("{}-{:x}", self.request_prefix, self.requests.fetch_add(1, Ordering::Relaxed))
    }
}
