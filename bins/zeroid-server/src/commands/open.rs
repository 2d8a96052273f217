//! From settings to an engine.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use zeroid_core::{Engine, Parts};
use zeroid_identity_model::Timestamp;
use zeroid_jose::{MasterKey, SystemRandom};

use super::folder::Folder;
use crate::fetching::Fetching;
use crate::settings::Settings;

/// Open the store and the engine on it.
pub(super) async fn engine(
    settings: &Settings,
    folder: &Folder,
    issuer: &str,
) -> Result<Arc<Engine>, String> {
    let store = settings.database.open()?;
    let mut rules = zeroid_core::Settings::new(issuer, settings.trust_domain.clone());
    rules.rules.profile = settings.profile;
    rules.rules.default_ttl_seconds = settings.token_ttl_seconds;
    rules.rules.delegated_ttl_seconds = settings.delegated_ttl_seconds;
    rules.token_typ = settings.token_typ;
    rules.always_verify_signatures = settings.always_verify_signatures;
    rules.inspection = settings.inspection;
    rules.credential_retention_days = settings.credential_retention_days;
    rules.dpop_nonce_required = settings.dpop_nonce_required;
    let master = MasterKey::parse(folder.master.to_text().expose()).map_err(|error| error.to_string())?;
    let engine = Engine::open(Parts {
        store,
        master,
        random: Arc::new(SystemRandom::new()),
        clock: Arc::new(now),
        signing: settings.signing.open()?,
        settings: rules,
    })
    .await
    .map_err(|error| error.to_string())?
    .fetching(Arc::new(Fetching::new(settings.fetch_allow.clone())?));
    if let Some(key) = &settings.operator_key {
        engine.accept_operator_key(key.expose());
    }
    Ok(Arc::new(engine))
}

/// The time of this machine.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
