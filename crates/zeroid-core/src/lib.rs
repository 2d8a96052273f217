//! The engine that embedders link: registry, policies, issuance, delegation, introspection, revocation,
//! lineage queries.
//!
//! It loads facts, asks a rule, stores the outcome. Clock, randomness and store are handed in; it knows no
//! HTTP, no SQL and no environment, and starts no task.
//!
//! ```
//! use std::sync::Arc;
//! use zeroid_core::{ApiKeyGrant, Engine, ExchangeGrant, Introspection, NewIdentity, Parts, Settings, Signing};
//! use zeroid_identity_model::{Tenant, Timestamp};
//! use zeroid_jose::{MasterKey, SystemRandom};
//! use zeroid_storage::MemoryStore;
//! use zeroid_token_core::Asked;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let random = SystemRandom::new();
//! let engine = Engine::open(Parts {
//!     store: Arc::new(MemoryStore::new()),
//!     master: MasterKey::generate(&random)?,
//!     random: Arc::new(random),
//!     clock: Arc::new(|| Timestamp::from_unix_seconds(1_790_000_000)),
//!     signing: Signing::default(),
//!     settings: Settings::new("https://id.example", "id.example".parse()?),
//! })
//! .await?;
//!
//! // Two agents of one tenant, each with an API key of its own.
//! let tenant = Tenant::new("acme", "prod")?;
//! let boss = engine.register(&tenant, NewIdentity::agent("boss".parse()?, "dev@acme.example".parse()?), None).await?;
//! let aide = engine.register(&tenant, NewIdentity::agent("aide".parse()?, "dev@acme.example".parse()?), None).await?;
//!
//! // The first gets a token and delegates a part of it to the second.
//! let asked = |scopes: &str| Asked { scopes: scopes.parse().ok(), ..Asked::default() };
//! let api_key = boss.api_key;
//! let root = engine.api_key_grant(ApiKeyGrant { api_key, client: None, asked: asked("read write"), typ: None }).await?;
//! let leaf = engine
//!     .exchange(ExchangeGrant {
//!         subject_token: root.access_token.clone(),
//!         actor_token: None,
//!         api_key: Some(aide.api_key),
//!         client: None,
//!         asked: asked("read"),
//!         typ: None,
//!     })
//!     .await?;
//! assert_eq!(leaf.claims.sub, "spiffe://id.example/acme/prod/agent/aide");
//! assert_eq!(leaf.claims.act.as_ref().map(|act| act.sub.as_str()), Some("spiffe://id.example/acme/prod/agent/boss"));
//!
//! // Revoking the root kills everything below it.
//! engine.revoke_token(root.access_token.expose()).await?;
//! assert!(matches!(engine.introspect(leaf.access_token.expose()).await?, Introspection::Inactive));
//! # Ok(())
//! # }
//! ```

mod clock;
mod error;
mod offload;
mod requests;
mod settings;
mod turn;

mod engine;
mod key_sets;
mod keys;
mod signing;
mod token;

mod admit;
mod api_keys;
mod client_auth;
mod client_keys;
mod client_rules;
mod clients;
mod credentials;
mod delegation_routes;
mod dry_run;
mod exchange;
mod grants;
mod identity_rules;
mod introspect;
mod own_key;
mod policies;
mod registry;
mod signed_introspection;

mod assertion;
mod bootstrap;
mod proofs;
mod workload_proofs;

pub use admit::NotAdmitted;
pub use bootstrap::{ADMIN_EXTERNAL_ID, Bootstrapped};
pub use client_auth::{ClientProof, Inspector};
pub use clients::{ClientPatch, MadeClient, NewClient};
pub use clock::{Clock, MAX_CLOCK_OFFSET_SECONDS};
pub use delegation_routes::NewDelegationRoute;
pub use dry_run::{EvaluatedProof, Evaluation, ExchangeProof, Hypothetical};
pub use engine::{Engine, OpenError, Parts};
pub use error::{AdminError, Fault, KeysError, TokenError};
pub use key_sets::{
    ByUrlRefusal, FetchKeys, FetchedKeys, FetchingKeys, KeySetUnavailable, KeySets, NotFetched,
};
pub use keys::KeyInfo;
pub use offload::{Inline, NotDone, Offload, Offloaded, Work};
pub use own_key::{NewOwnKey, OWN_KEY_PATH, OwnKeyError};
pub use proofs::ProvenRequest;
pub use requests::{
    ActiveToken, ApiKeyGrant, BearerRefused, Caller, ClientCredentialsGrant, ExchangeGrant, Introspection,
    Issued, JwtBearerGrant, NewApiKey, NewIdentity, Presentation, PresentationRefused, Registered,
};
pub use settings::{
    CREDENTIAL_RETENTION_DAYS, DEFAULT_TTL_SECONDS, DELEGATED_TTL_SECONDS, Inspection, Settings,
};
pub use signed_introspection::INTROSPECTION_TYP;
pub use signing::Signing;
pub use workload_proofs::{
    MadeProof, NewProof, PROOF_TOKEN_SECONDS, PROOF_TOKEN_TYP, ProofNotGood, ProofNotMade, ProvenWorkload,
    ShownProof,
};
pub use zeroid_token_core::{IdentityPatch, NewPolicy, PolicyPatch};
