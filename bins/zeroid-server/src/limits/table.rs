//! Token buckets in a table of fixed size.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Limit;

/// Sets of a table. A key belongs to one set, so that two requests wait for each other only when their keys do.
const SETS: usize = 4096;

/// Buckets of a set. With [`SETS`] and 16 bytes each a table takes half a MiB, whoever comes.
const WAYS: usize = 8;

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
        assert_eq!(table.0.len() * std::mem::size_of::<[Bucket; WAYS]>(), 512 * 1024);
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
