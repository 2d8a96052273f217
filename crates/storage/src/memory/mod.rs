//! The in-memory reference: obviously right, and gone when dropped.

mod clients;
mod credentials;
mod delegation_routes;
mod identities;
mod keys_and_policies;
mod spends;
mod state;

use std::sync::{Mutex, MutexGuard, PoisonError};

use state::State;

/// A store that keeps everything in memory, for tests and for embedders that need no more.
///
/// One lock around plain maps: every verb is atomic because nothing else runs meanwhile.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
