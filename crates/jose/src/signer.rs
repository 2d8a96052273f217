//! The port through which a key that lives elsewhere signs: in a KMS, a PKCS#11 module, a card.

use crate::algorithm::SigningAlgorithm;
use crate::public_key::PublicKey;

/// A place that makes keys, keeps their private halves, and signs with them.
///
/// Nothing private ever leaves it: the store keeps a reference and the public half. Calls may take long and may fail;
/// whoever calls must not be on a thread that others wait for.
pub trait Signer: Send + Sync {
    /// Make a key, and give its public half and what to ask for it by.
    ///
    /// # Errors
    /// [`SignerError`].
    fn generate(&self, algorithm: SigningAlgorithm) -> Result<HeldKey, SignerError>;

    /// Whether a key of this reference would be here. A look at the reference alone: the key may still be gone.
    fn is_home_of(&self, reference: &str) -> bool;

    /// The signature over the JWS signing input (RFC 7515 §5.1), in the form a JWS has: as long as the modulus
    /// (RFC 7518 §3.3), 64 bytes r and s (§3.4), or 64 bytes (RFC 8037 §3.1).
    ///
    /// # Errors
    /// [`SignerError`].
    fn sign(
        &self,
        reference: &str,
        algorithm: SigningAlgorithm,
        signing_input: &[u8],
    ) -> Result<Vec<u8>, SignerError>;

    /// Destroy a key that was made and is not wanted after all. It has signed nothing.
    ///
    /// # Errors
    /// [`SignerError`]; the key then stays, which harms nobody.
    fn discard(&self, reference: &str) -> Result<(), SignerError>;
}

/// A key that a [`Signer`] holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldKey {
    /// What to ask for it by, such as a PKCS#11 URI (RFC 7512). It is stored and shown to operators: no secret.
    pub reference: String,
    /// The public half.
    pub public: PublicKey,
}

/// Why a place of keys did not do what was asked: one line, no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SignerError(String);

impl SignerError {
    /// The reason.
    pub fn new(why: impl ToString) -> Self {
        Self(why.to_string())
    }
}
