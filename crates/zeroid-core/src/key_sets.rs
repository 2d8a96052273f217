//! Key sets of others by their URL: fetched through a port, kept for a while, and used to check signatures.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use zeroid_identity_model::Timestamp;
use zeroid_jose::{
    Compact, KEY_SET_MAX_AGE_SECONDS, KeySet, KeySetError, KeySetRefusal, REFETCH_FLOOR_SECONDS,
};
use zeroid_token_core::{Unverified, Verified};

use crate::turn::Turns;

/// Most URLs that are remembered; the one that was not used for longest makes room.
const MAX_URLS: usize = 1000;

/// What a set is good for at least and at most, in seconds, whatever the other side says: less would make a fetch for
/// each use, and more would keep a withdrawn key in use.
const MIN_AGE_SECONDS: i64 = 60;
const MAX_AGE_SECONDS: i64 = 3600;

/// How much longer a set is used while it cannot be fetched again, in seconds: a short outage of the other side is
/// bridged, and whoever keeps us from fetching gains no more than this.
const MAX_STALE_SECONDS: i64 = 900;

/// How long a failure is remembered, in seconds: of a fetch, and of what was fetched and is no key set.
const FAILED_FETCH_SECONDS: i64 = 10;
const NO_KEY_SET_SECONDS: i64 = 60;

/// Resolves to what was fetched.
pub type FetchingKeys<'a> = Pin<Box<dyn Future<Output = Result<FetchedKeys, NotFetched>> + Send + 'a>>;

/// Where key sets come from. The engine knows no HTTP; whoever implements this guards against URLs that lead to
/// places they should not, and bounds bytes and time.
pub trait FetchKeys: Send + Sync {
    /// Whether a URL could be fetched at all, by its looks: for whoever registers one. Asks nobody.
    ///
    /// # Errors
    /// What is wrong with it, one line.
    fn check(&self, url: &str) -> Result<(), String>;

    /// Fetch the document at a URL.
    fn fetch<'a>(&'a self, url: &'a str) -> FetchingKeys<'a>;
}

/// A document that was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedKeys {
    /// Its bytes.
    pub body: Vec<u8>,
    /// How many seconds it is good for, if the other side says so; 0 when it must not be kept.
    pub good_for_seconds: Option<u32>,
}

/// Why a document was not fetched: one line, with nothing of what the other side sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotFetched {
    /// The URL or the other side.
    #[error("{0}")]
    Failed(String),
    /// Too much is being fetched already; come again. Not remembered.
    #[error("too many fetches are under way")]
    Busy,
}

/// Why a URL gave no key set.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetUnavailable {
    /// It was not fetched.
    #[error("JWKS fetch failed: {0}")]
    NotFetched(#[from] NotFetched),
    /// What was fetched is none.
    #[error("JWKS fetch failed: {0}")]
    NoKeySet(#[from] KeySetError),
}

/// Why a signature was not found to be by a key of the set at a URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ByUrlRefusal {
    /// There is no set to judge by.
    #[error(transparent)]
    Unavailable(#[from] KeySetUnavailable),
    /// The set, fetched anew where that could help, says no.
    #[error(transparent)]
    Refused(#[from] KeySetRefusal),
}

impl ByUrlRefusal {
    /// Whether it says nothing about the caller: the same call may well succeed soon.
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(KeySetUnavailable::NotFetched(NotFetched::Busy)))
    }
}

/// Key sets by URL.
///
/// One fetch at a time for each URL, whatever the number of callers. A set is good for what the other side says,
/// within a minute and an hour, five minutes when it says nothing; an unknown key causes another fetch, at most one
/// in 30 s; a failure is remembered for 10 s, or a minute when what came is no key set. When a set cannot be fetched
/// again it is used for 15 minutes more, and not a second longer.
pub struct KeySets {
    fetch: Arc<dyn FetchKeys>,
    entries: Mutex<HashMap<String, Arc<Entry>>>,
}

#[derive(Default)]
struct Entry {
    turns: Turns,
    state: Mutex<State>,
}

/// What is known of one URL.
#[derive(Clone, Default)]
struct State {
    set: Option<Kept>,
    failed: Option<(KeySetUnavailable, Timestamp)>, // The time until which it is remembered.
    tried_at: Option<Timestamp>,
    used_at: Option<Timestamp>,
}

#[derive(Clone)]
struct Kept {
    keys: Arc<KeySet>,
    fresh_until: Timestamp,
}

/// What to do about one URL.
enum Step {
    Use(Result<Arc<KeySet>, KeySetUnavailable>),
    Fetch,
}

impl KeySets {
    /// None yet.
    pub fn new(fetch: Arc<dyn FetchKeys>) -> Self {
        Self { fetch, entries: Mutex::default() }
    }

    /// Whether a URL could be fetched at all, by its looks.
    ///
    /// # Errors
    /// What is wrong with it, one line.
    pub fn check_url(&self, url: &str) -> Result<(), String> {
        self.fetch.check(url)
    }

    /// Authenticate something by the key set at a URL.
    ///
    /// # Errors
    /// [`ByUrlRefusal`].
    pub async fn verify<'a>(
        &self,
        url: &str,
        jws: Unverified<Compact<'a>>,
        now: Timestamp,
    ) -> Result<Verified<Compact<'a>>, ByUrlRefusal> {
        let keys = self.at(url, now).await?;
        match keys.verify(jws.clone()) {
            Err(KeySetRefusal::UnknownKey) => {
                let newer = self.obtain(url, now, true).await?;
                Ok(newer.verify(jws)?)
            }
            judged => Ok(judged?),
        }
    }

    /// The key set at a URL, fetched when there is none that is good.
    ///
    /// # Errors
    /// [`KeySetUnavailable`].
    pub async fn at(&self, url: &str, now: Timestamp) -> Result<Arc<KeySet>, KeySetUnavailable> {
        self.obtain(url, now, false).await
    }

    async fn obtain(
        &self,
        url: &str,
        now: Timestamp,
        unknown: bool,
    ) -> Result<Arc<KeySet>, KeySetUnavailable> {
        let entry = self.entry(url, now);
        if let Step::Use(result) = entry.step(now, unknown) {
            return result;
        }
        let _turn = entry.turns.take().await;
        // Whoever had the turn before may have fetched it.
        if let Step::Use(result) = entry.step(now, unknown) {
            return result;
        }
        match self.fetch.fetch(url).await {
            Err(NotFetched::Busy) => entry.usable(now).ok_or_else(|| NotFetched::Busy.into()),
            Err(failed) => entry.keep_failure(failed.into(), now, FAILED_FETCH_SECONDS),
            Ok(fetched) => match KeySet::parse(&fetched.body) {
                Err(error) => entry.keep_failure(error.into(), now, NO_KEY_SET_SECONDS),
                Ok(keys) => Ok(entry.keep(keys, fetched.good_for_seconds, now)),
            },
        }
    }

    fn entry(&self, url: &str, now: Timestamp) -> Arc<Entry> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if !entries.contains_key(url) && entries.len() >= MAX_URLS {
            let used_at = |entry: &Entry| entry.state().used_at;
            let oldest = entries.iter().min_by_key(|(_, entry)| used_at(entry)).map(|(url, _)| url.clone());
            oldest.map(|url| entries.remove(&url));
        }
        let entry = Arc::clone(entries.entry(url.to_owned()).or_default());
        entry.state().used_at = Some(now);
        entry
    }
}

/// For an engine that was given no way to fetch.
pub(crate) struct NoFetch;

const NO_FETCH: &str = "nothing is fetched here";

impl FetchKeys for NoFetch {
    fn check(&self, _: &str) -> Result<(), String> {
        Err(NO_FETCH.to_owned())
    }

    fn fetch<'a>(&'a self, _: &'a str) -> FetchingKeys<'a> {
        Box::pin(std::future::ready(Err(NotFetched::Failed(NO_FETCH.to_owned()))))
    }
}

impl Entry {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn step(&self, now: Timestamp, unknown: bool) -> Step {
        self.state().step(now, unknown)
    }

    fn usable(&self, now: Timestamp) -> Option<Arc<KeySet>> {
        self.state().usable(now)
    }

    fn keep(&self, keys: KeySet, good_for: Option<u32>, now: Timestamp) -> Arc<KeySet> {
        let said = good_for.map_or(KEY_SET_MAX_AGE_SECONDS, i64::from);
        let fresh_until = now.plus_seconds(said.clamp(MIN_AGE_SECONDS, MAX_AGE_SECONDS));
        let keys = Arc::new(keys);
        let mut state = self.state();
        state.set = Some(Kept { keys: Arc::clone(&keys), fresh_until });
        state.failed = None;
        state.tried_at = Some(now);
        keys
    }

    fn keep_failure(
        &self,
        why: KeySetUnavailable,
        now: Timestamp,
        seconds: i64,
    ) -> Result<Arc<KeySet>, KeySetUnavailable> {
        let mut state = self.state();
        state.failed = Some((why.clone(), now.plus_seconds(seconds)));
        state.tried_at = Some(now);
        state.usable(now).ok_or(why)
    }
}

impl State {
    /// A set that may still be used, fresh or not.
    fn usable(&self, now: Timestamp) -> Option<Arc<KeySet>> {
        let usable = |kept: &&Kept| now < kept.fresh_until.plus_seconds(MAX_STALE_SECONDS);
        self.set.as_ref().filter(usable).map(|kept| Arc::clone(&kept.keys))
    }

    fn step(&self, now: Timestamp, unknown: bool) -> Step {
        let fresh = self.set.as_ref().filter(|kept| now < kept.fresh_until);
        if let Some(kept) = fresh {
            let lately = self.tried_at.is_some_and(|at| now.seconds_since(at) < REFETCH_FLOOR_SECONDS);
            return if unknown && !lately { Step::Fetch } else { Step::Use(Ok(Arc::clone(&kept.keys))) };
        }
        match &self.failed {
            Some((why, until)) if now < *until => Step::Use(self.usable(now).ok_or_else(|| why.clone())),
            _ => Step::Fetch,
        }
    }
}
