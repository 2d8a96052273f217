//! The engine in a program of your own, on SQLite: `cargo run -p zeroid-core --example embed_sqlite`.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use zeroid_core::{ApiKeyGrant, Engine, ExchangeGrant, Introspection, NewIdentity, Parts, Settings, Signing};
use zeroid_identity_model::{Tenant, Timestamp};
use zeroid_jose::{MasterKey, SystemRandom};
use zeroid_storage_diesel::{SqliteOptions, SqliteStore};
use zeroid_token_core::Asked;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let random = SystemRandom::new();
    let engine = Engine::open(Parts {
        store: Arc::new(SqliteStore::open(SqliteOptions::new(folder.path().join("zeroid.db")))?),
        master: MasterKey::generate(&random)?,
        random: Arc::new(random),
        clock: Arc::new(now),
        signing: Signing::default(),
        settings: Settings::new("https://id.example", "id.example".parse()?),
    })
    .await?;

    let tenant = Tenant::new("acme", "prod")?;
    let owner = || "dev@acme.example".parse();
    let boss = engine.register(&tenant, NewIdentity::agent("boss".parse()?, owner()?), None).await?;
    let aide = engine.register(&tenant, NewIdentity::agent("aide".parse()?, owner()?), None).await?;

    let asked = |scopes: &str| Asked { scopes: scopes.parse().ok(), ..Asked::default() };
    let grant = ApiKeyGrant { api_key: boss.api_key, client: None, asked: asked("read write"), typ: None };
    let root = engine.api_key_grant(grant).await?;
    let leaf = engine
        .exchange(ExchangeGrant {
            subject_token: root.access_token.clone(),
            actor_token: None,
            api_key: Some(aide.api_key),
            client: None,
            asked: asked("read"),
            typ: None,
        })
        .await?;
    assert_eq!(leaf.claims.delegation_depth, 1);
    assert!(matches!(engine.introspect(leaf.access_token.expose()).await?, Introspection::Active(_)));

    engine.revoke_token(root.access_token.expose()).await?;
    assert!(matches!(engine.introspect(leaf.access_token.expose()).await?, Introspection::Inactive));
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "an embedder hands its clock in")]
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
