//! Randomness is handed in.

use std::cell::RefCell;

use ring::rand::SecureRandom;

/// The source of randomness failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the source of randomness failed")]
pub struct RandomError;

/// A source of randomness.
pub trait Random: Send + Sync {
    /// Fill `dest` with random bytes.
    ///
    /// # Errors
    /// [`RandomError`] when there are none.
    fn fill(&self, dest: &mut [u8]) -> Result<(), RandomError>;
}

/// The operating system's randomness, through ring.
#[derive(Clone, Debug)]
pub struct SystemRandom(ring::rand::SystemRandom);

impl SystemRandom {
    /// The system's source.
    pub fn new() -> Self {
        Self(ring::rand::SystemRandom::new())
    }
}

impl Default for SystemRandom {
    fn default() -> Self {
        Self::new()
    }
}

impl Random for SystemRandom {
    /// A few bytes come from a pool of each thread, which asks the system for many at once: the id of a token would
    /// cost a system call otherwise. Whatever is long enough to be a secret is asked for by itself.
    fn fill(&self, dest: &mut [u8]) -> Result<(), RandomError> {
        if dest.len() > LONGEST_FROM_POOL {
            return self.0.fill(dest).map_err(|_| RandomError);
        }
        POOL.with_borrow_mut(|pool| pool.take(&self.0, dest))
    }
}

/// Longest piece that is taken from the pool, in bytes: the random part of an id, and less than half a secret.
const LONGEST_FROM_POOL: usize = 15;

/// Bytes the system is asked for at once.
const POOL_BYTES: usize = 480;

thread_local! {
    static POOL: RefCell<Pool> = const { RefCell::new(Pool { bytes: [0; POOL_BYTES], left: 0 }) };
}

/// Random bytes, each given away once.
struct Pool {
    bytes: [u8; POOL_BYTES],
    /// How many of the first ones were not given away.
    left: usize,
}

impl Pool {
    fn take(&mut self, system: &ring::rand::SystemRandom, dest: &mut [u8]) -> Result<(), RandomError> {
        if self.left < dest.len() {
            // Nothing of a failed attempt may be taken for random.
            self.left = 0;
            system.fill(&mut self.bytes).map_err(|_| RandomError)?;
            self.left = POOL_BYTES;
        }
        let kept = self.left - dest.len();
        let given = self.bytes.get_mut(kept..self.left).ok_or(RandomError)?;
        dest.copy_from_slice(given);
        given.fill(0);
        self.left = kept;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_bytes_are_given_twice() {
        let random = SystemRandom::new();
        let mut seen = HashSet::new();
        for length in [10, 15, 16, 1, 10, 10].into_iter().cycle().take(3_000) {
            let mut bytes = vec![0; length];
            random.fill(&mut bytes).unwrap();
            if length >= 10 {
                assert!(bytes.iter().any(|byte| *byte != 0) && seen.insert(bytes));
            }
        }
    }
}

/// A predictable stream from a seed, for tests alone.
#[cfg(feature = "dangerous-testing")]
#[derive(Debug)]
pub struct DangerousSeededRandom {
    seed: u64,
    counter: std::sync::atomic::AtomicU64,
}

#[cfg(feature = "dangerous-testing")]
impl DangerousSeededRandom {
    /// The stream of this seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed, counter: std::sync::atomic::AtomicU64::new(0) }
    }
}

#[cfg(feature = "dangerous-testing")]
impl Random for DangerousSeededRandom {
    fn fill(&self, dest: &mut [u8]) -> Result<(), RandomError> {
        for chunk in dest.chunks_mut(32) {
            let block = self.counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let mut input = self.seed.to_be_bytes().to_vec();
            input.extend_from_slice(&block.to_be_bytes());
            let digest = ring::digest::digest(&ring::digest::SHA256, &input);
            for (byte, random) in chunk.iter_mut().zip(digest.as_ref()) {
                *byte = *random;
            }
        }
        Ok(())
    }
}
