//! Signing keys between their ring and the store: made once, rotated, retired, and followed by every replica.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use zeroid_identity_model::Timestamp;
use zeroid_jose::{
    KeyKeeper, KeyRing, KeyRingError, KeyState, RotateError, Rotation, SigningAlgorithm, WrappedKey,
};
use zeroid_storage::{SigningKeyRecord, Store, StoreError};
use zeroid_token_core::{CutOff, CutOffKey, Dead, KeyId, Reason};

use crate::engine::Engine;
use crate::error::{Fault, KeysError};
use crate::offload::{Inline, Offload, offload};
use crate::signing::CHANGE_WITHIN;

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
    /// Where it lives, if not in the store under the master key: what it is asked for by.
    pub reference: Option<String>,
}

/// What a change makes of a ring; absent when there is nothing to change.
type Changed = Result<Option<(KeyRing, Vec<WrappedKey>)>, RotateError>;

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
        if rotation == Rotation::Emergency {
            return self
                .change_at_once(reason, move |ring, keeper, now| ring.rotate(keeper, now, rotation).map(Some))
                .await;
        }
        let change = move |ring: &KeyRing, keeper: &KeyKeeper, now| {
            let (next, stored) = ring.rotate(keeper, now, rotation)?;
            // A key that cannot sign must not be promoted while the old one can.
            check(&next)?;
            Ok(Some((next, stored)))
        };
        self.change_keys(reason, &*self.offload, change).await
    }

    /// Retire a key at once, and cut off everything it ever signed.
    ///
    /// # Errors
    /// [`KeysError::Unknown`] when no key of this id is in use, or our fault.
    pub async fn retire_key(&self, kid: &str, reason: &str) -> Result<Vec<KeyInfo>, KeysError> {
        let kid = kid.to_owned();
        self.change_at_once(reason, move |ring, keeper, now| ring.retire(&kid, keeper, now)).await
    }

    /// A change that may not wait for a place of keys that is slow or down: it asks for nothing, since the key that is
    /// promoted was made before. The one after it is made when the change is done, and if that fails, later.
    async fn change_at_once(
        &self,
        reason: &str,
        change: impl Fn(&KeyRing, &KeyKeeper, Timestamp) -> Changed + Send + Sync + 'static,
    ) -> Result<Vec<KeyInfo>, KeysError> {
        self.read_keys().await?;
        if !self.ring().has_next() {
            self.publish_next_key().await?;
        }
        self.change_keys(reason, &Inline, change).await?;
        let _ = self.publish_next_key().await;
        Ok(self.keys())
    }

    /// Publish a next key such as the settings ask for, if there is none: after they changed, the next rotation takes
    /// it. The caller decides when; every few seconds is no burden.
    ///
    /// # Errors
    /// Our fault; the keys known so far go on being used.
    pub async fn publish_next_key(&self) -> Result<(), Fault> {
        let follows = |key: &WrappedKey| key.state == KeyState::Next && self.keeper.makes_such(key);
        if self.ring().stored().iter().any(follows) {
            return Ok(());
        }
        let complete = |ring: &KeyRing, keeper: &KeyKeeper, now| Ok(ring.complete(keeper, now)?);
        only_faults(self.change_keys("", &*self.offload, complete).await)
    }

    /// See what others did to the keys, and retire those whose last token has ended. The caller decides how often: a
    /// replica goes on signing with the key it knows until then.
    ///
    /// # Errors
    /// Our fault; the keys known so far go on being used.
    pub async fn keep_keys(&self) -> Result<(), Fault> {
        self.read_keys().await?;
        let longest = i64::from(self.settings.rules.max_ttl_seconds) + RETIRE_MARGIN_SECONDS;
        if self.ring().retire_due(self.now(), longest).is_none() {
            return Ok(());
        }
        let due = move |ring: &KeyRing, _: &KeyKeeper, now| Ok(ring.retire_due(now, longest));
        only_faults(self.change_keys("", &*self.offload, due).await)
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
        let stored = from_records(self.store.signing_keys().await?)?;
        let known = self.ring();
        if known.is_of(&stored) {
            self.take_keys(known, now);
            return Ok(());
        }
        let ring = load(&self.keeper, &*self.offload, stored).await?;
        self.take_keys(Arc::new(ring), now);
        Ok(())
    }

    async fn change_keys(
        &self,
        reason: &str,
        aside: &dyn Offload,
        change: impl Fn(&KeyRing, &KeyKeeper, Timestamp) -> Changed + Send + Sync + 'static,
    ) -> Result<Vec<KeyInfo>, KeysError> {
        let change = Arc::new(change);
        for _ in 0..ATTEMPTS {
            let now = self.now();
            let seen = self.store.signing_keys().await.map_err(Fault::from)?;
            let before = from_records(seen.clone())?;
            let (change, keeper) = (Arc::clone(&change), self.keeper.clone());
            let work = move || {
                let ring = KeyRing::load(&keeper, &before)?;
                let changed = change(&ring, &keeper, now)?;
                Ok((ring, changed))
            };
            let done: Result<_, RotateError> = offload(aside, CHANGE_WITHIN, work).await?;
            let (ring, changed) = done.map_err(KeysError::from)?;
            let (next, stored) = changed.ok_or(KeysError::Unknown)?;
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
                    self.take_keys(Arc::new(next), now);
                    return Ok(self.keys());
                }
                Err(StoreError::Stale) => self.discard(stored, &ring).await,
                // It may have been stored all the same: then its keys are needed.
                Err(error) => return Err(Fault::from(error).into()),
            }
        }
        Err(Fault::Contended.into())
    }

    /// Destroy what was made elsewhere for a change that was not stored. It is tried once: what stays harms nobody.
    async fn discard(&self, mut made: Vec<WrappedKey>, before: &KeyRing) {
        made.retain(|key| key.reference.is_some() && before.state(key.kid.as_str()).is_none());
        if !made.is_empty() {
            let keeper = self.keeper.clone();
            let _ = offload(&*self.offload, CHANGE_WITHIN, move || keeper.discard(&made)).await;
        }
    }

    fn take_keys(&self, ring: Arc<KeyRing>, read_at: Timestamp) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = (ring, read_at);
        self.ring_changes.fetch_add(1, Ordering::SeqCst);
    }
}

/// The ring of the stored keys, or of fresh ones that are stored first; its active key signs.
pub(crate) async fn load_or_create(
    store: &dyn Store,
    keeper: &KeyKeeper,
    aside: &dyn Offload,
    now: Timestamp,
) -> Result<KeyRing, Fault> {
    let mut stored = from_records(store.signing_keys().await?)?;
    if stored.is_empty() {
        let maker = keeper.clone();
        let made = offload(aside, CHANGE_WITHIN, move || KeyRing::create(&maker, now)).await?;
        let (_, fresh) = made?;
        stored = from_records(store.first_signing_keys(fresh.iter().map(to_record).collect()).await?)?;
        let lost: Vec<_> = fresh.into_iter().filter(|key| !stored.contains(key)).collect();
        let maker = keeper.clone();
        if !lost.is_empty() {
            let _ = offload(aside, CHANGE_WITHIN, move || maker.discard(&lost)).await;
        }
    }
    let ring = load(keeper, aside, stored).await?;
    let checked = ring.clone();
    offload(aside, CHANGE_WITHIN, move || check(&checked)).await??;
    Ok(ring)
}

async fn load(keeper: &KeyKeeper, aside: &dyn Offload, stored: Vec<WrappedKey>) -> Result<KeyRing, Fault> {
    if stored.iter().all(|key| key.algorithm == SigningAlgorithm::Es256) {
        return Ok(KeyRing::load(keeper, &stored)?);
    }
    let keeper = keeper.clone();
    Ok(offload(aside, CHANGE_WITHIN, move || KeyRing::load(&keeper, &stored)).await??)
}

/// Whether the active key signs: one elsewhere may be gone, or out of order. What is signed is no token.
fn check(ring: &KeyRing) -> Result<(), KeyRingError> {
    ring.signer().sign("zeroid-check", b"{}").map(drop).map_err(KeyRingError::Sign)
}

fn only_faults(changed: Result<Vec<KeyInfo>, KeysError>) -> Result<(), Fault> {
    match changed {
        // Another replica did it meanwhile.
        Ok(_) | Err(KeysError::Unknown) => Ok(()),
        Err(KeysError::Fault(fault)) => Err(fault),
        Err(KeysError::Rotate(error)) => Err(error.into()),
    }
}

impl From<WrappedKey> for KeyInfo {
    fn from(key: WrappedKey) -> Self {
        let WrappedKey { kid, algorithm, state, created_at, activated_at, retiring_at, retired_at, .. } = key;
        let reference = key.reference;
        Self { kid, algorithm, state, created_at, activated_at, retiring_at, retired_at, reference }
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
        reference: key.reference.clone(),
        wrapped: key.wrapped.clone(),
    }
}

fn from_records(records: Vec<SigningKeyRecord>) -> Result<Vec<WrappedKey>, Fault> {
    records.into_iter().map(from_record).collect()
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
        reference: record.reference,
        wrapped: record.wrapped,
    })
}

fn unusable(error: impl std::fmt::Display) -> Fault {
    Fault::Keys(error.to_string())
}
