//! The master key, and what is derived from it (RFC 5869).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use ring::hmac;
use zeroize::Zeroizing;

use crate::random::{Random, RandomError};
use crate::secret::Secret;

/// One key for everything that is kept secret at rest: 256 bits, from a file or the environment.
pub struct MasterKey {
    bytes: Zeroizing<[u8; 32]>,
    hashing: hmac::Key,
    digest: hmac::Key,
    check: hmac::Key,
    wrapping: LessSafeKey,
}

/// The text is no master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a master key is 32 bytes: 43 base64url characters or 64 hexadecimal digits")]
pub struct MasterKeyError;

/// What a keyed hash is for; hashes for different purposes never agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashPurpose {
    /// API keys.
    ApiKey,
    /// Operator keys.
    OperatorKey,
    /// Single-use assertions.
    Assertion,
    /// Client secrets.
    ClientSecret,
    /// Refresh tokens.
    RefreshToken,
    /// Idempotency keys.
    Idempotency,
    /// DPoP proofs that were used.
    DpopProof,
    /// Nonces for DPoP proofs.
    DpopNonce,
    /// Proofs of workloads that were used, and nonces in them.
    WorkloadProof,
}

impl HashPurpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::ApiKey => b"api-key\0",
            Self::OperatorKey => b"operator-key\0",
            Self::Assertion => b"assertion\0",
            Self::ClientSecret => b"client-secret\0",
            Self::RefreshToken => b"refresh-token\0",
            Self::Idempotency => b"idempotency\0",
            Self::DpopProof => b"dpop-proof\0",
            Self::DpopNonce => b"dpop-nonce\0",
            Self::WorkloadProof => b"workload-proof\0",
        }
    }
}

macro_rules! mac {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        pub struct $name([u8; 32]);

        impl $name {
            /// The value of these bytes.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The bytes, to be stored.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// Whether both are the same, compared in constant time.
            pub fn matches(&self, other: &Self) -> bool {
                let difference = self.0.iter().zip(&other.0).fold(0_u8, |sum, (a, b)| sum | (a ^ b));
                std::hint::black_box(difference) == 0
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.matches(other)
            }
        }

        impl Eq for $name {}

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(..)"))
            }
        }
    };
}

mac!(
    /// The keyed hash of a secret.
    KeyedHash
);
mac!(
    /// The keyed digest of a token we issued.
    TokenDigest
);

/// A stored secret could not be wrapped or unwrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// No randomness for the nonce.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// The wrapped bytes are not those made under this master key and context.
    #[error("the wrapped key does not open under this master key")]
    DoesNotOpen,
    /// Encryption failed.
    #[error("the key could not be wrapped")]
    Failed,
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        32
    }
}

impl MasterKey {
    /// The version stored beside every keyed hash.
    pub const VERSION: u8 = 1;

    /// The master key of these bytes.
    ///
    /// # Errors
    /// [`MasterKeyError`] when a key cannot be derived, which a 32-byte key never causes.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, MasterKeyError> {
        let bytes = Zeroizing::new(bytes);
        let prk = Salt::new(HKDF_SHA256, b"zeroid master key v1").extract(&*bytes);
        let mac = |label: &[u8]| Ok(hmac::Key::new(hmac::HMAC_SHA256, &*derive(&prk, label)?));
        let wrapping =
            UnboundKey::new(&AES_256_GCM, &*derive(&prk, b"wrapping")?).map_err(|_| MasterKeyError)?;
        Ok(Self {
            hashing: mac(b"hashing")?,
            digest: mac(b"digest")?,
            check: mac(b"check")?,
            wrapping: LessSafeKey::new(wrapping),
            bytes,
        })
    }

    /// The master key of a text: 43 base64url characters, padded base64, or 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`MasterKeyError`]; the text is not repeated.
    pub fn parse(text: &str) -> Result<Self, MasterKeyError> {
        let text = text.trim();
        let bytes = match text.len() {
            43 => URL_SAFE_NO_PAD.decode(text).ok(),
            44 => STANDARD.decode(text).ok(),
            64 => hex(text),
            _ => None,
        };
        let bytes = Zeroizing::new(bytes.ok_or(MasterKeyError)?);
        Self::from_bytes(bytes.as_slice().try_into().map_err(|_| MasterKeyError)?)
    }

    /// A fresh master key.
    ///
    /// # Errors
    /// [`RandomError`].
    pub fn generate(random: &dyn Random) -> Result<Self, RandomError> {
        let mut bytes = [0_u8; 32];
        random.fill(&mut bytes)?;
        Self::from_bytes(bytes).map_err(|_| RandomError)
    }

    /// The text to keep it in a file by.
    pub fn to_text(&self) -> Secret {
        Secret::new(URL_SAFE_NO_PAD.encode(*self.bytes))
    }

    /// The keyed hash of a secret.
    pub fn keyed_hash(&self, purpose: HashPurpose, data: &[u8]) -> KeyedHash {
        let mut context = hmac::Context::with_key(&self.hashing);
        context.update(purpose.label());
        context.update(data);
        KeyedHash(tag_bytes(&context.sign()))
    }

    /// The keyed digest of a whole compact token.
    pub fn token_digest(&self, compact: &str) -> TokenDigest {
        TokenDigest(tag_bytes(&hmac::sign(&self.digest, compact.as_bytes())))
    }

    /// The value stored to notice a start under another master key.
    pub fn check_value(&self) -> KeyedHash {
        KeyedHash(tag_bytes(&hmac::sign(&self.check, b"zeroid")))
    }

    /// Wrap a secret for storage (AES-256-GCM); it opens only in the same context.
    ///
    /// # Errors
    /// [`WrapError`].
    pub fn wrap(&self, random: &dyn Random, context: &[u8], plain: &[u8]) -> Result<Vec<u8>, WrapError> {
        let mut nonce = [0_u8; NONCE_LEN];
        random.fill(&mut nonce)?;
        let mut sealed = plain.to_vec();
        self.wrapping
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut sealed)
            .map_err(|_| WrapError::Failed)?;
        let mut wrapped = Vec::with_capacity(1 + NONCE_LEN + sealed.len());
        wrapped.push(Self::VERSION);
        wrapped.extend_from_slice(&nonce);
        wrapped.append(&mut sealed);
        Ok(wrapped)
    }

    /// Open what [`MasterKey::wrap`] made.
    ///
    /// # Errors
    /// [`WrapError::DoesNotOpen`] for other bytes, another context or another master key.
    pub fn unwrap(&self, context: &[u8], wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        let (version, rest) = wrapped.split_first().ok_or(WrapError::DoesNotOpen)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).ok_or(WrapError::DoesNotOpen)?;
        if *version != Self::VERSION {
            return Err(WrapError::DoesNotOpen);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| WrapError::DoesNotOpen)?;
        let mut opened = Zeroizing::new(sealed.to_vec());
        let length = self
            .wrapping
            .open_in_place(nonce, Aad::from(context), &mut opened)
            .map_err(|_| WrapError::DoesNotOpen)?
            .len();
        opened.truncate(length);
        Ok(opened)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

fn derive(prk: &Prk, label: &[u8]) -> Result<Zeroizing<[u8; 32]>, MasterKeyError> {
    let mut key = Zeroizing::new([0_u8; 32]);
    let info = [label];
    let okm = prk.expand(&info, Length).map_err(|_| MasterKeyError)?;
    okm.fill(&mut *key).map_err(|_| MasterKeyError)?;
    Ok(key)
}

fn tag_bytes(tag: &hmac::Tag) -> [u8; 32] {
    let mut bytes = [0_u8; 32];
    for (byte, tagged) in bytes.iter_mut().zip(tag.as_ref()) {
        *byte = *tagged;
    }
    bytes
}

fn hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?))
        .collect()
}
