//! An agent's own key: enrolled by the agent that has it, and replaced by nobody who lacks the current one.

use std::sync::Arc;

use serde_json::{Map, Value};
use zeroid_identity_model::{SpiffeId, Timestamp};
use zeroid_jose::{
    HashPurpose, MasterKey, PublicKey, PublicKeyError, Secret, SigningAlgorithm, parse, verify,
};
use zeroid_storage::{AskedWith, IdentityChange, IdentityRecord, SecretHash, Spend, StoreError};
use zeroid_token_core::{CredentialRecord, GrantType, parse_json_object_strict};

use crate::assertion::{CLOCK_SKEW_SECONDS, MAX_JTI_BYTES, check_audience, seconds, text};
use crate::engine::Engine;
use crate::error::Fault;
use crate::registry::ATTEMPTS;
use crate::requests::{BearerRefused, Presentation, PresentationRefused};
use crate::token::LiveToken;

/// What follows the issuer in the audience of a proof: where the proof is for, and nothing else.
pub const OWN_KEY_PATH: &str = "/agents/self/public-key";

/// Longest lifetime of a proof, in seconds: it is made for one call.
const MAX_PROOF_SECONDS: i64 = 120;

/// A key an agent enrols for itself.
#[derive(Debug)]
pub struct NewOwnKey {
    /// The public half, PEM, P-256.
    pub public_key_pem: String,
    /// Signed by the new key.
    pub new_key_proof: Secret,
    /// Signed by the current key, when there is one; names the new key in `nkt`.
    pub current_key_proof: Option<Secret>,
}

/// Why an agent's own key was not set.
#[derive(Clone, Debug, thiserror::Error)]
pub enum OwnKeyError {
    /// The token is not accepted.
    #[error(transparent)]
    Presented(#[from] PresentationRefused),
    /// The token was delegated, narrowed, or acts for a person: it speaks for somebody else, or for less.
    #[error("only a token the agent was issued itself may set its key")]
    NotItsOwn,
    /// The key is none.
    #[error("new_public_key_pem: {0}")]
    Key(#[from] PublicKeyError),
    /// A proof is missing or does not hold.
    #[error("{member} is refused: {why}")]
    Proof {
        /// The member of the request.
        member: &'static str,
        /// Why, naming the claim.
        why: String,
    },
    /// Our fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

const NEW: &str = "new_key_proof";
const CURRENT: &str = "current_key_proof";

impl Engine {
    /// Set the key of the identity that presents this token. Where it has a key already, that key must agree.
    ///
    /// The token's life and the version of the identity are judged, and the proofs used up, by the transaction that
    /// stores the key: of two calls at once one wins, and the other is judged by what the first left.
    ///
    /// # Errors
    /// [`OwnKeyError`]; nothing was changed and nothing used up.
    pub async fn set_own_key(
        &self,
        presented: &Presentation<'_>,
        new: NewOwnKey,
    ) -> Result<IdentityRecord, OwnKeyError> {
        for _ in 0..ATTEMPTS {
            let (LiveToken { facts, .. }, proven) = self.live_presented(presented).await??;
            if !is_its_own(&facts.record) {
                return Err(OwnKeyError::NotItsOwn);
            }
            let now = self.now();
            let mut record = IdentityRecord::clone(&facts.presenter);
            let mut spends = self.check_proofs(&record, &new, now)?;
            spends.extend(proven.map(|proven| self.spend_of(&proven)));
            record.version += 1;
            record.identity.modified_by = record.identity.spiffe_id.to_string();
            record.identity.updated_at = now;
            record.identity.public_key_pem = Some(new.public_key_pem.clone());
            let asked_with = AskedWith { credential: Arc::clone(&facts.record), spends };
            let change = IdentityChange {
                record: record.clone(),
                cut_off: None,
                revoke_keys: None,
                new_key: None,
                asked_with: Some(asked_with),
                now,
            };
            match self.store.change_identity(change).await {
                Ok(()) => return Ok(record),
                Err(StoreError::Stale) => {}
                Err(StoreError::Dead(_)) => {
                    return Err(PresentationRefused::from(BearerRefused::InvalidToken).into());
                }
                Err(StoreError::Spent) => {
                    let why = "a proof was used before; sign a fresh one".to_owned();
                    return Err(OwnKeyError::Proof { member: NEW, why });
                }
                Err(other) => return Err(Fault::from(other).into()),
            }
        }
        Err(Fault::Contended.into())
    }

    /// Each proof by its key; what they use up.
    fn check_proofs(
        &self,
        record: &IdentityRecord,
        new: &NewOwnKey,
        now: Timestamp,
    ) -> Result<Vec<Spend>, OwnKeyError> {
        let key = PublicKey::import_pem(&new.public_key_pem)?;
        // The proofs of this route are ES256.
        if key.algorithm() != SigningAlgorithm::Es256 {
            return Err(PublicKeyError::NotP256.into());
        }
        let audience = format!("{}{OWN_KEY_PATH}", self.settings.rules.issuer);
        let judge =
            Judge { audience: &audience, subject: &record.identity.spiffe_id, master: &self.master, now };
        let refused = |member| move |why: String| OwnKeyError::Proof { member, why };
        let mut spends = vec![judge.proof(&new.new_key_proof, &key, None).map_err(refused(NEW))?];
        match (&record.identity.public_key_pem, &new.current_key_proof) {
            (None, None) => {}
            (None, Some(_)) => return Err(refused(CURRENT)("no key is enrolled yet".to_owned())),
            (Some(_), None) => {
                let why = "a key is enrolled already, and must agree to be replaced".to_owned();
                return Err(refused(CURRENT)(why));
            }
            (Some(pem), Some(proof)) => {
                let corrupt = |_| StoreError::Corrupt("a registered public key is unreadable".to_owned());
                let current = PublicKey::from_pem(pem).map_err(corrupt).map_err(Fault::from)?;
                spends.push(judge.proof(proof, &current, Some(&key)).map_err(refused(CURRENT))?);
            }
        }
        Ok(spends)
    }
}

/// Whether the identity was issued it by proving itself: a root, and nobody else's authority in it.
pub(crate) fn is_its_own(record: &CredentialRecord) -> bool {
    let by_itself =
        matches!(record.grant_type, GrantType::ApiKey | GrantType::ClientCredentials | GrantType::JwtBearer);
    by_itself && record.lineage.len() == 1
}

/// What every proof of one request is judged by.
struct Judge<'a> {
    audience: &'a str,
    subject: &'a SpiffeId,
    master: &'a MasterKey,
    now: Timestamp,
}

impl Judge<'_> {
    /// A compact JWS by `key` with `aud`, `sub`, `iat`, `exp` and `jti`, and with `nkt` where it lets another key in.
    fn proof(&self, proof: &Secret, key: &PublicKey, lets_in: Option<&PublicKey>) -> Result<Spend, String> {
        let jws = parse(proof.expose()).map_err(|error| error.to_string())?;
        if !matches!(jws.peek().header.typ.as_deref(), None | Some("JWT")) {
            return Err("its `typ` is not `JWT`".to_owned());
        }
        let jws = verify(jws, key).map_err(|error| error.to_string())?.into_inner();
        let claims = parse_json_object_strict(&jws.payload).map_err(|error| error.to_string())?;
        if text(&claims, "sub")? != self.subject.as_str() {
            return Err("`sub` must be the URI of the identity that presents the token".to_owned());
        }
        check_audience(&claims, self.audience)?;
        let ends = self.ends(&claims)?;
        if let Some(other) = lets_in
            && text(&claims, "nkt")? != other.spki_sha256()
        {
            return Err("`nkt` must be the SHA-256 of the new key".to_owned());
        }
        let jti = text(&claims, "jti")?;
        if jti.is_empty() || jti.len() > MAX_JTI_BYTES {
            return Err(format!("`jti` must be a string of 1 to {MAX_JTI_BYTES} bytes"));
        }
        let hash = self.master.keyed_hash(HashPurpose::Assertion, format!("key-proof:{jti}").as_bytes());
        Ok(Spend {
            scope: self.subject.to_string(),
            hash: SecretHash(*hash.as_bytes()),
            forget_at: Timestamp::from_unix_seconds(ends).plus_seconds(CLOCK_SKEW_SECONDS),
        })
    }

    /// When it ends, if it is in force.
    fn ends(&self, claims: &Map<String, Value>) -> Result<i64, String> {
        let now = self.now.unix_seconds();
        let iat = seconds(claims, "iat")?.ok_or("`iat` is missing")?;
        let exp = seconds(claims, "exp")?.ok_or("`exp` is missing")?;
        if exp <= now {
            return Err("`exp` has passed".to_owned());
        }
        match exp.checked_sub(iat) {
            Some(0..=MAX_PROOF_SECONDS) => {}
            _ => return Err(format!("`exp` must be 0 to {MAX_PROOF_SECONDS} s after `iat`")),
        }
        for at in [Some(iat), seconds(claims, "nbf")?].into_iter().flatten() {
            if at > now.saturating_add(CLOCK_SKEW_SECONDS) {
                return Err("`iat` or `nbf` is in the future".to_owned());
            }
        }
        Ok(exp)
    }
}
