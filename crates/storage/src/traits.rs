//! The verbs.

use std::sync::Arc;

use async_trait::async_trait;
use zeroid_identity_model::{
    ApiKeyId, CredentialId, ExternalId, IdentityId, PolicyId, SpiffeId, Tenant, Timestamp,
};
use zeroid_token_core::{CutOff, CutOffKey, KeyId, Reason};

use crate::clients::ClientStore;
use crate::delegation_routes::DelegationRouteStore;
use crate::error::StoreError;
use crate::filters::{ApiKeyFilter, CredentialFilter, Facets, IdentityFilter, Listed, Page};
use crate::records::{
    ActorLookup, ApiKeyRecord, ChainFacts, CredentialFacts, CredentialView, ExchangeFacts, IdentityChange,
    IdentityRecord, Issuance, PolicyRecord, RootFacts, SigningKeyRecord, Spend, Swept,
};

/// Where identities are registered. Every method sees one tenant only; what belongs to another is
/// [`StoreError::NotFound`] or absent, exactly as what does not exist.
#[async_trait]
pub trait IdentityStore: Send + Sync {
    /// Register an identity, with its first API key if one is given: both or neither.
    ///
    /// # Errors
    /// [`Conflict::ExternalId`](crate::Conflict), [`Conflict::NoSuchPolicy`](crate::Conflict).
    async fn register(&self, identity: IdentityRecord, key: Option<ApiKeyRecord>) -> Result<(), StoreError>;

    /// The identity of this id.
    async fn identity(&self, tenant: &Tenant, id: IdentityId) -> Result<Option<IdentityRecord>, StoreError>;

    /// The identity of this URI.
    async fn identity_by_spiffe_id(
        &self,
        tenant: &Tenant,
        uri: &SpiffeId,
    ) -> Result<Option<IdentityRecord>, StoreError>;

    /// The identity of this external id, whatever its status.
    async fn identity_by_external_id(
        &self,
        tenant: &Tenant,
        external_id: &ExternalId,
    ) -> Result<Option<IdentityRecord>, StoreError>;

    /// The identities that match, newest first.
    async fn identities(
        &self,
        tenant: &Tenant,
        filter: &IdentityFilter,
        page: Page,
    ) -> Result<Listed<IdentityRecord>, StoreError>;

    /// How many identities there are of each kind.
    async fn facets(&self, tenant: &Tenant) -> Result<Facets, StoreError>;

    /// Change an identity together with its cut-off and its keys, and use up what it asks with.
    ///
    /// # Errors
    /// [`StoreError::Stale`] unless the stored version is one below the record's; [`StoreError::Dead`] and
    /// [`StoreError::Spent`] when it asks with something that is; [`Conflict::NoSuchPolicy`](crate::Conflict).
    async fn change_identity(&self, change: IdentityChange) -> Result<(), StoreError>;

    /// The prefix of the newest unrevoked key of each of these identities that has one.
    async fn newest_key_prefixes(
        &self,
        tenant: &Tenant,
        ids: &[IdentityId],
    ) -> Result<Vec<(IdentityId, String)>, StoreError>;

    /// The deepest delegation among the credentials an identity was issued; 0 without any.
    async fn deepest_delegation(&self, tenant: &Tenant, id: IdentityId) -> Result<u8, StoreError>;
}

/// Where API keys live and die.
#[async_trait]
pub trait ApiKeyStore: Send + Sync {
    /// Store a key.
    ///
    /// # Errors
    /// [`Conflict::NoSuchIdentity`](crate::Conflict), [`Conflict::NoSuchPolicy`](crate::Conflict).
    async fn create_api_key(&self, key: ApiKeyRecord) -> Result<(), StoreError>;

    /// The key of this id.
    async fn api_key(&self, tenant: &Tenant, id: ApiKeyId) -> Result<Option<ApiKeyRecord>, StoreError>;

    /// The keys that match at `now`, newest first.
    async fn api_keys(
        &self,
        tenant: &Tenant,
        filter: &ApiKeyFilter,
        page: Page,
        now: Timestamp,
    ) -> Result<Listed<ApiKeyRecord>, StoreError>;

    /// Revoke a key and cut off everything it minted, as one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an unknown, foreign or revoked key.
    async fn revoke_api_key(
        &self,
        tenant: &Tenant,
        id: ApiKeyId,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<CutOff, StoreError>;
}

/// Where credential policies are kept.
#[async_trait]
pub trait PolicyStore: Send + Sync {
    /// Store a policy.
    ///
    /// # Errors
    /// [`Conflict::PolicyName`](crate::Conflict).
    async fn create_policy(&self, policy: PolicyRecord) -> Result<(), StoreError>;

    /// The tenant's default policy: the stored one, or `fresh`, which is stored if there is none. Two calls
    /// at once end with one default.
    async fn default_policy(&self, fresh: PolicyRecord) -> Result<PolicyRecord, StoreError>;

    /// The policy of this id.
    async fn policy(&self, tenant: &Tenant, id: PolicyId) -> Result<Option<PolicyRecord>, StoreError>;

    /// All policies of the tenant, newest first, then by id.
    async fn policies(&self, tenant: &Tenant, page: Page) -> Result<Listed<PolicyRecord>, StoreError>;

    /// Replace a policy by its next version.
    ///
    /// # Errors
    /// [`StoreError::Stale`] unless the stored version is one below the record's; [`StoreError::NotFound`];
    /// [`Conflict::PolicyName`](crate::Conflict).
    async fn change_policy(&self, policy: PolicyRecord) -> Result<(), StoreError>;

    /// Delete a policy nobody uses.
    ///
    /// # Errors
    /// [`Conflict::PolicyInUse`](crate::Conflict) while identities, unrevoked keys, clients or the tenant's default
    /// refer to it; [`StoreError::NotFound`].
    async fn delete_policy(&self, tenant: &Tenant, id: PolicyId) -> Result<(), StoreError>;
}

/// Where credentials live and die.
#[async_trait]
pub trait CredentialStore: Send + Sync {
    /// What an issuance at a root is decided by; absent when nobody is found. Its tenant is not compared here. Draws
    /// an order.
    async fn root_facts(&self, actor: &ActorLookup) -> Result<Option<RootFacts>, StoreError>;

    /// What an exchange is decided by. Draws an order.
    async fn exchange_facts(
        &self,
        subject: CredentialId,
        actor: &ActorLookup,
    ) -> Result<ExchangeFacts, StoreError>;

    /// Store a credential and use up what is single-use, if the facts it was decided by still hold and it
    /// would be alive with its own link included.
    ///
    /// The caller has judged both by the facts of `epoch`. While that epoch is the current one nothing a judgement
    /// is based on has changed, and a store may rely on it; otherwise it judges again, in this transaction.
    ///
    /// An issuance and a cut-off that concern the same key are ordered: one of them sees the other. The use of
    /// an API key (as the source of the record's own link) is counted in the same transaction.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when a guard does not hold, [`StoreError::Spent`], [`StoreError::Dead`].
    async fn issue(&self, issuance: Issuance) -> Result<(), StoreError>;

    /// A credential and what its life is judged by. The tenant comes from the credential.
    async fn credential_facts(&self, jti: CredentialId) -> Result<Option<Arc<CredentialFacts>>, StoreError>;

    /// Cut off `key`: one row, whatever the number of descendants.
    ///
    /// It covers every link that names `key` up to the order this call assigns. A later call adds a row of a
    /// higher order and leaves the earlier one, so that what it covered keeps its moment and reason. Only a key
    /// that is cut for ever ([`CutOffKey::is_for_ever`]) is unchanged by a second call, which returns the first
    /// cut-off.
    /// `SigningKey` is refused here: signing keys have no tenant, and a verb of their own.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the tenant has no such credential, identity, API key or client.
    async fn cut_off(
        &self,
        tenant: &Tenant,
        key: &CutOffKey,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<CutOff, StoreError>;

    /// A credential as lists show it.
    async fn credential(
        &self,
        tenant: &Tenant,
        jti: CredentialId,
    ) -> Result<Option<CredentialView>, StoreError>;

    /// The credentials that match.
    async fn credentials(
        &self,
        tenant: &Tenant,
        filter: CredentialFilter,
        page: Page,
    ) -> Result<Listed<CredentialView>, StoreError>;

    /// Every credential of the lineage of `jti`, and every identity on it; absent as well when one of them was
    /// forgotten, which is so only long after `jti` itself ended.
    async fn chain(&self, tenant: &Tenant, jti: CredentialId) -> Result<Option<ChainFacts>, StoreError>;
}

/// Where what is good once is used up with nothing issued for it. It belongs to no tenant: whoever it came from is its
/// scope.
#[async_trait]
pub trait SpendStore: Send + Sync {
    /// Use something up, once whoever asks. What an issuance used up is used up here as well, and the other way round.
    ///
    /// # Errors
    /// [`StoreError::Spent`] when it was used up before, and is not forgotten.
    async fn spend_once(&self, spend: Spend) -> Result<(), StoreError>;
}

/// Where our signing keys are kept. They belong to no tenant.
#[async_trait]
pub trait SigningKeyStore: Send + Sync {
    /// All signing keys, oldest first.
    async fn signing_keys(&self) -> Result<Vec<SigningKeyRecord>, StoreError>;

    /// Store the first keys, unless there are keys; returns what is stored then. Two starts at once end with
    /// the same keys.
    async fn first_signing_keys(
        &self,
        keys: Vec<SigningKeyRecord>,
    ) -> Result<Vec<SigningKeyRecord>, StoreError>;

    /// Replace the keys `seen` by `keys`, and cut off everything these kids ever signed.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when the stored keys are not those `seen` any more.
    async fn change_signing_keys(
        &self,
        seen: &[SigningKeyRecord],
        keys: Vec<SigningKeyRecord>,
        cut_off: &[(KeyId, Reason)],
        now: Timestamp,
    ) -> Result<(), StoreError>;
}

/// What the server keeps about itself.
#[async_trait]
pub trait ServerStore: Send + Sync {
    /// The value stored under `name`, which is `value` if there was none. Two calls at once agree.
    async fn fact_or_insert(&self, name: &str, value: &[u8]) -> Result<Vec<u8>, StoreError>;

    /// The value stored under `name`.
    async fn fact(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Forget what is past its time, and mark identities whose time ran out as `expired`; bounded work a call, so
    /// that nothing else waits for it.
    ///
    /// Used-up things are forgotten at their time, credentials when they ended before `forget_before`: some of them
    /// now, the others by later calls. One that ends at or after that moment is kept, and so is all of its lineage,
    /// which ends no earlier. Cut-offs are kept for ever.
    async fn sweep(&self, now: Timestamp, forget_before: Timestamp) -> Result<Swept, StoreError>;

    /// The store's own clock, where several processes may share it; absent where the caller's is the only one.
    async fn clock(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Answer only when the store can read and write.
    async fn ready(&self) -> Result<(), StoreError>;
}

/// Everything the engine keeps.
pub trait Store:
    IdentityStore
    + ApiKeyStore
    + PolicyStore
    + ClientStore
    + DelegationRouteStore
    + CredentialStore
    + SpendStore
    + SigningKeyStore
    + ServerStore
{
}

impl<T> Store for T where
    T: IdentityStore
        + ApiKeyStore
        + PolicyStore
        + ClientStore
        + DelegationRouteStore
        + CredentialStore
        + SpendStore
        + SigningKeyStore
        + ServerStore
{
}
