//! What changed, and when: whether something that was remembered still holds.
//!
//! One process has the file, so its writer knows every change. It notes each after the commit and before it raises the
//! epoch, which is before anybody is answered: what is known at an epoch is complete.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use zeroid_storage::Epoch;
use zeroid_token_core::Lineage;

use super::verbs::Changes;
use crate::cut_key;

/// Most keys of cut-offs remembered; beyond it all are forgotten, and what was remembered before them with it. 32 bytes
/// each.
const MOST: usize = 65_536;

/// A key that a cut-off can name, shortened: two keys that are taken for one cost a read, never an answer.
pub(super) type Mark = u64;

/// The changes of the facts.
#[derive(Debug, Default)]
pub(super) struct ChangeLog {
    hasher: RandomState,
    /// The last epoch that changed more than cut-offs.
    facts: AtomicU64,
    cuts: RwLock<Cuts>,
}

#[derive(Debug, Default)]
struct Cuts {
    /// The last epoch that cut off each key.
    latest: HashMap<Mark, u64>,
    /// Cut-offs up to this epoch may be forgotten.
    forgotten: u64,
}

impl ChangeLog {
    /// Note what the transaction that ended with this epoch changed.
    pub(super) fn note(&self, epoch: Epoch, changed: Changes, cuts: &[Vec<u8>]) {
        if !cuts.is_empty() {
            let mut known = self.cuts.write().unwrap_or_else(PoisonError::into_inner);
            if known.latest.len() + cuts.len() > MOST {
                known.latest.clear();
                known.forgotten = epoch.0.saturating_sub(1);
            }
            for key in cuts {
                known.latest.insert(self.hasher.hash_one(key), epoch.0);
            }
        }
        if changed == Changes::Facts {
            self.facts.fetch_max(epoch.0, Ordering::SeqCst);
        }
    }

    /// The marks of everything a cut-off could name of this lineage.
    pub(super) fn marks(&self, tenant: i64, lineage: &Lineage) -> Box<[Mark]> {
        cut_key::of_lineage(tenant, lineage).iter().map(|key| self.hasher.hash_one(key)).collect()
    }

    /// Whether facts that cut-offs do not belong to are since that epoch what they were.
    pub(super) fn facts_hold(&self, since: Epoch) -> bool {
        since.0 >= self.facts.load(Ordering::SeqCst)
    }

    /// Whether facts are since that epoch what they were, and no cut-off named any of these.
    pub(super) fn all_hold(&self, since: Epoch, marks: &[Mark]) -> bool {
        if !self.facts_hold(since) {
            return false;
        }
        let cuts = self.cuts.read().unwrap_or_else(PoisonError::into_inner);
        let untouched = |mark| cuts.latest.get(mark).is_none_or(|at| *at <= since.0);
        since.0 >= cuts.forgotten && marks.iter().all(untouched)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn key(number: usize) -> Vec<u8> {
        number.to_be_bytes().to_vec()
    }

    fn mark(log: &ChangeLog, number: usize) -> [Mark; 1] {
        [log.hasher.hash_one(key(number))]
    }

    #[test]
    fn a_cut_off_touches_what_it_names_and_other_facts_touch_all() {
        let log = ChangeLog::default();
        log.note(Epoch(5), Changes::CutOffs, &[key(1)]);
        assert!(!log.all_hold(Epoch(4), &mark(&log, 1)));
        assert!(log.all_hold(Epoch(5), &mark(&log, 1)), "read at that epoch, it knows the cut-off");
        assert!(log.all_hold(Epoch(4), &mark(&log, 2)));
        log.note(Epoch(6), Changes::Facts, &[]);
        assert!(!log.all_hold(Epoch(5), &mark(&log, 2)) && !log.facts_hold(Epoch(5)));
        assert!(log.all_hold(Epoch(6), &mark(&log, 2)));
    }

    #[test]
    fn what_is_older_than_the_log_does_not_hold() {
        let log = ChangeLog::default();
        for number in 0..=MOST {
            log.note(Epoch(number as u64 + 1), Changes::CutOffs, &[key(number)]);
        }
        assert!(!log.all_hold(Epoch(1), &mark(&log, MOST + 7)));
        assert!(log.all_hold(Epoch(MOST as u64 + 1), &mark(&log, MOST)));
        assert!(!log.all_hold(Epoch(MOST as u64), &mark(&log, MOST)));
    }
}
