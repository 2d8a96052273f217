//! When a cached key set is stale: a rule for whoever verifies our tokens with a copy of our keys.

use zeroid_identity_model::Timestamp;

/// How long a copy is good, in seconds; keys are published longer than this before they sign.
pub const KEY_SET_MAX_AGE_SECONDS: i64 = 300;

/// How soon an unknown key id may cause another fetch, in seconds: a forged `kid` must not make a fetch each.
pub const REFETCH_FLOOR_SECONDS: i64 = 30;

/// The age of a cached key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeySetAge {
    /// When it was fetched.
    pub fetched_at: Timestamp,
}

impl KeySetAge {
    /// Whether it must be fetched again before use.
    pub const fn is_stale(self, now: Timestamp) -> bool {
        now.seconds_since(self.fetched_at) >= KEY_SET_MAX_AGE_SECONDS
    }

    /// Whether an unknown key id justifies fetching it again now.
    pub const fn may_refetch(self, now: Timestamp) -> bool {
        now.seconds_since(self.fetched_at) >= REFETCH_FLOOR_SECONDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        let age = KeySetAge { fetched_at: Timestamp::from_unix_seconds(1000) };
        assert!(!age.is_stale(Timestamp::from_unix_seconds(1299)));
        assert!(age.is_stale(Timestamp::from_unix_seconds(1300)));
        assert!(!age.may_refetch(Timestamp::from_unix_seconds(1029)));
        assert!(age.may_refetch(Timestamp::from_unix_seconds(1030)));
    }
}
