//! Credential policies.

use std::collections::BTreeSet;

use zeroid_identity_model::{PolicyId, Tenant, Timestamp};
use zeroid_storage::{Listed, Page, PolicyRecord};
use zeroid_token_core::limits::MAX_MAY_ACT;
use zeroid_token_core::{GrantType, NewPolicy, Policy, PolicyPatch};

use crate::engine::Engine;
use crate::error::{AdminError, Fault};

/// Longest description, in bytes.
const MAX_DESCRIPTION_BYTES: usize = 1024;

impl Engine {
    /// Make a policy.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] names the member; [`AdminError::Conflict`] when the name is taken.
    pub async fn create_policy(&self, tenant: &Tenant, new: NewPolicy) -> Result<PolicyRecord, AdminError> {
        let now = self.now();
        let grants = new.allowed_grant_types.filter(|grants| !grants.is_empty());
        let policy = Policy {
            id: PolicyId::from_bytes(self.fresh_id(now)?),
            version: 1,
            name: new.name,
            max_ttl_seconds: new.max_ttl_seconds.unwrap_or(self.settings.rules.default_ttl_seconds),
            allowed_grant_types: grants.map_or_else(
                || BTreeSet::from([GrantType::ClientCredentials]),
                |grants| grants.into_iter().collect(),
            ),
            allowed_scopes: new.allowed_scopes,
            delegable_scopes: new.delegable_scopes,
            required_trust_level: new.required_trust_level,
            required_attestation: new.required_attestation,
            max_delegation_depth: new.max_delegation_depth.unwrap_or(0),
            may_act: new.may_act,
            token_labels: new.token_labels,
            is_active: true,
            expires_at: new.expires_at,
        };
        let record = PolicyRecord {
            tenant: tenant.clone(),
            policy,
            description: new.description,
            is_default: false,
            created_at: now,
            updated_at: now,
        };
        check(&record)?;
        self.store.create_policy(record.clone()).await?;
        Ok(record)
    }

    /// One policy.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], or our fault.
    pub async fn policy(&self, tenant: &Tenant, id: PolicyId) -> Result<PolicyRecord, AdminError> {
        self.store.policy(tenant, id).await?.ok_or(AdminError::NotFound)
    }

    /// All policies of the tenant.
    ///
    /// # Errors
    /// Our fault.
    pub async fn policies(&self, tenant: &Tenant, page: Page) -> Result<Listed<PolicyRecord>, AdminError> {
        Ok(self.store.policies(tenant, page).await?)
    }

    /// Change a policy. It holds from the next issuance.
    ///
    /// # Errors
    /// As [`Engine::create_policy`], and [`AdminError::NotFound`].
    pub async fn patch_policy(
        &self,
        tenant: &Tenant,
        id: PolicyId,
        patch: PolicyPatch,
    ) -> Result<PolicyRecord, AdminError> {
        for _ in 0..crate::registry::ATTEMPTS {
            let mut record = self.policy(tenant, id).await?;
            let now = self.now();
            if patch.expires_at.flatten().is_some_and(|end| end <= now) {
                return Err(AdminError::invalid("expires_at", "must be in the future"));
            }
            apply(&mut record, patch.clone(), now);
            check(&record)?;
            match self.store.change_policy(record.clone()).await {
                Ok(()) => return Ok(record),
                Err(zeroid_storage::StoreError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Fault::Contended.into())
    }

    /// Delete a policy nobody uses.
    ///
    /// # Errors
    /// [`AdminError::Conflict`] while it is used; [`AdminError::NotFound`].
    pub async fn delete_policy(&self, tenant: &Tenant, id: PolicyId) -> Result<(), AdminError> {
        Ok(self.store.delete_policy(tenant, id).await?)
    }

    /// The policy named, which must exist, or the tenant's default, which is made at its first use.
    pub(crate) async fn policy_or_default(
        &self,
        tenant: &Tenant,
        id: Option<PolicyId>,
        field: &'static str,
    ) -> Result<PolicyRecord, AdminError> {
        if let Some(id) = id {
            let found = self.store.policy(tenant, id).await?;
            return found.ok_or_else(|| AdminError::invalid(field, "no such credential policy"));
        }
        let now = self.now();
        let fresh = PolicyRecord {
            tenant: tenant.clone(),
            policy: Policy::tenant_default(PolicyId::from_bytes(self.fresh_id(now)?)),
            description: "Governs the identities that name no policy".to_owned(),
            is_default: true,
            created_at: now,
            updated_at: now,
        };
        Ok(self.store.default_policy(fresh).await?)
    }
}

fn apply(record: &mut PolicyRecord, patch: PolicyPatch, now: Timestamp) {
    fn set<T>(place: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *place = value;
        }
    }
    let policy = &mut record.policy;
    set(&mut policy.name, patch.name.filter(|name| !name.is_empty()));
    set(&mut record.description, patch.description);
    set(&mut policy.max_ttl_seconds, patch.max_ttl_seconds);
    set(
        &mut policy.allowed_grant_types,
        patch.allowed_grant_types.map(|grants| grants.into_iter().collect()),
    );
    set(&mut policy.allowed_scopes, patch.allowed_scopes);
    set(&mut policy.delegable_scopes, patch.delegable_scopes);
    set(&mut policy.required_trust_level, patch.required_trust_level);
    set(&mut policy.required_attestation, patch.required_attestation);
    set(&mut policy.max_delegation_depth, patch.max_delegation_depth);
    set(&mut policy.may_act, patch.may_act);
    set(&mut policy.token_labels, patch.token_labels);
    set(&mut policy.is_active, patch.is_active);
    set(&mut policy.expires_at, patch.expires_at);
    policy.version += 1;
    record.updated_at = now;
}

fn check(record: &PolicyRecord) -> Result<(), AdminError> {
    use zeroid_token_core::PolicyError;
    record.policy.check().map_err(|error| {
        let field = match error {
            PolicyError::Ttl => "max_ttl_seconds",
            PolicyError::Depth => "max_delegation_depth",
            PolicyError::Labels => "token_labels",
            _ => "name",
        };
        AdminError::invalid(field, error)
    })?;
    if record.description.len() > MAX_DESCRIPTION_BYTES {
        return Err(AdminError::invalid(
            "description",
            format!("at most {MAX_DESCRIPTION_BYTES} bytes allowed"),
        ));
    }
    let named = record.policy.may_act.as_ref().map_or(0, Vec::len);
    if named > MAX_MAY_ACT {
        return Err(AdminError::invalid("may_act", format!("at most {MAX_MAY_ACT} workloads allowed")));
    }
    Ok(())
}
