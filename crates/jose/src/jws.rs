//! Compact JWS (RFC 7515 §7.1): strict reading, and the two ways of authenticity.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use zeroid_token_core::{StrictJsonError, Unverified, Verified, parse_json_object_strict};

use crate::master::{MasterKey, TokenDigest};
use crate::public_key::PublicKey;

/// Longest compact form, in bytes: what proxies and clients carry in a header.
pub const MAX_COMPACT_BYTES: usize = 8192;

/// Longest header, in base64url characters.
const MAX_HEADER_CHARS: usize = 1024;

/// Header members that would let the sender choose the key or the meaning of the signature.
const REFUSED_MEMBERS: &[&str] = &["crit", "b64", "jwk", "jku", "x5u", "x5c", "zip"];

/// Why a text is no compact JWS we take, or not an authentic one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwsError {
    /// Longer than the bound.
    #[error("it is {bytes} bytes long, at most {MAX_COMPACT_BYTES} allowed")]
    TooLong {
        /// How long it was.
        bytes: usize,
    },
    /// Not three parts.
    #[error("it is not three base64url parts separated by dots")]
    NotCompact,
    /// A part is no canonical base64url.
    #[error("a part is not canonical unpadded base64url")]
    NotBase64,
    /// The header is no JSON object we take.
    #[error("its header is not acceptable: {0}")]
    Header(StrictJsonError),
    /// A header member that is refused.
    #[error("its header has the member `{0}`")]
    Refused(&'static str),
    /// A header member is missing or of another type.
    #[error("its header member `{0}` is missing or no text")]
    Member(&'static str),
    /// The header's algorithm is not the key's.
    #[error("its `alg` is not that of the key")]
    Algorithm,
    /// The signature, or the digest, is not ours.
    #[error("its signature is not valid")]
    Signature,
}

/// What a header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The algorithm it claims. Compared with the key's, never obeyed.
    pub alg: String,
    /// The kind of object.
    pub typ: Option<String>,
    /// The key it names.
    pub kid: Option<String>,
}

/// A compact JWS taken apart.
#[derive(Clone, Debug)]
pub struct Compact<'a> {
    /// The header.
    pub header: Arc<Header>,
    /// The payload, decoded.
    pub payload: Vec<u8>,
    /// What was signed: header and payload as they were sent.
    pub signing_input: &'a str,
    signature: Vec<u8>,
    compact: &'a str,
}

impl Compact<'_> {
    /// Whether the signature is this key's; the caller compares the algorithms.
    pub(crate) fn is_signed_by(&self, key: &PublicKey) -> bool {
        key.is_signature(self.signing_input.as_bytes(), &self.signature)
    }
}

/// Take a compact JWS apart, without believing any of it.
///
/// # Errors
/// [`JwsError`]; the bounds are checked before anything is decoded.
pub fn parse(compact: &str) -> Result<Unverified<Compact<'_>>, JwsError> {
    parse_knowing(compact, |_| None)
}

/// Take a compact JWS apart; what some encoded headers say is known already.
pub(crate) fn parse_knowing(
    compact: &str,
    known: impl FnOnce(&str) -> Option<Arc<Header>>,
) -> Result<Unverified<Compact<'_>>, JwsError> {
    let Split { header, payload, signature, signing_input } = split(compact, MAX_HEADER_CHARS)?;
    let header = match known(header) {
        Some(known) => known,
        None => Arc::new(read_header(&decode(header)?)?),
    };
    let (payload, signature) = (decode(payload)?, decode(signature)?);
    Ok(Unverified::new(Compact { header, payload, signing_input, signature, compact }))
}

/// The parts of a compact JWS, still encoded.
pub(crate) struct Split<'a> {
    pub(crate) header: &'a str,
    pub(crate) payload: &'a str,
    pub(crate) signature: &'a str,
    pub(crate) signing_input: &'a str,
}

/// Find the three parts, within the bounds.
pub(crate) fn split(compact: &str, most_header_chars: usize) -> Result<Split<'_>, JwsError> {
    if compact.len() > MAX_COMPACT_BYTES {
        return Err(JwsError::TooLong { bytes: compact.len() });
    }
    let (signing_input, signature) = compact.rsplit_once('.').ok_or(JwsError::NotCompact)?;
    let (header, payload) = signing_input.split_once('.').ok_or(JwsError::NotCompact)?;
    if payload.contains('.') || header.len() > most_header_chars {
        return Err(JwsError::NotCompact);
    }
    Ok(Split { header, payload, signature, signing_input })
}

/// The bytes of a part, which has one encoding only.
pub(crate) fn decode(part: &str) -> Result<Vec<u8>, JwsError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| JwsError::NotBase64)
}

/// Authenticate by the signature. The algorithm comes from the key.
///
/// # Errors
/// [`JwsError::Algorithm`], [`JwsError::Signature`].
pub fn verify<'a>(jws: Unverified<Compact<'a>>, key: &PublicKey) -> Result<Verified<Compact<'a>>, JwsError> {
    let jws = jws.into_unchecked();
    if jws.header.alg != key.algorithm().as_str() {
        return Err(JwsError::Algorithm);
    }
    if jws.is_signed_by(key) { Ok(Verified::assert_signature_checked(jws)) } else { Err(JwsError::Signature) }
}

/// Authenticate a token of ours by the digest recorded when we issued it: keyed by the master key, over every
/// byte of the compact form, compared in constant time.
///
/// # Errors
/// [`JwsError::Signature`].
pub fn match_digest<'a>(
    jws: Unverified<Compact<'a>>,
    master: &MasterKey,
    recorded: &TokenDigest,
) -> Result<Verified<Compact<'a>>, JwsError> {
    let jws = jws.into_unchecked();
    if master.token_digest(jws.compact).matches(recorded) {
        Ok(Verified::assert_signature_checked(jws))
    } else {
        Err(JwsError::Signature)
    }
}

pub(crate) fn read_header(bytes: &[u8]) -> Result<Header, JwsError> {
    let members = parse_json_object_strict(bytes).map_err(JwsError::Header)?;
    if let Some(refused) = REFUSED_MEMBERS.iter().find(|name| members.contains_key(**name)) {
        return Err(JwsError::Refused(refused));
    }
    let text = |name: &'static str| match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(JwsError::Member(name)),
    };
    Ok(Header { alg: text("alg")?.ok_or(JwsError::Member("alg"))?, typ: text("typ")?, kid: text("kid")? })
}
