//! How often API keys were used: counted in memory, written by and by.
//!
//! A counter lies in the row of its key, so that a thousand keys in use are a thousand pages; written with every token
//! they would cost more than the token. What is not written yet is lost with the process, as a count may be, and is
//! written before anybody reads a count.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use zeroid_identity_model::{ApiKeyId, Timestamp};
use zeroid_storage::StoreError;

use super::{Conn, single};

/// Longest that a use is not written.
const SETTLED_WITHIN: Duration = Duration::from_secs(1);

/// Keys whose uses wait, after which they are written at once.
const MOST_WAITING: usize = 1024;

/// How often each key was used, and when last.
pub(super) type Counted = BTreeMap<ApiKeyId, (u64, Timestamp)>;

/// Uses that are not written yet.
#[derive(Default)]
pub(super) struct Uses {
    waiting: Counted,
    since: Option<Instant>,
}

impl Uses {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How long until they must be written; nothing, when none wait.
    pub(super) fn due_in(&self) -> Option<Duration> {
        self.since.map(|since| SETTLED_WITHIN.saturating_sub(now().duration_since(since)))
    }

    /// Whether they must be written now.
    pub(super) fn are_due(&self) -> bool {
        self.waiting.len() >= MOST_WAITING || self.due_in().is_some_and(|rest| rest.is_zero())
    }

    /// Write them, and these with them, in the transaction that is open.
    pub(super) fn write(&self, conn: &mut Conn, fresh: &Counted) -> Result<(), StoreError> {
        let mut all = self.waiting.clone();
        add(&mut all, fresh);
        all.iter().try_for_each(|(id, (count, last))| single::count_use(conn, *id, *count, *last))
    }

    /// The transaction that wrote them was committed.
    pub(super) fn written(&mut self) {
        *self = Self::default();
    }

    /// They could not be written: try again after a while.
    pub(super) fn put_off(&mut self) {
        self.since = self.since.map(|_| now());
    }

    /// The transaction that used these keys was committed.
    pub(super) fn wait(&mut self, fresh: &Counted) {
        if !fresh.is_empty() {
            add(&mut self.waiting, fresh);
            self.since.get_or_insert_with(now);
        }
    }
}

fn add(all: &mut Counted, fresh: &Counted) {
    for (id, (count, last)) in fresh {
        let (counted, latest) = all.entry(*id).or_insert((0, *last));
        *counted += count;
        *latest = (*latest).max(*last);
    }
}

#[allow(clippy::disallowed_methods, reason = "how long something waited is no fact of the domain")]
fn now() -> Instant {
    Instant::now()
}
