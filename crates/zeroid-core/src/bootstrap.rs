//! The first credential of a tenant: no client can make it.

use zeroid_identity_model::{ExternalId, IdentityType, Owner, SpiffeId, Status, Tenant, TrustLevel};
use zeroid_jose::Secret;
use zeroid_storage::{Conflict, IdentityRecord};
use zeroid_token_core::{Scope, ScopeSet};

use crate::engine::Engine;
use crate::error::AdminError;
use crate::requests::{NewApiKey, NewIdentity};

/// The external id of the service identity that a bootstrap key belongs to.
pub const ADMIN_EXTERNAL_ID: &str = "zeroid-admin";

const OPERATOR: &str = "operator";

/// A management key of a tenant.
#[derive(Debug)]
pub struct Bootstrapped {
    /// The identity it belongs to.
    pub record: IdentityRecord,
    /// The key; shown once.
    pub api_key: Secret,
    /// Whether the identity was made by this call.
    pub created_identity: bool,
}

impl Engine {
    /// Make an API key whose ceiling lists both management scopes, and its identity if the tenant has none.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] when the identity exists and is not active; our fault.
    pub async fn bootstrap(&self, tenant: &Tenant) -> Result<Bootstrapped, AdminError> {
        let new = admin_identity()?;
        match self.register(tenant, new, None).await {
            Ok(registered) => Ok(Bootstrapped {
                record: registered.record,
                api_key: registered.api_key,
                created_identity: true,
            }),
            Err(AdminError::Conflict(Conflict::ExternalId { id, status })) => {
                if status != Status::Active {
                    return Err(AdminError::invalid("status", format!("{ADMIN_EXTERNAL_ID} is {status}")));
                }
                let key = NewApiKey {
                    identity: id,
                    name: "Bootstrap".to_owned(),
                    description: String::new(),
                    scopes: None,
                    policy_id: None,
                    environment: zeroid_storage::Environment::Live,
                    metadata: serde_json::Value::Object(serde_json::Map::new()),
                    created_by: OPERATOR.to_owned(),
                    expires_at: None,
                };
                let (_, api_key) = self.create_api_key(tenant, key).await?;
                let record = self.identity(tenant, id).await?;
                Ok(Bootstrapped { record, api_key, created_identity: false })
            }
            Err(other) => Err(other),
        }
    }

    /// The URI of a tenant's bootstrap identity.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] when the tenant's names are too long for a URI.
    pub fn admin_uri(&self, tenant: &Tenant) -> Result<SpiffeId, AdminError> {
        let external_id: ExternalId = admin_external_id()?;
        SpiffeId::of_workload(&self.settings.trust_domain, tenant, IdentityType::Service, &external_id)
            .map_err(|error| AdminError::invalid("account_id", error))
    }
}

fn admin_external_id() -> Result<ExternalId, AdminError> {
    ADMIN_EXTERNAL_ID.parse().map_err(|error| AdminError::invalid("external_id", error))
}

fn admin_identity() -> Result<NewIdentity, AdminError> {
    let owner: Owner = OPERATOR.parse().map_err(|error| AdminError::invalid("owner_user_id", error))?;
    let scopes: ScopeSet = format!("{} {}", Scope::NHI_MANAGE, Scope::CREDENTIALS_MANAGE)
        .parse()
        .map_err(|error| AdminError::invalid("allowed_scopes", error))?;
    Ok(NewIdentity {
        name: "ZeroID administration".to_owned(),
        identity_type: IdentityType::Service,
        trust_level: TrustLevel::FirstParty,
        allowed_scopes: Some(scopes),
        description: "Manages this tenant through its API keys".to_owned(),
        ..NewIdentity::agent(admin_external_id()?, owner)
    })
}
