//! Public keys: P-256 in its SPKI form.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey as AgreementKey, agree_ephemeral};
use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use zeroid_token_core::Thumbprint;

use crate::jwk::Jwk;
use crate::signing::SigningAlgorithm;

/// Longest PEM text of a public key, in bytes; a P-256 key has 178.
pub const MAX_PEM_BYTES: usize = 1024;

/// SPKI of P-256 up to the point: SEQUENCE, AlgorithmIdentifier (id-ecPublicKey, prime256v1), BIT STRING
/// (RFC 5480 §2).
const SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

const LABEL_BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const LABEL_END: &str = "-----END PUBLIC KEY-----";

/// Why a text or a JWK is no public key we take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// Longer than the bound.
    #[error("public key is longer than {MAX_PEM_BYTES} bytes")]
    TooLong,
    /// No PEM block `PUBLIC KEY`.
    #[error("public key must be one PEM block `PUBLIC KEY`")]
    NotPem,
    /// Another kind of key.
    #[error("public key must be an EC P-256 key (SubjectPublicKeyInfo, uncompressed point)")]
    NotP256,
    /// The point is not on the curve.
    #[error("public key is not a point of the curve P-256")]
    NotOnCurve,
}

/// A P-256 public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    point: [u8; 65], // INVARIANT: starts with 4, the mark of an uncompressed point.
}

impl PublicKey {
    /// Read the PEM form of a key that was imported before. The curve is checked by whatever uses the key.
    ///
    /// # Errors
    /// [`PublicKeyError`].
    pub fn from_pem(pem: &str) -> Result<Self, PublicKeyError> {
        if pem.len() > MAX_PEM_BYTES {
            return Err(PublicKeyError::TooLong);
        }
        let body = pem.trim().strip_prefix(LABEL_BEGIN).and_then(|rest| rest.strip_suffix(LABEL_END));
        let base64: String = body.ok_or(PublicKeyError::NotPem)?.split_ascii_whitespace().collect();
        let der = STANDARD.decode(base64).map_err(|_| PublicKeyError::NotPem)?;
        let point = der.strip_prefix(&SPKI_PREFIX).ok_or(PublicKeyError::NotP256)?;
        Self::from_point(point)
    }

    /// Read the PEM form of a key somebody hands in: it must be a point of the curve.
    ///
    /// # Errors
    /// [`PublicKeyError`].
    pub fn import_pem(pem: &str) -> Result<Self, PublicKeyError> {
        let key = Self::from_pem(pem)?;
        key.check_on_curve()?;
        Ok(key)
    }

    /// Read a JWK (RFC 7518 §6.2.1); it must be a point of the curve.
    ///
    /// # Errors
    /// [`PublicKeyError`].
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, PublicKeyError> {
        if jwk.kty != "EC" || jwk.crv != "P-256" {
            return Err(PublicKeyError::NotP256);
        }
        let coordinate = |text: &str| {
            let bytes = if text.len() == 43 { URL_SAFE_NO_PAD.decode(text).ok() } else { None };
            bytes.filter(|bytes| bytes.len() == 32).ok_or(PublicKeyError::NotP256)
        };
        let mut point = vec![4];
        point.extend(coordinate(&jwk.x)?);
        point.extend(coordinate(&jwk.y)?);
        let key = Self::from_point(&point)?;
        key.check_on_curve()?;
        Ok(key)
    }

    /// The key of an uncompressed point (SEC 1 §2.3.3).
    pub(crate) fn from_point(point: &[u8]) -> Result<Self, PublicKeyError> {
        let point: [u8; 65] = point.try_into().map_err(|_| PublicKeyError::NotP256)?;
        if point.first() == Some(&4) { Ok(Self { point }) } else { Err(PublicKeyError::NotP256) }
    }

    /// Its algorithm. A signature is judged by this, never by what its header says.
    pub const fn algorithm(&self) -> SigningAlgorithm {
        SigningAlgorithm::Es256
    }

    /// Whether the signature over the message is this key's (RFC 7518 §3.4: 64 bytes, r and s).
    pub fn is_signature(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &self.point).verify(message, signature).is_ok()
    }

    /// The SubjectPublicKeyInfo, DER.
    pub fn spki_der(&self) -> Vec<u8> {
        [SPKI_PREFIX.as_slice(), &self.point].concat()
    }

    /// The SubjectPublicKeyInfo, PEM.
    pub fn to_pem(&self) -> String {
        let base64 = STANDARD.encode(self.spki_der());
        let (first, second) = base64.split_at_checked(64).unwrap_or((&base64, ""));
        format!("{LABEL_BEGIN}\n{first}\n{second}\n{LABEL_END}\n")
    }

    /// The SHA-256 of the SubjectPublicKeyInfo, base64url: what clients call `nkt`.
    pub fn spki_sha256(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, &self.spki_der()))
    }

    /// The JWK thumbprint (RFC 7638 §3).
    pub fn thumbprint(&self) -> Thumbprint {
        let (x, y) = self.coordinates();
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let text = URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()));
        // INVARIANT: 32 bytes are 43 base64url characters, which is what a thumbprint is.
        #[expect(clippy::expect_used, reason = "the invariant above")]
        text.parse().expect("32 bytes are 43 base64url characters")
    }

    /// The key as a JWK for publication.
    pub fn jwk(&self, kid: &str, usage: &str) -> Jwk {
        let (x, y) = self.coordinates();
        Jwk {
            kty: "EC".to_owned(),
            crv: "P-256".to_owned(),
            x,
            y,
            kid: Some(kid.to_owned()),
            alg: Some(self.algorithm().as_str().to_owned()),
            usage: Some(usage.to_owned()),
        }
    }

    fn coordinates(&self) -> (String, String) {
        let (x, y) = self.point.get(1..).unwrap_or_default().split_at_checked(32).unwrap_or_default();
        (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
    }

    /// ring checks the curve when it agrees on a key with the point.
    fn check_on_curve(&self) -> Result<(), PublicKeyError> {
        let random = ring::rand::SystemRandom::new();
        let ours =
            EphemeralPrivateKey::generate(&ECDH_P256, &random).map_err(|_| PublicKeyError::NotOnCurve)?;
        let theirs = AgreementKey::new(&ECDH_P256, &self.point);
        agree_ephemeral(ours, &theirs, |_| ()).map_err(|_| PublicKeyError::NotOnCurve)
    }
}
