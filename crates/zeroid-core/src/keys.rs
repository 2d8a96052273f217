//! Signing keys between their ring and the store.

use zeroid_identity_model::Timestamp;
use zeroid_jose::{KeyRing, KeyState, MasterKey, Random, SigningAlgorithm, WrappedKey};
use zeroid_storage::{SigningKeyRecord, Store};

use crate::error::Fault;

/// The ring of the stored keys, or of fresh ones that are stored first.
pub(crate) async fn load_or_create(
    store: &dyn Store,
    master: &MasterKey,
    random: &dyn Random,
    now: Timestamp,
) -> Result<KeyRing, Fault> {
    let mut stored = store.signing_keys().await?;
    if stored.is_empty() {
        let (_, fresh) = KeyRing::create(random, master, now).map_err(unusable)?;
        stored = store.first_signing_keys(fresh.iter().map(to_record).collect()).await?;
    }
    let wrapped: Result<Vec<_>, Fault> = stored.into_iter().map(from_record).collect();
    KeyRing::load(master, &wrapped?).map_err(unusable)
}

fn to_record(key: &WrappedKey) -> SigningKeyRecord {
    SigningKeyRecord {
        kid: key.kid.clone(),
        algorithm: key.algorithm.as_str().to_owned(),
        state: key.state.as_str().to_owned(),
        created_at: key.created_at,
        activated_at: key.activated_at,
        retiring_at: key.retiring_at,
        retired_at: key.retired_at,
        public_jwk: key.public_jwk.clone(),
        wrapped: key.wrapped.clone(),
    }
}

fn from_record(record: SigningKeyRecord) -> Result<WrappedKey, Fault> {
    let algorithm: SigningAlgorithm = record.algorithm.parse().map_err(unusable)?;
    let state: KeyState = record.state.parse().map_err(unusable)?;
    Ok(WrappedKey {
        kid: record.kid,
        algorithm,
        state,
        created_at: record.created_at,
        activated_at: record.activated_at,
        retiring_at: record.retiring_at,
        retired_at: record.retired_at,
        public_jwk: record.public_jwk,
        wrapped: record.wrapped,
    })
}

fn unusable(error: impl std::fmt::Display) -> Fault {
    Fault::Keys(error.to_string())
}
