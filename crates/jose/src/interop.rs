//! Keys in other formats, through josekit: RSA generation, import and export, and encrypted export (JWE).
//!
//! Nothing on the path of a request uses this: signing and verifying are ring's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwe::{self, JweHeader, PBES2_HS512_A256KW};
use josekit::jwk::Jwk as ForeignJwk;
use josekit::jwk::KeyPair as _;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::alg::rsa::RsaKeyPair;
use zeroize::Zeroizing;

use crate::public_key::{MAX_RSA_BITS, MIN_RSA_BITS};
use crate::secret::Secret;
use crate::signing::SigningKey;

/// Longest text of a key that is read, in bytes.
pub const MAX_KEY_BYTES: usize = 16 * 1024;

/// Shortest passphrase of an encrypted export, in characters.
pub const MIN_PASSPHRASE_CHARS: usize = 16;

/// Why a key was not made, read or written. No part of the key is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InteropError {
    /// The size is outside the bounds.
    #[error("an RSA key has {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")]
    RsaBits,
    /// Longer than the bound.
    #[error("the key is longer than {MAX_KEY_BYTES} bytes")]
    TooLong,
    /// Not a key we can read.
    #[error("not an unencrypted P-256 private key in PEM (PKCS#8, SEC 1) or JWK")]
    NotAKey,
    /// The passphrase is too short.
    #[error("the passphrase needs at least {MIN_PASSPHRASE_CHARS} characters")]
    Passphrase,
    /// The key could not be made, written, encrypted or decrypted.
    #[error("the key could not be converted, or the passphrase is not the one it was encrypted with")]
    Failed,
}

/// A private key in PKCS#8, DER. Prints nothing; wiped when dropped.
pub struct Pkcs8(Zeroizing<Vec<u8>>);

impl Pkcs8 {
    /// The DER bytes. Whoever calls this must not print or store them in the clear.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Take a P-256 private key in PKCS#8, DER.
    ///
    /// # Errors
    /// [`InteropError::NotAKey`].
    pub fn from_der(der: &[u8]) -> Result<Self, InteropError> {
        if der.len() > MAX_KEY_BYTES {
            return Err(InteropError::TooLong);
        }
        let pair = EcKeyPair::from_der(der, Some(EcCurve::P256)).map_err(|_| InteropError::NotAKey)?;
        Self::of(&pair)
    }

    /// Read a P-256 private key: PEM in PKCS#8 or SEC 1, or a JWK.
    ///
    /// # Errors
    /// [`InteropError::NotAKey`], [`InteropError::TooLong`].
    pub fn import(text: &str) -> Result<Self, InteropError> {
        if text.len() > MAX_KEY_BYTES {
            return Err(InteropError::TooLong);
        }
        let text = text.trim();
        let pair = if text.starts_with('{') {
            let jwk = ForeignJwk::from_bytes(text).map_err(|_| InteropError::NotAKey)?;
            if jwk.curve() != Some("P-256") {
                return Err(InteropError::NotAKey);
            }
            EcKeyPair::from_jwk(&jwk).map_err(|_| InteropError::NotAKey)?
        } else {
            EcKeyPair::from_pem(text, Some(EcCurve::P256)).map_err(|_| InteropError::NotAKey)?
        };
        Self::of(&pair)
    }

    /// The key as PEM, PKCS#8.
    ///
    /// # Errors
    /// [`InteropError::Failed`].
    pub fn to_pem(&self) -> Result<Secret, InteropError> {
        let pem = self.pair()?.to_pem_private_key();
        String::from_utf8(pem).map(Secret::new).map_err(|_| InteropError::Failed)
    }

    /// The key as a JWK (RFC 7518 §6.2.2).
    ///
    /// # Errors
    /// [`InteropError::Failed`].
    pub fn to_jwk(&self) -> Result<Secret, InteropError> {
        Ok(Secret::new(self.pair()?.to_jwk_key_pair().to_string()))
    }

    /// The key encrypted under a passphrase, as a compact JWE (RFC 7516 §7.1; PBES2-HS512+A256KW, A256GCM).
    ///
    /// # Errors
    /// [`InteropError::Passphrase`], [`InteropError::Failed`].
    pub fn encrypt(&self, passphrase: &Secret) -> Result<String, InteropError> {
        if passphrase.expose().chars().count() < MIN_PASSPHRASE_CHARS {
            return Err(InteropError::Passphrase);
        }
        let mut encrypter = PBES2_HS512_A256KW
            .encrypter_from_bytes(passphrase.expose().as_bytes())
            .map_err(|_| InteropError::Failed)?;
        encrypter.set_iter_count(PBES2_ITERATIONS);
        let mut header = JweHeader::new();
        header.set_content_encryption("A256GCM");
        header.set_content_type("jwk+json");
        let jwk = self.to_jwk()?;
        jwe::serialize_compact(jwk.expose().as_bytes(), &header, &encrypter).map_err(|_| InteropError::Failed)
    }

    /// Open what [`Pkcs8::encrypt`] made.
    ///
    /// # Errors
    /// [`InteropError::Failed`] for another passphrase or other bytes.
    pub fn decrypt(compact: &str, passphrase: &Secret) -> Result<Self, InteropError> {
        if compact.len() > MAX_KEY_BYTES {
            return Err(InteropError::TooLong);
        }
        let decrypter = PBES2_HS512_A256KW
            .decrypter_from_bytes(passphrase.expose().as_bytes())
            .map_err(|_| InteropError::Failed)?;
        let (plain, _) = jwe::deserialize_compact(compact, &decrypter).map_err(|_| InteropError::Failed)?;
        let plain = Zeroizing::new(plain);
        let text = std::str::from_utf8(&plain).map_err(|_| InteropError::Failed)?;
        Self::import(text)
    }

    fn pair(&self) -> Result<EcKeyPair, InteropError> {
        EcKeyPair::from_der(self.expose(), Some(EcCurve::P256)).map_err(|_| InteropError::Failed)
    }

    /// In the one form that ring signs with: PKCS#8 with the public key inside (RFC 5208 §5, RFC 5915 §3).
    fn of(pair: &EcKeyPair) -> Result<Self, InteropError> {
        let jwk = pair.to_jwk_key_pair();
        let coordinate = |name: &str| -> Result<Zeroizing<Vec<u8>>, InteropError> {
            let text = jwk.parameter(name).and_then(|value| value.as_str()).ok_or(InteropError::NotAKey)?;
            let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| InteropError::NotAKey)?);
            if bytes.len() == 32 { Ok(bytes) } else { Err(InteropError::NotAKey) }
        };
        let mut der =
            Zeroizing::new(Vec::with_capacity(PKCS8_BEFORE_KEY.len() + 32 + PKCS8_BEFORE_POINT.len() + 64));
        der.extend_from_slice(&PKCS8_BEFORE_KEY);
        der.extend_from_slice(&coordinate("d")?);
        der.extend_from_slice(&PKCS8_BEFORE_POINT);
        der.extend_from_slice(&coordinate("x")?);
        der.extend_from_slice(&coordinate("y")?);
        // Only what ring can sign with is taken.
        SigningKey::from_pkcs8(&der).map_err(|_| InteropError::NotAKey)?;
        Ok(Self(der))
    }
}

/// Everything before the private scalar: version, id-ecPublicKey and prime256v1, ECPrivateKey version 1.
const PKCS8_BEFORE_KEY: [u8; 36] = [
    0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01,
    0x04, 0x20,
];

/// Between the scalar and the point: the public key as an uncompressed point.
const PKCS8_BEFORE_POINT: [u8; 6] = [0xa1, 0x44, 0x03, 0x42, 0x00, 0x04];

impl std::fmt::Debug for Pkcs8 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pkcs8(..)")
    }
}

/// Iterations of PBKDF2 (OWASP's figure for HMAC-SHA-512).
const PBES2_ITERATIONS: usize = 210_000;

/// Make an RSA key pair; its private half as PEM, PKCS#8, and its public half as PEM.
///
/// # Errors
/// [`InteropError::RsaBits`], [`InteropError::Failed`].
pub fn generate_rsa(bits: u32) -> Result<(Secret, String), InteropError> {
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(InteropError::RsaBits);
    }
    let pair = RsaKeyPair::generate(bits).map_err(|_| InteropError::Failed)?;
    let private = String::from_utf8(pair.to_pem_private_key()).map_err(|_| InteropError::Failed)?;
    let public = String::from_utf8(pair.to_pem_public_key()).map_err(|_| InteropError::Failed)?;
    Ok((Secret::new(private), public))
}

/// Make an RSA key pair in PKCS#8, DER: what a signing key is loaded from.
///
/// # Errors
/// [`InteropError::RsaBits`], [`InteropError::Failed`].
pub fn generate_rsa_pkcs8(bits: u32) -> Result<Zeroizing<Vec<u8>>, InteropError> {
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(InteropError::RsaBits);
    }
    let pair = RsaKeyPair::generate(bits).map_err(|_| InteropError::Failed)?;
    Ok(Zeroizing::new(pair.to_der_private_key()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn fresh() -> (SigningKey, Pkcs8) {
        let (key, der) = SigningKey::generate().unwrap();
        (key, Pkcs8::from_der(&der).unwrap())
    }

    #[test]
    fn every_format_gives_the_same_key_back() {
        let (key, pkcs8) = fresh();
        let passphrase = Secret::new("correct horse battery");
        let sealed = pkcs8.encrypt(&passphrase).unwrap();
        assert!(!sealed.contains("\"d\""));
        for read in [
            Pkcs8::import(pkcs8.to_pem().unwrap().expose()).unwrap(),
            Pkcs8::import(pkcs8.to_jwk().unwrap().expose()).unwrap(),
            Pkcs8::decrypt(&sealed, &passphrase).unwrap(),
        ] {
            assert_eq!(SigningKey::from_pkcs8(read.expose()).unwrap().kid(), key.kid());
        }
    }

    #[test]
    fn another_passphrase_or_an_altered_export_opens_nothing() {
        let (_, pkcs8) = fresh();
        let sealed = pkcs8.encrypt(&Secret::new("correct horse battery")).unwrap();
        assert_eq!(
            Pkcs8::decrypt(&sealed, &Secret::new("wrong horse battery")).unwrap_err(),
            InteropError::Failed
        );
        let altered = format!("{}A", sealed.get(..sealed.len() - 1).unwrap());
        let same = altered == sealed;
        assert!(same || Pkcs8::decrypt(&altered, &Secret::new("correct horse battery")).is_err());
        assert_eq!(pkcs8.encrypt(&Secret::new("short")).unwrap_err(), InteropError::Passphrase);
    }

    #[test]
    fn other_keys_are_refused() {
        let (rsa, public) = generate_rsa(2048).unwrap();
        assert!(public.contains("PUBLIC KEY"));
        for bad in [rsa.expose(), public.as_str(), "", "{}", "{\"kty\":\"EC\",\"crv\":\"P-384\"}", "nonsense"]
        {
            assert_eq!(Pkcs8::import(bad).unwrap_err(), InteropError::NotAKey);
        }
        assert_eq!(generate_rsa(1024).unwrap_err(), InteropError::RsaBits);
        assert_eq!(Pkcs8::import(&"x".repeat(MAX_KEY_BYTES + 1)).unwrap_err(), InteropError::TooLong);
    }
}
