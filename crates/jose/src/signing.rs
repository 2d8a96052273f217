//! Our signing keys: ES256 by ring.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use zeroid_token_core::KeyId;
use zeroize::Zeroizing;

use crate::public_key::PublicKey;

/// A signature algorithm (RFC 7518 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SigningAlgorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
}

/// The text names no algorithm we sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown signature algorithm")]
pub struct UnknownAlgorithm;

impl SigningAlgorithm {
    /// The value of `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
        }
    }
}

impl FromStr for SigningAlgorithm {
    type Err = UnknownAlgorithm;
    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        if text == "ES256" { Ok(Self::Es256) } else { Err(UnknownAlgorithm) }
    }
}

/// A key did not sign or could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Key generation failed.
    #[error("a signing key could not be made")]
    Generate,
    /// The private key does not load.
    #[error("the private key is not a P-256 key in PKCS#8")]
    Load,
    /// Signing failed.
    #[error("the signing key did not sign")]
    Sign,
}

/// A P-256 key pair that signs.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
    kid: KeyId,
    random: SystemRandom,
    headers: Vec<(&'static str, String)>,
}

/// The kinds of token whose header is encoded once.
const HOT_TYPES: [&str; 2] = ["at+jwt", "JWT"];

impl SigningKey {
    /// Make a key; gives its private half in PKCS#8 too, to be wrapped and stored.
    ///
    /// # Errors
    /// [`SignError::Generate`].
    pub fn generate() -> Result<(Self, Zeroizing<Vec<u8>>), SignError> {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random);
        let pkcs8 = pkcs8.map_err(|_| SignError::Generate)?;
        let pkcs8 = Zeroizing::new(pkcs8.as_ref().to_vec());
        Ok((Self::from_pkcs8(&pkcs8)?, pkcs8))
    }

    /// Load a private key.
    ///
    /// # Errors
    /// [`SignError::Load`].
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, SignError> {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random);
        let pair = pair.map_err(|_| SignError::Load)?;
        let public = PublicKey::from_point(pair.public_key().as_ref()).map_err(|_| SignError::Load)?;
        let kid: KeyId = public.thumbprint().as_str().parse().map_err(|_| SignError::Load)?;
        let headers = HOT_TYPES.map(|typ| (typ, header(&kid, typ))).to_vec();
        Ok(Self { pair, public, kid, random, headers })
    }

    /// The public half.
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Its id: the RFC 7638 thumbprint of the public half.
    pub const fn kid(&self) -> &KeyId {
        &self.kid
    }

    /// Sign claims as a compact JWS (RFC 7515 §7.1) with the header `{"alg","kid","typ"}`.
    ///
    /// # Errors
    /// [`SignError::Sign`].
    pub fn sign(&self, typ: &str, claims: &[u8]) -> Result<String, SignError> {
        let mut compact = String::with_capacity(160 + claims.len() * 4 / 3 + 90);
        match self.headers.iter().find(|(hot, _)| *hot == typ) {
            Some((_, encoded)) => compact.push_str(encoded),
            None => compact.push_str(&header(&self.kid, typ)),
        }
        compact.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut compact);
        let signature = self.pair.sign(&self.random, compact.as_bytes()).map_err(|_| SignError::Sign)?;
        compact.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut compact);
        Ok(compact)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

fn header(kid: &KeyId, typ: &str) -> String {
    let json = serde_json::json!({"alg": SigningAlgorithm::Es256.as_str(), "kid": kid.as_str(), "typ": typ});
    URL_SAFE_NO_PAD.encode(json.to_string())
}

/// A mark of some content: the first half of its SHA-256, base64url. Two documents that differ have different marks.
pub fn content_mark(content: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, content);
    URL_SAFE_NO_PAD.encode(digest.as_ref().get(..16).unwrap_or_default())
}
