//! What is stored, and what is read together.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroid_identity_model::{
    ApiKeyId, ClientId, DelegationRouteId, Identity, IdentityId, PolicyId, SpiffeId, Tenant, Timestamp,
};
use zeroid_token_core::{
    ClientName, CredentialRecord, CutOff, KeyId, LiveFacts, Order, Policy, Reason, ScopeSet,
};

use crate::clients::ClientRecord;

/// The keyed hash of a secret we generated. Only this type reaches a column.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretHash(pub [u8; 32]);

/// The keyed digest of a token we issued.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CredentialDigest(pub [u8; 32]);

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(..)")
    }
}

impl fmt::Debug for CredentialDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CredentialDigest(..)")
    }
}

/// An identity with what limits it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IdentityRecord {
    /// Who it is.
    pub identity: Identity,
    /// Its own list of scopes; absent when it has none.
    pub allowed_scopes: Option<ScopeSet>,
    /// The policy that governs it.
    pub policy_id: PolicyId,
    /// Raised by one by every change.
    pub version: u64,
}

/// A credential policy of a tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRecord {
    /// Whose it is.
    pub tenant: Tenant,
    /// The policy.
    pub policy: Policy,
    /// What it is for.
    pub description: String,
    /// Whether it governs the identities that name none; one a tenant.
    pub is_default: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Which environment a key is for; a label, not a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Environment {
    /// `live`.
    #[default]
    Live,
    /// `test`.
    Test,
}

impl Environment {
    /// The word used on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Test => "test",
        }
    }
}

/// When, by whom and why something was revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revoked {
    /// When.
    pub at: Timestamp,
    /// Why, and by whom.
    pub reason: Reason,
}

/// An API key; its secret is known only by its hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiKeyRecord {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose it is.
    pub tenant: Tenant,
    /// The identity that authenticates with it.
    pub identity: IdentityId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The first characters of the secret, to recognise it by.
    pub prefix: String,
    /// The keyed hash of the secret; kept apart from the rest of the record.
    #[serde(skip)]
    pub hash: SecretHash,
    /// The version of the hashing key.
    pub hash_key_version: u8,
    /// Its own list of scopes; absent when it has none.
    pub scopes: Option<ScopeSet>,
    /// Its own policy; absent when the identity's alone governs it.
    pub policy_id: Option<PolicyId>,
    /// A label.
    pub environment: Environment,
    /// Opaque to us.
    pub metadata: Value,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it; may be empty.
    pub created_by: String,
    /// When it last changed (use does not count).
    pub updated_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When and why it was revoked.
    pub revoked: Option<Revoked>,
    /// How many credentials were issued against it.
    pub usage_count: u64,
    /// When the last was.
    pub last_used_at: Option<Timestamp>,
}

/// One of our signing keys; the private half is wrapped under the master key, or lives elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningKeyRecord {
    /// Its id.
    pub kid: KeyId,
    /// Its algorithm, such as `ES256`.
    pub algorithm: String,
    /// Its state: `next`, `active`, `retiring` or `retired`.
    pub state: String,
    /// When it was made and published.
    pub created_at: Timestamp,
    /// When it began to sign.
    pub activated_at: Option<Timestamp>,
    /// When it stopped to sign.
    pub retiring_at: Option<Timestamp>,
    /// When it stopped to verify.
    pub retired_at: Option<Timestamp>,
    /// The public half, as a JWK.
    pub public_jwk: String,
    /// What a key that lives elsewhere is asked for by; absent when its private half is here, as in every record written
    /// before there was another place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Sealed under the master key: the private half, or the reference and the public half of a key elsewhere.
    pub wrapped: Vec<u8>,
}

/// The state of the store when facts were read; opaque to all but the backend that gave it.
///
/// When nothing but issuances happened since, nothing can be stale and the backend may skip its re-checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Epoch(pub u64);

/// A fact a decision was based on, in the version it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// An identity and its version.
    Identity(IdentityId, u64),
    /// A policy and its version.
    Policy(PolicyId, u64),
    /// An API key that was not revoked.
    ApiKey(ApiKeyId),
    /// A client and its version.
    Client(ClientId, u64),
    /// A delegation route, which is never changed, only deleted.
    DelegationRoute(DelegationRouteId),
}

/// Everything one issuance at a root needs, read together.
#[derive(Clone, Debug)]
pub struct RootFacts {
    /// Who asks, and what limits it.
    pub actor: Arc<ActorFacts>,
    /// An order drawn for the credential.
    pub order: Order,
    /// The state of the store.
    pub epoch: Epoch,
}

/// An identity with the policies, the key and the client that limit it.
#[derive(Clone, Debug)]
pub struct ActorFacts {
    /// The identity.
    pub identity: Arc<IdentityRecord>,
    /// Its policy.
    pub policy: Arc<Policy>,
    /// The key used, with its own policy if it has one. Revoked and expired keys are given too.
    pub key: Option<(ApiKeyRecord, Option<Arc<Policy>>)>,
    /// The client used, with its own policy if it has one. One that is switched off is given too.
    pub client: Option<(Arc<ClientRecord>, Option<Arc<Policy>>)>,
}

/// How whoever asks is found: at a root, or as the actor of an exchange.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ActorLookup {
    /// By the hash of its API key.
    ApiKey(SecretHash),
    /// By its URI, as its assertion names it.
    Spiffe(SpiffeId),
    /// By the client that is bound to it; one that is bound to nobody finds nobody.
    Client(ClientName),
}

/// A credential and what its life is judged by, read together.
#[derive(Clone, Debug)]
pub struct CredentialFacts {
    /// The record.
    pub record: Arc<CredentialRecord>,
    /// The digest of the token.
    pub digest: CredentialDigest,
    /// The standing of its chain, and the cut-offs that name any of its links.
    pub live: LiveFacts,
    /// The identity that presents it, as the registry knows it now.
    pub presenter: Arc<IdentityRecord>,
}

/// Everything one exchange needs, read together.
#[derive(Clone, Debug)]
pub struct ExchangeFacts {
    /// The subject token's credential; absent when unknown.
    pub subject: Option<Arc<CredentialFacts>>,
    /// The identity at the root of its chain.
    pub principal: Option<Arc<IdentityRecord>>,
    /// The actor; absent when unknown. Its tenant is not compared here.
    pub actor: Option<Arc<ActorFacts>>,
    /// An order drawn for the credential.
    pub order: Order,
    /// The state of the store.
    pub epoch: Epoch,
}

/// Something that can be used once: remembered under `scope` until `forget_at`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spend {
    /// Who it came from, such as an issuer.
    pub scope: String,
    /// Its keyed hash.
    pub hash: SecretHash,
    /// When it may be forgotten: it would be refused for its age by then.
    pub forget_at: Timestamp,
}

/// A credential to store, with everything that must still hold when it is.
#[derive(Clone, Debug)]
pub struct Issuance {
    /// The credential.
    pub record: Arc<CredentialRecord>,
    /// The digest of its token.
    pub digest: CredentialDigest,
    /// The facts it was decided by.
    pub guards: Vec<Guard>,
    /// The state of the store they, and the standing of the whole chain, were read in.
    pub epoch: Epoch,
    /// What it uses up.
    pub spends: Vec<Spend>,
    /// The moment of issue.
    pub now: Timestamp,
}

/// A credential as lists show it.
#[derive(Clone, Debug, PartialEq)]
pub struct CredentialView {
    /// The record.
    pub record: CredentialRecord,
    /// The earliest cut-off that covers it.
    pub revoked_by: Option<CutOff>,
}

/// A chain: every credential of a lineage, and every identity on it as it is now.
#[derive(Clone, Debug)]
pub struct ChainFacts {
    /// The credentials, root first.
    pub credentials: Vec<CredentialView>,
    /// The identities, in the order of their first link.
    pub identities: Vec<IdentityRecord>,
}

/// What an identity asks with that changes itself: judged and used up by the transaction of the change.
#[derive(Clone, Debug)]
pub struct AskedWith {
    /// The credential it presents, which must be alive with its whole chain.
    pub credential: Arc<CredentialRecord>,
    /// What it uses up, such as proofs.
    pub spends: Vec<Spend>,
}

/// A change of an identity and what goes with it, as one.
#[derive(Clone, Debug)]
pub struct IdentityChange {
    /// The record as it will be, its version raised by one. Its id, tenant, URI and external id must not change.
    pub record: IdentityRecord,
    /// Cut off what the identity held so far.
    pub cut_off: Option<Reason>,
    /// Revoke the identity's API keys, and cut off what they minted.
    pub revoke_keys: Option<Reason>,
    /// Store a new API key, after the old ones were revoked.
    pub new_key: Option<ApiKeyRecord>,
    /// What the identity asks with, when it changes itself.
    pub asked_with: Option<AskedWith>,
    /// The moment of change.
    pub now: Timestamp,
}

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Identities whose time ran out, now `expired`.
    pub expired_identities: u64,
    /// Used-up things forgotten.
    pub forgotten: u64,
    /// Credentials forgotten.
    pub forgotten_credentials: u64,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_signing_key_stored_before_there_was_another_place_is_here() {
        let old = r#"{"kid":"k","algorithm":"ES256","state":"active","created_at":"2026-11-24T00:00:00.000000Z","activated_at":null,"retiring_at":null,"retired_at":null,"public_jwk":"{}","wrapped":[1]}"#;
        let read: SigningKeyRecord = serde_json::from_str(old).unwrap();
        assert_eq!(read.reference, None);
        let written = serde_json::to_string(&read).unwrap();
        assert!(!written.contains("reference"), "and is written as it was: {written}");
        assert_eq!(serde_json::from_str::<SigningKeyRecord>(&written).unwrap(), read);
    }
}
