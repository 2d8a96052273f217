//! The registry of OAuth clients.

use serde_json::{Map, Value};
use zeroid_identity_model::{ClientId, ExternalId, IdentityId, PolicyId, Tenant, Timestamp};
use zeroid_jose::{CLIENT_SECRET_PREFIX, HashPurpose, MasterKey, Secret, generate_secret};
use zeroid_storage::{ClientChange, ClientRecord, Listed, Page, SecretHash, StoreError};
use zeroid_token_core::limits::MAX_TTL_SECONDS;
use zeroid_token_core::{ClientAuthMethod, ClientName, GrantType, Reason, ScopeSet};

use crate::api_keys::{MAX_TEXT_BYTES, check_json};
use crate::client_keys::ClientKeys;
use crate::engine::Engine;
use crate::error::{AdminError, Fault};
use crate::registry::ATTEMPTS;

/// Most redirect URIs, and most contacts, of one client.
const MAX_LIST: usize = 32;

/// Longest redirect URI, in bytes.
const MAX_URI_BYTES: usize = 2048;

/// Longest lifetime of a client's refresh tokens, in seconds: a year.
const MAX_REFRESH_TTL_SECONDS: u32 = 31_536_000;

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

/// What can be said of a client when it is made and when it is changed; absent members have their defaults, or stay.
#[derive(Clone, Debug, Default)]
pub struct ClientTerms {
    /// What it is for.
    pub description: Option<String>,
    /// The identity it acts for; bound once, and for good (house rule E5).
    pub identity: Option<IdentityId>,
    /// The grants it may use: `client_credentials` by default, `authorization_code` of a public one.
    pub grant_types: Option<Vec<GrantType>>,
    /// Where a person may be sent back to.
    pub redirect_uris: Option<Vec<String>>,
    /// Lifetime of its access tokens in seconds; 0 is the deployment's.
    pub access_token_ttl_seconds: Option<u32>,
    /// Lifetime of its refresh tokens in seconds; 0 is the deployment's.
    pub refresh_token_ttl_seconds: Option<u32>,
    /// Its public keys, a JWK Set.
    pub jwks: Option<Value>,
    /// RFC 7591 §2.
    pub software_id: Option<String>,
    /// RFC 7591 §2.
    pub software_version: Option<String>,
    /// RFC 7591 §2.
    pub contacts: Option<Vec<String>>,
    /// Opaque to us.
    pub metadata: Option<Value>,
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
            grant_types: vec![default_grant],
            scopes: new.scopes,
            policy_id: new.policy_id,
            redirect_uris: Vec::new(),
            access_token_ttl_seconds: None,
            refresh_token_ttl_seconds: None,
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
        apply(&mut record, new.terms)?;
        check(&record)?;
        if record.identity.is_none() {
            record.identity = self.namesake(&record).await?;
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
        record.identity = Some(identity);
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
    async fn namesake(&self, client: &ClientRecord) -> Result<Option<IdentityId>, Fault> {
        let Ok(external_id) = client.client_id.as_str().parse::<ExternalId>() else { return Ok(None) };
        let found = self.store.identity_by_external_id(&client.tenant, &external_id).await?;
        Ok(found.map(|record| record.identity.id))
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

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// What a client is registered for, out of the two members that say it.
fn auth_method(
    confidential: Option<bool>,
    method: Option<ClientAuthMethod>,
) -> Result<Option<ClientAuthMethod>, AdminError> {
    let contradicts = |why: &str| Err(AdminError::invalid("confidential", why));
    match (confidential, method) {
        (Some(true), Some(ClientAuthMethod::None)) => contradicts("contradicts the method none"),
        (Some(false), Some(method)) if method != ClientAuthMethod::None => {
            contradicts("contradicts the method: a public client has none")
        }
        (_, Some(method)) => Ok(Some(method)),
        (Some(true), None) => Ok(None),
        (Some(false) | None, None) => Ok(Some(ClientAuthMethod::None)),
    }
}

fn apply(record: &mut ClientRecord, terms: ClientTerms) -> Result<(), AdminError> {
    set(&mut record.description, terms.description);
    if let Some(identity) = terms.identity {
        if record.identity.is_some_and(|bound| bound != identity) {
            let why = "is bound for good; register another client for another identity";
            return Err(AdminError::invalid("identity_id", why));
        }
        record.identity = Some(identity);
    }
    if let Some(mut grants) = terms.grant_types.filter(|grants| !grants.is_empty()) {
        grants.sort_unstable();
        grants.dedup();
        record.grant_types = grants;
    }
    set(&mut record.redirect_uris, terms.redirect_uris);
    let or_default = |seconds: u32| Some(seconds).filter(|seconds| *seconds > 0);
    set(&mut record.access_token_ttl_seconds, terms.access_token_ttl_seconds.map(or_default));
    set(&mut record.refresh_token_ttl_seconds, terms.refresh_token_ttl_seconds.map(or_default));
    record.jwks = terms.jwks.or(record.jwks.take());
    set(&mut record.software_id, terms.software_id);
    set(&mut record.software_version, terms.software_version);
    set(&mut record.contacts, terms.contacts);
    set(&mut record.metadata, terms.metadata);
    Ok(())
}

fn check(record: &ClientRecord) -> Result<(), AdminError> {
    if record.name.trim().is_empty() {
        return Err(AdminError::invalid("name", "must not be empty"));
    }
    let texts = [
        ("name", &record.name),
        ("description", &record.description),
        ("software_id", &record.software_id),
        ("software_version", &record.software_version),
    ];
    for (field, text) in texts {
        check_length(field, text, MAX_TEXT_BYTES)?;
    }
    for (field, list) in [("redirect_uris", &record.redirect_uris), ("contacts", &record.contacts)] {
        if list.len() > MAX_LIST {
            return Err(AdminError::invalid(field, format!("at most {MAX_LIST} allowed")));
        }
        list.iter().try_for_each(|text| check_length(field, text, MAX_URI_BYTES))?;
    }
    check_json("metadata", &record.metadata)?;
    if !record.redirect_uris.iter().all(|uri| is_redirect_uri(uri)) {
        let why = "each must be an https URI, one of a loopback address or one of a scheme of the app's own, without a fragment";
        return Err(AdminError::invalid("redirect_uris", why));
    }
    for (field, ttl, most) in [
        ("access_token_ttl", record.access_token_ttl_seconds, MAX_TTL_SECONDS),
        ("refresh_token_ttl", record.refresh_token_ttl_seconds, MAX_REFRESH_TTL_SECONDS),
    ] {
        if ttl.is_some_and(|seconds| seconds > most) {
            return Err(AdminError::invalid(field, format!("at most {most} seconds allowed")));
        }
    }
    if let Some(jwks) = &record.jwks {
        check_json("jwks", jwks)?;
        ClientKeys::of_set(jwks).map_err(|why| AdminError::invalid("jwks", why))?;
    } else if record.auth_method == Some(ClientAuthMethod::PrivateKeyJwt) {
        return Err(AdminError::invalid("jwks", "is needed by private_key_jwt: the client's public keys"));
    }
    // RFC 6749 §4.4: this grant is for confidential clients alone.
    if !record.is_confidential() && record.grant_types.contains(&GrantType::ClientCredentials) {
        return Err(AdminError::invalid("grant_types", "client_credentials is for confidential clients"));
    }
    Ok(())
}

fn check_length(field: &'static str, text: &str, most: usize) -> Result<(), AdminError> {
    if text.len() > most {
        return Err(AdminError::invalid(field, format!("at most {most} bytes allowed")));
    }
    Ok(())
}

/// RFC 6749 §3.1.2, RFC 8252 §7: absolute, without a fragment; `https`, `http` to a loopback address, or a scheme that
/// is a reversed domain name, so that `javascript` and `data` are none.
fn is_redirect_uri(uri: &str) -> bool {
    let plain = uri.bytes().all(|byte| byte.is_ascii_graphic()) && !uri.contains('#');
    let Some((scheme, rest)) = uri.split_once(':').filter(|_| plain) else { return false };
    let host = rest.strip_prefix("//").unwrap_or_default();
    let host = host.split(['/', '?']).next().unwrap_or_default();
    match scheme.to_ascii_lowercase().as_str() {
        "https" => !host.is_empty() && !host.contains('@'),
        "http" => {
            let name = if host.starts_with('[') { host } else { host.split(':').next().unwrap_or_default() };
            matches!(name, "127.0.0.1" | "localhost") || name == "[::1]" || name.starts_with("[::1]:")
        }
        own => {
            own.contains('.')
                && own.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_uris() {
        for good in [
            "https://app.example/callback?x=1",
            "http://127.0.0.1:8080/cb",
            "http://localhost/cb",
            "http://[::1]:9/cb",
            "com.example.app:/callback",
        ] {
            assert!(is_redirect_uri(good), "{good}");
        }
        for bad in [
            "",
            "callback",
            "javascript:alert(1)",
            "data:text/html,x",
            "http://app.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1@evil.example/cb",
            "https://app.example/cb#x",
            "https://user@app.example/cb",
            "https:///cb",
            "https://app.example/c b",
        ] {
            assert!(!is_redirect_uri(bad), "{bad}");
        }
    }
}
