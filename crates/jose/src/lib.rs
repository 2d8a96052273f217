//! Keys, signatures, keyed hashes and randomness, with ring alone.
//!
//! The algorithm comes from the key, never from the header. This crate is the only one that may say that a
//! token is authentic, and it knows nothing of what a grant is allowed to do.

mod random;
mod secret;

mod algorithm;
mod jwk;
mod master;
mod public_key;
mod signer;
mod signing;
mod spki;

mod jws;

mod dpop;
mod dpop_nonce;
mod numeric_date;
mod target_uri;

mod kept_key;
mod key_ring;
mod key_set;
mod key_set_age;

#[cfg(feature = "josekit")]
pub mod interop;

#[cfg(feature = "dangerous-testing")]
pub use random::DangerousSeededRandom;

pub use algorithm::{SigningAlgorithm, UnknownAlgorithm};
pub use dpop::{
    ExpectedProof, MAX_PROOF_AGE_SECONDS, PROOF_ALGORITHMS, PROOF_SKEW_SECONDS, ProofError, check_proof,
    proof_hash,
};
pub use jwk::{Jwk, Jwks};
pub use jws::{Compact, Header, JwsError, MAX_COMPACT_BYTES, match_digest, parse, verify};
pub use kept_key::{KeyKeeper, KeyPlace, KeyRingError, WrappedKey};
pub use key_ring::{KeyRing, KeyState, PUBLISH_BEFORE_USE_SECONDS, RotateError, Rotation, UnknownKeyState};
pub use key_set::{
    KeySet, KeySetError, KeySetRefusal, MAX_KEY_SET_BYTES, MAX_KEYS, MAX_KID_BYTES, MAX_TRIED_KEYS,
};
pub use key_set_age::{KEY_SET_MAX_AGE_SECONDS, KeySetAge, REFETCH_FLOOR_SECONDS};
pub use master::{HashPurpose, KeyedHash, MasterKey, MasterKeyError, TokenDigest, WrapError};
pub use numeric_date::numeric_date;
pub use public_key::{MAX_PEM_BYTES, MAX_RSA_BITS, MIN_RSA_BITS, PublicKey, PublicKeyError};
pub use random::{Random, RandomError, SystemRandom};
pub use secret::{
    API_KEY_PREFIX, CLIENT_SECRET_PREFIX, OPERATOR_KEY_PREFIX, Secret, display_prefix, generate_secret,
    uuid_v7_bytes,
};
pub use signer::{HeldKey, Signer, SignerError};
pub use signing::{SignError, SigningKey, content_mark, sha256};
pub use target_uri::{TargetUri, TargetUriError};
