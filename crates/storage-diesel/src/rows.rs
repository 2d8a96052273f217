//! Rows and records.

use diesel::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroid_identity_model::Timestamp;
use zeroid_storage::{
    ApiKeyRecord, ClientRecord, DelegationRouteRecord, IdentityRecord, Issuance, PolicyRecord, SecretHash,
    StoreError,
};

use crate::error::corrupt;
use crate::packed::pack;
use crate::schema::{api_keys, clients, credentials, delegation_routes, identities, policies};

pub(crate) fn to_json<T: Serialize>(what: &str, record: &T) -> Result<String, StoreError> {
    let mut body = Vec::with_capacity(1024);
    serde_json::to_writer(&mut body, record).map_err(|error| corrupt(what, error))?;
    String::from_utf8(body).map_err(|error| corrupt(what, error))
}

pub(crate) fn from_json<T: DeserializeOwned>(what: &str, body: &str) -> Result<T, StoreError> {
    serde_json::from_str(body).map_err(|error| corrupt(what, error))
}

pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = identities, treat_none_as_null = true, treat_none_as_default_value = false)]
pub(crate) struct IdentityRow {
    id: Vec<u8>,
    tenant_id: i64,
    external_id: String,
    spiffe_id: String,
    name: String,
    identity_type: &'static str,
    status: &'static str,
    trust_level: &'static str,
    owner: Option<String>,
    created_by: String,
    labels: String,
    policy_id: Vec<u8>,
    version: i64,
    expires_at: Option<i64>,
    created_at: i64,
    body: String,
}

impl IdentityRow {
    pub(crate) fn of(tenant_id: i64, record: &IdentityRecord) -> Result<Self, StoreError> {
        let identity = &record.identity;
        Ok(Self {
            id: identity.id.as_bytes().to_vec(),
            tenant_id,
            external_id: identity.external_id.to_string(),
            spiffe_id: identity.spiffe_id.to_string(),
            name: identity.name.clone(),
            identity_type: identity.kind.identity_type().as_str(),
            status: identity.status.as_str(),
            trust_level: identity.trust_level.as_str(),
            owner: identity.owner.as_ref().map(ToString::to_string),
            created_by: identity.created_by.clone(),
            labels: identity.labels.to_string(),
            policy_id: record.policy_id.as_bytes().to_vec(),
            version: signed(record.version),
            expires_at: identity.expires_at.map(Timestamp::as_micros),
            created_at: identity.created_at.as_micros(),
            body: to_json("identity", record)?,
        })
    }
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = policies)]
pub(crate) struct PolicyRow {
    id: Vec<u8>,
    tenant_id: i64,
    name: String,
    is_default: bool,
    version: i64,
    created_at: i64,
    body: String,
}

impl PolicyRow {
    pub(crate) fn of(tenant_id: i64, record: &PolicyRecord) -> Result<Self, StoreError> {
        Ok(Self {
            id: record.policy.id.as_bytes().to_vec(),
            tenant_id,
            name: record.policy.name.clone(),
            is_default: record.is_default,
            version: signed(record.policy.version),
            created_at: record.created_at.as_micros(),
            body: to_json("policy", record)?,
        })
    }
}

#[derive(Insertable)]
#[diesel(table_name = api_keys, treat_none_as_default_value = false)]
pub(crate) struct ApiKeyRow {
    id: Vec<u8>,
    tenant_id: i64,
    identity_id: Vec<u8>,
    hash: Vec<u8>,
    policy_id: Option<Vec<u8>>,
    is_revoked: bool,
    expires_at: Option<i64>,
    created_at: i64,
    usage_count: i64,
    last_used_at: Option<i64>,
    body: String,
}

impl ApiKeyRow {
    pub(crate) fn of(tenant_id: i64, record: &ApiKeyRecord) -> Result<Self, StoreError> {
        Ok(Self {
            id: record.id.as_bytes().to_vec(),
            tenant_id,
            identity_id: record.identity.as_bytes().to_vec(),
            hash: record.hash.0.to_vec(),
            policy_id: record.policy_id.map(|id| id.as_bytes().to_vec()),
            is_revoked: record.revoked.is_some(),
            expires_at: record.expires_at.map(Timestamp::as_micros),
            created_at: record.created_at.as_micros(),
            usage_count: signed(record.usage_count),
            last_used_at: record.last_used_at.map(Timestamp::as_micros),
            body: to_json("api key", record)?,
        })
    }
}

/// What of an API key is read: the record, and what changes without it.
#[derive(Queryable, Selectable)]
#[diesel(table_name = api_keys)]
pub(crate) struct ApiKeyRead {
    hash: Vec<u8>,
    usage_count: i64,
    last_used_at: Option<i64>,
    body: String,
}

impl ApiKeyRead {
    pub(crate) fn record(self) -> Result<ApiKeyRecord, StoreError> {
        let mut record: ApiKeyRecord = from_json("api key", &self.body)?;
        record.hash = SecretHash(bytes("api key", &self.hash)?);
        record.usage_count = unsigned(self.usage_count);
        record.last_used_at = self.last_used_at.map(Timestamp::from_micros);
        Ok(record)
    }
}

#[derive(Insertable, AsChangeset)]
#[diesel(table_name = clients, treat_none_as_null = true, treat_none_as_default_value = false)]
pub(crate) struct ClientRow {
    id: Vec<u8>,
    tenant_id: i64,
    client_id: String,
    identity_id: Option<Vec<u8>>,
    policy_id: Option<Vec<u8>>,
    secret_hash: Option<Vec<u8>>,
    version: i64,
    created_at: i64,
    body: String,
}

impl ClientRow {
    pub(crate) fn of(tenant_id: i64, record: &ClientRecord) -> Result<Self, StoreError> {
        Ok(Self {
            id: record.id.as_bytes().to_vec(),
            tenant_id,
            client_id: record.client_id.to_string(),
            identity_id: record.identity.map(|id| id.as_bytes().to_vec()),
            policy_id: record.policy_id.map(|id| id.as_bytes().to_vec()),
            secret_hash: record.secret.map(|hash| hash.0.to_vec()),
            version: signed(record.version),
            created_at: record.created_at.as_micros(),
            body: to_json("client", record)?,
        })
    }
}

/// What of a client is read: the record, and the hash that is kept apart.
#[derive(Queryable, Selectable)]
#[diesel(table_name = clients)]
pub(crate) struct ClientRead {
    secret_hash: Option<Vec<u8>>,
    body: String,
}

impl ClientRead {
    pub(crate) fn record(self) -> Result<ClientRecord, StoreError> {
        let mut record: ClientRecord = from_json("client", &self.body)?;
        record.secret = match self.secret_hash {
            Some(hash) => Some(SecretHash(bytes("client", &hash)?)),
            None => None,
        };
        Ok(record)
    }
}

#[derive(Insertable)]
#[diesel(table_name = delegation_routes)]
pub(crate) struct DelegationRouteRow {
    id: Vec<u8>,
    tenant_id: i64,
    from_identity_id: Vec<u8>,
    to_identity_id: Vec<u8>,
    created_at: i64,
    body: String,
}

impl DelegationRouteRow {
    pub(crate) fn of(tenant_id: i64, record: &DelegationRouteRecord) -> Result<Self, StoreError> {
        Ok(Self {
            id: record.route.id.as_bytes().to_vec(),
            tenant_id,
            from_identity_id: record.route.from.as_bytes().to_vec(),
            to_identity_id: record.route.to.as_bytes().to_vec(),
            created_at: record.created_at.as_micros(),
            body: to_json("delegation route", record)?,
        })
    }
}

#[derive(Insertable)]
#[diesel(table_name = credentials)]
pub(crate) struct CredentialRow {
    pub(crate) jti: [u8; 16],
    pub(crate) identity_id: [u8; 16],
    pub(crate) mission_id: [u8; 16],
    pub(crate) depth: i16,
    pub(crate) issued_at: i64,
    pub(crate) expires_at: i64,
    pub(crate) digest: [u8; 32],
    pub(crate) body: Vec<u8>,
}

impl CredentialRow {
    /// The row of a credential, but for its tenant's number, which the writer knows.
    pub(crate) fn of(issuance: &Issuance) -> Result<Self, StoreError> {
        let record = &issuance.record;
        Ok(Self {
            jti: *record.jti().as_bytes(),
            identity_id: *record.identity().as_bytes(),
            mission_id: *record.mission_id().as_bytes(),
            depth: i16::from(record.delegation_depth()),
            issued_at: record.issued_at().as_micros(),
            expires_at: record.expires_at.as_micros(),
            digest: issuance.digest.0,
            body: pack(record)?,
        })
    }
}

/// Exactly this many bytes.
pub(crate) fn bytes<const N: usize>(what: &str, value: &[u8]) -> Result<[u8; N], StoreError> {
    value.try_into().map_err(|_| StoreError::Corrupt(format!("{what}: {} bytes instead of {N}", value.len())))
}
