//! Public keys: P-256, RSA and Ed25519. Each knows the one algorithm its signatures are judged by.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey as AgreementKey, agree_ephemeral};
use ring::digest::{SHA256, digest};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use zeroid_token_core::Thumbprint;

use crate::algorithm::SigningAlgorithm;
use crate::jwk::Jwk;
use crate::spki::{self, ED25519_PREFIX, P256_PREFIX};

/// Longest PEM text of a registered public key, in bytes; a P-256 key has 178.
pub const MAX_PEM_BYTES: usize = 1024;

/// Fewest bits of an RSA modulus (RFC 7518 §3.3).
pub const MIN_RSA_BITS: u32 = 2048;

/// Most bits of an RSA modulus; more only make every check slower.
pub const MAX_RSA_BITS: u32 = 4096;

/// Most bytes of an RSA exponent. Nearly all are 65537; a long one only makes every check slower.
const MAX_RSA_EXPONENT_BYTES: usize = 4;

const LABEL_BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const LABEL_END: &str = "-----END PUBLIC KEY-----";

/// Why a text, a JWK or some numbers are no public key we take.
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
    #[error(
        "public key must be EC P-256, RSA or Ed25519 (SubjectPublicKeyInfo; EC as an uncompressed point)"
    )]
    NotP256,
    /// The point is not on the curve.
    #[error("public key is not a point of the curve P-256")]
    NotOnCurve,
    /// No RSA key within the bounds.
    #[error(
        "public key must be an RSA key of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits with a small odd exponent"
    )]
    NotRsa,
    /// No Ed25519 key.
    #[error("public key must be the 32 bytes of an Ed25519 key")]
    NotEd25519,
    /// A kind of key we know nothing of.
    #[error("public key must be EC P-256, RSA or OKP Ed25519")]
    UnknownKind,
    /// The JWK says it is for another algorithm.
    #[error("public key is for another algorithm than its kind has here")]
    Algorithm,
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(Material);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    P256([u8; 65]), // INVARIANT: starts with 4, the mark of an uncompressed point.
    Rsa(RsaNumbers),
    Ed25519([u8; 32]),
}

/// INVARIANT: big-endian, without leading zeros, within the bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RsaNumbers {
    n: Vec<u8>,
    e: Vec<u8>,
}

impl PublicKey {
    /// Read the PEM form of a key that was imported before. A curve is checked by whatever uses the key.
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
        if let Some(point) = der.strip_prefix(&P256_PREFIX) {
            return Self::from_point(point);
        }
        if let Some(key) = der.strip_prefix(&ED25519_PREFIX) {
            return Self::ed25519(key);
        }
        if !spki::is_rsa(&der) {
            return Err(PublicKeyError::NotP256);
        }
        let (n, e) = spki::rsa_numbers(&der).ok_or(PublicKeyError::NotRsa)?;
        let key = Self::rsa(n.to_vec(), e.to_vec())?;
        // A key has one encoding.
        if key.spki_der() == der { Ok(key) } else { Err(PublicKeyError::NotRsa) }
    }

    /// Read the PEM form of a key somebody hands in: one of P-256 must be a point of the curve.
    ///
    /// # Errors
    /// [`PublicKeyError`].
    pub fn import_pem(pem: &str) -> Result<Self, PublicKeyError> {
        let key = Self::from_pem(pem)?;
        if matches!(key.0, Material::P256(_)) {
            key.check_on_curve()?;
        }
        Ok(key)
    }

    /// Read a JWK (RFC 7518 §6.2.1 and §6.3.1, RFC 8037 §2). The kind of key alone says which algorithm it is for; a
    /// JWK that names another one is refused.
    ///
    /// # Errors
    /// [`PublicKeyError`].
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, PublicKeyError> {
        let key = Self::read_jwk(jwk)?;
        if matches!(key.0, Material::P256(_)) {
            key.check_on_curve()?;
        }
        match &jwk.alg {
            Some(alg) if alg != key.algorithm().as_str() => Err(PublicKeyError::Algorithm),
            _ => Ok(key),
        }
    }

    /// The key of a JWK, whatever algorithm it names. The curve is checked by whatever uses the key.
    pub(crate) fn read_jwk(jwk: &Jwk) -> Result<Self, PublicKeyError> {
        let bytes = |member: &Option<String>| {
            let text = member.as_deref().filter(|text| text.len() <= MAX_JWK_MEMBER_CHARS)?;
            URL_SAFE_NO_PAD.decode(text).ok()
        };
        match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("EC", Some("P-256")) => {
                let coordinate = |member| bytes(member).filter(|bytes| bytes.len() == 32);
                let (x, y) = coordinate(&jwk.x).zip(coordinate(&jwk.y)).ok_or(PublicKeyError::NotP256)?;
                Self::from_point(&[&[4], x.as_slice(), &y].concat())
            }
            ("EC", _) => Err(PublicKeyError::NotP256),
            ("RSA", _) => {
                let (n, e) = bytes(&jwk.n).zip(bytes(&jwk.e)).ok_or(PublicKeyError::NotRsa)?;
                Self::rsa(n, e)
            }
            ("OKP", Some("Ed25519")) => Self::ed25519(&bytes(&jwk.x).ok_or(PublicKeyError::NotEd25519)?),
            _ => Err(PublicKeyError::UnknownKind),
        }
    }

    /// The P-256 key of an uncompressed point (SEC 1 §2.3.3); it must be on the curve.
    ///
    /// # Errors
    /// [`PublicKeyError::NotP256`], [`PublicKeyError::NotOnCurve`].
    pub fn p256(point: &[u8]) -> Result<Self, PublicKeyError> {
        let key = Self::from_point(point)?;
        key.check_on_curve()?;
        Ok(key)
    }

    /// The RSA key of a modulus and an exponent, both big-endian and without leading zeros.
    ///
    /// # Errors
    /// [`PublicKeyError::NotRsa`].
    pub fn rsa(modulus: Vec<u8>, exponent: Vec<u8>) -> Result<Self, PublicKeyError> {
        let odd = |number: &[u8]| number.last().is_some_and(|last| last % 2 == 1);
        let leading = modulus.first().copied().unwrap_or_default().leading_zeros();
        let bits = u32::try_from(modulus.len() * 8).unwrap_or(u32::MAX).saturating_sub(leading);
        let good_modulus = odd(&modulus) && leading < 8 && (MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits);
        let good_exponent = odd(&exponent)
            && exponent.first() != Some(&0)
            && exponent != [1]
            && exponent.len() <= MAX_RSA_EXPONENT_BYTES;
        if good_modulus && good_exponent {
            Ok(Self(Material::Rsa(RsaNumbers { n: modulus, e: exponent })))
        } else {
            Err(PublicKeyError::NotRsa)
        }
    }

    /// The Ed25519 key of its 32 bytes (RFC 8032 §5.1.5).
    ///
    /// # Errors
    /// [`PublicKeyError::NotEd25519`].
    pub fn ed25519(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        bytes.try_into().map(|key| Self(Material::Ed25519(key))).map_err(|_| PublicKeyError::NotEd25519)
    }

    /// The key of a point that is known to be on the curve, or is checked by whatever uses the key.
    pub(crate) fn from_point(point: &[u8]) -> Result<Self, PublicKeyError> {
        let point: [u8; 65] = point.try_into().map_err(|_| PublicKeyError::NotP256)?;
        if point.first() == Some(&4) { Ok(Self(Material::P256(point))) } else { Err(PublicKeyError::NotP256) }
    }

    /// Its algorithm. A signature is judged by this, never by what its header says.
    pub const fn algorithm(&self) -> SigningAlgorithm {
        match self.0 {
            Material::P256(_) => SigningAlgorithm::Es256,
            Material::Rsa(_) => SigningAlgorithm::Rs256,
            Material::Ed25519(_) => SigningAlgorithm::EdDsa,
        }
    }

    /// Whether the signature over the message is this key's: as many bytes as the modulus has (RFC 7518 §3.3), or 64:
    /// r and s (§3.4), or those of RFC 8032.
    pub fn is_signature(&self, message: &[u8], signature: &[u8]) -> bool {
        let judged = match &self.0 {
            Material::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            Material::Rsa(RsaNumbers { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            Material::Ed25519(key) => UnparsedPublicKey::new(&ED25519, key).verify(message, signature),
        };
        judged.is_ok()
    }

    /// Whether the signature over the message is this RSA key's by RSASSA-PSS with SHA-256 (RFC 7518 §3.5); no other
    /// kind of key has such signatures.
    pub(crate) fn is_pss_signature(&self, message: &[u8], signature: &[u8]) -> bool {
        let Material::Rsa(RsaNumbers { n, e }) = &self.0 else { return false };
        RsaPublicKeyComponents { n, e }.verify(&RSA_PSS_2048_8192_SHA256, message, signature).is_ok()
    }

    /// The SubjectPublicKeyInfo, DER (RFC 5480 §2, RFC 8017 A.1, RFC 8410 §4).
    pub fn spki_der(&self) -> Vec<u8> {
        match &self.0 {
            Material::P256(point) => [P256_PREFIX.as_slice(), point].concat(),
            Material::Rsa(key) => spki::rsa(&key.n, &key.e),
            Material::Ed25519(key) => [spki::ED25519_PREFIX.as_slice(), key].concat(),
        }
    }

    /// The SubjectPublicKeyInfo, PEM.
    pub fn to_pem(&self) -> String {
        let base64 = STANDARD.encode(self.spki_der());
        let mut pem = format!("{LABEL_BEGIN}\n");
        let mut rest = base64.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at_checked(64).unwrap_or((rest, ""));
            pem.push_str(line);
            pem.push('\n');
            rest = after;
        }
        pem.push_str(LABEL_END);
        pem.push('\n');
        pem
    }

    /// The SHA-256 of the SubjectPublicKeyInfo, base64url: what clients call `nkt`.
    pub fn spki_sha256(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, &self.spki_der()))
    }

    /// The JWK thumbprint (RFC 7638 §3, RFC 8037 §2).
    pub fn thumbprint(&self) -> Thumbprint {
        let canonical = match &self.0 {
            Material::P256(point) => {
                let (x, y) = coordinates(point);
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
            }
            Material::Rsa(key) => {
                let (n, e) = (URL_SAFE_NO_PAD.encode(&key.n), URL_SAFE_NO_PAD.encode(&key.e));
                format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#)
            }
            Material::Ed25519(key) => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(key))
            }
        };
        let text = URL_SAFE_NO_PAD.encode(digest(&SHA256, canonical.as_bytes()));
        // INVARIANT: 32 bytes are 43 base64url characters, which is what a thumbprint is.
        #[expect(clippy::expect_used, reason = "the invariant above")]
        text.parse().expect("32 bytes are 43 base64url characters")
    }

    /// The key as a JWK for publication.
    pub fn jwk(&self, kid: &str, usage: &str) -> Jwk {
        let named = Jwk {
            kid: Some(kid.to_owned()),
            alg: Some(self.algorithm().as_str().to_owned()),
            usage: Some(usage.to_owned()),
            ..Jwk::default()
        };
        match &self.0 {
            Material::P256(point) => {
                let (x, y) = coordinates(point);
                Jwk { kty: "EC".to_owned(), crv: Some("P-256".to_owned()), x: Some(x), y: Some(y), ..named }
            }
            Material::Rsa(key) => Jwk {
                kty: "RSA".to_owned(),
                n: Some(URL_SAFE_NO_PAD.encode(&key.n)),
                e: Some(URL_SAFE_NO_PAD.encode(&key.e)),
                ..named
            },
            Material::Ed25519(key) => Jwk {
                kty: "OKP".to_owned(),
                crv: Some("Ed25519".to_owned()),
                x: Some(URL_SAFE_NO_PAD.encode(key)),
                ..named
            },
        }
    }

    /// ring checks the curve when it agrees on a key with the point.
    fn check_on_curve(&self) -> Result<(), PublicKeyError> {
        let Material::P256(point) = &self.0 else { return Err(PublicKeyError::NotP256) };
        let random = ring::rand::SystemRandom::new();
        let ours =
            EphemeralPrivateKey::generate(&ECDH_P256, &random).map_err(|_| PublicKeyError::NotOnCurve)?;
        let theirs = AgreementKey::new(&ECDH_P256, point);
        agree_ephemeral(ours, &theirs, |_| ()).map_err(|_| PublicKeyError::NotOnCurve)
    }
}

/// Longest member of a JWK, in characters: a modulus of the most bits has 683.
const MAX_JWK_MEMBER_CHARS: usize = 700;

fn coordinates(point: &[u8; 65]) -> (String, String) {
    let (x, y) = point.get(1..).unwrap_or_default().split_at_checked(32).unwrap_or_default();
    (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
}
