//! Issued credentials: looking at them, revoking them, following their chain.

use zeroid_identity_model::{CredentialId, Tenant};
use zeroid_storage::{ChainFacts, CredentialFilter, CredentialView, Listed, Page};
use zeroid_token_core::{CutOff, CutOffKey, Reason};

use crate::engine::Engine;
use crate::error::AdminError;

impl Engine {
    /// One credential.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], or our fault.
    pub async fn credential(&self, tenant: &Tenant, jti: CredentialId) -> Result<CredentialView, AdminError> {
        self.store.credential(tenant, jti).await?.ok_or(AdminError::NotFound)
    }

    /// The credentials of an identity, or of a mission.
    ///
    /// # Errors
    /// Our fault.
    pub async fn credentials(
        &self,
        tenant: &Tenant,
        filter: CredentialFilter,
        page: Page,
    ) -> Result<Listed<CredentialView>, AdminError> {
        Ok(self.store.credentials(tenant, filter, page).await?)
    }

    /// Cut off a credential and everything below it, whatever the number, in one write.
    ///
    /// # Errors
    /// [`AdminError::NotFound`] when unknown, foreign, revoked already or past its end: nothing changed.
    pub async fn revoke_credential(
        &self,
        tenant: &Tenant,
        jti: CredentialId,
        reason: Reason,
    ) -> Result<CutOff, AdminError> {
        let view = self.credential(tenant, jti).await?;
        let now = self.now();
        if view.revoked_by.is_some() || now >= view.record.expires_at {
            return Err(AdminError::NotFound);
        }
        Ok(self.store.cut_off(tenant, &CutOffKey::Credential(jti), &reason, now).await?)
    }

    /// Every credential on the way from the root to this one, and every identity as it is now.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], or our fault.
    pub async fn chain(&self, tenant: &Tenant, jti: CredentialId) -> Result<ChainFacts, AdminError> {
        self.store.chain(tenant, jti).await?.ok_or(AdminError::NotFound)
    }
}
