//! DPoP proofs (RFC 9449 §4): a caller's own key, and the one request it signed for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use zeroid_identity_model::Timestamp;
use zeroid_token_core::{
    OAuthCode, ProvenKey, StrictJsonError, Thumbprint, Verified, parse_json_object_strict,
};

use crate::algorithm::SigningAlgorithm;
use crate::jwk::Jwk;
use crate::jws::{JwsError, Split, decode, split};
use crate::master::MasterKey;
use crate::numeric_date::numeric_date;
use crate::public_key::{PublicKey, PublicKeyError};
use crate::signing::sha256;
use crate::target_uri::TargetUri;

/// The algorithms a proof may be signed with, as `dpop_signing_alg_values_supported` lists them (RFC 9449 §5.1).
/// `Ed25519` is what RFC 9864 calls `EdDSA` with that curve.
pub const PROOF_ALGORITHMS: [&str; 5] = ["ES256", "EdDSA", "Ed25519", "RS256", "PS256"];

/// How old a proof may be, in seconds: it is made for one request, and sent at once.
pub const MAX_PROOF_AGE_SECONDS: i64 = 60;

/// How far the caller's clock may be off ours, in seconds.
pub const PROOF_SKEW_SECONDS: i64 = 5;

/// Longest `jti`, in bytes. A UUID has 36.
const MAX_JTI_BYTES: usize = 512;

/// Longest header, in base64url characters: an RSA key of the most bits fits.
const MAX_HEADER_CHARS: usize = 2048;

/// Header members that would let the sender choose the key elsewhere, or the meaning of the signature.
const REFUSED_MEMBERS: [&str; 6] = ["crit", "b64", "jku", "x5u", "x5c", "zip"];

/// Members of a JWK that only a private or symmetric key has (RFC 7518 §6.2.2, §6.3.2, §6.4.1).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "k", "p", "q", "dp", "dq", "qi", "oth"];

/// What a proof must be a proof for. Holds secrets, so it cannot be printed.
#[derive(Clone, Copy)]
pub struct ExpectedProof<'a> {
    /// The method of the request.
    pub method: &'a str,
    /// Its URI, under every address it can be reached by.
    pub targets: &'a [TargetUri],
    /// The access token that came with it: `ath` must be its hash (RFC 9449 §7).
    pub token: Option<&'a str>,
    /// The key that token is bound to.
    pub key: Option<&'a Thumbprint>,
    /// The body of the request: the hash in `bh`, a claim of the house that a proof may have, must be its.
    pub body: Option<&'a [u8]>,
    /// Whose nonces are demanded, if any are (RFC 9449 §8).
    pub nonces: Option<&'a MasterKey>,
    /// The moment.
    pub now: Timestamp,
}

/// Why a text is no proof for this request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// No compact JWS within the bounds, or with header members that are refused.
    #[error("the DPoP proof is not acceptable: {0}")]
    Jws(#[from] JwsError),
    /// Another kind of object.
    #[error("the DPoP proof's `typ` is not `dpop+jwt`")]
    Typ,
    /// No algorithm for proofs, or not one of the key's.
    #[error(
        "the DPoP proof's `alg` is not supported for its key; supported are ES256, EdDSA, RS256 and PS256"
    )]
    Algorithm,
    /// No key.
    #[error("the DPoP proof's header has no `jwk`")]
    NoKey,
    /// A key that should have stayed where it was.
    #[error("the DPoP proof's `jwk` has the member `{0}` of a private or symmetric key")]
    PrivateKey(&'static str),
    /// A key we do not take.
    #[error("the DPoP proof's `jwk` is not acceptable: {0}")]
    Key(#[from] PublicKeyError),
    /// The payload is no JSON object we take.
    #[error("the DPoP proof's payload is not acceptable: {0}")]
    Payload(StrictJsonError),
    /// A claim is missing, or of another type or size.
    #[error("the DPoP proof's `{0}` is missing or not acceptable")]
    Claim(&'static str),
    /// For another method.
    #[error("the DPoP proof's `htm` is not the method of this request")]
    Method,
    /// For another URI.
    #[error("the DPoP proof's `htu` is not the URI of this request")]
    Target,
    /// Too old, or of a clock that is too far off.
    #[error("the DPoP proof's `{0}` is outside the time this request is made in")]
    Time(&'static str),
    /// For another access token, or for none.
    #[error("the DPoP proof's `ath` is not the hash of the access token")]
    Token,
    /// For another body.
    #[error("the DPoP proof's `bh` is not the hash of the body")]
    Body,
    /// Without a nonce of ours that is still good.
    #[error("the DPoP proof needs the `nonce` that came in DPoP-Nonce")]
    Nonce,
    /// By another key than the access token is bound to.
    #[error("the DPoP proof is not by the key the access token is bound to")]
    OtherKey,
    /// The signature is not the key's.
    #[error("the DPoP proof's signature is not valid")]
    Signature,
}

impl ProofError {
    /// The code the client sees (RFC 9449 §5, §7.1 and §8).
    pub const fn oauth_code(&self) -> OAuthCode {
        match self {
            Self::Nonce => OAuthCode::UseDpopNonce,
            _ => OAuthCode::InvalidDpopProof,
        }
    }
}

/// Check a proof (RFC 9449 §4.3), all but that it was not used before: what costs nothing first, the signature last.
///
/// # Errors
/// [`ProofError`], with what was found wrong first.
pub fn check_proof(proof: &str, expected: &ExpectedProof<'_>) -> Result<Verified<ProvenKey>, ProofError> {
    let Split { header, payload, signature, signing_input } = split(proof, MAX_HEADER_CHARS)?;
    let (algorithm, key) = read_header(&decode(header)?)?;
    let claims = parse_json_object_strict(&decode(payload)?).map_err(ProofError::Payload)?;
    let (jti, iat) = check_claims(&claims, expected)?;
    let thumbprint = key.thumbprint();
    if expected.key.is_some_and(|bound| *bound != thumbprint) {
        return Err(ProofError::OtherKey);
    }
    let (message, signature) = (signing_input.as_bytes(), decode(signature)?);
    let signed = match algorithm {
        Algorithm::OfKey => key.is_signature(message, &signature),
        Algorithm::Pss => key.is_pss_signature(message, &signature),
    };
    if !signed {
        return Err(ProofError::Signature);
    }
    Ok(Verified::assert_signature_checked(ProvenKey { thumbprint, jti, iat }))
}

/// What a proof says of an access token in `ath` (RFC 9449 §4.2), and of a body in `bh`: its SHA-256, base64url.
pub fn proof_hash(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(sha256(bytes))
}

/// How the signature is made. A key has one way, but for RSA, which has two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    OfKey,
    Pss,
}

fn read_header(bytes: &[u8]) -> Result<(Algorithm, PublicKey), ProofError> {
    let header = parse_json_object_strict(bytes).map_err(JwsError::Header)?;
    if let Some(refused) = REFUSED_MEMBERS.into_iter().find(|name| header.contains_key(*name)) {
        return Err(JwsError::Refused(refused).into());
    }
    if header.get("typ").and_then(Value::as_str) != Some("dpop+jwt") {
        return Err(ProofError::Typ);
    }
    let alg = header.get("alg").and_then(Value::as_str).filter(|alg| PROOF_ALGORITHMS.contains(alg));
    let alg = alg.ok_or(ProofError::Algorithm)?;
    let jwk = header.get("jwk").and_then(Value::as_object).ok_or(ProofError::NoKey)?;
    if let Some(private) = PRIVATE_MEMBERS.into_iter().find(|name| jwk.contains_key(*name)) {
        return Err(ProofError::PrivateKey(private));
    }
    let jwk: Jwk = serde_json::from_value(Value::Object(jwk.clone())).map_err(|_| ProofError::NoKey)?;
    let key = PublicKey::read_jwk(&jwk)?;
    let algorithm = match (key.algorithm(), alg) {
        (SigningAlgorithm::Es256, "ES256")
        | (SigningAlgorithm::EdDsa, "EdDSA" | "Ed25519")
        | (SigningAlgorithm::Rs256, "RS256") => Algorithm::OfKey,
        (SigningAlgorithm::Rs256, "PS256") => Algorithm::Pss,
        _ => return Err(ProofError::Algorithm),
    };
    let for_another = jwk.alg.as_deref().is_some_and(|named| named != alg)
        || jwk.usage.as_deref().is_some_and(|usage| usage != "sig");
    if for_another { Err(ProofError::Algorithm) } else { Ok((algorithm, key)) }
}

fn check_claims(
    claims: &Map<String, Value>,
    expected: &ExpectedProof<'_>,
) -> Result<(String, i64), ProofError> {
    let jti = text(claims, "jti")?;
    if jti.len() > MAX_JTI_BYTES {
        return Err(ProofError::Claim("jti"));
    }
    if text(claims, "htm")? != expected.method {
        return Err(ProofError::Method);
    }
    let target: TargetUri = text(claims, "htu")?.parse().map_err(|_| ProofError::Claim("htu"))?;
    if !expected.targets.contains(&target) {
        return Err(ProofError::Target);
    }
    let iat = check_times(claims, expected.now)?;
    if let Some(token) = expected.token
        && claims.get("ath").and_then(Value::as_str) != Some(&proof_hash(token.as_bytes()))
    {
        return Err(ProofError::Token);
    }
    if let (Some(body), Some(claimed)) = (expected.body, claims.get("bh"))
        && claimed.as_str() != Some(&proof_hash(body))
    {
        return Err(ProofError::Body);
    }
    if let Some(master) = expected.nonces {
        let nonce = claims.get("nonce").and_then(Value::as_str);
        if !nonce.is_some_and(|nonce| master.is_dpop_nonce(nonce, expected.now)) {
            return Err(ProofError::Nonce);
        }
    }
    Ok((jti.to_owned(), iat))
}

/// RFC 9449 §4.3 (11), and what RFC 7519 §4.1.4 and §4.1.5 say of `exp` and `nbf`, which a proof may have.
fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<i64, ProofError> {
    let now = now.unix_seconds();
    let iat = seconds(claims, "iat")?.ok_or(ProofError::Claim("iat"))?;
    let oldest = now - MAX_PROOF_AGE_SECONDS - PROOF_SKEW_SECONDS;
    if !(oldest..=now + PROOF_SKEW_SECONDS).contains(&iat) {
        return Err(ProofError::Time("iat"));
    }
    if seconds(claims, "exp")?.is_some_and(|exp| exp < now - PROOF_SKEW_SECONDS) {
        return Err(ProofError::Time("exp"));
    }
    if seconds(claims, "nbf")?.is_some_and(|nbf| nbf > now + PROOF_SKEW_SECONDS) {
        return Err(ProofError::Time("nbf"));
    }
    Ok(iat)
}

fn text<'c>(claims: &'c Map<String, Value>, name: &'static str) -> Result<&'c str, ProofError> {
    let text = claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    text.ok_or(ProofError::Claim(name))
}

/// A NumericDate (RFC 7519 §2), rounded down; absent when the claim is.
fn seconds(claims: &Map<String, Value>, name: &'static str) -> Result<Option<i64>, ProofError> {
    claims.get(name).map(|value| numeric_date(value).ok_or(ProofError::Claim(name))).transpose()
}
