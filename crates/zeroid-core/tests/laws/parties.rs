//! The parties of a plan, as an engine registers them.

use zeroid_core::{NewApiKey, NewClient, NewPolicy};
use zeroid_identity_model::{ApiKeyId, ClientId, IdentityId, PolicyId, SpiffeId, Timestamp};
use zeroid_jose::{Secret, SigningKey};
use zeroid_storage::Environment;
use zeroid_token_core::strategies::Limits;
use zeroid_token_core::{ClientTerms, GrantType, Policy};

use crate::support::World;

/// A party of the plan, registered.
pub(crate) struct Party {
    pub(crate) limits: Limits,
    pub(crate) id: IdentityId,
    pub(crate) uri: SpiffeId,
    pub(crate) key: SigningKey,
    pub(crate) api_key: (ApiKeyId, Secret),
    pub(crate) key_ends: Option<Timestamp>,
    pub(crate) client: (ClientId, String, Secret),
    pub(crate) ends: Option<Timestamp>,
}

impl Party {
    /// Register the party of this number with what limits it.
    pub(crate) async fn register(world: &World, number: usize, mut limits: Limits) -> Self {
        let (engine, tenant, name) = (&world.engine, &world.tenant, format!("p{number}"));
        let policy_id = policy_of(world, &format!("{name} of the identity"), &limits.policy).await;
        let (key, _) = SigningKey::generate().unwrap();
        let pem = limits.has_registered_key.then(|| key.public().to_pem());
        let agent = world
            .agent_with(&name, |new| {
                new.owner = format!("owner-{}", number % 2).parse().unwrap();
                new.policy_id = Some(policy_id);
                new.allowed_scopes = limits.allowed_scopes.clone();
                new.public_key_pem = pem;
            })
            .await;
        let identity = agent.record.identity;
        let key_ends = limits.key_ends_after.map(|after| engine.now().plus_seconds(i64::from(after)));
        let mut own = None;
        if let Some(policy) = &limits.key_policy {
            own = Some(policy_of(world, &format!("{name} of the key"), policy).await);
        }
        let new = |policy_id| NewApiKey {
            identity: identity.id,
            name: name.clone(),
            description: String::new(),
            scopes: limits.key_scopes.clone(),
            policy_id,
            environment: Environment::Live,
            metadata: serde_json::json!({}),
            created_by: String::new(),
            expires_at: key_ends,
        };
        // A key's policy that is wider than its identity's is refused; such a key has none.
        let made = match engine.create_api_key(tenant, new(own)).await {
            Ok(made) => made,
            Err(_) => {
                limits.key_policy = None;
                engine.create_api_key(tenant, new(None)).await.unwrap()
            }
        };
        let mut own = None;
        if let Some(policy) = &limits.client_policy {
            own = Some(policy_of(world, &format!("{name} of the client"), policy).await);
        }
        let client = engine
            .create_client(
                tenant,
                NewClient {
                    client_id: name.parse().unwrap(),
                    name: name.clone(),
                    confidential: Some(true),
                    auth_method: None,
                    scopes: limits.client_scopes.clone(),
                    policy_id: own,
                    terms: ClientTerms {
                        identity: Some(identity.id),
                        grant_types: Some(vec![
                            GrantType::ApiKey,
                            GrantType::ClientCredentials,
                            GrantType::JwtBearer,
                            GrantType::TokenExchange,
                        ]),
                        ..ClientTerms::default()
                    },
                    created_by: String::new(),
                },
            )
            .await
            .unwrap();
        Self {
            limits,
            id: identity.id,
            uri: identity.spiffe_id,
            key,
            api_key: (made.0.id, made.1),
            key_ends,
            client: (client.record.id, name, client.secret.unwrap()),
            ends: None,
        }
    }
}

async fn policy_of(world: &World, name: &str, policy: &Policy) -> PolicyId {
    let new = NewPolicy {
        name: name.to_owned(),
        description: String::new(),
        max_ttl_seconds: Some(policy.max_ttl_seconds),
        allowed_grant_types: Some(policy.allowed_grant_types.iter().copied().collect()),
        allowed_scopes: policy.allowed_scopes.clone(),
        delegable_scopes: policy.delegable_scopes.clone(),
        required_trust_level: policy.required_trust_level,
        required_attestation: policy.required_attestation,
        max_delegation_depth: Some(policy.max_delegation_depth),
        may_act: policy.may_act.clone(),
        token_labels: policy.token_labels.clone(),
        expires_at: policy.expires_at,
    };
    world.engine.create_policy(&world.tenant, new).await.unwrap().policy.id
}
