//! Token buckets in a table of fixed size.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Limit;

/// Sets of a table. A key belongs to one set, so that two requests wait for each other only when their keys do.
const SETS: usize = 4096;

/// Buckets of a set.
const WAYS: usize = 8;

/// Most memory of a table, whoever comes: a build in which its buckets and their locks take more fails.
const MAX_BYTES: usize = 576 * 1024;

const _: () = assert!(SETS * size_of::<Mutex<[Bucket; WAYS]>>() <= MAX_BYTES);

/// One bucket: a key, and when it will be full again, in nanoseconds since the start. One that is full already says as
/// much as none.
#[derive(Clone, Copy, Default)]
struct Bucket {
    key: u64,
    full_at: u64,
}

/// The buckets of one limit. More keys than there is room for take the places of those that were used least.
pub(super) struct Table(Box<[Mutex<[Bucket; WAYS]>]>);

impl Default for Table {
    fn default() -> Self {
        Self((0..SETS).map(|_| Mutex::default()).collect())
    }
}

impl Table {
    /// Take one from the bucket of a key; keys are hashes that nobody outside can choose.
    ///
    /// # Errors
    /// How long until there is one to take. Nothing was taken.
    pub(super) fn take(&self, key: u64, limit: Limit, now: Duration) -> Result<(), Duration> {
        let now = nanoseconds(now);
        let one = limit.nanoseconds_each();
        let all = one.saturating_mul(u64::from(limit.burst));
        let at = usize::try_from(key).unwrap_or_default() % SETS;
        // INVARIANT: there are `SETS` sets, and `at` is below that.
        let Some(set) = self.0.get(at) else { return Ok(()) };
        let mut set = set.lock().unwrap_or_else(PoisonError::into_inner);
        let own = set.iter().position(|bucket| bucket.key == key);
        let place = own.or_else(|| {
            let fullest = set.iter().enumerate().min_by_key(|(_, bucket)| bucket.full_at);
            fullest.map(|(place, _)| place)
        });
        let Some(bucket) = place.and_then(|place| set.get_mut(place)) else { return Ok(()) };
        let full_at = if bucket.key == key { bucket.full_at.max(now) } else { now };
        let after = full_at.saturating_add(one);
        match (after - now).checked_sub(all) {
            Some(over @ 1..) => Err(Duration::from_nanos(over)),
            _ => {
                *bucket = Bucket { key, full_at: after };
                Ok(())
            }
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::limits::RateLimits;

    const LIMIT: Limit = Limit { a_second: 10, burst: 3 };

    fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let table = Table::default();
        for _ in 0..3 {
            table.take(7, LIMIT, ms(0)).unwrap();
        }
        assert_eq!(table.take(7, LIMIT, ms(0)), Err(ms(100)));
        assert_eq!(table.take(7, LIMIT, ms(40)), Err(ms(60)), "a refusal takes nothing");
        table.take(7, LIMIT, ms(100)).unwrap();
        assert_eq!(table.take(7, LIMIT, ms(100)), Err(ms(100)));
        table.take(8, LIMIT, ms(100)).unwrap();
        for _ in 0..3 {
            table.take(7, LIMIT, ms(60_000)).unwrap();
        }
        assert!(table.take(7, LIMIT, ms(60_000)).is_err(), "rest saves up no more than a burst");
    }

    #[test]
    fn whoever_is_busy_keeps_the_bucket_when_strangers_come() {
        let table = Table::default();
        for _ in 0..3 {
            table.take(0, LIMIT, ms(0)).unwrap();
        }
        // All of them belong to the same set.
        for stranger in 1..1000_u64 {
            table.take(stranger * u64::try_from(SETS).unwrap(), LIMIT, ms(0)).unwrap();
        }
        assert!(table.take(0, LIMIT, ms(0)).is_err());
        assert!(size_of_val(&*table.0) <= MAX_BYTES);
    }

    /// A hundred seconds in which 10 000 keys a second are seen once and never again: ten addresses that send as many
    /// made-up credentials as each may.
    #[test]
    fn a_flood_of_strangers_frees_nobody_and_locks_nobody_out() {
        let (table, limit) = (Table::default(), RateLimits::PRODUCTION.by_credential.unwrap());
        // Keys are hashes; these look like some (splitmix64).
        let key = |number: u64| {
            let mixed =
                (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (number >> 7)).wrapping_add(number << 31);
            (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB)
        };
        let (looping, fair) = (key(u64::MAX), key(u64::MAX - 1));
        let (mut taken, mut last, mut stranger) = (0, 0, 0);
        for step in 0..100_000 {
            let now = ms(step);
            for _ in 0..10 {
                stranger += 1;
                table.take(key(stranger), limit, now).unwrap();
            }
            // Five times what is allowed.
            if table.take(looping, limit, now).is_ok() {
                (taken, last) = (taken + 1, step);
            }
            if step % 10 == 0 {
                table.take(fair, limit, now).unwrap();
            }
        }
        assert!((20_900..=21_000).contains(&taken), "a burst, and 200 a second: {taken}");
        assert!(last > 99_900, "{last}");
        assert!(size_of_val(&*table.0) <= MAX_BYTES);
    }

    #[test]
    fn many_threads_take_no_more_than_there_is() {
        let table = Table::default();
        let limit = Limit { a_second: 1, burst: 1000 };
        let taken: usize = std::thread::scope(|scope| {
            let takers: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1000).filter(|_| table.take(5, limit, ms(0)).is_ok()).count()))
                .collect();
            takers.into_iter().map(|taker| taker.join().unwrap()).sum()
        });
        assert_eq!(taken, 1000);
    }
}
