//! The registry of OAuth clients.

use serde_json::{Map, Value};
use zeroid_identity_model::{ClientId, ExternalId, Identity, PolicyId, Tenant, Timestamp};
use zeroid_jose::{CLIENT_SECRET_PREFIX, HashPurpose, MasterKey, Secret, generate_secret};
use zeroid_storage::{ClientChange, ClientRecord, Listed, Page, SecretHash, StoreError};
use zeroid_token_core::{ClientAuthMethod, ClientName, ClientTerms, GrantType, Reason, ScopeSet};

use crate::client_rules::{apply, auth_method, check, set};
use crate::engine::Engine;
use crate::error::{AdminError, Fault};
use crate::registry::ATTEMPTS;

/// A client that is about to be registered.
#[derive(Clone, Debug)]
pub struct NewClient {
    /// What it calls itself.
    pub client_id: ClientName,
    /// Its display name.
    pub name: String,
    /// Whether it can prove who it is; told by its method when absent, and public when that is absent too.
    pub confidential: Option<bool>,
    /// How it authenticates; a confidential one without a method may send its secret either way (house rule E4a).
    pub auth_method: Option<ClientAuthMethod>,
    /// Its list of scopes; absent when it has none.
    pub scopes: Option<ScopeSet>,
    /// Its own policy; its identity's alone governs it when absent.
    pub policy_id: Option<PolicyId>,
    /// Everything else.
    pub terms: ClientTerms,
    /// Who registers it; may be empty.
    pub created_by: String,
}

/// A change of a client; absent members stay as they are.
#[derive(Clone, Debug, Default)]
pub struct ClientPatch {
    /// Display name.
    pub name: Option<String>,
    /// List of scopes; `Some(None)` lifts the list.
    pub scopes: Option<Option<ScopeSet>>,
    /// Policy; `Some(None)` lifts it.
    pub policy_id: Option<Option<PolicyId>>,
    /// Whether it may do anything. Switching it off cuts off what it was issued.
    pub is_active: Option<bool>,
    /// Cut off what it was issued so far.
    pub revoke_existing: bool,
    /// Everything else.
    pub terms: ClientTerms,
    /// Who changes it; may be empty.
    pub modified_by: String,
}

/// A client that was registered, or got a new secret.
#[derive(Debug)]
pub struct MadeClient {
    /// The client.
    pub record: ClientRecord,
    /// Its secret, shown once; absent when it has none.
    pub secret: Option<Secret>,
}

impl Engine {
    /// Register a client.
    ///
    /// # Errors
    /// [`AdminError::Invalid`] names the member; [`AdminError::Conflict`] when the `client_id` is taken.
    pub async fn create_client(&self, tenant: &Tenant, new: NewClient) -> Result<MadeClient, AdminError> {
        let now = self.now();
        let auth_method = auth_method(new.confidential, new.auth_method)?;
        let is_confidential = auth_method != Some(ClientAuthMethod::None);
        let secret = match auth_method {
            Some(ClientAuthMethod::None | ClientAuthMethod::PrivateKeyJwt) => None,
            _ => Some(generate_secret(&*self.random, CLIENT_SECRET_PREFIX).map_err(Fault::from)?),
        };
        let default_grant =
            if is_confidential { GrantType::ClientCredentials } else { GrantType::AuthorizationCode };
        let mut record = ClientRecord {
            id: ClientId::from_bytes(self.fresh_id(now)?),
            tenant: tenant.clone(),
            client_id: new.client_id,
            name: new.name,
            description: String::new(),
            identity: None,
            auth_method,
            secret: secret.as_ref().map(|secret| self.client_secret_hash(secret)),
            hash_key_version: MasterKey::VERSION,
            jwks: None,
            jwks_uri: None,
            grant_types: vec![default_grant],
            scopes: new.scopes,
            policy_id: new.policy_id,
            redirect_uris: Vec::new(),
            access_token_ttl_seconds: None,
            refresh_token_ttl_seconds: None,
            resources: None,
            dpop_bound_access_tokens: false,
            software_id: String::new(),
            software_version: String::new(),
            contacts: Vec::new(),
            metadata: Value::Object(Map::new()),
            is_active: true,
            created_at: now,
            created_by: new.created_by,
            updated_at: now,
            version: 1,
        };
        self.check_keys_url(&new.terms)?;
        apply(&mut record, new.terms)?;
        check(&record)?;
        if record.identity.is_none() {
            record.identity = self.namesake(&record).await?.map(|identity| identity.id);
        }
        self.store.create_client(record.clone()).await?;
        Ok(MadeClient { record, secret })
    }

    /// One client.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], or our fault.
    pub async fn client(&self, tenant: &Tenant, id: ClientId) -> Result<ClientRecord, AdminError> {
        self.store.client(tenant, id).await?.ok_or(AdminError::NotFound)
    }

    /// All clients of the tenant, newest first.
    ///
    /// # Errors
    /// Our fault.
    pub async fn clients(&self, tenant: &Tenant, page: Page) -> Result<Listed<ClientRecord>, AdminError> {
        Ok(self.store.clients(tenant, page).await?)
    }

    /// Change a client. What limits it holds from its next token; switching it off cuts off what it was issued.
    ///
    /// # Errors
    /// As [`Engine::create_client`], and [`AdminError::NotFound`].
    pub async fn patch_client(
        &self,
        tenant: &Tenant,
        id: ClientId,
        patch: ClientPatch,
    ) -> Result<ClientRecord, AdminError> {
        self.check_keys_url(&patch.terms)?;
        self.change_client(tenant, id, |record| {
            let ClientPatch { name, scopes, policy_id, is_active, revoke_existing, terms, modified_by } =
                patch.clone();
            let was_active = record.is_active;
            set(&mut record.name, name.filter(|name| !name.is_empty()));
            set(&mut record.scopes, scopes);
            set(&mut record.policy_id, policy_id);
            set(&mut record.is_active, is_active);
            apply(record, terms)?;
            check(record)?;
            let stopped = was_active && !record.is_active;
            let why = if stopped { "client_deactivated" } else { "revoke_existing" };
            Ok((stopped || revoke_existing).then(|| Reason::new(why).by(modified_by)))
        })
        .await
    }

    /// Give a client a new secret. The old one is refused at once, and what it was issued is cut off (house rule P10).
    ///
    /// # Errors
    /// [`AdminError::Invalid`] when it has no secret; [`AdminError::NotFound`].
    pub async fn rotate_client_secret(
        &self,
        tenant: &Tenant,
        id: ClientId,
        by: &str,
    ) -> Result<MadeClient, AdminError> {
        let secret = generate_secret(&*self.random, CLIENT_SECRET_PREFIX).map_err(Fault::from)?;
        let hash = self.client_secret_hash(&secret);
        let rotate = |record: &mut ClientRecord| {
            if record.secret.is_none() {
                let method = record.auth_method.map_or("", ClientAuthMethod::as_str);
                let why = format!("is {method}: this client has no secret to rotate");
                return Err(AdminError::invalid("token_endpoint_auth_method", why));
            }
            record.secret = Some(hash);
            record.hash_key_version = MasterKey::VERSION;
            Ok(Some(Reason::new("rotated").by(by)))
        };
        let record = self.change_client(tenant, id, rotate).await?;
        Ok(MadeClient { record, secret: Some(secret) })
    }

    /// Delete a client, and cut off what it was issued.
    ///
    /// # Errors
    /// [`AdminError::NotFound`], or our fault.
    pub async fn delete_client(&self, tenant: &Tenant, id: ClientId, by: &str) -> Result<(), AdminError> {
        let reason = Reason::new("client_deleted").by(by);
        Ok(self.store.delete_client(tenant, id, &reason, self.now()).await?)
    }

    pub(crate) fn client_secret_hash(&self, secret: &Secret) -> SecretHash {
        let secret = secret.expose().as_bytes();
        SecretHash(*self.master.keyed_hash(HashPurpose::ClientSecret, secret).as_bytes())
    }

    /// Bind a client to the identity that bears its name, once and for good (house rule E5); absent when there is
    /// none. Gives the client as it is stored then.
    pub(crate) async fn bind_client(&self, client: &ClientRecord) -> Result<Option<ClientRecord>, Fault> {
        let Some(identity) = self.namesake(client).await? else { return Ok(None) };
        let (mut record, now) = (client.clone(), self.now());
        record.identity = Some(identity.id);
        record.updated_at = now;
        record.version += 1;
        let change = ClientChange { record: record.clone(), cut_off: None, now };
        match self.store.change_client(change).await {
            Ok(()) => Ok(Some(record)),
            // Somebody else did, or it is gone.
            Err(StoreError::Stale | StoreError::NotFound) => {
                let stored = self.store.client(&client.tenant, client.id).await?;
                Ok(stored.filter(|stored| stored.identity.is_some()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The identity of its tenant whose external id is its `client_id`.
    pub(crate) async fn namesake(&self, client: &ClientRecord) -> Result<Option<Identity>, Fault> {
        let Ok(external_id) = client.client_id.as_str().parse::<ExternalId>() else { return Ok(None) };
        let found = self.store.identity_by_external_id(&client.tenant, &external_id).await?;
        Ok(found.map(|record| record.identity))
    }

    /// Change a record and what goes with it, again when it changed meanwhile.
    async fn change_client(
        &self,
        tenant: &Tenant,
        id: ClientId,
        change: impl Fn(&mut ClientRecord) -> Result<Option<Reason>, AdminError> + Send + Sync,
    ) -> Result<ClientRecord, AdminError> {
        for _ in 0..ATTEMPTS {
            let mut record = self.client(tenant, id).await?;
            let now: Timestamp = self.now();
            let cut_off = change(&mut record)?;
            record.updated_at = now;
            record.version += 1;
            let change = ClientChange { record: record.clone(), cut_off, now };
            match self.store.change_client(change).await {
                Ok(()) => return Ok(record),
                Err(StoreError::Stale) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Fault::Contended.into())
    }
}
