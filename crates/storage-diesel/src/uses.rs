//! How often API keys were used: counted in memory, written by and by.
//!
//! A counter lies in the row of its key, so that a thousand keys in use are a thousand pages; written with every token
//! they would cost more than the token. On PostgreSQL each write leaves a version of the row besides, which stays as
//! long as anybody's snapshot is held. What is not written yet is lost with the process, as a count may be, and is
//! written before this process reads a count.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use zeroid_identity_model::{ApiKeyId, Timestamp};

/// Longest that a use is not written.
const SETTLED_WITHIN: Duration = Duration::from_secs(1);

/// Keys whose uses wait, after which they are written at once.
const MOST_WAITING: usize = 1024;

/// How often each key was used, and when last.
pub(crate) type Counted = BTreeMap<ApiKeyId, (u64, Timestamp)>;

/// Count one more use.
pub(crate) fn count(counted: &mut Counted, id: ApiKeyId, at: Timestamp) {
    let (count, last) = counted.entry(id).or_insert((0, at));
    *count += 1;
    *last = (*last).max(at);
}

/// Uses that are not written yet.
#[derive(Default)]
pub(crate) struct Uses {
    waiting: Counted,
    since: Option<Instant>,
}

impl Uses {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How long until they must be written; nothing, when none wait.
    pub(crate) fn due_in(&self) -> Option<Duration> {
        self.since.map(|since| SETTLED_WITHIN.saturating_sub(now().duration_since(since)))
    }

    /// Whether they must be written now.
    pub(crate) fn are_due(&self) -> bool {
        self.waiting.len() >= MOST_WAITING || self.due_in().is_some_and(|rest| rest.is_zero())
    }

    /// All that wait, and these.
    pub(crate) fn with(&self, fresh: &Counted) -> Counted {
        let mut all = self.waiting.clone();
        add(&mut all, fresh);
        all
    }

    /// The transaction that wrote them was committed.
    pub(crate) fn written(&mut self) {
        *self = Self::default();
    }

    /// What would have written them failed: try again after a while.
    pub(crate) fn put_off(&mut self, settles: bool) {
        if settles {
            self.since = self.since.map(|_| now());
        }
    }

    /// The transaction that used these keys was committed.
    pub(crate) fn wait(&mut self, fresh: &Counted) {
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

/// Whether uses were counted and not yet written, for whoever reads counts.
#[derive(Debug, Default)]
pub(crate) struct UsesWait(AtomicBool);

impl UsesWait {
    /// Before anything is answered of a transaction that counted or wrote uses.
    pub(crate) fn set(&self, uses: &Uses) {
        self.0.store(!uses.is_empty(), Ordering::SeqCst);
    }

    /// Whether the counts on disk are not all there is.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[allow(clippy::disallowed_methods, reason = "how long something waited is no fact of the domain")]
fn now() -> Instant {
    Instant::now()
}
