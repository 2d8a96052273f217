//! Self-signed assertions (RFC 7523 §3), of identities and of clients: who signed, and whether its key agrees.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};
use zeroid_identity_model::{SpiffeId, Timestamp};
use zeroid_jose::{Compact, HashPurpose, KeySet, MasterKey, PublicKey, numeric_date, parse, verify};
use zeroid_storage::{SecretHash, Spend};
use zeroid_token_core::{Unverified, parse_json_object_strict};

use crate::key_sets::{ByUrlRefusal, KeySets};

/// How far ahead an assertion may end, in seconds: it proves a moment, not a session.
pub(crate) const MAX_LIFETIME_SECONDS: i64 = 300;

/// How far ahead of ours the signer's clock may be, in seconds.
pub(crate) const CLOCK_SKEW_SECONDS: i64 = 60;

/// Longest `jti` of an assertion, in bytes.
pub(crate) const MAX_JTI_BYTES: usize = 512;

/// Who signs assertions: what it calls itself, and how its assertions are marked.
pub(crate) trait Signer: FromStr + fmt::Display {
    /// The values of the header `typ` that are taken; none at all is taken, too.
    const KINDS: &'static [&'static str];
    /// What is said of an `iss` that names no such signer.
    const NO_NAME: &'static str;
}

/// An identity (house rule X12).
impl Signer for SpiffeId {
    const KINDS: &'static [&'static str] = &["JWT"];
    const NO_NAME: &'static str = "`iss` is no SPIFFE ID";
}

/// An assertion that was read but not authenticated: it says whose key to look for.
#[derive(Clone)]
pub(crate) struct Assertion<'a, S = SpiffeId> {
    jws: Unverified<Compact<'a>>,
    claims: Map<String, Value>,
    pub(crate) issuer: S,
}

impl<'a, S: Signer> Assertion<'a, S> {
    /// Read an assertion. Every rule that needs no key is checked here.
    ///
    /// # Errors
    /// What is wrong with it, naming the claim.
    pub(crate) fn read(compact: &'a str, audience: &str, now: Timestamp) -> Result<Self, String> {
        let jws = parse(compact).map_err(|error| error.to_string())?;
        if jws.peek().header.typ.as_deref().is_some_and(|typ| !S::KINDS.contains(&typ)) {
            let kinds = S::KINDS.join("` or `");
            return Err(format!(
                "its `typ` is not `{kinds}`; a token of ours is no proof of who presents it"
            ));
        }
        let claims = parse_json_object_strict(&jws.peek().payload).map_err(|error| error.to_string())?;
        let named = text(&claims, "iss")?;
        let issuer: S = named.parse().map_err(|_| S::NO_NAME.to_owned())?;
        if text(&claims, "sub")? != named {
            return Err("`sub` must equal `iss`".to_owned());
        }
        check_audience(&claims, audience)?;
        check_times(&claims, now)?;
        Ok(Self { jws, claims, issuer })
    }

    /// Authenticate it by one of the signer's keys; what it uses up is what makes it single-use. Absent when it is
    /// signed by none of them, or its `jti` is not acceptable.
    pub(crate) fn authenticate<'k>(
        self,
        keys: impl IntoIterator<Item = &'k PublicKey>,
        master: &MasterKey,
    ) -> Option<Spend> {
        let (hash, forget_at) = self.fingerprint(master).ok()?;
        let scope = self.issuer.to_string();
        keys.into_iter().find(|key| verify(self.jws.clone(), key).is_ok())?;
        Some(Spend { scope, hash, forget_at })
    }

    /// The same by the signer's key set.
    pub(crate) fn authenticate_by(self, keys: &KeySet, master: &MasterKey) -> Option<Spend> {
        let (hash, forget_at) = self.fingerprint(master).ok()?;
        let scope = self.issuer.to_string();
        keys.verify(self.jws).ok()?;
        Some(Spend { scope, hash, forget_at })
    }

    /// The same by the key set at a URL of the signer's own.
    ///
    /// # Errors
    /// [`ByUrlRefusal`]: there is no set to judge by, or none of its keys signed it.
    pub(crate) async fn authenticate_at(
        self,
        sets: &KeySets,
        url: &str,
        now: Timestamp,
        master: &MasterKey,
    ) -> Result<Option<Spend>, ByUrlRefusal> {
        // What is not acceptable by itself fetches nothing.
        let Ok((hash, forget_at)) = self.fingerprint(master) else { return Ok(None) };
        let scope = self.issuer.to_string();
        sets.verify(url, self.jws, now).await?;
        Ok(Some(Spend { scope, hash, forget_at }))
    }

    /// What it is remembered by: its `jti`, or without one its signing input (an ECDSA signature can be changed
    /// and stay valid, so the whole would not do).
    fn fingerprint(&self, master: &MasterKey) -> Result<(SecretHash, Timestamp), String> {
        let mut bytes = Vec::new();
        match self.claims.get("jti") {
            None => {
                bytes.extend_from_slice(b"input:");
                bytes.extend_from_slice(self.jws.peek().signing_input.as_bytes());
            }
            Some(Value::String(jti)) if !jti.is_empty() && jti.len() <= MAX_JTI_BYTES => {
                bytes.extend_from_slice(b"jti:");
                bytes.extend_from_slice(jti.as_bytes());
            }
            Some(_) => return Err(format!("`jti` must be a string of 1 to {MAX_JTI_BYTES} bytes")),
        }
        let hash = SecretHash(*master.keyed_hash(HashPurpose::Assertion, &bytes).as_bytes());
        let exp = seconds(&self.claims, "exp")?.unwrap_or_default();
        Ok((hash, Timestamp::from_unix_seconds(exp).plus_seconds(CLOCK_SKEW_SECONDS)))
    }
}

pub(crate) fn check_audience(claims: &Map<String, Value>, audience: &str) -> Result<(), String> {
    let named = match claims.get("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(several)) => {
            several.len() == 1 && several.iter().all(|one| one.as_str() == Some(audience))
        }
        _ => return Err("`aud` is missing".to_owned()),
    };
    if named { Ok(()) } else { Err(format!("`aud` must be {audience}, and nothing else")) }
}

pub(crate) fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<(), String> {
    let now = now.unix_seconds();
    let exp = seconds(claims, "exp")?.ok_or("`exp` is missing")?;
    if exp <= now {
        return Err("`exp` has passed".to_owned());
    }
    if exp - now > MAX_LIFETIME_SECONDS {
        return Err(format!("`exp` is more than {MAX_LIFETIME_SECONDS} s ahead"));
    }
    for name in ["iat", "nbf"] {
        if seconds(claims, name)?.is_some_and(|at| at > now.saturating_add(CLOCK_SKEW_SECONDS)) {
            return Err(format!("`{name}` is in the future"));
        }
    }
    Ok(())
}

pub(crate) fn text<'c>(claims: &'c Map<String, Value>, name: &str) -> Result<&'c str, String> {
    claims.get(name).and_then(Value::as_str).ok_or_else(|| format!("`{name}` is missing"))
}

/// A NumericDate (RFC 7519 §2), rounded down; absent when the claim is.
pub(crate) fn seconds(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, String> {
    let date = |value| numeric_date(value).ok_or_else(|| format!("`{name}` is no date"));
    claims.get(name).map(date).transpose()
}
