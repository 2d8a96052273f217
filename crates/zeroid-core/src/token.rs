//! Our own tokens: authenticating one that is presented, and signing one that was decided.

use std::sync::Arc;

use zeroid_identity_model::CredentialId;
use zeroid_jose::{MAX_COMPACT_BYTES, Secret, SigningKey, TokenDigest, match_digest, verify};
use zeroid_storage::{CredentialDigest, CredentialFacts};
use zeroid_token_core::{Claims, Plan, Refusal, TokenTyp, Unverified, Verified, live};

use crate::engine::Engine;
use crate::error::{Fault, TokenError};

/// A token of ours that is authentic and alive, with the facts that say so.
pub(crate) struct LiveToken {
    pub(crate) claims: Verified<Box<Claims>>,
    pub(crate) facts: Arc<CredentialFacts>,
}

/// What a compact token says before anybody authenticated it: enough to look its record up.
pub(crate) struct Presented<'a> {
    jws: Unverified<zeroid_jose::Compact<'a>>,
    claims: Box<Claims>,
}

impl Engine {
    /// Read a token that claims to be ours; absent when it cannot be: malformed, another kind, another issuer,
    /// another key.
    ///
    /// # Errors
    /// Our fault, which is never "absent".
    pub(crate) async fn read_token<'a>(&self, compact: &'a str) -> Result<Option<Presented<'a>>, Fault> {
        let Some(presented) = self.parse_token(compact) else { return Ok(None) };
        let kid = presented.jws.peek().header.kid.as_deref().unwrap_or_default();
        Ok(self.knows_key(kid).await?.then_some(presented))
    }

    fn parse_token<'a>(&self, compact: &'a str) -> Option<Presented<'a>> {
        let jws = self.ring().parse(compact).ok()?;
        let typ = jws.peek().header.typ.as_deref()?;
        let is_ours = [TokenTyp::AccessToken, TokenTyp::JwtSvid].iter().any(|kind| kind.as_str() == typ);
        let claims: Box<Claims> = serde_json::from_slice(&jws.peek().payload).ok()?;
        (is_ours && claims.iss == self.settings.rules.issuer).then_some(Presented { jws, claims })
    }

    /// Authenticate what was read: by the digest recorded when we issued it, or by its signature.
    ///
    /// The digest is keyed by the master key and covers every byte, so whoever can only write to the database
    /// cannot make a token authentic; claims are always read from the presented bytes.
    pub(crate) fn authenticate<'a>(
        &self,
        presented: Presented<'a>,
        recorded: &CredentialDigest,
    ) -> Option<Verified<Box<Claims>>> {
        let Presented { jws, claims } = presented;
        let ring = self.ring();
        let key = ring.verifier(jws.peek().header.kid.as_deref()?)?;
        if jws.peek().header.alg != key.algorithm().as_str() {
            return None;
        }
        let authentic = if self.settings.always_verify_signatures {
            verify(jws, key)
        } else {
            match_digest(jws, &self.master, &TokenDigest::from_bytes(recorded.0))
        };
        Some(authentic.ok()?.map(|_| claims))
    }

    /// A presented token with its facts, when it is ours, authentic and alive now; absent otherwise.
    ///
    /// # Errors
    /// Our fault, which is never "absent".
    pub(crate) async fn live_token(&self, compact: &str) -> Result<Option<LiveToken>, Fault> {
        let Some(presented) = self.read_token(compact).await? else { return Ok(None) };
        let Some(facts) = self.store.credential_facts(presented.jti()).await? else { return Ok(None) };
        let Some(claims) = self.authenticate(presented, &facts.digest) else { return Ok(None) };
        let now = self.now();
        let in_time = claims.get().exp > now.unix_seconds();
        // A name that an older release left to callers and that is ours by now would be read as our own word.
        let theirs = facts.record.additional.check_names().is_ok();
        let alive = in_time && theirs && live(&facts.record, &facts.live, now).is_ok();
        Ok(alive.then_some(LiveToken { claims, facts }))
    }

    /// Sign what was decided, by the key the record names.
    pub(crate) async fn sign(
        &self,
        signer: &Arc<SigningKey>,
        plan: &Plan,
        typ: TokenTyp,
    ) -> Result<(Secret, CredentialDigest), TokenError> {
        let mut claims = Vec::with_capacity(1024);
        serde_json::to_writer(&mut claims, &plan.claims).map_err(|error| Fault::Json(error.to_string()))?;
        let compact = self.sign_claims(signer, typ.as_str(), claims).await?;
        if compact.len() > MAX_COMPACT_BYTES {
            return Err(Refusal::TokenTooLarge { bytes: compact.len(), max: MAX_COMPACT_BYTES }.into());
        }
        let digest = CredentialDigest(*self.master.token_digest(&compact).as_bytes());
        Ok((Secret::new(compact), digest))
    }
}

impl Presented<'_> {
    /// The id it claims, to look its record up by.
    pub(crate) const fn jti(&self) -> CredentialId {
        self.claims.jti
    }
}
