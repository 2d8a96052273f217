//! The clock is handed in.

use zeroid_identity_model::Timestamp;

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
