//! Our signing keys: local ones by ring, and those that live elsewhere.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use zeroid_token_core::KeyId;
use zeroize::Zeroizing;

use crate::algorithm::SigningAlgorithm;
use crate::jws::Header;
use crate::public_key::PublicKey;
use crate::signer::{HeldKey, Signer, SignerError};

/// A key did not sign or could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Key generation failed.
    #[error("a signing key could not be made")]
    Generate,
    /// This build cannot make a key of this algorithm.
    #[error("this build cannot make RSA keys: that needs the feature `josekit` of zeroid-jose")]
    NoRsaGenerator,
    /// The private key does not load.
    #[error("the private key is no {0} key in PKCS#8 that can sign")]
    Load(SigningAlgorithm),
    /// Signing failed.
    #[error("the signing key did not sign")]
    Sign,
    /// The place where the key lives failed.
    #[error("the key `{reference}` did not sign: {why}")]
    Elsewhere {
        /// What the key is asked for by.
        reference: String,
        /// Why it did not sign.
        why: SignerError,
    },
    /// What the place where the key lives gave is no signature of the key.
    #[error("what was given for the key `{reference}` is not its signature")]
    NotItsSignature {
        /// What the key is asked for by.
        reference: String,
    },
}

/// A key pair that signs.
pub struct SigningKey {
    half: PrivateHalf,
    public: PublicKey,
    kid: KeyId,
    headers: Vec<(&'static str, String)>,
}

enum PrivateHalf {
    P256 { pair: EcdsaKeyPair, random: SystemRandom },
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
    Elsewhere { signer: Arc<dyn Signer>, reference: String },
}

/// The kinds of token whose header is encoded once.
const HOT_TYPES: [&str; 2] = ["at+jwt", "JWT"];

/// Bits of the RSA keys we make (RFC 7518 §3.3): more make every signature several times dearer.
#[cfg(feature = "josekit")]
const RSA_BITS: u32 = 2048;

impl SigningKey {
    /// Make an ES256 key; gives its private half in PKCS#8 too, to be wrapped and stored.
    ///
    /// # Errors
    /// [`SignError::Generate`].
    pub fn generate() -> Result<(Self, Zeroizing<Vec<u8>>), SignError> {
        Self::generate_for(SigningAlgorithm::Es256)
    }

    /// Make a key of an algorithm; gives its private half in PKCS#8 too, to be wrapped and stored.
    ///
    /// An RSA key takes tens to hundreds of milliseconds, and the feature `josekit`.
    ///
    /// # Errors
    /// [`SignError::Generate`], [`SignError::NoRsaGenerator`].
    pub fn generate_for(algorithm: SigningAlgorithm) -> Result<(Self, Zeroizing<Vec<u8>>), SignError> {
        let random = SystemRandom::new();
        let made = match algorithm {
            SigningAlgorithm::Es256 => {
                EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
            }
            SigningAlgorithm::EdDsa => Ed25519KeyPair::generate_pkcs8(&random),
            SigningAlgorithm::Rs256 => {
                let pkcs8 = rsa_pkcs8()?;
                return Ok((Self::load(algorithm, &pkcs8)?, pkcs8));
            }
        };
        let pkcs8 = Zeroizing::new(made.map_err(|_| SignError::Generate)?.as_ref().to_vec());
        Ok((Self::load(algorithm, &pkcs8)?, pkcs8))
    }

    /// Load an ES256 private key.
    ///
    /// # Errors
    /// [`SignError::Load`].
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, SignError> {
        Self::load(SigningAlgorithm::Es256, pkcs8)
    }

    /// Load a private key of an algorithm.
    ///
    /// # Errors
    /// [`SignError::Load`]: a key of another kind, too.
    pub fn load(algorithm: SigningAlgorithm, pkcs8: &[u8]) -> Result<Self, SignError> {
        let refused = || SignError::Load(algorithm);
        let random = SystemRandom::new();
        let (half, public) = match algorithm {
            SigningAlgorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random);
                let pair = pair.map_err(|_| refused())?;
                let public = PublicKey::from_point(pair.public_key().as_ref()).map_err(|_| refused())?;
                (PrivateHalf::P256 { pair, random }, public)
            }
            SigningAlgorithm::Rs256 => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| refused())?;
                let numbers = ring::rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                let public = PublicKey::rsa(numbers.n, numbers.e).map_err(|_| refused())?;
                (PrivateHalf::Rsa(Box::new(pair)), public)
            }
            SigningAlgorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| refused())?;
                let public = PublicKey::ed25519(pair.public_key().as_ref()).map_err(|_| refused())?;
                (PrivateHalf::Ed25519(pair), public)
            }
        };
        Self::of(half, public).ok_or_else(refused)
    }

    /// A key that lives elsewhere, by its reference and its public half.
    ///
    /// # Errors
    /// [`SignError::Load`].
    pub fn elsewhere(signer: Arc<dyn Signer>, held: HeldKey) -> Result<Self, SignError> {
        let HeldKey { reference, public } = held;
        let algorithm = public.algorithm();
        Self::of(PrivateHalf::Elsewhere { signer, reference }, public).ok_or(SignError::Load(algorithm))
    }

    fn of(half: PrivateHalf, public: PublicKey) -> Option<Self> {
        let kid: KeyId = public.thumbprint().as_str().parse().ok()?;
        let headers = HOT_TYPES.map(|typ| (typ, header(&public, &kid, typ))).to_vec();
        Some(Self { half, public, kid, headers })
    }

    /// The public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Its id: the RFC 7638 thumbprint of the public half.
    pub const fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// Whether signing takes so little that an async task may do it in passing: tens of microseconds, by a key in this
    /// process. RSA takes more than half a millisecond, and a key elsewhere whatever it takes.
    pub const fn signs_in_passing(&self) -> bool {
        matches!(self.half, PrivateHalf::P256 { .. } | PrivateHalf::Ed25519(_))
    }

    /// The encoded headers of most of what it signs, with what they say.
    pub(crate) fn known_headers(&self) -> impl Iterator<Item = (String, Header)> + '_ {
        self.headers.iter().map(|(typ, encoded)| {
            let header = Header {
                alg: self.public.algorithm().as_str().to_owned(),
                typ: Some((*typ).to_owned()),
                kid: Some(self.kid.to_string()),
            };
            (encoded.clone(), header)
        })
    }

    /// Sign claims as a compact JWS (RFC 7515 §7.1) with the header `{"alg","kid","typ"}`.
    ///
    /// What a key elsewhere gives is checked before it leaves: a faulty module makes no token that nobody accepts.
    ///
    /// # Errors
    /// [`SignError::Sign`]; [`SignError::Elsewhere`] and [`SignError::NotItsSignature`] for a key elsewhere.
    pub fn sign(&self, typ: &str, claims: &[u8]) -> Result<String, SignError> {
        match self.headers.iter().find(|(hot, _)| *hot == typ) {
            Some((_, encoded)) => self.sign_under(encoded, claims),
            None => self.sign_under(&header(&self.public, &self.kid, typ), claims),
        }
    }

    /// Sign the claims of a DPoP proof (RFC 9449 §4.2), with the header `{"alg","jwk","typ":"dpop+jwt"}`: what a client
    /// does with a key of its own.
    ///
    /// # Errors
    /// As [`SigningKey::sign`].
    pub fn sign_proof(&self, claims: &[u8]) -> Result<String, SignError> {
        let mut jwk = self.public.jwk("", "");
        (jwk.kid, jwk.alg, jwk.usage) = (None, None, None);
        let json =
            serde_json::json!({"alg": self.public.algorithm().as_str(), "jwk": jwk, "typ": "dpop+jwt"});
        self.sign_under(&URL_SAFE_NO_PAD.encode(json.to_string()), claims)
    }

    /// Sign a signing input as it stands, and append the signature, for tests alone: only who means harm signs anything
    /// but canonical base64url of a header and claims.
    ///
    /// # Errors
    /// As [`SigningKey::sign`].
    #[cfg(feature = "dangerous-testing")]
    pub fn dangerous_sign_input(&self, signing_input: &str) -> Result<String, SignError> {
        self.sign_input(signing_input.to_owned())
    }

    fn sign_under(&self, header: &str, claims: &[u8]) -> Result<String, SignError> {
        let chars = header.len() + 2 + claims.len() * 4 / 3 + self.signature_chars();
        let mut compact = String::with_capacity(chars);
        compact.push_str(header);
        compact.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut compact);
        self.sign_input(compact)
    }

    fn sign_input(&self, compact: String) -> Result<String, SignError> {
        let append = |mut compact: String, signature: &[u8]| {
            compact.push('.');
            URL_SAFE_NO_PAD.encode_string(signature, &mut compact);
            compact
        };
        match &self.half {
            PrivateHalf::P256 { pair, random } => {
                let signature = pair.sign(random, compact.as_bytes()).map_err(|_| SignError::Sign)?;
                Ok(append(compact, signature.as_ref()))
            }
            PrivateHalf::Ed25519(pair) => {
                let signature = pair.sign(compact.as_bytes());
                Ok(append(compact, signature.as_ref()))
            }
            PrivateHalf::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), compact.as_bytes(), &mut signature)
                    .map_err(|_| SignError::Sign)?;
                Ok(append(compact, &signature))
            }
            PrivateHalf::Elsewhere { signer, reference } => {
                let signature = signer
                    .sign(reference, self.public.algorithm(), compact.as_bytes())
                    .map_err(|why| SignError::Elsewhere { reference: reference.clone(), why })?;
                if !self.public.is_signature(compact.as_bytes(), &signature) {
                    return Err(SignError::NotItsSignature { reference: reference.clone() });
                }
                Ok(append(compact, &signature))
            }
        }
    }

    /// How many characters the signature and its dot take.
    const fn signature_chars(&self) -> usize {
        match self.public.algorithm() {
            SigningAlgorithm::Es256 | SigningAlgorithm::EdDsa => 90,
            SigningAlgorithm::Rs256 => 350,
        }
    }
}

#[cfg(feature = "josekit")]
fn rsa_pkcs8() -> Result<Zeroizing<Vec<u8>>, SignError> {
    crate::interop::generate_rsa_pkcs8(RSA_BITS).map_err(|_| SignError::Generate)
}

#[cfg(not(feature = "josekit"))]
const fn rsa_pkcs8() -> Result<Zeroizing<Vec<u8>>, SignError> {
    Err(SignError::NoRsaGenerator)
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

fn header(public: &PublicKey, kid: &KeyId, typ: &str) -> String {
    let json = serde_json::json!({"alg": public.algorithm().as_str(), "kid": kid.as_str(), "typ": typ});
    URL_SAFE_NO_PAD.encode(json.to_string())
}

/// The SHA-256 of a message, for signers that are given a hash.
pub fn sha256(message: &[u8]) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, message);
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(digest.as_ref()).for_each(|(byte, hashed)| *byte = *hashed);
    bytes
}

/// A mark of some content: the first half of its SHA-256, base64url. Two documents that differ have different marks.
pub fn content_mark(content: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, content);
    URL_SAFE_NO_PAD.encode(digest.as_ref().get(..16).unwrap_or_default())
}
