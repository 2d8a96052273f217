//! The engine and how it starts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use zeroid_identity_model::Timestamp;
use zeroid_jose::{
    HashPurpose, Jwks, KeyKeeper, KeyRing, KeyedHash, MasterKey, OPERATOR_KEY_PREFIX, Random, Secret,
    generate_secret, uuid_v7_bytes,
};
use zeroid_storage::{Store, Swept};

use crate::clock::{Clock, MAX_CLOCK_OFFSET_SECONDS, SharedClock};
use crate::error::Fault;
use crate::key_sets::{FetchKeys, KeySets, NoFetch};
use crate::keys;
use crate::offload::Offload;
use crate::settings::Settings;
use crate::signing::Signing;

/// Everything an engine is made of; all of it is handed in.
pub struct Parts {
    /// Where it keeps things.
    pub store: Arc<dyn Store>,
    /// The key under which stored secrets are hashed and wrapped.
    pub master: MasterKey,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// How tokens are signed.
    pub signing: Signing,
    /// What the deployment settles.
    pub settings: Settings,
}

/// Why an engine did not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store was written under another master key.
    #[error("the master key is not the one this store was made with")]
    WrongMasterKey,
    /// Our fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// The engine: loads facts, asks a rule, stores the outcome.
///
/// Cheap to share behind an [`Arc`]; every method takes `&self`.
pub struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) master: Arc<MasterKey>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) settings: Settings,
    pub(crate) keeper: KeyKeeper,
    pub(crate) offload: Arc<dyn Offload>,
    clock: SharedClock,
    /// The signing keys, and when they were read.
    pub(crate) ring: RwLock<(Arc<KeyRing>, Timestamp)>,
    /// How often the keys were replaced.
    pub(crate) ring_changes: AtomicU64,
    key_sets: KeySets,
    operator_keys: RwLock<OperatorKeys>,
}

#[derive(Default)]
struct OperatorKeys {
    stored: Option<KeyedHash>,
    accepted: Option<KeyedHash>,
}

const MASTER_CHECK: &str = "master_key_check";
const OPERATOR_KEY: &str = "operator_key";
const SECONDS_PER_DAY: i64 = 86_400;

impl Engine {
    /// Start on a store: check the master key, make signing keys if there are none, and see that the active one signs.
    ///
    /// # Errors
    /// [`OpenError::WrongMasterKey`], or our fault.
    pub async fn open(parts: Parts) -> Result<Self, OpenError> {
        let Parts { store, master, random, clock, signing, settings } = parts;
        let master = Arc::new(master);
        let clock = SharedClock::new(clock);
        clock.measure(&*store).await?;
        let check = master.check_value();
        let stored = store.fact_or_insert(MASTER_CHECK, check.as_bytes()).await.map_err(Fault::from)?;
        if !hash_of(&stored).is_some_and(|stored| stored.matches(&check)) {
            return Err(OpenError::WrongMasterKey);
        }
        let now = clock.now();
        let Signing { algorithm, place, signer, offload } = signing;
        let keeper =
            KeyKeeper { master: Arc::clone(&master), random: Arc::clone(&random), algorithm, place, signer };
        let ring = keys::load_or_create(&*store, &keeper, &*offload, now).await?;
        let operator = store.fact(OPERATOR_KEY).await.map_err(Fault::from)?;
        let operator_keys =
            OperatorKeys { stored: operator.and_then(|bytes| hash_of(&bytes)), accepted: None };
        Ok(Self {
            store,
            master,
            random,
            settings,
            keeper,
            offload,
            clock,
            ring: RwLock::new((Arc::new(ring), now)),
            ring_changes: AtomicU64::new(0),
            key_sets: KeySets::new(Arc::new(NoFetch)),
            operator_keys: RwLock::new(operator_keys),
        })
    }

    /// Let it fetch key sets of others; without this it has no way to, and refuses what needs one.
    #[must_use]
    pub fn fetching(mut self, fetch: Arc<dyn FetchKeys>) -> Self {
        self.key_sets = KeySets::new(fetch);
        self
    }

    /// Key sets of others, by their URL.
    pub const fn key_sets(&self) -> &KeySets {
        &self.key_sets
    }

    /// The moment, by the clock handed in, set right by the store's where replicas share one.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What the deployment settles.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The public keys that verify our tokens, those that soon will among them.
    pub fn jwks(&self) -> Jwks {
        self.ring().jwks()
    }

    /// A number of this process that rises whenever [`Engine::jwks`] may answer differently. Whoever keeps the answer asks
    /// for the number first.
    pub fn key_set_version(&self) -> u64 {
        self.ring_changes.load(Ordering::SeqCst)
    }

    /// A number that rises whenever the published keys change: the last change of any of them, in seconds.
    pub fn key_set_sequence(&self) -> i64 {
        let keys = self.ring().stored();
        let times = keys
            .iter()
            .flat_map(|key| [Some(key.created_at), key.activated_at, key.retiring_at, key.retired_at]);
        times.flatten().max().map_or(0, Timestamp::unix_seconds)
    }

    /// Answer only when the store can read and write, and this clock is not far off the store's.
    ///
    /// # Errors
    /// Our fault.
    pub async fn ready(&self) -> Result<(), Fault> {
        let offset = self.clock.offset_seconds();
        if offset.abs() > MAX_CLOCK_OFFSET_SECONDS {
            return Err(Fault::Clock(offset));
        }
        Ok(self.store.ready().await?)
    }

    /// Measure how far this clock is off the store's. The caller decides how often; once a minute is plenty.
    ///
    /// # Errors
    /// Our fault; what was measured before goes on being used.
    pub async fn measure_clock(&self) -> Result<(), Fault> {
        self.clock.measure(&*self.store).await
    }

    /// Do what time alone brings about: mark expired identities, forget what is past its time, credentials when they
    /// ended longer ago than [`Settings::credential_retention_days`] says. The caller decides how often; once a minute is plenty.
    ///
    /// # Errors
    /// Our fault.
    pub async fn sweep(&self) -> Result<Swept, Fault> {
        let now = self.now();
        let kept = i64::from(self.settings.credential_retention_days.max(1)) * SECONDS_PER_DAY;
        Ok(self.store.sweep(now, now.plus_seconds(-kept)).await?)
    }

    /// Make an operator key, store its hash, and give it away this once.
    ///
    /// # Errors
    /// Our fault. There is one stored operator key: [`Fault`] with a conflict when it exists.
    pub async fn create_operator_key(&self) -> Result<Option<Secret>, Fault> {
        let key = generate_secret(&*self.random, OPERATOR_KEY_PREFIX)?;
        let hash = self.operator_hash(key.expose());
        let stored = self.store.fact_or_insert(OPERATOR_KEY, hash.as_bytes()).await?;
        let stored = hash_of(&stored);
        let ours = stored.as_ref().is_some_and(|stored| stored.matches(&hash));
        self.operator_keys.write().unwrap_or_else(PoisonError::into_inner).stored = stored;
        Ok(ours.then_some(key))
    }

    /// Accept this operator key too; it comes from the environment and is not stored.
    pub fn accept_operator_key(&self, key: &str) {
        let hash = self.operator_hash(key);
        self.operator_keys.write().unwrap_or_else(PoisonError::into_inner).accepted = Some(hash);
    }

    /// Whether any operator key would be accepted.
    pub fn has_operator_key(&self) -> bool {
        let keys = self.operator_keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.stored.is_some() || keys.accepted.is_some()
    }

    /// Whether this is an operator key; compared in constant time.
    pub fn is_operator_key(&self, presented: &str) -> bool {
        let hash = self.operator_hash(presented);
        let keys = self.operator_keys.read().unwrap_or_else(PoisonError::into_inner);
        let known = |key: &Option<KeyedHash>| key.as_ref().is_some_and(|known| known.matches(&hash));
        known(&keys.stored) | known(&keys.accepted)
    }

    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner).0)
    }

    /// When the keys were read.
    pub(crate) fn keys_read_at(&self) -> Timestamp {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).1
    }

    /// Sixteen bytes of a fresh UUIDv7 (RFC 9562 §5.7).
    pub(crate) fn fresh_id(&self, now: Timestamp) -> Result<[u8; 16], Fault> {
        Ok(uuid_v7_bytes(now, &*self.random)?)
    }

    fn operator_hash(&self, key: &str) -> KeyedHash {
        self.master.keyed_hash(HashPurpose::OperatorKey, key.as_bytes())
    }
}

fn hash_of(bytes: &[u8]) -> Option<KeyedHash> {
    <[u8; 32]>::try_from(bytes).ok().map(KeyedHash::from_bytes)
}
