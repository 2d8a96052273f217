//! The registry of identities.

use serde_json::{Map, Value};
use zeroid_identity_model::{
    ExternalId, Identity, IdentityId, Kind, PolicyId, SpiffeId, Status, Tenant, Timestamp,
};
use zeroid_storage::{Facets, IdentityChange, IdentityFilter, IdentityRecord, Listed, Page, StoreError};
use zeroid_token_core::{IdentityPatch, Reason};

use crate::engine::Engine;
use crate::error::{AdminError, Fault};
use crate::identity_rules::{check, consequences, key_terms, or_default, status_patch};
use crate::requests::{NewIdentity, Registered};

/// How often a change is tried again when the record changed meanwhile.
pub(crate) const ATTEMPTS: usize = 8;

impl Engine {
    /// Register an identity together with its first API key.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] names the member; [`AdminError::Conflict`] when the external id is taken.
    pub async fn register(
        &self,
        tenant: &Tenant,
        new: NewIdentity,
        key_policy: Option<PolicyId>,
    ) -> Result<Registered, AdminError> {
        if new.name.trim().is_empty() {
            return Err(AdminError::invalid("name", "must not be empty"));
        }
        let now = self.now();
        let record = self.new_record(tenant, new, now).await?;
        self.check_key_policy(tenant, key_policy, record.policy_id, "api_key_credential_policy_id").await?;
        let terms = key_terms(&record.identity, key_policy);
        let (key, api_key) = self.new_key(tenant, terms, now)?;
        self.store.register(record.clone(), Some(key.clone())).await?;
        Ok(Registered { record, key, api_key })
    }

    /// Register an identity without a key.
    ///
    /// # Errors
    /// As [`Engine::register`].
    pub async fn create_identity(
        &self,
        tenant: &Tenant,
        new: NewIdentity,
    ) -> Result<IdentityRecord, AdminError> {
        let record = self.new_record(tenant, new, self.now()).await?;
        self.store.register(record.clone(), None).await?;
        Ok(record)
    }

    /// One identity.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], or our fault.
    pub async fn identity(&self, tenant: &Tenant, id: IdentityId) -> Result<IdentityRecord, AdminError> {
        self.store.identity(tenant, id).await?.ok_or(AdminError::NotFound)
    }

    /// The identity of this URI.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], or our fault.
    pub async fn identity_by_uri(
        &self,
        tenant: &Tenant,
        uri: &SpiffeId,
    ) -> Result<IdentityRecord, AdminError> {
        self.store.identity_by_spiffe_id(tenant, uri).await?.ok_or(AdminError::NotFound)
    }

    /// The identities that match.
    ///
    /// # Errors
    /// Our fault.
    pub async fn identities(
        &self,
        tenant: &Tenant,
        filter: &IdentityFilter,
        page: Page,
    ) -> Result<Listed<IdentityRecord>, AdminError> {
        Ok(self.store.identities(tenant, filter, page).await?)
    }

    /// How many identities there are of each kind.
    ///
    /// # Errors
    /// Our fault.
    pub async fn facets(&self, tenant: &Tenant) -> Result<Facets, AdminError> {
        Ok(self.store.facets(tenant).await?)
    }

    /// The prefix of the newest key of each of these identities that has one.
    ///
    /// # Errors
    /// Our fault.
    pub async fn key_prefixes(
        &self,
        tenant: &Tenant,
        ids: &[IdentityId],
    ) -> Result<Vec<(IdentityId, String)>, AdminError> {
        Ok(self.store.newest_key_prefixes(tenant, ids).await?)
    }

    /// The deepest delegation among the credentials an identity was issued.
    ///
    /// # Errors
    /// Our fault.
    pub async fn deepest_delegation(&self, tenant: &Tenant, id: IdentityId) -> Result<u8, AdminError> {
        Ok(self.store.deepest_delegation(tenant, id).await?)
    }

    /// Change an identity, and in the same write whatever goes with it: deactivating cuts off what it holds and
    /// revokes its keys, lowering its trust cuts off its earlier tokens.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] names the member; [`AdminError::NotFound`].
    pub async fn patch_identity(
        &self,
        tenant: &Tenant,
        id: IdentityId,
        patch: IdentityPatch,
    ) -> Result<IdentityRecord, AdminError> {
        for _ in 0..ATTEMPTS {
            let before = self.identity(tenant, id).await?;
            let now = self.now();
            let after = self.patched(before.clone(), patch.clone(), now).await?;
            let change = consequences(&before, after.clone(), &patch, now);
            match self.store.change_identity(change).await {
                Ok(()) => return Ok(after),
                Err(StoreError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Fault::Contended.into())
    }

    /// Make an identity active again. What was cut off stays dead; it needs a new key.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] when the life cycle forbids it; [`AdminError::NotFound`].
    pub async fn activate(
        &self,
        tenant: &Tenant,
        id: IdentityId,
        by: &str,
    ) -> Result<IdentityRecord, AdminError> {
        self.patch_identity(tenant, id, status_patch(Status::Active, by)).await
    }

    /// Stop an identity for good: its keys are revoked, and what it holds is cut off with everything below.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], or our fault.
    pub async fn deactivate(
        &self,
        tenant: &Tenant,
        id: IdentityId,
        by: &str,
    ) -> Result<IdentityRecord, AdminError> {
        self.patch_identity(tenant, id, status_patch(Status::Deactivated, by)).await
    }

    /// Replace an identity's keys by one new key on the terms of the newest: the old ones are revoked, and what
    /// they minted is cut off, in the same write.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] when the identity may not act; [`AdminError::NotFound`].
    pub async fn rotate_key(
        &self,
        tenant: &Tenant,
        id: IdentityId,
        by: &str,
    ) -> Result<Registered, AdminError> {
        for _ in 0..ATTEMPTS {
            let mut record = self.identity(tenant, id).await?;
            let now = self.now();
            record.identity.may_act(now).map_err(|why| AdminError::invalid("status", why))?;
            let mut terms = key_terms(&record.identity, None);
            by.clone_into(&mut terms.created_by);
            if let Some(old) = self.newest_key(tenant, id).await? {
                terms.name = old.name;
                terms.description = old.description;
                terms.scopes = old.scopes;
                terms.policy_id = old.policy_id;
                terms.environment = old.environment;
                terms.metadata = old.metadata;
                terms.expires_at = old.expires_at.filter(|end| *end > now).or(terms.expires_at);
                if terms.created_by.is_empty() {
                    terms.created_by = old.created_by;
                }
            }
            self.check_key_policy(tenant, terms.policy_id, record.policy_id, "credential_policy_id").await?;
            let (key, api_key) = self.new_key(tenant, terms, now)?;
            record.version += 1;
            record.identity.updated_at = now;
            by.clone_into(&mut record.identity.modified_by);
            let change = IdentityChange {
                record: record.clone(),
                cut_off: None,
                revoke_keys: Some(Reason::new("rotated").by(by)),
                new_key: Some(key.clone()),
                asked_with: None,
                now,
            };
            match self.store.change_identity(change).await {
                Ok(()) => return Ok(Registered { record, key, api_key }),
                Err(StoreError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Fault::Contended.into())
    }

    async fn new_record(
        &self,
        tenant: &Tenant,
        new: NewIdentity,
        now: Timestamp,
    ) -> Result<IdentityRecord, AdminError> {
        if new.expires_at.is_some_and(|end| end <= now) {
            return Err(AdminError::invalid("expires_at", "must be in the future"));
        }
        let kind = Kind::for_registration(new.identity_type, new.sub_type)
            .map_err(|error| AdminError::invalid("sub_type", error))?;
        let spiffe_id = self.uri_of(tenant, kind, &new.external_id)?;
        let identity = Identity {
            id: IdentityId::from_bytes(self.fresh_id(now)?),
            tenant: tenant.clone(),
            external_id: new.external_id,
            spiffe_id,
            name: new.name,
            kind,
            trust_level: new.trust_level,
            status: Status::Active,
            owner: Some(new.owner),
            expires_at: new.expires_at,
            public_key_pem: new.public_key_pem.filter(|pem| !pem.is_empty()),
            framework: new.framework,
            version: new.version,
            publisher: new.publisher,
            description: new.description,
            capabilities: or_default(new.capabilities, Value::Array(Vec::new())),
            labels: or_default(new.labels, Value::Object(Map::new())),
            metadata: or_default(new.metadata, Value::Object(Map::new())),
            created_at: now,
            created_by: new.created_by.clone(),
            updated_at: now,
            modified_by: new.created_by,
        };
        check(&identity)?;
        let policy = self.policy_or_default(tenant, new.policy_id, "credential_policy_id").await?;
        Ok(IdentityRecord {
            identity,
            allowed_scopes: new.allowed_scopes,
            policy_id: policy.policy.id,
            version: 1,
        })
    }

    fn uri_of(&self, tenant: &Tenant, kind: Kind, external_id: &ExternalId) -> Result<SpiffeId, AdminError> {
        SpiffeId::of_workload(&self.settings.trust_domain, tenant, kind.identity_type(), external_id)
            .map_err(|error| AdminError::invalid("external_id", error))
    }

    async fn patched(
        &self,
        mut record: IdentityRecord,
        patch: IdentityPatch,
        now: Timestamp,
    ) -> Result<IdentityRecord, AdminError> {
        fn set<T>(place: &mut T, value: Option<T>) {
            if let Some(value) = value {
                *place = value;
            }
        }
        let identity = &mut record.identity;
        let identity_type = identity.kind.identity_type();
        if patch.identity_type.is_some_and(|wanted| wanted != identity_type) {
            return Err(AdminError::invalid(
                "identity_type",
                "is part of the identity's URI and cannot change; register a new identity instead",
            ));
        }
        identity.kind = Kind::new(identity_type, patch.sub_type.or(identity.kind.sub_type()))
            .map_err(|error| AdminError::invalid("sub_type", error))?;
        if let Some(to) = patch.status {
            identity.status =
                identity.status.change_to(to).map_err(|error| AdminError::invalid("status", error))?;
        }
        if patch.expires_at.flatten().is_some_and(|end| end <= now) {
            return Err(AdminError::invalid("expires_at", "must be in the future"));
        }
        set(&mut identity.name, patch.name.filter(|name| !name.is_empty()));
        set(&mut identity.trust_level, patch.trust_level);
        identity.owner = patch.owner.or(identity.owner.take());
        identity.public_key_pem =
            patch.public_key_pem.filter(|pem| !pem.is_empty()).or(identity.public_key_pem.take());
        set(&mut identity.expires_at, patch.expires_at);
        set(&mut identity.framework, patch.framework);
        set(&mut identity.version, patch.version);
        set(&mut identity.publisher, patch.publisher);
        set(&mut identity.description, patch.description);
        set(&mut identity.capabilities, patch.capabilities);
        set(&mut identity.labels, patch.labels);
        set(&mut identity.metadata, patch.metadata);
        identity.updated_at = now;
        identity.modified_by = patch.modified_by;
        if matches!(identity.status, Status::Active | Status::Pending) && identity.owner.is_none() {
            return Err(AdminError::invalid("owner_user_id", "is needed before the identity can be used"));
        }
        check(identity)?;
        set(&mut record.allowed_scopes, patch.allowed_scopes);
        if let Some(policy) = patch.policy_id {
            record.policy_id = self
                .policy_or_default(&record.identity.tenant, policy, "credential_policy_id")
                .await?
                .policy
                .id;
        }
        record.version += 1;
        Ok(record)
    }
}
