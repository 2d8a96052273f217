//! Records as JSON, the way clients read them: lists are never null, times have six digits, what is unset is
//! left out or empty.

use serde_json::{Map, Value, json};
use zeroid_identity_model::{ApiKeyId, Identity, IdentityId, PolicyId, Tenant, Timestamp};
use zeroid_token_core::{CredentialRecord, CutOff, Policy, Scope, ScopeSet};

/// An identity with what limits it.
#[derive(Clone, Copy, Debug)]
pub struct IdentityParts<'a> {
    /// The identity.
    pub identity: &'a Identity,
    /// Its list of scopes.
    pub allowed_scopes: Option<&'a ScopeSet>,
    /// Its policy.
    pub policy_id: PolicyId,
}

/// A credential and the cut-off that covers it.
#[derive(Clone, Copy, Debug)]
pub struct CredentialParts<'a> {
    /// The record.
    pub record: &'a CredentialRecord,
    /// The cut-off.
    pub revoked_by: Option<&'a CutOff>,
}

/// An API key, without its secret.
#[derive(Clone, Debug)]
pub struct ApiKeyView<'a> {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose it is.
    pub tenant: &'a Tenant,
    /// The identity it authenticates.
    pub identity: IdentityId,
    /// Its name.
    pub name: &'a str,
    /// What it is for.
    pub description: &'a str,
    /// Its first characters.
    pub prefix: &'a str,
    /// The version of the key its hash is made with.
    pub key_version: u8,
    /// Its list of scopes.
    pub scopes: Option<&'a ScopeSet>,
    /// Its own policy.
    pub policy_id: Option<PolicyId>,
    /// `live` or `test`.
    pub environment: &'a str,
    /// Opaque.
    pub metadata: &'a Value,
    /// When it was made.
    pub created_at: Timestamp,
    /// Who made it.
    pub created_by: &'a str,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// When, by whom and why it was revoked.
    pub revoked: Option<(Timestamp, &'a str, &'a str)>,
    /// How often it was used.
    pub usage_count: u64,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
}

pub(crate) struct Object(Map<String, Value>);

impl Object {
    pub(crate) fn of(value: Value) -> Self {
        match value {
            Value::Object(members) => Self(members),
            _ => Self(Map::new()),
        }
    }

    /// A text, left out when empty.
    pub(crate) fn text(mut self, name: &str, text: &str) -> Self {
        if !text.is_empty() {
            self.0.insert(name.to_owned(), text.into());
        }
        self
    }

    pub(crate) fn with(mut self, name: &str, value: Option<Value>) -> Self {
        self.0.extend(value.map(|value| (name.to_owned(), value)));
        self
    }

    fn time(self, name: &str, at: Option<Timestamp>) -> Self {
        self.with(name, at.map(|at| at.to_string().into()))
    }

    pub(crate) fn end(self) -> Value {
        Value::Object(self.0)
    }
}

fn list(scopes: Option<&ScopeSet>) -> Value {
    json!(scopes.cloned().unwrap_or_default())
}

fn or<'v>(value: &'v Value, default: &'v Value) -> &'v Value {
    if value.is_null() { default } else { value }
}

/// An identity (admin object 5.1).
pub fn identity_view(parts: &IdentityParts<'_>) -> Value {
    let identity = parts.identity;
    Object::of(common(identity))
        .with("owner_user_id", Some(identity.owner.as_ref().map_or("", |owner| owner.as_str()).into()))
        .with("allowed_scopes", Some(list(parts.allowed_scopes)))
        .with("scopes_restricted", Some(parts.allowed_scopes.is_some().into()))
        .with("credential_policy_id", Some(parts.policy_id.to_string().into()))
        .with("sub_type", identity.kind.sub_type().map(|sub| sub.as_str().into()))
        .text("public_key_pem", identity.public_key_pem.as_deref().unwrap_or_default())
        .text("framework", &identity.framework)
        .text("version", &identity.version)
        .text("publisher", &identity.publisher)
        .text("description", &identity.description)
        .text("created_by", &identity.created_by)
        .text("modified_by", &identity.modified_by)
        .time("expires_at", identity.expires_at)
        .end()
}

/// An identity as the agent registry shows it.
pub fn agent_view(parts: &IdentityParts<'_>, api_key_prefix: &str, delegation_depth: u8) -> Value {
    let identity = parts.identity;
    Object::of(common(identity))
        .with("api_key_prefix", Some(api_key_prefix.into()))
        .with("sub_type", Some(identity.kind.sub_type().map_or("", |sub| sub.as_str()).into()))
        .with("framework", Some(identity.framework.clone().into()))
        .with("version", Some(identity.version.clone().into()))
        .with("publisher", Some(identity.publisher.clone().into()))
        .with("description", Some(identity.description.clone().into()))
        .with("created_by", Some(identity.created_by.clone().into()))
        .with("delegation_depth", Some(delegation_depth.into()))
        .with("allowed_scopes", Some(list(parts.allowed_scopes)))
        .with("scopes_restricted", Some(parts.allowed_scopes.is_some().into()))
        .with("credential_policy_id", Some(parts.policy_id.to_string().into()))
        .text("owner_user_id", identity.owner.as_ref().map_or("", |owner| owner.as_str()))
        .time("expires_at", identity.expires_at)
        .end()
}

fn common(identity: &Identity) -> Value {
    let (no_list, no_object) = (json!([]), json!({}));
    json!({
        "id": identity.id,
        "account_id": identity.tenant.account,
        "project_id": identity.tenant.project,
        "external_id": identity.external_id,
        "name": identity.name,
        "wimse_uri": identity.spiffe_id,
        "identity_type": identity.kind.identity_type(),
        "trust_level": identity.trust_level,
        "status": identity.status,
        "origin": "native",
        "capabilities": or(&identity.capabilities, &no_list),
        "labels": or(&identity.labels, &no_object),
        "metadata": or(&identity.metadata, &no_object),
        "created_at": identity.created_at,
        "updated_at": identity.updated_at,
    })
}

/// An API key; `policy_id` is the one that governs it.
pub fn api_key_view(key: &ApiKeyView<'_>, state: &str, policy_id: PolicyId) -> Value {
    let no_object = json!({});
    let view = json!({
        "id": key.id,
        "name": key.name,
        "description": key.description,
        "key_prefix": key.prefix,
        "key_version": key.key_version,
        "account_id": key.tenant.account,
        "project_id": key.tenant.project,
        "identity_id": key.identity,
        "created_by": key.created_by,
        "scopes": list(key.scopes),
        "scopes_restricted": key.scopes.is_some(),
        "product": "",
        "environment": key.environment,
        "state": state,
        "usage_count": key.usage_count,
        "credential_policy_id": policy_id,
        "metadata": or(key.metadata, &no_object),
        "created_at": key.created_at,
        "updated_at": key.updated_at,
    });
    let (at, by, why) = key.revoked.map_or((None, "", ""), |(at, by, why)| (Some(at), by, why));
    Object::of(view)
        .time("expires_at", key.expires_at)
        .time("last_used_at", key.last_used_at)
        .time("revoked_at", at)
        .text("revoked_by", by)
        .text("revoke_reason", why)
        .end()
}

/// A credential policy (admin object 11.1).
pub fn policy_view(
    tenant: &Tenant,
    policy: &Policy,
    description: &str,
    is_default: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
) -> Value {
    let view = json!({
        "id": policy.id,
        "account_id": tenant.account,
        "project_id": tenant.project,
        "name": policy.name,
        "max_ttl_seconds": policy.max_ttl_seconds,
        "allowed_grant_types": policy.allowed_grant_types,
        "allowed_scopes": list(policy.allowed_scopes.as_ref()),
        "scopes_restricted": policy.allowed_scopes.is_some(),
        "delegable_scopes": policy.delegable_scopes,
        "token_labels": policy.token_labels,
        "max_delegation_depth": policy.max_delegation_depth,
        "is_active": policy.is_active,
        "is_default": is_default,
        "created_at": created_at,
        "updated_at": updated_at,
    });
    Object::of(view)
        .text("description", description)
        .with("required_trust_level", policy.required_trust_level.map(|level| level.as_str().into()))
        .with("required_attestation", policy.required_attestation.map(|level| level.as_str().into()))
        .with("may_act", policy.may_act.as_ref().map(|named| json!(named)))
        .time("expires_at", policy.expires_at)
        .end()
}

/// An issued credential (admin object 13).
pub fn credential_view(parts: &CredentialParts<'_>) -> Value {
    let record = parts.record;
    let own = record.lineage.own();
    let view = json!({
        "id": own.jti,
        "jti": own.jti,
        "account_id": own.tenant.account,
        "project_id": own.tenant.project,
        "identity_id": own.identity,
        "subject": own.subject,
        "issued_at": own.issued_at,
        "expires_at": record.expires_at,
        "ttl_seconds": record.expires_at.unix_seconds() - own.issued_at.unix_seconds(),
        "scopes": record.usable,
        "delegable_scopes": record.delegable,
        "is_revoked": parts.revoked_by.is_some(),
        "grant_type": record.grant_type,
        "delegation_depth": record.delegation_depth(),
        "max_delegation_depth": record.max_delegation_depth,
        "mission_id": record.mission_id(),
    });
    Object::of(view)
        .with("requested_scopes", record.requested.as_ref().map(|scopes| json!(scopes)))
        .text("client_id", record.client_id.as_deref().unwrap_or_default())
        .with("parent_jti", record.parent_jti().map(|jti| jti.to_string().into()))
        .with("delegated_by_wimse_uri", delegator(record).map(Into::into))
        .with("dpop_key_thumbprint", record.confirmation.as_ref().map(|key| key.as_str().into()))
        .with("actor_proof", record.actor_proof().map(Into::into))
        .with("delegation_route_id", record.route().map(|id| id.to_string().into()))
        .with("task", Some(&record.task).filter(|task| !task.is_empty()).map(|task| json!(task)))
        .with(
            "additional_claims",
            Some(&record.additional).filter(|all| !all.is_empty()).map(|all| json!(all)),
        )
        .with("revoked_at", parts.revoked_by.map(|cut| cut.at.to_string().into()))
        .with("revoke_reason", parts.revoked_by.map(|cut| cut.reason.text.clone().into()))
        .end()
}

fn delegator(record: &CredentialRecord) -> Option<String> {
    record.lineage.actors().nth(1).map(|link| link.subject.to_string())
}

/// An identity in a delegation chain, as it is now.
pub fn node_view(identity: &Identity) -> Value {
    json!({
        "id": identity.id,
        "wimse_uri": identity.spiffe_id,
        "name": identity.name,
        "identity_type": identity.kind.identity_type(),
        "trust_level": identity.trust_level,
        "status": identity.status,
    })
}

/// One credential in a delegation chain, with its parent.
pub type Edge<'a> = CredentialParts<'a>;

/// A delegation chain: identities and credentials, root first.
pub fn chain_view(identities: &[&Identity], edges: &[Edge<'_>]) -> Value {
    let mut parent: Option<&CredentialRecord> = None;
    let mut told = Vec::with_capacity(edges.len());
    for edge in edges {
        told.push(edge_view(edge, parent));
        parent = Some(edge.record);
    }
    json!({"nodes": identities.iter().map(|identity| node_view(identity)).collect::<Vec<_>>(), "edges": told})
}

fn edge_view(edge: &Edge<'_>, parent: Option<&CredentialRecord>) -> Value {
    let record = edge.record;
    let scopes_in = parent.map_or_else(|| record.usable.clone(), |parent| parent.usable.clone());
    let attenuated: Vec<&Scope> = scopes_in.iter().filter(|scope| !record.usable.contains(scope)).collect();
    let view = json!({
        "to": record.identity(),
        "jti": record.jti(),
        "mission_id": record.mission_id(),
        "issued_at": record.issued_at(),
        "expires_at": record.expires_at,
        "grant_type": record.grant_type,
        "delegation_depth": record.delegation_depth(),
        "scopes_in": scopes_in,
        "scopes_out": record.usable,
        "attenuated": attenuated,
        "is_revoked": edge.revoked_by.is_some(),
    });
    Object::of(view)
        .with("from", parent.map(|parent| parent.identity().to_string().into()))
        .with("parent_jti", parent.map(|parent| parent.jti().to_string().into()))
        .with("actor_proof", record.actor_proof().map(Into::into))
        .with("delegation_route_id", record.route().map(|id| id.to_string().into()))
        .with("revoked_at", edge.revoked_by.map(|cut| cut.at.to_string().into()))
        .with("revoke_reason", edge.revoked_by.map(|cut| cut.reason.text.clone().into()))
        .end()
}
