//! What a world begins with: parties, routes, names.

use zeroid_identity_model::{
    ApiKeyId, ClientId, DelegationRouteId, ExternalId, Identity, IdentityId, IdentityType, Kind, Owner,
    SpiffeId, Status, Tenant, Timestamp, TrustLevel,
};

use super::{Limits, Proof, RoutePlan};
use crate::delegation_route::DelegationRoute;
use crate::facts::ActorProof;
use crate::key_id::{KeyId, Thumbprint};

/// Somebody who holds credentials.
#[derive(Clone, Debug)]
pub struct Party {
    /// Who it is.
    pub identity: Identity,
    /// What limits it.
    pub limits: Limits,
    /// Its API key.
    pub api_key: ApiKeyId,
    /// Its client.
    pub client: ClientId,
    /// The thumbprint of its key.
    pub thumbprint: Thumbprint,
}

impl Party {
    /// Absent where it proves nothing.
    pub(super) fn proven_by(&self, proof: Proof) -> Option<ActorProof<'static>> {
        match proof {
            Proof::Assertion | Proof::AssertionAndClient => Some(ActorProof::Assertion),
            Proof::Client => Some(ActorProof::Client(self.client)),
            Proof::ApiKey | Proof::KeyAndClient => Some(ActorProof::ApiKey(self.api_key)),
            Proof::Route => None,
        }
    }
}

pub(super) const fn beginning() -> Timestamp {
    Timestamp::from_unix_seconds(1_790_000_000)
}

pub(super) fn key_end(limits: &Limits) -> Option<Timestamp> {
    limits.key_ends_after.map(|after| beginning().plus_seconds(i64::from(after)))
}

/// The URI of a party.
pub(super) fn uri(number: usize) -> Option<SpiffeId> {
    let tenant = Tenant::new("acme", "prod").ok()?;
    let external_id: ExternalId = format!("p{number}").parse().ok()?;
    SpiffeId::of_workload(&"id.example".parse().ok()?, &tenant, IdentityType::Agent, &external_id).ok()
}

pub(super) fn kid(number: u64) -> Option<KeyId> {
    format!("key-{number}").parse().ok()
}

#[expect(clippy::unreachable, reason = "`key-` and digits are a key id")]
pub(super) fn unreachable_kid() -> KeyId {
    unreachable!("`key-` and digits are a key id")
}

pub(super) fn route(number: usize, plan: &RoutePlan, parties: &[Party]) -> Option<DelegationRoute> {
    Some(DelegationRoute {
        id: DelegationRouteId::from_bytes([u8::try_from(number).ok()?; 16]),
        from: parties.get(plan.from)?.identity.id,
        to: parties.get(plan.to)?.identity.id,
        scopes: plan.scopes.clone(),
        max_ttl_seconds: plan.max_ttl_seconds,
    })
}

pub(super) fn party(number: usize, limits: Limits) -> Option<Party> {
    let id = [u8::try_from(number).ok()?; 16];
    let tenant = Tenant::new("acme", "prod").ok()?;
    let external_id: ExternalId = format!("p{number}").parse().ok()?;
    let now = beginning();
    // Every level there is, so that one told in the place of another is seen.
    let trust_level = *TrustLevel::ALL.get(number % TrustLevel::ALL.len())?;
    let owner: Owner = format!("owner-{}", number % 2).parse().ok()?;
    let identity = Identity {
        id: IdentityId::from_bytes(id),
        spiffe_id: uri(number)?,
        tenant,
        name: external_id.to_string(),
        external_id,
        kind: Kind::for_registration(IdentityType::Agent, None).ok()?,
        trust_level,
        status: Status::Active,
        owner: Some(owner),
        expires_at: None,
        public_key_pem: None,
        framework: String::new(),
        version: String::new(),
        publisher: String::new(),
        description: String::new(),
        capabilities: serde_json::Value::Null,
        labels: serde_json::json!({"team": format!("team-{number}"), "tier": number, "secret": true}),
        metadata: serde_json::Value::Null,
        created_at: now,
        created_by: String::new(),
        updated_at: now,
        modified_by: String::new(),
    };
    Some(Party {
        identity,
        limits,
        api_key: ApiKeyId::from_bytes(id),
        client: ClientId::from_bytes(id),
        thumbprint: format!("{number}{}", "k".repeat(42)).parse().ok()?,
    })
}
