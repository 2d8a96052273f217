//! Randomness is handed in.

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
    fn fill(&self, dest: &mut [u8]) -> Result<(), RandomError> {
        self.0.fill(dest).map_err(|_| RandomError)
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
