//! Signing keys between their ring and the store: made once, rotated, retired, and followed by every replica.

use std::sync::{Arc, PoisonError};

use zeroid_identity_model::Timestamp;
use zeroid_jose::{
    KeyRing, KeyState, MasterKey, Random, RotateError, Rotation, SigningAlgorithm, WrappedKey,
};
use zeroid_storage::{SigningKeyRecord, Store, StoreError};
use zeroid_token_core::{CutOff, CutOffKey, Dead, KeyId, Reason};

use crate::engine::Engine;
use crate::error::{Fault, KeysError};

/// How often a change of keys is tried again when another replica changed them meanwhile.
const ATTEMPTS: usize = 8;

/// How long a key goes on verifying beyond the longest token it signed, in seconds: a replica may sign with it until it
/// has seen the rotation.
const RETIRE_MARGIN_SECONDS: i64 = 600;

/// How long a reading of the keys is good enough to say that a key is unknown, in seconds.
const UNKNOWN_KEY_SECONDS: i64 = 1;

/// A signing key as operators see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its id.
    pub kid: KeyId,
    /// Its algorithm.
    pub algorithm: SigningAlgorithm,
    /// Its state.
    pub state: KeyState,
    /// When it was made and published.
    pub created_at: Timestamp,
    /// When it began to sign.
    pub activated_at: Option<Timestamp>,
    /// When it stopped to sign.
    pub retiring_at: Option<Timestamp>,
    /// When it stopped to verify.
    pub retired_at: Option<Timestamp>,
}

impl Engine {
    /// Every signing key, oldest first.
    pub fn keys(&self) -> Vec<KeyInfo> {
        self.ring().stored().into_iter().map(KeyInfo::from).collect()
    }

    /// Sign with the next key from now on, and publish one to follow it.
    ///
    /// Planned: the old key verifies until its last token has ended. Emergency: everything it ever signed is cut off,
    /// and everything below that.
    ///
    /// # Errors
    /// [`KeysError::Rotate`] when the next key is too fresh for clients to know it, or our fault.
    pub async fn rotate_keys(&self, rotation: Rotation, reason: &str) -> Result<Vec<KeyInfo>, KeysError> {
        self.change_keys(reason, |ring, now| {
            ring.rotate(&*self.random, &self.master, now, rotation).map(Some)
        })
        .await
    }

    /// Retire a key at once, and cut off everything it ever signed.
    ///
    /// # Errors
    /// [`KeysError::Unknown`] when no key of this id is in use, or our fault.
    pub async fn retire_key(&self, kid: &str, reason: &str) -> Result<Vec<KeyInfo>, KeysError> {
        self.change_keys(reason, |ring, now| ring.retire(kid, &*self.random, &self.master, now)).await
    }

    /// See what others did to the keys, and retire those whose last token has ended. The caller decides how often: a
    /// replica goes on signing with the key it knows until then.
    ///
    /// # Errors
    /// Our fault; the keys known so far go on being used.
    pub async fn keep_keys(&self) -> Result<(), Fault> {
        self.read_keys().await?;
        let longest = i64::from(self.settings.rules.max_ttl_seconds) + RETIRE_MARGIN_SECONDS;
        let due = |ring: &KeyRing, now| Ok(ring.retire_due(now, longest));
        match self.change_keys("", due).await {
            Ok(_) | Err(KeysError::Unknown) => Ok(()),
            Err(KeysError::Fault(fault)) => Err(fault),
            Err(KeysError::Rotate(error)) => Err(unusable(error)),
        }
    }

    /// Whether what a key signed may be good. Another replica may have begun to sign with a key that this one has not
    /// seen at work: then the keys are read again, and no token is called unknown for it.
    pub(crate) async fn knows_key(&self, kid: &str) -> Result<bool, Fault> {
        let ring = self.ring();
        if ring.verifier(kid).is_some() {
            return Ok(true);
        }
        let fresh = self.now().seconds_since(self.keys_read_at()) < UNKNOWN_KEY_SECONDS;
        match ring.state(kid) {
            Some(KeyState::Retired) => return Ok(false),
            None if fresh => return Ok(false),
            _ => self.read_keys().await?,
        }
        Ok(self.ring().verifier(kid).is_some())
    }

    /// After a refusal to store what a key signed: whether that key was cut off, so that another try is worth it.
    pub(crate) async fn lost_its_key(&self, kid: &KeyId, dead: &Dead) -> Result<bool, Fault> {
        let lost = matches!(dead, Dead::CutOff(cut) if matches!(&**cut, CutOff { key: CutOffKey::SigningKey(cut), .. } if cut == kid));
        if lost {
            self.read_keys().await?;
        }
        Ok(lost && self.ring().signer().kid() != kid)
    }

    async fn read_keys(&self) -> Result<(), Fault> {
        let now = self.now();
        let stored = self.store.signing_keys().await?;
        self.take_keys(load(&self.master, stored)?, now);
        Ok(())
    }

    async fn change_keys(
        &self,
        reason: &str,
        change: impl Fn(&KeyRing, Timestamp) -> Result<Option<(KeyRing, Vec<WrappedKey>)>, RotateError>,
    ) -> Result<Vec<KeyInfo>, KeysError> {
        for _ in 0..ATTEMPTS {
            let now = self.now();
            let seen = self.store.signing_keys().await.map_err(Fault::from)?;
            let ring = load(&self.master, seen.clone())?;
            let (next, stored) = change(&ring, now)?.ok_or(KeysError::Unknown)?;
            // What is retired before its last token has ended takes its tokens with it.
            let cut: Vec<_> = stored
                .iter()
                .filter(|key| !reason.is_empty() && key.state == KeyState::Retired)
                .filter(|key| ring.state(key.kid.as_str()) != Some(KeyState::Retired))
                .map(|key| (key.kid.clone(), Reason::new(reason)))
                .collect();
            let records = stored.iter().map(to_record).collect();
            match self.store.change_signing_keys(&seen, records, &cut, now).await {
                Ok(()) => {
                    self.take_keys(next, now);
                    return Ok(self.keys());
                }
                Err(StoreError::Stale) => {}
                Err(error) => return Err(Fault::from(error).into()),
            }
        }
        Err(Fault::Contended.into())
    }

    fn take_keys(&self, ring: KeyRing, read_at: Timestamp) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = (Arc::new(ring), read_at);
    }
}

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
    load(master, stored)
}

fn load(master: &MasterKey, stored: Vec<SigningKeyRecord>) -> Result<KeyRing, Fault> {
    let wrapped: Result<Vec<_>, Fault> = stored.into_iter().map(from_record).collect();
    KeyRing::load(master, &wrapped?).map_err(unusable)
}

impl From<WrappedKey> for KeyInfo {
    fn from(key: WrappedKey) -> Self {
        let WrappedKey { kid, algorithm, state, created_at, activated_at, retiring_at, retired_at, .. } = key;
        Self { kid, algorithm, state, created_at, activated_at, retiring_at, retired_at }
    }
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
