//! OAuth clients on the administrative routes: bodies read, records shown.

use serde_json::{Value, json};
use zeroid_identity_model::{ClientId, IdentityId, Owner, PolicyId, Tenant, Timestamp};
use zeroid_token_core::{ClientAuthMethod, ClientName, ClientTerms, GrantType, ScopeSet};

use crate::body::{BodyError, Reader};
use crate::views::Object;

/// The body of `POST /oauth/clients`.
#[derive(Clone, Debug)]
pub struct ClientBody {
    /// `client_id`.
    pub client_id: Option<ClientName>,
    /// `name`.
    pub name: String,
    /// `confidential`.
    pub confidential: Option<bool>,
    /// `token_endpoint_auth_method`.
    pub auth_method: Option<ClientAuthMethod>,
    /// `scopes`; no list when absent.
    pub scopes: Option<ScopeSet>,
    /// `credential_policy_id`.
    pub policy_id: Option<PolicyId>,
    /// Everything else.
    pub terms: ClientTerms,
    /// `created_by`.
    pub created_by: Option<Owner>,
}

/// The body of `PATCH /oauth/clients/{id}`.
#[derive(Clone, Debug)]
pub struct ClientPatchBody {
    /// `name`.
    pub name: Option<String>,
    /// `scopes`, and `scopes_restricted: false` to lift the list.
    pub scopes: Option<Option<ScopeSet>>,
    /// `credential_policy_id`; `""` lifts it.
    pub policy_id: Option<Option<PolicyId>>,
    /// `is_active`.
    pub is_active: Option<bool>,
    /// `revoke_existing`.
    pub revoke_existing: bool,
    /// Everything else.
    pub terms: ClientTerms,
}

/// A client, without its secret.
#[derive(Clone, Debug)]
pub struct ClientView<'a> {
    /// Its id.
    pub id: ClientId,
    /// Whose it is.
    pub tenant: &'a Tenant,
    /// What it calls itself.
    pub client_id: &'a ClientName,
    /// Its name.
    pub name: &'a str,
    /// What it is for.
    pub description: &'a str,
    /// Whether it can prove who it is.
    pub is_confidential: bool,
    /// How; absent when it may send its secret either way.
    pub auth_method: Option<ClientAuthMethod>,
    /// The identity it acts for.
    pub identity: Option<IdentityId>,
    /// The grants it may use.
    pub grant_types: &'a [GrantType],
    /// Its list of scopes.
    pub scopes: Option<&'a ScopeSet>,
    /// Its own policy.
    pub policy_id: Option<PolicyId>,
    /// Where a person may be sent back to.
    pub redirect_uris: &'a [String],
    /// Lifetime of its access tokens.
    pub access_token_ttl_seconds: Option<u32>,
    /// Lifetime of its refresh tokens.
    pub refresh_token_ttl_seconds: Option<u32>,
    /// Its public keys.
    pub jwks: Option<&'a Value>,
    /// Where they are fetched instead.
    pub jwks_uri: Option<&'a str>,
    /// What it is, as a resource server; empty when that is not known.
    pub resources: &'a [String],
    /// Whether it asks for tokens with a DPoP proof alone.
    pub dpop_bound_access_tokens: bool,
    /// RFC 7591 §2.
    pub software_id: &'a str,
    /// RFC 7591 §2.
    pub software_version: &'a str,
    /// RFC 7591 §2.
    pub contacts: &'a [String],
    /// Opaque.
    pub metadata: &'a Value,
    /// Whether it may do anything.
    pub is_active: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: &'a str,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// Read `POST /oauth/clients`.
///
/// # Errors
/// [`BodyError`].
pub fn read_client(bytes: &[u8]) -> Result<ClientBody, BodyError> {
    let mut reader = Reader::new(bytes)?;
    let named = reader.required_text("client_id");
    let client_id = match named.parse() {
        Ok(name) => Some(name),
        Err(error) => {
            reader.breaks("client_id", error);
            None
        }
    };
    let body = ClientBody {
        client_id,
        name: reader.required_text("name"),
        confidential: reader.flag("confidential"),
        auth_method: reader.parsed("token_endpoint_auth_method"),
        scopes: reader.scopes("scopes"),
        policy_id: reader.parsed("credential_policy_id"),
        terms: terms(&mut reader),
        created_by: reader.parsed("created_by"),
    };
    reader.finish(body)
}

/// Read `PATCH /oauth/clients/{id}`.
///
/// # Errors
/// [`BodyError`].
pub fn read_client_patch(bytes: &[u8]) -> Result<ClientPatchBody, BodyError> {
    let mut reader = Reader::new(bytes)?;
    for fixed in ["client_id", "confidential", "token_endpoint_auth_method"] {
        if reader.json(fixed).is_some_and(|value| !value.is_null()) {
            reader.breaks(fixed, "cannot change; register another client instead");
        }
    }
    let body = ClientPatchBody {
        name: reader.text("name"),
        scopes: reader.scopes_patch("scopes"),
        policy_id: reader.liftable("credential_policy_id", |reader| reader.parsed("credential_policy_id")),
        is_active: reader.flag("is_active"),
        revoke_existing: reader.flag("revoke_existing").unwrap_or(false),
        terms: terms(&mut reader),
    };
    reader.finish(body)
}

fn terms(reader: &mut Reader) -> ClientTerms {
    ClientTerms {
        description: reader.text("description"),
        identity: reader.parsed("identity_id"),
        grant_types: reader.list("grant_types"),
        redirect_uris: reader.texts("redirect_uris"),
        access_token_ttl_seconds: lifetime(reader, "access_token_ttl"),
        refresh_token_ttl_seconds: lifetime(reader, "refresh_token_ttl"),
        jwks: reader.json("jwks").filter(|value| !value.is_null()),
        jwks_uri: reader.text("jwks_uri").filter(|uri| !uri.is_empty()),
        resources: reader.texts("resources"),
        dpop_bound_access_tokens: reader.flag("dpop_bound_access_tokens"),
        software_id: reader.text("software_id"),
        software_version: reader.text("software_version"),
        contacts: reader.texts("contacts"),
        metadata: reader.json("metadata").filter(|value| !value.is_null()),
    }
}

fn lifetime(reader: &mut Reader, name: &'static str) -> Option<u32> {
    let seconds = reader.integer(name)?;
    let fits = u32::try_from(seconds).ok();
    if fits.is_none() {
        reader.breaks(name, "is out of range");
    }
    fits
}

/// A client (admin object 15).
pub fn client_view(client: &ClientView<'_>) -> Value {
    let grants: Vec<_> = client.grant_types.iter().map(|grant| grant.wire_name()).collect();
    let view = json!({
        "id": client.id,
        "account_id": client.tenant.account,
        "project_id": client.tenant.project,
        "client_id": client.client_id,
        "name": client.name,
        "client_type": if client.is_confidential { "confidential" } else { "public" },
        "grant_types": grants,
        "redirect_uris": client.redirect_uris,
        "scopes": client.scopes.cloned().unwrap_or_default(),
        "scopes_restricted": client.scopes.is_some(),
        "is_active": client.is_active,
        "dpop_bound_access_tokens": client.dpop_bound_access_tokens,
        "registration_source": "internal",
        "created_at": client.created_at,
        "updated_at": client.updated_at,
    });
    let seconds = |ttl: Option<u32>| ttl.map(Value::from);
    let unset = |value: &Value| value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
    Object::of(view)
        .text("description", client.description)
        .text("created_by", client.created_by)
        .with("token_endpoint_auth_method", client.auth_method.map(|method| method.as_str().into()))
        .with("identity_id", client.identity.map(|id| id.to_string().into()))
        .with("credential_policy_id", client.policy_id.map(|id| id.to_string().into()))
        .with("access_token_ttl", seconds(client.access_token_ttl_seconds))
        .with("refresh_token_ttl", seconds(client.refresh_token_ttl_seconds))
        .with("jwks", client.jwks.cloned())
        .with("jwks_uri", client.jwks_uri.map(Into::into))
        .with("resources", Some(client.resources).filter(|list| !list.is_empty()).map(|list| json!(list)))
        .text("software_id", client.software_id)
        .text("software_version", client.software_version)
        .with("contacts", Some(client.contacts).filter(|list| !list.is_empty()).map(|list| json!(list)))
        .with("metadata", Some(client.metadata).filter(|value| !unset(value)).cloned())
        .end()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn refused(body: &str) -> Vec<String> {
        match read_client(body.as_bytes()).unwrap_err() {
            BodyError::Schema(issues) => issues.into_iter().map(|issue| issue.location).collect(),
            BodyError::Rule(issue) => vec![issue.location],
            other => vec![format!("{other:?}")],
        }
    }

    #[test]
    fn what_is_wrong_with_a_registration_is_named() {
        let body = |more: &str| format!(r#"{{"client_id":"c","name":"n"{more}}}"#);
        assert!(read_client(body("").as_bytes()).is_ok());
        assert_eq!(refused("{}"), ["body.client_id", "body.name"]);
        for (more, place) in [
            (r#","grant_types":["password"]"#, "body.grant_types[0]"),
            (r#","token_endpoint_auth_method":"tls_client_auth""#, "body.token_endpoint_auth_method"),
            (r#","access_token_ttl":-1"#, "body.access_token_ttl"),
            (r#","backchannel_token_delivery_mode":"poll""#, "body.backchannel_token_delivery_mode"),
            (r#","identity_id":"x""#, "body.identity_id"),
            (r#","confidential":"yes""#, "body.confidential"),
        ] {
            assert_eq!(refused(&body(more)), [place]);
        }
        assert_eq!(refused(r#"{"client_id":"https://a","name":"n"}"#), ["body.client_id"]);
    }

    #[test]
    fn a_patch_lifts_and_leaves_and_keeps_what_is_fixed() {
        let patch = read_client_patch(br#"{"scopes_restricted":false,"credential_policy_id":""}"#).unwrap();
        assert_eq!((patch.scopes, patch.policy_id, patch.name), (Some(None), Some(None), None));
        assert_eq!(read_client_patch(b"{}").unwrap().scopes, None);
        assert!(read_client_patch(br#"{"client_id":"other"}"#).is_err());
        assert!(read_client_patch(br#"{"token_endpoint_auth_method":"none"}"#).is_err());
    }
}
