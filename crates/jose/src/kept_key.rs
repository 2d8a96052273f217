//! A signing key at rest: how it is made, sealed, and opened again.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zeroid_identity_model::Timestamp;
use zeroid_token_core::KeyId;

use crate::algorithm::SigningAlgorithm;
use crate::jwk::Jwk;
use crate::key_ring::KeyState;
use crate::master::{MasterKey, WrapError};
use crate::public_key::PublicKey;
use crate::random::Random;
use crate::signer::{HeldKey, Signer, SignerError};
use crate::signing::{SignError, SigningKey};

/// A key as it is stored: everything but its private half in the clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
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
    /// The public half.
    pub public_jwk: String,
    /// What a key that lives elsewhere is asked for by; absent when its private half is here.
    pub reference: Option<String>,
    /// Sealed under the master key: the private half, or of a key elsewhere its reference and public half, so that
    /// nobody who can only write to the database makes a key ours.
    pub wrapped: Vec<u8>,
}

impl WrappedKey {
    pub(crate) const fn retire(&mut self, now: Timestamp) {
        self.state = KeyState::Retired;
        self.retired_at = Some(now);
    }
}

/// Why keys do not load.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// What was sealed does not open under this master key.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// A private half is unusable, or a key could not be made.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The place where keys are made failed.
    #[error("a signing key could not be made: {0}")]
    Elsewhere(#[from] SignerError),
    /// Not exactly one key is active.
    #[error("{0} signing keys are active, exactly one must be")]
    Active(usize),
    /// A stored public half is not that of the private one.
    #[error("a stored public key does not belong to its private key")]
    Mismatch,
    /// The active key lives where this process cannot ask.
    #[error("the active signing key is `{0}`, and the settings name nothing that holds it")]
    OutOfReach(String),
    /// Keys are to be made elsewhere, and no such place was handed in.
    #[error("signing keys are to be made elsewhere, and the settings name no such place")]
    NoPlace,
}

/// Where new keys are made. Those that exist stay where they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyPlace {
    /// In this process; they are stored wrapped under the master key.
    #[default]
    Here,
    /// In the [`Signer`], which they never leave.
    Elsewhere,
}

/// What signing keys are made, sealed and opened with.
#[derive(Clone)]
pub struct KeyKeeper {
    /// What they are sealed under.
    pub master: Arc<MasterKey>,
    /// Randomness for sealing.
    pub random: Arc<dyn Random>,
    /// The algorithm of new keys.
    pub algorithm: SigningAlgorithm,
    /// Where new keys are made.
    pub place: KeyPlace,
    /// Who holds the keys that are not here.
    pub signer: Option<Arc<dyn Signer>>,
}

/// A key that was opened; it can sign when its private half is here or within reach.
#[derive(Clone)]
pub(crate) struct OpenedKey {
    pub(crate) public: PublicKey,
    pub(crate) signing: Option<Arc<SigningKey>>,
}

/// What is sealed of a key that lives elsewhere.
#[derive(Serialize, Deserialize)]
struct Elsewhere {
    reference: String,
    jwk: Jwk,
}

impl KeyKeeper {
    /// Whether new keys are like this one: of the same algorithm, in the same place.
    pub fn makes_such(&self, key: &WrappedKey) -> bool {
        let in_place = match (self.place, &key.reference) {
            (KeyPlace::Here, reference) => reference.is_none(),
            (KeyPlace::Elsewhere, Some(reference)) => self.reaches(reference),
            (KeyPlace::Elsewhere, None) => false,
        };
        in_place && key.algorithm == self.algorithm
    }

    /// Destroy keys that were made and could not be stored. It is tried once: a key that stays harms nobody.
    pub fn discard<'k>(&self, made: impl IntoIterator<Item = &'k WrappedKey>) {
        let references = made.into_iter().filter_map(|key| key.reference.as_deref());
        for reference in references.filter(|reference| self.reaches(reference)) {
            let _ = self.signer.as_ref().map(|signer| signer.discard(reference));
        }
    }

    fn reaches(&self, reference: &str) -> bool {
        self.signer.as_ref().is_some_and(|signer| signer.is_home_of(reference))
    }

    /// Make a key that is published, and signs nothing yet.
    pub(crate) fn fresh(&self, now: Timestamp) -> Result<WrappedKey, KeyRingError> {
        match self.place {
            KeyPlace::Here => {
                let (key, pkcs8) = SigningKey::generate_for(self.algorithm)?;
                let wrapped = self.master.wrap(&*self.random, &context_here(key.kid()), &pkcs8)?;
                Ok(published(&key, None, wrapped, now))
            }
            KeyPlace::Elsewhere => {
                let signer = self.signer.as_ref().ok_or(KeyRingError::NoPlace)?;
                let held = signer.generate(self.algorithm)?;
                let key = SigningKey::elsewhere(Arc::clone(signer), held.clone())?;
                if key.public().algorithm() != self.algorithm {
                    return Err(KeyRingError::Mismatch);
                }
                let HeldKey { reference, public } = held;
                let jwk = public.jwk(key.kid().as_str(), "sig");
                let plain = serde_json::json!(Elsewhere { reference: reference.clone(), jwk }).to_string();
                let context = context_elsewhere(key.kid());
                let wrapped = self.master.wrap(&*self.random, &context, plain.as_bytes())?;
                Ok(published(&key, Some(reference), wrapped, now))
            }
        }
    }

    /// Open a stored key. What it is comes from what was sealed, never from the row around it.
    pub(crate) fn open(&self, stored: &WrappedKey) -> Result<OpenedKey, KeyRingError> {
        let opened = match &stored.reference {
            None => {
                let pkcs8 = self.master.unwrap(&context_here(&stored.kid), &stored.wrapped)?;
                let key = SigningKey::load(stored.algorithm, &pkcs8)?;
                OpenedKey { public: key.public().clone(), signing: Some(Arc::new(key)) }
            }
            Some(reference) => {
                let plain = self.master.unwrap(&context_elsewhere(&stored.kid), &stored.wrapped)?;
                let sealed: Elsewhere = serde_json::from_slice(&plain).map_err(|_| KeyRingError::Mismatch)?;
                let public = PublicKey::from_jwk(&sealed.jwk).map_err(|_| KeyRingError::Mismatch)?;
                if sealed.reference != *reference || public.algorithm() != stored.algorithm {
                    return Err(KeyRingError::Mismatch);
                }
                let held = HeldKey { reference: sealed.reference, public: public.clone() };
                let home = self.signer.as_ref().filter(|signer| signer.is_home_of(reference));
                let signing = home.map(|signer| SigningKey::elsewhere(Arc::clone(signer), held));
                OpenedKey { public, signing: signing.transpose()?.map(Arc::new) }
            }
        };
        let is_named = opened.public.thumbprint().as_str() == stored.kid.as_str();
        if is_named { Ok(opened) } else { Err(KeyRingError::Mismatch) }
    }
}

impl fmt::Debug for KeyKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyKeeper")
            .field("algorithm", &self.algorithm)
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

fn published(key: &SigningKey, reference: Option<String>, wrapped: Vec<u8>, now: Timestamp) -> WrappedKey {
    WrappedKey {
        kid: key.kid().clone(),
        algorithm: key.public().algorithm(),
        state: KeyState::Next,
        created_at: now,
        activated_at: None,
        retiring_at: None,
        retired_at: None,
        public_jwk: serde_json::json!(key.public().jwk(key.kid().as_str(), "sig")).to_string(),
        reference,
        wrapped,
    }
}

/// A wrapped key opens only as the key it is.
fn context_here(kid: &KeyId) -> Vec<u8> {
    format!("signing key {kid}").into_bytes()
}

/// A private half never opens as a reference, nor the other way round.
fn context_elsewhere(kid: &KeyId) -> Vec<u8> {
    format!("signing key elsewhere {kid}").into_bytes()
}
