//! DPoP proofs (RFC 9449): whose key a caller holds, proven for one request and used once.

use zeroid_identity_model::Timestamp;
use zeroid_jose::{
    ExpectedProof, HashPurpose, MAX_PROOF_AGE_SECONDS, PROOF_SKEW_SECONDS, ProofError, TargetUri, check_proof,
};
use zeroid_storage::{SecretHash, Spend, StoreError};
use zeroid_token_core::{ProvenKey, Thumbprint};

use crate::engine::Engine;
use crate::error::Fault;
use crate::requests::PresentationRefused;
use crate::token::LiveToken;

/// How much longer than it is good a proof is remembered, in seconds: the clock of the replica that forgets may be ahead
/// of the one that was asked.
const REMEMBERED_LONGER_SECONDS: i64 = 60;

/// The request a proof came with. Its body may hold secrets, so it cannot be printed.
#[derive(Clone, Copy)]
pub struct ProvenRequest<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its URI, under every address it can be reached by.
    pub targets: &'a [TargetUri],
    /// Its body, where the proof may name one.
    pub body: Option<&'a [u8]>,
}

impl Engine {
    /// Check the proof that came with a request for a token (RFC 9449 §5), all but that it was not used before: that is
    /// found out, and used up, by the transaction that stores what is issued. Hand it on in
    /// [`Asked::proven_key`](zeroid_token_core::Asked).
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn check_proof(&self, proof: &str, request: &ProvenRequest<'_>) -> Result<ProvenKey, ProofError> {
        self.check_proof_with(proof, request, None)
    }

    /// The nonce to give out, where proofs must have one (RFC 9449 §8.2).
    pub fn dpop_nonce(&self) -> Option<String> {
        self.settings.dpop_nonce_required.then(|| self.master.dpop_nonce(self.now()))
    }

    /// The proof that came with a token that is alive: by the key the token is bound to.
    pub(crate) fn proof_of(
        &self,
        live: &LiveToken,
        token: &str,
        proof: &str,
        request: &ProvenRequest<'_>,
    ) -> Result<ProvenKey, PresentationRefused> {
        let bound = live.facts.record.confirmation.as_ref().ok_or(PresentationRefused::Unbound)?;
        Ok(self.check_proof_with(proof, request, Some((token, bound)))?)
    }

    /// Use up a proof that bought nothing to be stored.
    pub(crate) async fn use_up(&self, proven: &ProvenKey) -> Result<Result<(), PresentationRefused>, Fault> {
        match self.store.spend_once(self.spend_of(proven)).await {
            Ok(()) => Ok(Ok(())),
            Err(StoreError::Spent) => Ok(Err(PresentationRefused::ProofUsed)),
            Err(error) => Err(error.into()),
        }
    }

    /// Check a proof, and with a token that it is a proof for it, by the key it is bound to.
    pub(crate) fn check_proof_with(
        &self,
        proof: &str,
        request: &ProvenRequest<'_>,
        token: Option<(&str, &Thumbprint)>,
    ) -> Result<ProvenKey, ProofError> {
        let expected = ExpectedProof {
            method: request.method,
            targets: request.targets,
            token: token.map(|(token, _)| token),
            key: token.map(|(_, key)| key),
            body: request.body,
            nonces: self.settings.dpop_nonce_required.then_some(&*self.master),
            now: self.now(),
        };
        check_proof(proof, &expected).map(|proven| proven.into_inner())
    }

    /// What uses a proof up. Callers choose their `jti` themselves, so it names a proof only beside their key.
    pub(crate) fn spend_of(&self, proven: &ProvenKey) -> Spend {
        let hash = self.master.keyed_hash(HashPurpose::DpopProof, proven.jti.as_bytes());
        let good_until = Timestamp::from_unix_seconds(proven.iat)
            .plus_seconds(MAX_PROOF_AGE_SECONDS + PROOF_SKEW_SECONDS + REMEMBERED_LONGER_SECONDS);
        Spend {
            scope: format!("dpop:{}", proven.thumbprint),
            hash: SecretHash(*hash.as_bytes()),
            forget_at: good_until,
        }
    }
}
