//! The ring of signing keys: next, active, retiring, retired. A pure state machine; time is handed in.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use zeroid_identity_model::Timestamp;
use zeroid_token_core::KeyId;

use crate::jwk::Jwks;
use crate::master::{MasterKey, WrapError};
use crate::public_key::PublicKey;
use crate::random::Random;
use crate::signing::{SignError, SigningAlgorithm, SigningKey};

/// How long a key is published before it signs, in seconds: clients cache a key set this long.
pub const PUBLISH_BEFORE_USE_SECONDS: i64 = 300;

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyState {
    /// Published, signs nothing yet.
    Next,
    /// Signs. Exactly one key is active.
    Active,
    /// Signs no more, still verifies.
    Retiring,
    /// Verifies no more, and is not published.
    Retired,
}

/// The text names no state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown key state")]
pub struct UnknownKeyState;

impl KeyState {
    /// The word it is stored by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
        }
    }
}

impl FromStr for KeyState {
    type Err = UnknownKeyState;
    fn from_str(word: &str) -> Result<Self, UnknownKeyState> {
        let states = [Self::Next, Self::Active, Self::Retiring, Self::Retired];
        states.into_iter().find(|state| state.as_str() == word).ok_or(UnknownKeyState)
    }
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

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
    /// The private half, wrapped under the master key.
    pub wrapped: Vec<u8>,
}

/// Why keys do not load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingError {
    /// A private half does not open under this master key.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// A private half is unusable, or a key could not be made.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// Not exactly one key is active.
    #[error("{0} signing keys are active, exactly one must be")]
    Active(usize),
    /// A stored public half is not that of the private one.
    #[error("a stored public key does not belong to its private key")]
    Mismatch,
}

/// Why a rotation did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RotateError {
    /// There is no published key to promote.
    #[error("there is no next key to promote")]
    NoNext,
    /// The next key is too fresh: clients that cache the key set do not know it.
    #[error(
        "the next key has been published for {published_for} s, {PUBLISH_BEFORE_USE_SECONDS} s are needed"
    )]
    TooFresh {
        /// How long it has been published, in seconds.
        published_for: i64,
    },
    /// A fresh key could not be made or wrapped.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
}

/// How urgent a rotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// Promote a key that clients know; the old one goes on verifying.
    Planned,
    /// Promote at once; the old key verifies nothing from now on.
    Emergency,
}

/// The signing keys of a deployment.
#[derive(Clone)]
pub struct KeyRing {
    keys: Vec<Loaded>,
    signer: Arc<SigningKey>,
}

#[derive(Clone)]
struct Loaded {
    stored: WrappedKey,
    public: PublicKey,
    key: Arc<SigningKey>,
}

impl KeyRing {
    /// The first keys: one that signs, and one that is published to sign next.
    ///
    /// # Errors
    /// [`KeyRingError`].
    pub fn create(
        random: &dyn Random,
        master: &MasterKey,
        now: Timestamp,
    ) -> Result<(Self, Vec<WrappedKey>), KeyRingError> {
        let mut active = fresh(random, master, now)?;
        active.state = KeyState::Active;
        active.activated_at = Some(now);
        let stored = vec![active, fresh(random, master, now)?];
        Ok((Self::load(master, &stored)?, stored))
    }

    /// The ring of stored keys.
    ///
    /// # Errors
    /// [`KeyRingError`]: another master key, or not exactly one active key.
    pub fn load(master: &MasterKey, stored: &[WrappedKey]) -> Result<Self, KeyRingError> {
        let mut keys = Vec::with_capacity(stored.len());
        for wrapped in stored {
            let pkcs8 = master.unwrap(&context(&wrapped.kid), &wrapped.wrapped)?;
            let key = SigningKey::from_pkcs8(&pkcs8)?;
            if *key.kid() != wrapped.kid {
                return Err(KeyRingError::Mismatch);
            }
            keys.push(Loaded { stored: wrapped.clone(), public: key.public().clone(), key: Arc::new(key) });
        }
        let mut active = keys.iter().filter(|loaded| loaded.stored.state == KeyState::Active);
        let signer = active.next().map(|loaded| Arc::clone(&loaded.key)).ok_or(KeyRingError::Active(0))?;
        match active.count() {
            0 => Ok(Self { keys, signer }),
            more => Err(KeyRingError::Active(more + 1)),
        }
    }

    /// The key that signs.
    pub const fn signer(&self) -> &Arc<SigningKey> {
        &self.signer
    }

    /// The key of this id, if what it signed is still good: active or retiring. A next key has signed nothing.
    pub fn verifier(&self, kid: &str) -> Option<&PublicKey> {
        let good = |loaded: &&Loaded| matches!(loaded.stored.state, KeyState::Active | KeyState::Retiring);
        let found = self.keys.iter().filter(good).find(|loaded| loaded.stored.kid.as_str() == kid);
        found.map(|loaded| &loaded.public)
    }

    /// The published keys: every one but the retired.
    pub fn jwks(&self) -> Jwks {
        let published = self.keys.iter().filter(|loaded| loaded.stored.state != KeyState::Retired);
        Jwks { keys: published.map(|loaded| loaded.public.jwk(loaded.stored.kid.as_str(), "sig")).collect() }
    }

    /// The keys as they are stored.
    pub fn stored(&self) -> Vec<WrappedKey> {
        self.keys.iter().map(|loaded| loaded.stored.clone()).collect()
    }

    /// Promote the next key, and publish a fresh one to follow it.
    ///
    /// # Errors
    /// [`RotateError`]; a planned rotation needs a key that clients have had time to learn.
    pub fn rotate(
        &self,
        random: &dyn Random,
        master: &MasterKey,
        now: Timestamp,
        rotation: Rotation,
    ) -> Result<(Self, Vec<WrappedKey>), RotateError> {
        let mut stored = self.stored();
        let oldest = stored.iter().filter(|key| key.state == KeyState::Next).min_by_key(|key| key.created_at);
        let promoted = oldest.ok_or(RotateError::NoNext)?;
        let published_for = now.seconds_since(promoted.created_at);
        if rotation == Rotation::Planned && published_for < PUBLISH_BEFORE_USE_SECONDS {
            return Err(RotateError::TooFresh { published_for });
        }
        let kid = promoted.kid.clone();
        for key in &mut stored {
            if key.state == KeyState::Active {
                key.retiring_at = Some(now);
                key.state = KeyState::Retiring;
                if rotation == Rotation::Emergency {
                    key.retired_at = Some(now);
                    key.state = KeyState::Retired;
                }
            } else if key.kid == kid {
                key.activated_at = Some(now);
                key.state = KeyState::Active;
            }
        }
        stored.push(fresh(random, master, now)?);
        Ok((Self::load(master, &stored).map_err(RotateError::Keys)?, stored))
    }

    /// Retire one key at once: what it signed verifies no more. The active key is replaced by the next one, published
    /// for long or not; a next key by a fresh one. Absent when no key of this id is in use.
    ///
    /// # Errors
    /// [`RotateError`].
    pub fn retire(
        &self,
        kid: &str,
        random: &dyn Random,
        master: &MasterKey,
        now: Timestamp,
    ) -> Result<Option<(Self, Vec<WrappedKey>)>, RotateError> {
        let found = self.keys.iter().find(|loaded| loaded.stored.kid.as_str() == kid);
        let state = match found.map(|loaded| loaded.stored.state) {
            None | Some(KeyState::Retired) => return Ok(None),
            Some(KeyState::Active) => return self.rotate(random, master, now, Rotation::Emergency).map(Some),
            Some(state) => state,
        };
        let mut stored = self.stored();
        for key in stored.iter_mut().filter(|key| key.kid.as_str() == kid) {
            key.state = KeyState::Retired;
            key.retired_at = Some(now);
        }
        if state == KeyState::Next {
            stored.push(fresh(random, master, now)?);
        }
        Ok(Some((Self::load(master, &stored).map_err(RotateError::Keys)?, stored)))
    }

    /// The state of a key.
    pub fn state(&self, kid: &str) -> Option<KeyState> {
        self.keys.iter().find(|loaded| loaded.stored.kid.as_str() == kid).map(|loaded| loaded.stored.state)
    }

    /// Retire the keys whose last token has ended; absent when there is none.
    pub fn retire_due(&self, now: Timestamp, longest_token_seconds: i64) -> Option<(Self, Vec<WrappedKey>)> {
        let mut next = self.clone();
        let mut changed = false;
        for loaded in &mut next.keys {
            let due = |at: Timestamp| now >= at.plus_seconds(longest_token_seconds);
            if loaded.stored.state == KeyState::Retiring && loaded.stored.retiring_at.is_some_and(due) {
                loaded.stored.state = KeyState::Retired;
                loaded.stored.retired_at = Some(now);
                changed = true;
            }
        }
        let stored = next.stored();
        changed.then_some((next, stored))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(|key| (key.stored.kid.as_str(), key.stored.state)))
            .finish()
    }
}

fn fresh(random: &dyn Random, master: &MasterKey, now: Timestamp) -> Result<WrappedKey, KeyRingError> {
    let (key, pkcs8) = SigningKey::generate()?;
    let kid = key.kid().clone();
    let jwk = key.public().jwk(kid.as_str(), "sig");
    Ok(WrappedKey {
        wrapped: master.wrap(random, &context(&kid), &pkcs8)?,
        algorithm: key.public().algorithm(),
        state: KeyState::Next,
        created_at: now,
        activated_at: None,
        retiring_at: None,
        retired_at: None,
        public_jwk: serde_json::json!(jwk).to_string(),
        kid,
    })
}

/// A wrapped key opens only as the key it is.
fn context(kid: &KeyId) -> Vec<u8> {
    format!("signing key {kid}").into_bytes()
}
