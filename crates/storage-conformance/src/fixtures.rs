//! Records to store: valid, rich, and different by a number.

use serde_json::json;
use zeroid_identity_model::{
    ApiKeyId, ClientId, CredentialId, ExternalId, Identity, IdentityId, IdentityType, Kind, Owner, PolicyId,
    SpiffeId, Status, SubType, Tenant, Timestamp, TrustLevel,
};
use zeroid_storage::{
    ActorLookup, ApiKeyRecord, ClientRecord, CredentialDigest, Environment, Epoch, IdentityRecord, Issuance,
    PolicyRecord, SecretHash, SigningKeyRecord, StoreError,
};
use zeroid_token_core::{
    AdditionalClaims, Audience, CredentialRecord, DecidedBy, GrantType, Lineage, Link, Order, Policy,
    ScopeSet, Source, TaskClaims,
};

use crate::Shared;

/// The moment everything happens around.
pub const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_123_456);

/// A moment some seconds later.
pub fn at(seconds: i64) -> Timestamp {
    NOW.plus_seconds(seconds)
}

/// The tenant most cases use.
pub fn ours() -> Tenant {
    Tenant::new("ours", "prod").unwrap()
}

/// Another tenant.
pub fn theirs() -> Tenant {
    Tenant::new("theirs", "prod").unwrap()
}

fn bytes(kind: u8, number: u64) -> [u8; 16] {
    let mut bytes = [kind; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// The n-th identity id.
pub fn identity_id(number: u64) -> IdentityId {
    IdentityId::from_bytes(bytes(1, number))
}

/// The n-th policy id.
pub fn policy_id(number: u64) -> PolicyId {
    PolicyId::from_bytes(bytes(2, number))
}

/// The n-th API key id.
pub fn key_id(number: u64) -> ApiKeyId {
    ApiKeyId::from_bytes(bytes(3, number))
}

/// The n-th credential id.
pub fn jti(number: u64) -> CredentialId {
    let mut id = bytes(4, number);
    let millis = at(i64::try_from(number).unwrap()).as_micros() / 1000;
    id[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
    CredentialId::from_bytes(id)
}

/// The hash of the n-th secret.
pub fn hash(number: u64) -> SecretHash {
    let mut bytes = [9; 32];
    bytes[24..].copy_from_slice(&number.to_be_bytes());
    SecretHash(bytes)
}

/// Whoever authenticates with the n-th key.
pub fn by_key(number: u64) -> ActorLookup {
    ActorLookup::ApiKey(hash(number))
}

/// Scopes of a text.
pub fn scopes(text: &str) -> ScopeSet {
    text.parse().unwrap()
}

/// The n-th policy of a tenant.
pub fn policy(tenant: &Tenant, number: u64) -> PolicyRecord {
    PolicyRecord {
        tenant: tenant.clone(),
        policy: Policy {
            name: format!("policy {number} „ü“"),
            allowed_scopes: Some(scopes("a b")),
            delegable_scopes: scopes("c"),
            required_trust_level: Some(TrustLevel::VerifiedThirdParty),
            may_act: Some(vec!["spiffe://id.example/x/y/agent/z".parse().unwrap()]),
            token_labels: ["team".to_owned(), "n\"asty".to_owned()].into(),
            expires_at: Some(at(9_999)),
            ..Policy::tenant_default(policy_id(number))
        },
        description: "for tests".to_owned(),
        is_default: false,
        created_at: at(i64::try_from(number).unwrap()),
        updated_at: at(i64::try_from(number).unwrap()),
    }
}

/// The n-th identity of a tenant, under a policy.
pub fn identity(tenant: &Tenant, number: u64, policy: PolicyId) -> IdentityRecord {
    let external_id: ExternalId = format!("agent-{number}").parse().unwrap();
    let domain = "id.example".parse().unwrap();
    let owner: Owner = format!("owner-{}@acme.example", number % 2).parse().unwrap();
    let moment = at(i64::try_from(number).unwrap());
    IdentityRecord {
        identity: Identity {
            id: identity_id(number),
            tenant: tenant.clone(),
            spiffe_id: SpiffeId::of_workload(&domain, tenant, IdentityType::Agent, &external_id).unwrap(),
            external_id,
            name: format!("Agent {number} — ENG-4421 “quoted” \u{1f600}"),
            kind: Kind::new(IdentityType::Agent, Some(SubType::Orchestrator)).unwrap(),
            trust_level: TrustLevel::FirstParty,
            status: Status::Active,
            owner: Some(owner),
            expires_at: Some(at(1_000_000)),
            public_key_pem: Some("-----BEGIN PUBLIC KEY-----".to_owned()),
            framework: "langgraph".to_owned(),
            version: "1.2".to_owned(),
            publisher: "acme".to_owned(),
            description: "line\nbreak".to_owned(),
            capabilities: json!(["x", {"y": [1, null, 2.5]}]),
            labels: json!({"team": "red", "n\"asty": "va'lue", "count": 7}),
            metadata: json!({"deep": {"er": true}}),
            created_at: moment,
            created_by: "dev@acme.example".to_owned(),
            updated_at: moment,
            modified_by: String::new(),
        },
        allowed_scopes: None,
        policy_id: policy,
        version: 1,
    }
}

/// The n-th API key, of an identity.
pub fn api_key(tenant: &Tenant, number: u64, identity: IdentityId) -> ApiKeyRecord {
    ApiKeyRecord {
        id: key_id(number),
        tenant: tenant.clone(),
        identity,
        name: format!("key {number}"),
        description: "a key".to_owned(),
        prefix: format!("zid_sk_{number:09}"),
        hash: hash(number),
        hash_key_version: 1,
        scopes: Some(ScopeSet::nothing()),
        policy_id: None,
        environment: Environment::Test,
        metadata: json!({"a": [1]}),
        created_at: at(i64::try_from(number).unwrap()),
        created_by: "dev@acme.example".to_owned(),
        updated_at: at(i64::try_from(number).unwrap()),
        expires_at: Some(at(500_000)),
        revoked: None,
        usage_count: 0,
        last_used_at: None,
    }
}

/// The n-th client id.
pub fn client_id(number: u64) -> ClientId {
    ClientId::from_bytes(bytes(5, number))
}

/// The n-th client of a tenant, with a secret.
pub fn client(tenant: &Tenant, number: u64, identity: Option<IdentityId>) -> ClientRecord {
    ClientRecord {
        id: client_id(number),
        tenant: tenant.clone(),
        client_id: format!("client {number} a%2B:=").parse().unwrap(),
        name: format!("Client {number} — “quoted”"),
        description: "a client".to_owned(),
        identity,
        auth_method: None,
        secret: Some(hash(1_000 + number)),
        hash_key_version: 1,
        jwks: None,
        jwks_uri: number.is_multiple_of(2).then(|| format!("https://app.example/{number}/jwks")),
        grant_types: vec![GrantType::ClientCredentials, GrantType::TokenExchange],
        scopes: Some(scopes("a b")),
        policy_id: None,
        redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
        access_token_ttl_seconds: Some(600),
        refresh_token_ttl_seconds: None,
        resources: number.is_multiple_of(2).then(|| {
            Audience::asked_for(vec!["https://api.example/a".to_owned(), "urn:example:b".to_owned()]).unwrap()
        }),
        dpop_bound_access_tokens: number.is_multiple_of(3),
        software_id: "soft".to_owned(),
        software_version: "1".to_owned(),
        contacts: vec!["dev@acme.example".to_owned()],
        metadata: json!({"a": [1]}),
        is_active: true,
        created_at: at(i64::try_from(number).unwrap()),
        created_by: "dev@acme.example".to_owned(),
        updated_at: at(i64::try_from(number).unwrap()),
        version: 1,
    }
}

/// A signing key; those of even numbers live elsewhere.
pub fn signing_key(number: u64) -> SigningKeyRecord {
    SigningKeyRecord {
        kid: format!("kid-{number}").parse().unwrap(),
        algorithm: "ES256".to_owned(),
        state: "active".to_owned(),
        created_at: at(i64::try_from(number).unwrap()),
        activated_at: Some(at(7)),
        retiring_at: None,
        retired_at: None,
        public_jwk: "{}".to_owned(),
        reference: number.is_multiple_of(2).then(|| format!("elsewhere:{number}")),
        wrapped: vec![0, 1, 255],
    }
}

/// Store policy 1 and identities `first..=last`, each with a key of its number.
pub async fn populated(store: &Shared, tenant: &Tenant, first: u64, last: u64) {
    store.create_policy(policy(tenant, first)).await.unwrap();
    for number in first..=last {
        let record = identity(tenant, number, policy_id(first));
        store.register(record, Some(api_key(tenant, number, identity_id(number)))).await.unwrap();
    }
}

/// The link of the n-th credential of an identity, against its key.
pub fn link(tenant: &Tenant, number: u64, presenter: u64, order: Order) -> Link {
    let record = identity(tenant, presenter, policy_id(1));
    Link {
        jti: jti(number),
        tenant: tenant.clone(),
        identity: record.identity.id,
        subject: record.identity.spiffe_id,
        owner: record.identity.owner,
        source: Source::ApiKey(key_id(presenter)),
        beside: Vec::new(),
        family: None,
        kid: "kid-1".parse().unwrap(),
        issued_at: at(i64::try_from(number).unwrap()),
        order,
    }
}

/// The record of a lineage.
pub fn record(lineage: Lineage) -> CredentialRecord {
    CredentialRecord {
        lineage,
        grant_type: GrantType::ApiKey,
        client_id: None,
        expires_at: at(3600).floor_to_second(),
        usable: scopes("a b"),
        delegable: scopes("c"),
        requested: Some(scopes("a b x")),
        max_delegation_depth: 5,
        audience: Audience::of_issuer("https://id.example"),
        confirmation: Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs".parse().unwrap()),
        may_act: None,
        task: TaskClaims {
            task_id: Some("ENG-4421".to_owned()),
            allowed_tools: Some(Vec::new()),
            ..TaskClaims::default()
        },
        additional: additional(),
        decided_by: vec![DecidedBy { policy: policy_id(1), version: 1 }],
    }
}

fn additional() -> AdditionalClaims {
    let claims =
        json!({"department": "billing", "cost": 0.1, "https://acme.example/tier": {"of": ["ä", null, -7]}});
    let claims = claims.as_object().cloned().unwrap_or_default();
    AdditionalClaims::asked_for(claims).expect("within the bounds")
}

/// What stores a record, decided by facts read at an epoch.
pub fn issuance(record: CredentialRecord, epoch: Epoch) -> Issuance {
    let digest = CredentialDigest([record.jti().as_bytes()[15]; 32]);
    Issuance { record: record.into(), digest, guards: Vec::new(), epoch, spends: Vec::new(), now: at(10) }
}

/// Store the n-th credential as a root of an identity that is stored with its key.
pub async fn issued_root(store: &Shared, tenant: &Tenant, number: u64, presenter: u64) -> CredentialRecord {
    let facts = store.root_facts(&by_key(presenter)).await.unwrap().expect("the key is stored");
    let record = record(Lineage::root_of(link(tenant, number, presenter, facts.order)));
    store.issue(issuance(record.clone(), facts.epoch)).await.unwrap();
    record
}

/// What a child is stored by: facts read together, by which its chain was judged alive.
pub async fn judged_child(
    store: &Shared,
    parent: &CredentialRecord,
    number: u64,
    presenter: u64,
) -> Result<Issuance, StoreError> {
    let facts = store.exchange_facts(parent.jti(), &by_key(presenter)).await.unwrap();
    let subject = facts.subject.expect("the parent is stored");
    let dead = |dead| StoreError::Dead(Box::new(dead));
    zeroid_token_core::live(&subject.record, &subject.live, at(10)).map_err(dead)?;
    let link = link(parent.tenant(), number, presenter, facts.order);
    let lineage = parent.lineage.extended(link).unwrap();
    let child = CredentialRecord { grant_type: GrantType::TokenExchange, ..record(lineage) };
    Ok(issuance(child, facts.epoch))
}

/// Store the n-th credential as a child of another.
pub async fn issued_child(
    store: &Shared,
    parent: &CredentialRecord,
    number: u64,
    presenter: u64,
) -> Result<CredentialRecord, StoreError> {
    let issuance = judged_child(store, parent, number, presenter).await?;
    let record = issuance.record.clone();
    store.issue(issuance).await?;
    Ok(record.as_ref().clone())
}

/// Whether a stored credential is alive at a moment, judged by what the store says.
pub async fn is_live(store: &Shared, jti: CredentialId) -> bool {
    let facts = store.credential_facts(jti).await.unwrap().expect("the credential is stored");
    zeroid_token_core::live(&facts.record, &facts.live, at(20)).is_ok()
}
