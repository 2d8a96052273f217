//! One request, and what it is changed into until it is refused.

use std::sync::Arc;

use zeroid_identity_model::{
    ApiKeyId, CredentialId, ExternalId, Identity, IdentityId, IdentityType, Kind, PolicyId, Status, Tenant,
    Timestamp, TrustLevel,
};
use zeroid_token_core::{
    ActorProof, Asked, AttestationLevel, ClientCaps, CredentialRecord, Facts, GrantType, IssuerRules,
    KeyCaps, LiveFacts, NewCredential, OAuthCode, Order, Plan, Policy, Presenter, Profile, Refusal, Route,
    ScopeSet, Source, Standing, decide, live,
};

pub(crate) const NOW: i64 = 1_790_000_000;
pub(crate) const KEY_PROOF: ActorProof = ActorProof::ApiKey(ApiKeyId::from_bytes([9; 16]));

/// One request: a root by API key, or an exchange of `parent`, that succeeds until something is changed.
pub(crate) struct Case {
    pub(crate) rules: IssuerRules,
    pub(crate) identity: Identity,
    pub(crate) policy: Policy,
    pub(crate) allowed: Option<ScopeSet>,
    pub(crate) key_scopes: Option<ScopeSet>,
    pub(crate) key_policy: Option<Policy>,
    pub(crate) key_expires_at: Option<Timestamp>,
    pub(crate) attestation: Option<AttestationLevel>,
    pub(crate) client: Option<ClientCaps<'static>>,
    pub(crate) parent: Option<Arc<CredentialRecord>>,
    pub(crate) proof: ActorProof<'static>,
    pub(crate) asked: Asked,
}

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(NOW + seconds)
}

pub(crate) fn scopes(text: &str) -> ScopeSet {
    text.parse().unwrap()
}

pub(crate) fn identity(name: &str, number: u8) -> Identity {
    Identity {
        id: IdentityId::from_bytes([number; 16]),
        tenant: Tenant::new("acme", "prod").unwrap(),
        external_id: name.parse::<ExternalId>().unwrap(),
        spiffe_id: format!("spiffe://id.example/acme/prod/agent/{name}").parse().unwrap(),
        name: name.to_owned(),
        kind: Kind::new(IdentityType::Agent, None).unwrap(),
        trust_level: TrustLevel::Unverified,
        status: Status::Active,
        owner: Some("dev@acme.example".parse().unwrap()),
        expires_at: None,
        public_key_pem: None,
        framework: String::new(),
        version: String::new(),
        publisher: String::new(),
        description: String::new(),
        capabilities: serde_json::Value::Null,
        labels: serde_json::Value::Null,
        metadata: serde_json::Value::Null,
        created_at: at(-60),
        created_by: String::new(),
        updated_at: at(-60),
        modified_by: String::new(),
    }
}

pub(crate) fn policy() -> Policy {
    Policy {
        id: PolicyId::from_bytes([1; 16]),
        version: 1,
        name: "default".to_owned(),
        max_ttl_seconds: 3600,
        allowed_grant_types: [GrantType::ApiKey, GrantType::TokenExchange].into(),
        allowed_scopes: None,
        delegable_scopes: ScopeSet::nothing(),
        required_trust_level: None,
        required_attestation: None,
        max_delegation_depth: 5,
        may_act: None,
        token_labels: std::collections::BTreeSet::new(),
        is_active: true,
        expires_at: None,
    }
}

impl Case {
    pub(crate) fn root() -> Self {
        Self {
            rules: IssuerRules {
                issuer: "https://id.example".to_owned(),
                profile: Profile::Zeroid,
                default_ttl_seconds: 3600,
                delegated_ttl_seconds: 300,
                max_ttl_seconds: 7200,
            },
            identity: identity("boss", 1),
            policy: policy(),
            allowed: None,
            key_scopes: None,
            key_policy: None,
            key_expires_at: None,
            attestation: None,
            client: None,
            parent: None,
            proof: KEY_PROOF,
            asked: Asked { scopes: Some(scopes("read write")), ..Asked::default() },
        }
    }

    pub(crate) fn exchange() -> Self {
        Self::root().delegated("aide", 2)
    }

    /// The next hop: another identity, for the record this case decides.
    pub(crate) fn delegated(self, name: &str, number: u8) -> Self {
        let parent = self.decide().unwrap().record;
        let asked = Asked { scopes: Some(scopes("read")), ..Asked::default() };
        Self { identity: identity(name, number), parent: Some(parent), asked, ..Self::root() }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn decide(&self) -> Result<Plan, Refusal> {
        let principal = identity("boss", 1);
        let key = KeyCaps {
            id: ApiKeyId::from_bytes([9; 16]),
            scopes: self.key_scopes.as_ref(),
            policy: self.key_policy.as_ref(),
            expires_at: self.key_expires_at,
        };
        let root = Route::Root { grant: GrantType::ApiKey, source: Source::ApiKey(key.id) };
        let depth = self.parent.as_ref().map_or(0, |parent| parent.lineage.len());
        let facts = |route| Facts {
            rules: &self.rules,
            presenter: Presenter {
                identity: &self.identity,
                allowed_scopes: self.allowed.as_ref(),
                policy: &self.policy,
                key: Some(key.clone()),
                client: self.client.clone(),
                attestation: self.attestation,
                registered_key: None,
            },
            principal: &principal,
            route,
            asked: &self.asked,
            new: NewCredential {
                jti: CredentialId::from_bytes([u8::try_from(100 + depth).unwrap(); 16]),
                kid: "key-1".parse().unwrap(),
                order: Order(1 + u64::try_from(depth).unwrap()),
            },
        };
        let Some(parent) = &self.parent else { return decide(&facts(root), at(0)) };
        let mut standings = LiveFacts::default();
        standings.standings.extend(parent.lineage.links().map(|link| Standing {
            identity: link.identity,
            status: Status::Active,
            expires_at: None,
        }));
        let parent = live(parent, &standings, at(0)).unwrap();
        decide(&facts(Route::Exchange { parent, proof: self.proof }), at(0))
    }

    /// It is refused, with this code and words that name this.
    #[track_caller]
    pub(crate) fn refuses(self, code: OAuthCode, says: &str) -> Refusal {
        let refusal = self.decide().map(|plan| plan.record).unwrap_err();
        assert_eq!(refusal.oauth_code(), code, "{refusal}");
        assert!(refusal.to_string().contains(says), "`{refusal}` says `{says}`");
        refusal
    }
}
