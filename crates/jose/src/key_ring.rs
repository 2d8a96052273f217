//! The ring of signing keys: next, active, retiring, retired. A pure state machine; time is handed in.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use zeroid_identity_model::Timestamp;
use zeroid_token_core::Unverified;

use crate::jwk::Jwks;
use crate::jws::{Compact, Header, JwsError, parse_knowing};
use crate::kept_key::{KeyKeeper, KeyRingError, OpenedKey, WrappedKey};
use crate::key_set_age::KEY_SET_MAX_AGE_SECONDS;
use crate::public_key::PublicKey;
use crate::signing::SigningKey;

/// How much later than the replica that made a key another one may begin to publish it, in seconds: several times what
/// replicas read their keys again after.
const FOLLOW_SECONDS: i64 = 60;

/// How long a key is published before it signs, in seconds: every replica publishes it by then, and no client has a copy
/// of the key set from before.
pub const PUBLISH_BEFORE_USE_SECONDS: i64 = KEY_SET_MAX_AGE_SECONDS + FOLLOW_SECONDS;

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

/// Why a rotation did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
    /// What the encoded headers of our tokens say: they are many tokens and few headers.
    headers: Arc<[(String, Arc<Header>)]>,
}

#[derive(Clone)]
struct Loaded {
    stored: WrappedKey,
    /// Absent when retired: nothing is verified by it, and nobody is told of it.
    opened: Option<OpenedKey>,
}

impl Loaded {
    fn can_follow(&self) -> bool {
        let can_sign = self.opened.as_ref().is_some_and(|opened| opened.signing.is_some());
        self.stored.state == KeyState::Next && can_sign
    }
}

impl KeyRing {
    /// The first keys: one that signs, and one that is published to sign next.
    ///
    /// # Errors
    /// [`KeyRingError`].
    pub fn create(keeper: &KeyKeeper, now: Timestamp) -> Result<(Self, Vec<WrappedKey>), KeyRingError> {
        let mut active = keeper.fresh(now)?;
        active.state = KeyState::Active;
        active.activated_at = Some(now);
        let stored = vec![active, keeper.fresh(now)?];
        Ok((Self::load(keeper, &stored)?, stored))
    }

    /// The ring of stored keys.
    ///
    /// # Errors
    /// [`KeyRingError`]: another master key, not exactly one active key, or one that lives where nobody can reach it.
    pub fn load(keeper: &KeyKeeper, stored: &[WrappedKey]) -> Result<Self, KeyRingError> {
        let mut keys = Vec::with_capacity(stored.len());
        for wrapped in stored {
            let opened = match wrapped.state {
                KeyState::Retired => None,
                KeyState::Next | KeyState::Active | KeyState::Retiring => Some(keeper.open(wrapped)?),
            };
            keys.push(Loaded { stored: wrapped.clone(), opened });
        }
        let mut active = keys.iter().filter(|loaded| loaded.stored.state == KeyState::Active);
        let first = active.next().ok_or(KeyRingError::Active(0))?;
        let more = active.count();
        if more > 0 {
            return Err(KeyRingError::Active(more + 1));
        }
        let signer = first.opened.as_ref().and_then(|opened| opened.signing.clone());
        let out_of_reach = || KeyRingError::OutOfReach(first.stored.reference.clone().unwrap_or_default());
        let signer = signer.ok_or_else(out_of_reach)?;
        let signing = keys.iter().filter_map(|loaded| loaded.opened.as_ref()?.signing.as_ref());
        let headers = signing.flat_map(|key| key.known_headers());
        let headers = headers.map(|(encoded, header)| (encoded, Arc::new(header))).collect();
        Ok(Self { keys, signer, headers })
    }

    /// Take a compact JWS apart as [`parse`](crate::parse) does; the headers of our own tokens are read once for all.
    ///
    /// # Errors
    /// As [`parse`](crate::parse).
    pub fn parse<'a>(&self, compact: &'a str) -> Result<Unverified<Compact<'a>>, JwsError> {
        parse_knowing(compact, |encoded| {
            let known = self.headers.iter().find(|(ours, _)| ours == encoded);
            known.map(|(_, header)| Arc::clone(header))
        })
    }

    /// The key that signs.
    pub const fn signer(&self) -> &Arc<SigningKey> {
        &self.signer
    }

    /// The key of this id, if what it signed is still good: active or retiring. A next key has signed nothing.
    pub fn verifier(&self, kid: &str) -> Option<&PublicKey> {
        let good = |loaded: &&Loaded| matches!(loaded.stored.state, KeyState::Active | KeyState::Retiring);
        let found = self.keys.iter().filter(good).find(|loaded| loaded.stored.kid.as_str() == kid)?;
        found.opened.as_ref().map(|opened| &opened.public)
    }

    /// The published keys: every one but the retired.
    pub fn jwks(&self) -> Jwks {
        let published = self.keys.iter().filter(|loaded| loaded.stored.state != KeyState::Retired);
        let jwk = |loaded: &Loaded| {
            loaded.opened.as_ref().map(|opened| opened.public.jwk(loaded.stored.kid.as_str(), "sig"))
        };
        Jwks { keys: published.filter_map(jwk).collect() }
    }

    /// The keys as they are stored.
    pub fn stored(&self) -> Vec<WrappedKey> {
        self.keys.iter().map(|loaded| loaded.stored.clone()).collect()
    }

    /// Whether these are the stored keys of this ring.
    pub fn is_of(&self, stored: &[WrappedKey]) -> bool {
        self.keys.iter().map(|loaded| &loaded.stored).eq(stored)
    }

    /// Publish a next key such as the keeper makes, if there is none; absent when there is. What the next key was
    /// until now goes on being published.
    ///
    /// # Errors
    /// [`KeyRingError`].
    pub fn complete(
        &self,
        keeper: &KeyKeeper,
        now: Timestamp,
    ) -> Result<Option<(Self, Vec<WrappedKey>)>, KeyRingError> {
        let mut stored = self.stored();
        if !publish_next(&mut stored, keeper, now)? {
            return Ok(None);
        }
        Ok(Some((Self::load(keeper, &stored)?, stored)))
    }

    /// Promote the next key. Of several the oldest such as the keeper makes is promoted, and those of another kind, which
    /// never signed, are retired.
    ///
    /// A planned rotation publishes a fresh key to follow it. An emergency makes nothing, since that may take long or
    /// fail where keys live elsewhere: [`KeyRing::complete`] does it afterwards.
    ///
    /// # Errors
    /// [`RotateError`]; a planned rotation needs a key that clients have had time to learn.
    pub fn rotate(
        &self,
        keeper: &KeyKeeper,
        now: Timestamp,
        rotation: Rotation,
    ) -> Result<(Self, Vec<WrappedKey>), RotateError> {
        let candidates = self.keys.iter().filter(|loaded| loaded.can_follow()).map(|loaded| &loaded.stored);
        let preferred = candidates.min_by_key(|key| (!keeper.makes_such(key), key.created_at));
        let promoted = preferred.ok_or(RotateError::NoNext)?;
        let published_for = now.seconds_since(promoted.created_at);
        if rotation == Rotation::Planned && published_for < PUBLISH_BEFORE_USE_SECONDS {
            return Err(RotateError::TooFresh { published_for });
        }
        let kid = promoted.kid.clone();
        let mut stored = self.stored();
        for key in &mut stored {
            if key.state == KeyState::Active {
                key.retiring_at = Some(now);
                key.state = KeyState::Retiring;
                if rotation == Rotation::Emergency {
                    key.retire(now);
                }
            } else if key.kid == kid {
                key.activated_at = Some(now);
                key.state = KeyState::Active;
            } else if key.state == KeyState::Next && !keeper.makes_such(key) {
                key.retire(now);
            }
        }
        if rotation == Rotation::Planned {
            publish_next(&mut stored, keeper, now)?;
        }
        Ok((Self::load(keeper, &stored)?, stored))
    }

    /// Whether there is a key to promote.
    pub fn has_next(&self) -> bool {
        self.keys.iter().any(Loaded::can_follow)
    }

    /// Retire one key at once: what it signed verifies no more. The active key is replaced as in an emergency; nothing is
    /// made. Absent when no key of this id is in use.
    ///
    /// # Errors
    /// [`RotateError`].
    pub fn retire(
        &self,
        kid: &str,
        keeper: &KeyKeeper,
        now: Timestamp,
    ) -> Result<Option<(Self, Vec<WrappedKey>)>, RotateError> {
        match self.state(kid) {
            None | Some(KeyState::Retired) => return Ok(None),
            Some(KeyState::Active) => return self.rotate(keeper, now, Rotation::Emergency).map(Some),
            Some(KeyState::Next | KeyState::Retiring) => {}
        }
        let mut stored = self.stored();
        for key in stored.iter_mut().filter(|key| key.kid.as_str() == kid) {
            key.retire(now);
        }
        Ok(Some((Self::load(keeper, &stored)?, stored)))
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
                loaded.stored.retire(now);
                loaded.opened = None;
                changed = true;
            }
        }
        let stored = next.stored();
        changed.then_some((next, stored))
    }
}

/// Add a next key such as the keeper makes, if there is none; gives whether one was added.
fn publish_next(
    stored: &mut Vec<WrappedKey>,
    keeper: &KeyKeeper,
    now: Timestamp,
) -> Result<bool, KeyRingError> {
    let follows = |key: &WrappedKey| key.state == KeyState::Next && keeper.makes_such(key);
    let missing = !stored.iter().any(follows);
    if missing {
        stored.push(keeper.fresh(now)?);
    }
    Ok(missing)
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.keys.iter().map(|key| (key.stored.kid.as_str(), key.stored.state)))
            .finish()
    }
}
