//! What a valid DPoP proof says.

use crate::key_id::Thumbprint;

/// A key of which a request carried a valid proof (RFC 9449 §4.3), and what that proof is remembered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvenKey {
    /// The thumbprint of the key (RFC 9449 §6.1).
    pub thumbprint: Thumbprint,
    /// The proof's `jti`: with the key it names the proof, which is good for one request.
    pub jti: String,
    /// The proof's `iat`, in seconds rounded down.
    pub iat: i64,
}
