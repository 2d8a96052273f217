//! Proofs that an agent shows once to one other party: made by us for the agent (WIMSE proof tokens), or signed by the
//! agent's own key (workload proof tokens). Neither is a credential of its subject (house rule C7a).

use std::sync::Arc;

use serde_json::{Map, Value, json};
use zeroid_identity_model::{CredentialId, SpiffeId, Tenant, Timestamp};
use zeroid_jose::{Compact, HashPurpose, PublicKey, proof_hash, verify};
use zeroid_storage::{CredentialFacts, SecretHash, Spend, StoreError};
use zeroid_token_core::{Unverified, live, parse_json_object_strict};

use crate::assertion::{CLOCK_SKEW_SECONDS, MAX_JTI_BYTES, check_audience, check_times, seconds, text};
use crate::engine::Engine;
use crate::error::Fault;
use crate::own_key::is_its_own;
use crate::requests::{Presentation, PresentationRefused};

/// The header `typ` of a proof token of ours: no place that takes a credential takes it.
pub const PROOF_TOKEN_TYP: &str = "wimse-proof+jwt";

/// How long a proof token of ours is good, in seconds, unless what it was made with ends before.
pub const PROOF_TOKEN_SECONDS: i64 = 300;

/// The header `typ` of a workload proof token (draft-ietf-wimse-wpt-02 §2).
const WORKLOAD_PROOF_TYP: &str = "wpt+jwt";
/// The same media type in full (RFC 7515 §4.1.9).
const WORKLOAD_PROOF_TYP_IN_FULL: &str = "application/wpt+jwt";

/// The credential a proof was made with: the proof dies with it.
const MADE_WITH: &str = "credential_jti";

/// A proof an agent asks for.
#[derive(Clone, Debug)]
pub struct NewProof {
    /// Whom it is to prove; only the caller itself.
    pub identity_id: Option<String>,
    /// The one party it is for.
    pub audience: String,
    /// What that party asked for to be in it; taken once for this party by this tenant while such a proof lives.
    pub nonce: Option<String>,
}

/// A proof that was made.
#[derive(Clone, Debug)]
pub struct MadeProof {
    /// The compact JWS.
    pub token: String,
    /// How long it is good, in seconds.
    pub expires_in: i64,
}

/// Why no proof was made.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProofNotMade {
    /// The token is not accepted.
    #[error(transparent)]
    Presented(#[from] PresentationRefused),
    /// The token was delegated, narrowed, or acts for a person: it speaks for somebody else, or for less.
    #[error("only a token the agent was issued itself may make a proof")]
    NotItsOwn,
    /// Another identity was named, whether or not it exists.
    #[error("a proof is made of the identity that presents the token, and of no other")]
    NotItself,
    /// The nonce is in another proof for this party.
    #[error("the nonce was used before for this audience; take a fresh one")]
    NonceUsed,
    /// Our fault.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A proof somebody was shown, and what it must prove. Holds secrets, so it cannot be printed.
#[derive(Clone, Copy)]
pub struct ShownProof<'a> {
    /// The proof.
    pub proof: &'a str,
    /// Who was shown it.
    pub audience: &'a str,
    /// What must be in it, if anything must.
    pub nonce: Option<&'a str>,
    /// The access token that came with a workload proof token.
    pub access_token: Option<&'a str>,
}

/// Who showed a proof that holds, and is used up now.
#[derive(Clone, Debug)]
pub struct ProvenWorkload {
    /// Its URI.
    pub subject: SpiffeId,
    /// Its tenant.
    pub tenant: Tenant,
    /// Whether its own key signed, and not we.
    pub by_own_key: bool,
}

/// Why a proof does not hold.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProofNotGood {
    /// What is wrong with it, naming the claim.
    #[error("the proof is not valid: {0}")]
    Refused(String),
    /// Our fault, which says nothing about the proof.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl Engine {
    /// Make a proof of the identity that presents this token, for one party.
    ///
    /// # Errors
    /// [`ProofNotMade`].
    pub async fn make_proof(
        &self,
        presented: &Presentation<'_>,
        new: &NewProof,
    ) -> Result<MadeProof, ProofNotMade> {
        let (found, proven) = self.live_presented(presented).await??;
        let record = &found.facts.record;
        if !is_its_own(record) {
            return Err(ProofNotMade::NotItsOwn);
        }
        let itself = record.identity().to_string();
        if new.identity_id.as_ref().is_some_and(|named| *named != itself) {
            return Err(ProofNotMade::NotItself);
        }
        let now = self.now();
        let (iat, tenant) = (now.unix_seconds(), record.tenant());
        let exp = record.expires_at.unix_seconds().min(iat + PROOF_TOKEN_SECONDS);
        let mut claims = json!({
            "iss": self.settings.rules.issuer,
            "sub": record.lineage.own().subject,
            "aud": [new.audience],
            "iat": iat,
            "exp": exp,
            "jti": CredentialId::from_bytes(self.fresh_id(now)?),
            "account_id": tenant.account,
            "project_id": tenant.project,
            MADE_WITH: record.jti(),
        });
        if let (Some(nonce), Some(members)) = (&new.nonce, claims.as_object_mut()) {
            members.insert("nonce".to_owned(), json!(nonce));
        }
        // What may fail through our fault comes before what uses something up (house rule E8).
        let token =
            self.sign_claims(&self.signer(), PROOF_TOKEN_TYP, claims.to_string().into_bytes()).await?;
        if let Some(proven) = proven {
            self.use_up(&proven).await??;
        }
        if let Some(nonce) = &new.nonce {
            // No two pairs are written the same.
            let pair = json!(["nonce", new.audience, nonce]).to_string();
            let spend = self.spend_of_proof(format!("proof-nonce:{tenant}"), &pair, exp);
            match self.store.spend_once(spend).await {
                Ok(()) => {}
                Err(StoreError::Spent) => return Err(ProofNotMade::NonceUsed),
                Err(error) => return Err(Fault::from(error).into()),
            }
        }
        Ok(MadeProof { token, expires_in: exp - iat })
    }

    /// Check a proof somebody was shown, and use it up: of many checks at once one succeeds.
    ///
    /// # Errors
    /// [`ProofNotGood`]. A proof that is refused is not used up.
    pub async fn check_workload_proof(&self, shown: &ShownProof<'_>) -> Result<ProvenWorkload, ProofNotGood> {
        let jws = self.ring().parse(shown.proof).map_err(|error| refused(error.to_string()))?;
        let (facts, spend, by_own_key) = match jws.peek().header.typ.as_deref() {
            Some(PROOF_TOKEN_TYP) => {
                let (facts, spend) = self.check_ours(jws, shown).await?;
                (facts, spend, false)
            }
            Some(WORKLOAD_PROOF_TYP | WORKLOAD_PROOF_TYP_IN_FULL) => {
                let (facts, spend) = self.check_by_own_key(jws, shown).await?;
                (facts, spend, true)
            }
            _ => {
                let why = format!("its `typ` is neither `{PROOF_TOKEN_TYP}` nor `{WORKLOAD_PROOF_TYP}`");
                return Err(refused(why));
            }
        };
        match self.store.spend_once(spend).await {
            Ok(()) => {}
            Err(StoreError::Spent) => return Err(refused("it was used before")),
            Err(error) => return Err(Fault::from(error).into()),
        }
        let subject = facts.record.lineage.own().subject.clone();
        Ok(ProvenWorkload { subject, tenant: facts.record.tenant().clone(), by_own_key })
    }

    /// One we made: by our key, for this party, in time, and what it was made with is alive.
    async fn check_ours(
        &self,
        jws: Unverified<Compact<'_>>,
        shown: &ShownProof<'_>,
    ) -> Result<(Arc<CredentialFacts>, Spend), ProofNotGood> {
        if shown.access_token.is_some() {
            return Err(refused("no access token belongs to it"));
        }
        let kid = jws.peek().header.kid.clone().unwrap_or_default();
        if !self.knows_key(&kid).await? {
            return Err(refused("it is signed by no key of ours"));
        }
        let ring = self.ring();
        let key = ring.verifier(&kid).ok_or_else(|| refused("it is signed by no key of ours"))?;
        let claims = verified(jws, key)?;
        if text(&claims, "iss").map_err(refused)? != self.settings.rules.issuer {
            return Err(refused("`iss` is another issuer"));
        }
        check_audience(&claims, shown.audience).map_err(refused)?;
        // How long it may last was settled by whoever made it, whose clock may be ahead of this one.
        if seconds(&claims, "exp").map_err(refused)?.is_none_or(|exp| exp <= self.now().unix_seconds()) {
            return Err(refused("`exp` has passed"));
        }
        if shown.nonce.is_some() && claims.get("nonce").and_then(Value::as_str) != shown.nonce {
            return Err(refused("`nonce` is another one"));
        }
        let no_longer = || refused("what it was made with is no longer alive");
        let made_with = text(&claims, MADE_WITH).map_err(refused)?.parse().map_err(|_| no_longer())?;
        let facts = self.store.credential_facts(made_with).await.map_err(Fault::from)?;
        let facts = facts.ok_or_else(no_longer)?;
        live(&facts.record, &facts.live, self.now()).map_err(|_| no_longer())?;
        if text(&claims, "sub").map_err(refused)? != facts.record.lineage.own().subject.as_str() {
            return Err(no_longer());
        }
        let spend = self.spend(format!("proof:{}", facts.record.tenant()), &claims)?;
        Ok((facts, spend))
    }

    /// One the agent signed: by the key registered for whoever presents the access token it names, for this party, in
    /// time (draft-ietf-wimse-wpt-02 §2; here the access token stands for the workload identity token). Earlier
    /// versions of the draft had `ath` for an access token, which is taken in the place of `wth`.
    async fn check_by_own_key(
        &self,
        jws: Unverified<Compact<'_>>,
        shown: &ShownProof<'_>,
    ) -> Result<(Arc<CredentialFacts>, Spend), ProofNotGood> {
        let token = shown.access_token.ok_or_else(|| refused("`access_token` is needed with it"))?;
        let found = self.live_token(token).await?;
        let facts = found.ok_or_else(|| refused("the access token is invalid, expired or revoked"))?.facts;
        // Whoever has no key is not told from whoever has another one.
        let not_its_key = || refused("it is not signed by the key registered for whoever presents the token");
        let pem = facts.presenter.identity.public_key_pem.as_deref().ok_or_else(not_its_key)?;
        let corrupt = |_| StoreError::Corrupt("a registered public key is unreadable".to_owned());
        let key = PublicKey::from_pem(pem).map_err(corrupt).map_err(Fault::from)?;
        if facts.record.confirmation.as_ref().is_some_and(|bound| *bound != key.thumbprint()) {
            return Err(refused("the access token is bound to another key than the registered one"));
        }
        let claims = verified(jws, &key).map_err(|_| not_its_key())?;
        check_audience(&claims, shown.audience).map_err(refused)?;
        check_times(&claims, self.now()).map_err(refused)?;
        let hash = proof_hash(token.as_bytes());
        let names_it = ["wth", "ath"].map(|name| claims.get(name).map(|named| named.as_str() == Some(&hash)));
        match names_it {
            [None, None] => return Err(refused("`wth` is missing: the hash of the access token")),
            [Some(false), _] => return Err(refused("`wth` is the hash of another token")),
            [_, Some(false)] => return Err(refused("`ath` is the hash of another access token")),
            _ => {}
        }
        // It vouches for tokens that nobody showed us.
        if let Some(unseen) = ["tth", "oth"].into_iter().find(|name| claims.contains_key(*name)) {
            return Err(refused(format!("`{unseen}` names a token that did not come with it")));
        }
        if shown.nonce.is_some() && claims.get("nonce").and_then(Value::as_str) != shown.nonce {
            return Err(refused("`nonce` is another one"));
        }
        let spend = self.spend(format!("wpt:{}", facts.record.lineage.own().subject), &claims)?;
        Ok((facts, spend))
    }

    /// What uses a proof up: its `jti`, beside whoever chose it.
    fn spend(&self, scope: String, claims: &Map<String, Value>) -> Result<Spend, ProofNotGood> {
        let jti = text(claims, "jti").map_err(refused)?;
        if jti.is_empty() || jti.len() > MAX_JTI_BYTES {
            return Err(refused(format!("`jti` must be a string of 1 to {MAX_JTI_BYTES} bytes")));
        }
        let exp = seconds(claims, "exp").map_err(refused)?.unwrap_or_default();
        Ok(self.spend_of_proof(scope, &json!(["jti", jti]).to_string(), exp))
    }

    fn spend_of_proof(&self, scope: String, what: &str, exp: i64) -> Spend {
        let hash = self.master.keyed_hash(HashPurpose::WorkloadProof, what.as_bytes());
        let forget_at = Timestamp::from_unix_seconds(exp).plus_seconds(CLOCK_SKEW_SECONDS);
        Spend { scope, hash: SecretHash(*hash.as_bytes()), forget_at }
    }
}

/// The claims of a proof that this key signed.
fn verified(jws: Unverified<Compact<'_>>, key: &PublicKey) -> Result<Map<String, Value>, ProofNotGood> {
    let jws = verify(jws, key).map_err(|error| refused(error.to_string()))?.into_inner();
    parse_json_object_strict(&jws.payload).map_err(|error| refused(error.to_string()))
}

fn refused(why: impl Into<String>) -> ProofNotGood {
    ProofNotGood::Refused(why.into())
}
