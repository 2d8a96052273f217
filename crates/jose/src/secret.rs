//! Secrets: texts that print nothing, and how new ones are made.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroid_identity_model::Timestamp;
use zeroize::Zeroizing;

use crate::random::{Random, RandomError};

/// What an API key starts with.
pub const API_KEY_PREFIX: &str = "zid_sk_";

/// What a client secret starts with.
pub const CLIENT_SECRET_PREFIX: &str = "zid_cs_";

/// What a generated operator key starts with.
pub const OPERATOR_KEY_PREFIX: &str = "zid_op_";

const DISPLAYED: usize = 16;

/// A secret text. It is never printed, and wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Keep this text secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text. Whoever calls this must not print or store it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A fresh secret: the prefix and 256 random bits in base64url.
///
/// # Errors
/// [`RandomError`].
pub fn generate_secret(random: &dyn Random, prefix: &str) -> Result<Secret, RandomError> {
    let mut bytes = Zeroizing::new([0_u8; 32]);
    random.fill(&mut *bytes)?;
    let mut text = String::with_capacity(prefix.len() + 43);
    text.push_str(prefix);
    URL_SAFE_NO_PAD.encode_string(*bytes, &mut text);
    Ok(Secret::new(text))
}

/// The first sixteen characters of a secret: enough to recognise it by, 54 bits too few to guess it.
pub fn display_prefix(secret: &Secret) -> String {
    secret.expose().chars().take(DISPLAYED).collect()
}

/// The bytes of a fresh UUIDv7: the millisecond of `now`, then 74 random bits (RFC 9562 §5.7).
///
/// # Errors
/// [`RandomError`].
pub fn uuid_v7_bytes(now: Timestamp, random: &dyn Random) -> Result<[u8; 16], RandomError> {
    let mut tail = [0_u8; 10];
    random.fill(&mut tail)?;
    let [_, _, a, b, c, d, e, f] = now.unix_millis().max(0).to_be_bytes();
    let [g, h, i, rest @ ..] = tail;
    let [j, k, l, m, n, o, p] = rest;
    Ok([a, b, c, d, e, f, 0x70 | (g & 0x0f), h, 0x80 | (i & 0x3f), j, k, l, m, n, o, p])
}
