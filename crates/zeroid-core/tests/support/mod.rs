//! An engine over the in-memory store, with a clock the test moves and predictable randomness.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub, missing_docs)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use serde_json::json;
use zeroid_core::{
    ApiKeyGrant, Engine, ExchangeGrant, FetchKeys, Introspection, Issued, NewIdentity, OpenError, Parts,
    Registered, Settings, Signing, TokenError,
};
use zeroid_identity_model::{Tenant, Timestamp};
use zeroid_jose::{DangerousSeededRandom, MasterKey, Secret, SigningKey};
use zeroid_storage::{MemoryStore, Store};
use zeroid_token_core::Asked;

pub const ISSUER: &str = "https://id.example";
pub const START: i64 = 1_790_000_000;

pub struct World {
    pub engine: Engine,
    pub tenant: Tenant,
    clock: Arc<AtomicI64>,
}

impl World {
    pub async fn new() -> Self {
        Self::on(Arc::new(MemoryStore::new()), |_| {}).await
    }

    pub async fn on(store: Arc<dyn Store>, change: impl FnOnce(&mut Settings)) -> Self {
        Self::with_signing(store, Signing::default(), change).await
    }

    pub async fn with_signing(
        store: Arc<dyn Store>,
        signing: Signing,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let clock = Arc::new(AtomicI64::new(START * 1_000_000));
        Self::with_clock(store, clock, signing, change).await.unwrap()
    }

    /// One more engine on the same store, by the same clock.
    pub async fn replica(&self, store: Arc<dyn Store>) -> Self {
        self.replica_with(store, Signing::default(), |_| {}).await.unwrap()
    }

    /// One more engine on the same store, by the same clock, that signs in its own way; it may not start.
    pub async fn replica_with(
        &self,
        store: Arc<dyn Store>,
        signing: Signing,
        change: impl FnOnce(&mut Settings),
    ) -> Result<Self, OpenError> {
        Self::with_clock(store, Arc::clone(&self.clock), signing, change).await
    }

    async fn with_clock(
        store: Arc<dyn Store>,
        clock: Arc<AtomicI64>,
        signing: Signing,
        change: impl FnOnce(&mut Settings),
    ) -> Result<Self, OpenError> {
        let reading = Arc::clone(&clock);
        let mut settings = Settings::new(ISSUER, "id.example".parse().unwrap());
        change(&mut settings);
        let random = DangerousSeededRandom::new(7);
        let engine = Engine::open(Parts {
            store,
            master: MasterKey::from_bytes([7; 32]).unwrap(),
            random: Arc::new(random),
            clock: Arc::new(move || Timestamp::from_micros(reading.fetch_add(1, Ordering::SeqCst))),
            signing,
            settings,
        })
        .await?;
        Ok(Self { engine, tenant: Tenant::new("acme", "prod").unwrap(), clock })
    }

    /// The same, with a way to fetch key sets.
    pub fn fetching(self, fetch: Arc<dyn FetchKeys>) -> Self {
        Self { engine: self.engine.fetching(fetch), ..self }
    }

    pub fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }

    pub async fn agent(&self, name: &str) -> Registered {
        self.agent_with(name, |_| {}).await
    }

    pub async fn agent_with(&self, name: &str, change: impl FnOnce(&mut NewIdentity)) -> Registered {
        let mut new = NewIdentity::agent(name.parse().unwrap(), "dev@acme.example".parse().unwrap());
        change(&mut new);
        self.engine.register(&self.tenant, new, None).await.unwrap()
    }

    pub async fn root(&self, agent: &Registered, scopes: &str) -> Result<Issued, TokenError> {
        self.engine
            .api_key_grant(ApiKeyGrant {
                api_key: agent.api_key.clone(),
                client: None,
                asked: asked(scopes),
                typ: None,
            })
            .await
    }

    pub async fn hop(
        &self,
        subject: &Issued,
        actor: &Registered,
        scopes: &str,
    ) -> Result<Issued, TokenError> {
        self.engine
            .exchange(ExchangeGrant {
                subject_token: subject.access_token.clone(),
                actor_token: None,
                api_key: Some(actor.api_key.clone()),
                client: None,
                asked: asked(scopes),
                typ: None,
            })
            .await
    }

    pub async fn hop_by_assertion(
        &self,
        subject: &Issued,
        assertion: String,
        scopes: &str,
    ) -> Result<Issued, TokenError> {
        self.engine
            .exchange(ExchangeGrant {
                subject_token: subject.access_token.clone(),
                actor_token: Some(Secret::new(assertion)),
                api_key: None,
                client: None,
                asked: asked(scopes),
                typ: None,
            })
            .await
    }

    pub async fn is_active(&self, token: &Issued) -> bool {
        matches!(self.engine.introspect(token.access_token.expose()).await.unwrap(), Introspection::Active(_))
    }
}

pub fn asked(scopes: &str) -> Asked {
    Asked { scopes: Some(scopes.parse().unwrap()).filter(|_| !scopes.is_empty()), ..Asked::default() }
}

/// An assertion as the clients sign it; `change` edits its claims.
pub fn assertion(
    key: &SigningKey,
    uri: &str,
    now: Timestamp,
    change: impl FnOnce(&mut serde_json::Value),
) -> String {
    let at = now.unix_seconds();
    let mut claims = json!({"iss": uri, "sub": uri, "aud": ISSUER, "jti": format!("{at}-{}", now.as_micros()), "iat": at, "exp": at + 120});
    change(&mut claims);
    key.sign("JWT", claims.to_string().as_bytes()).unwrap()
}
