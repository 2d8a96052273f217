//! API keys.

use zeroid_identity_model::{ApiKeyId, IdentityId, PolicyId, Tenant, Timestamp};
use zeroid_jose::{API_KEY_PREFIX, MasterKey, Secret, display_prefix, generate_secret};
use zeroid_storage::{ApiKeyFilter, ApiKeyRecord, Listed, Page};
use zeroid_token_core::{CutOff, Reason};

use crate::engine::Engine;
use crate::error::{AdminError, Fault};
use crate::requests::NewApiKey;

/// Longest name or description of a key, and largest metadata, in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 1024;

/// Largest JSON member of a record, in bytes.
pub(crate) const MAX_JSON_BYTES: usize = 16 * 1024;

impl Engine {
    /// Make an API key for an identity.
    ///
    /// # Errors
    /// [`AdminError::Invalid`]: no such identity or policy, or a policy wider than the identity's.
    pub async fn create_api_key(
        &self,
        tenant: &Tenant,
        new: NewApiKey,
    ) -> Result<(ApiKeyRecord, Secret), AdminError> {
        if new.name.trim().is_empty() {
            return Err(AdminError::invalid("name", "must not be empty"));
        }
        for (field, text) in [("name", &new.name), ("description", &new.description)] {
            if text.len() > MAX_TEXT_BYTES {
                return Err(AdminError::invalid(field, format!("at most {MAX_TEXT_BYTES} bytes allowed")));
            }
        }
        check_json("metadata", &new.metadata)?;
        let now = self.now();
        if new.expires_at.is_some_and(|end| end <= now) {
            return Err(AdminError::invalid("expires_at", "must be in the future"));
        }
        let identity = self.store.identity(tenant, new.identity).await?;
        let identity = identity.ok_or_else(|| AdminError::invalid("identity_id", "no such identity"))?;
        self.check_key_policy(tenant, new.policy_id, identity.policy_id, "credential_policy_id").await?;
        let (record, secret) = self.new_key(tenant, new, now)?;
        self.store.create_api_key(record.clone()).await?;
        Ok((record, secret))
    }

    /// One API key.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], or our fault.
    pub async fn api_key(&self, tenant: &Tenant, id: ApiKeyId) -> Result<ApiKeyRecord, AdminError> {
        self.store.api_key(tenant, id).await?.ok_or(AdminError::NotFound)
    }

    /// The API keys that match.
    ///
    /// # Errors
    /// Our fault.
    pub async fn api_keys(
        &self,
        tenant: &Tenant,
        filter: &ApiKeyFilter,
        page: Page,
    ) -> Result<Listed<ApiKeyRecord>, AdminError> {
        Ok(self.store.api_keys(tenant, filter, page, self.now()).await?)
    }

    /// Revoke a key and everything it minted.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when unknown, foreign or revoked already.
    pub async fn revoke_api_key(
        &self,
        tenant: &Tenant,
        id: ApiKeyId,
        reason: Reason,
    ) -> Result<CutOff, AdminError> {
        Ok(self.store.revoke_api_key(tenant, id, &reason, self.now()).await?)
    }

    /// The record and the secret of a key that is about to be stored.
    pub(crate) fn new_key(
        &self,
        tenant: &Tenant,
        new: NewApiKey,
        now: Timestamp,
    ) -> Result<(ApiKeyRecord, Secret), Fault> {
        let secret = generate_secret(&*self.random, API_KEY_PREFIX)?;
        let record = ApiKeyRecord {
            id: ApiKeyId::from_bytes(self.fresh_id(now)?),
            tenant: tenant.clone(),
            identity: new.identity,
            name: new.name,
            description: new.description,
            prefix: display_prefix(&secret),
            hash: self.api_key_hash(&secret),
            hash_key_version: MasterKey::VERSION,
            scopes: new.scopes,
            policy_id: new.policy_id,
            environment: new.environment,
            metadata: new.metadata,
            created_at: now,
            created_by: new.created_by,
            updated_at: now,
            expires_at: new.expires_at,
            revoked: None,
            usage_count: 0,
            last_used_at: None,
        };
        Ok((record, secret))
    }

    /// A key's policy must exist and stay within its identity's.
    pub(crate) async fn check_key_policy(
        &self,
        tenant: &Tenant,
        key_policy: Option<PolicyId>,
        identity_policy: PolicyId,
        field: &'static str,
    ) -> Result<(), AdminError> {
        let Some(id) = key_policy.filter(|id| *id != identity_policy) else { return Ok(()) };
        let key_policy = self.policy_or_default(tenant, Some(id), field).await?;
        let ceiling = self.policy_or_default(tenant, Some(identity_policy), field).await?;
        match key_policy.policy.exceeds(&ceiling.policy) {
            None => Ok(()),
            Some(member) => Err(AdminError::invalid(
                field,
                format!("the key's policy permits more than the identity's in `{member}`"),
            )),
        }
    }

    /// The newest key of an identity, unrevoked ones first: what a rotated key carries over.
    pub(crate) async fn newest_key(
        &self,
        tenant: &Tenant,
        identity: IdentityId,
    ) -> Result<Option<ApiKeyRecord>, AdminError> {
        use zeroid_storage::ApiKeyStateFilter::Active;
        for state in [Some(Active), None] {
            let filter = ApiKeyFilter { identity: Some(identity), state };
            let found = self.api_keys(tenant, &filter, Page { limit: 1, offset: 0 }).await?;
            if let Some(key) = found.items.into_iter().next() {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }
}

pub(crate) fn check_json(field: &'static str, value: &serde_json::Value) -> Result<(), AdminError> {
    let bytes = serde_json::to_vec(value).map_or(usize::MAX, |text| text.len());
    if bytes > MAX_JSON_BYTES {
        return Err(AdminError::invalid(field, format!("at most {MAX_JSON_BYTES} bytes of JSON allowed")));
    }
    if has_nul(value) {
        return Err(AdminError::invalid(field, "must not contain NUL"));
    }
    Ok(())
}

/// Whether a text or a name anywhere inside has a NUL. PostgreSQL has no text with one, and one such label would keep
/// it from looking at the labels of others.
fn has_nul(value: &serde_json::Value) -> bool {
    use serde_json::Value;
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}
