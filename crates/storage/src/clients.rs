//! OAuth clients: their record, and the verbs about them.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroid_identity_model::{ClientId, IdentityId, PolicyId, Tenant, Timestamp};
use zeroid_token_core::{Audience, ClientAuthMethod, ClientName, GrantType, Reason, ScopeSet};

use crate::error::StoreError;
use crate::filters::{Listed, Page};
use crate::records::SecretHash;

/// An OAuth client of a tenant; its secret is known only by its hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientRecord {
    /// Its id.
    pub id: ClientId,
    /// Whose it is.
    pub tenant: Tenant,
    /// What it calls itself, unique over all tenants.
    pub client_id: ClientName,
    /// Its display name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// The identity it acts for; absent until it is bound, which is for good.
    pub identity: Option<IdentityId>,
    /// How it authenticates; absent when it has a secret and may send it either way.
    pub auth_method: Option<ClientAuthMethod>,
    /// The keyed hash of its secret; kept apart from the rest of the record.
    #[serde(skip)]
    pub secret: Option<SecretHash>,
    /// The version of the hashing key.
    pub hash_key_version: u8,
    /// Its own public keys, a JWK Set.
    pub jwks: Option<Value>,
    /// Where its keys are fetched instead; absent in records of before that was possible, and beside `jwks`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// The grants it may use.
    pub grant_types: Vec<GrantType>,
    /// Its own list of scopes; absent when it has none.
    pub scopes: Option<ScopeSet>,
    /// Its own policy; absent when its identity's alone governs it.
    pub policy_id: Option<PolicyId>,
    /// Where a person may be sent back to.
    pub redirect_uris: Vec<String>,
    /// Lifetime of its access tokens; the deployment's when absent.
    pub access_token_ttl_seconds: Option<u32>,
    /// Lifetime of its refresh tokens; the deployment's when absent.
    pub refresh_token_ttl_seconds: Option<u32>,
    /// What it is, as a resource server: it is told of tokens for one of these alone. Absent when that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Audience>,
    /// Whether it asks for tokens with a DPoP proof alone (RFC 9449 §5.2); records of before that was possible say
    /// nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dpop_bound_access_tokens: bool,
    /// RFC 7591 §2.
    pub software_id: String,
    /// RFC 7591 §2.
    pub software_version: String,
    /// RFC 7591 §2.
    pub contacts: Vec<String>,
    /// Opaque to us.
    pub metadata: Value,
    /// Whether it may do anything. One that may not is answered as one that does not exist.
    pub is_active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it; may be empty.
    pub created_by: String,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Raised by one by every change.
    pub version: u64,
}

impl ClientRecord {
    /// Whether it can prove who it is.
    pub fn is_confidential(&self) -> bool {
        self.auth_method != Some(ClientAuthMethod::None)
    }
}

/// A change of a client and its cut-off, as one.
#[derive(Clone, Debug)]
pub struct ClientChange {
    /// The record as it will be, its version raised by one. Its id, tenant and `client_id` must not change.
    pub record: ClientRecord,
    /// Cut off what it was issued so far.
    pub cut_off: Option<Reason>,
    /// The moment of change.
    pub now: Timestamp,
}

/// Where OAuth clients are kept. Every method but one sees one tenant only.
#[async_trait]
pub trait ClientStore: Send + Sync {
    /// Store a client.
    ///
    /// # Errors
    /// [`Conflict::ClientName`](crate::Conflict) when any tenant has one of this `client_id`,
    /// [`Conflict::NoSuchIdentity`](crate::Conflict), [`Conflict::NoSuchPolicy`](crate::Conflict).
    async fn create_client(&self, client: ClientRecord) -> Result<(), StoreError>;

    /// The client of this id.
    async fn client(&self, tenant: &Tenant, id: ClientId) -> Result<Option<ClientRecord>, StoreError>;

    /// The client that calls itself so, whatever its tenant: who authenticates names no other. Asked at every
    /// authentication, so backends remember the answer while it holds.
    async fn client_by_name(&self, name: &ClientName) -> Result<Option<Arc<ClientRecord>>, StoreError>;

    /// All clients of the tenant, newest first, then by id.
    async fn clients(&self, tenant: &Tenant, page: Page) -> Result<Listed<ClientRecord>, StoreError>;

    /// Change a client together with its cut-off.
    ///
    /// # Errors
    /// [`StoreError::Stale`] unless the stored version is one below the record's; [`StoreError::NotFound`];
    /// [`Conflict::NoSuchIdentity`](crate::Conflict), [`Conflict::NoSuchPolicy`](crate::Conflict).
    async fn change_client(&self, change: ClientChange) -> Result<(), StoreError>;

    /// Delete a client and cut off what it was issued, as one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`].
    async fn delete_client(
        &self,
        tenant: &Tenant,
        id: ClientId,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<(), StoreError>;
}
