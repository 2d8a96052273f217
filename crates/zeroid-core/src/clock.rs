//! The clock is handed in.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use zeroid_identity_model::Timestamp;
use zeroid_storage::ServerStore;

use crate::error::Fault;

/// How far a clock may be off the store's before its owner is not ready, in seconds.
pub const MAX_CLOCK_OFFSET_SECONDS: i64 = 30;

/// Longest a reading of the store's clock may take and still tell something, in microseconds.
const MAX_READING_MICROS: i64 = 1_000_000;

/// What time it is. Any `Fn() -> Timestamp` is a clock.
pub trait Clock: Send + Sync {
    /// The moment of the call.
    fn now(&self) -> Timestamp;
}

impl<F: Fn() -> Timestamp + Send + Sync> Clock for F {
    fn now(&self) -> Timestamp {
        self()
    }
}

/// The clock handed in, set right by the store's where replicas share one: a token of a replica whose clock is off is
/// neither unusable nor too long alive.
pub(crate) struct SharedClock {
    own: Arc<dyn Clock>,
    offset_micros: AtomicI64,
}

impl SharedClock {
    pub(crate) fn new(own: Arc<dyn Clock>) -> Self {
        Self { own, offset_micros: AtomicI64::new(0) }
    }

    pub(crate) fn now(&self) -> Timestamp {
        shifted(self.own.now(), self.offset_micros.load(Ordering::Relaxed))
    }

    /// Measure how far the clock is off the store's. A reading that took too long tells nothing, and is left out.
    pub(crate) async fn measure(&self, store: &(impl ServerStore + ?Sized)) -> Result<(), Fault> {
        let before = self.own.now().as_micros();
        let Some(read) = store.clock().await? else { return Ok(()) };
        let took = self.own.now().as_micros().saturating_sub(before);
        if (0..=MAX_READING_MICROS).contains(&took) {
            let offset = read.as_micros().saturating_sub(before.saturating_add(took / 2));
            self.offset_micros.store(offset, Ordering::Relaxed);
        }
        Ok(())
    }

    /// How far the clock is off, in whole seconds; positive when it is behind.
    pub(crate) fn offset_seconds(&self) -> i64 {
        self.offset_micros.load(Ordering::Relaxed) / 1_000_000
    }
}

fn shifted(at: Timestamp, by_micros: i64) -> Timestamp {
    Timestamp::from_micros(at.as_micros().saturating_add(by_micros))
}
