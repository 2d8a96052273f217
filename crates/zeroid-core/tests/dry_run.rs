//! A dry run says what an issuance then does, and leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use support::{World, asked, assertion};
use zeroid_core::{
    AdminError, Evaluation, ExchangeProof, Hypothetical, IdentityPatch, Issued, NewPolicy, PolicyPatch,
    Registered, TokenError,
};
use zeroid_identity_model::{CredentialId, PolicyId, Status, TrustLevel};
use zeroid_jose::SigningKey;
use zeroid_storage::{CredentialFilter, Page};
use zeroid_token_core::{CredentialRecord, GrantType, Reason, Refusal, Side};

fn root_by(agent: &Registered, scopes: &str) -> Hypothetical {
    Hypothetical {
        identity: agent.record.identity.id,
        grant: GrantType::ApiKey,
        parent: None,
        api_key: None,
        client: None,
        proof: None,
        policy: None,
        asked: asked(scopes),
    }
}

fn hop_by(agent: &Registered, parent: CredentialId, scopes: &str) -> Hypothetical {
    Hypothetical { grant: GrantType::TokenExchange, parent: Some(parent), ..root_by(agent, scopes) }
}

async fn evaluated(world: &World, wanted: Hypothetical) -> Evaluation {
    world.engine.evaluate(&world.tenant, wanted).await.unwrap()
}

/// The same decision, but for what only an issuance gives and the second it was made in.
#[track_caller]
fn same(evaluation: &Evaluation, done: &Result<Issued, TokenError>) {
    match (&evaluation.outcome, done) {
        (Ok(plan), Ok(issued)) => {
            let (said, did) = (&plan.record, &*issued.record);
            let but_for_its_links =
                CredentialRecord { lineage: did.lineage.clone(), ..CredentialRecord::clone(said) };
            assert_eq!(but_for_its_links, *did);
            assert_eq!((&plan.claims.sub, &plan.claims.act), (&issued.claims.sub, &issued.claims.act));
            assert_eq!(plan.claims.labels, issued.claims.labels);
            assert_eq!(said.lineage.own().source, did.lineage.own().source);
            assert_eq!(said.lineage.own().beside, did.lineage.own().beside);
            assert_eq!(evaluation.policies, did.decided_by);
        }
        (Err(said), Err(did)) => assert_eq!(said.to_string(), did.to_string()),
        (said, did) => panic!("said {said:?}, did {did:?}"),
    }
}

fn policy(change: impl FnOnce(&mut NewPolicy)) -> NewPolicy {
    let mut policy = NewPolicy {
        name: "narrow".to_owned(),
        description: String::new(),
        max_ttl_seconds: Some(120),
        allowed_grant_types: Some(vec![GrantType::ApiKey, GrantType::TokenExchange]),
        allowed_scopes: Some("a b".parse().unwrap()),
        delegable_scopes: "c".parse().unwrap(),
        required_trust_level: None,
        required_attestation: None,
        max_delegation_depth: Some(1),
        may_act: None,
        token_labels: [].into(),
        expires_at: None,
    };
    change(&mut policy);
    policy
}

async fn governed(world: &World, name: &str, change: impl FnOnce(&mut NewPolicy)) -> (Registered, PolicyId) {
    let policy = policy(|policy| {
        policy.name = format!("of {name}");
        change(policy);
    });
    let policy = world.engine.create_policy(&world.tenant, policy).await.unwrap().policy.id;
    (world.agent_with(name, |new| new.policy_id = Some(policy)).await, policy)
}

#[tokio::test]
async fn what_is_said_of_a_root_is_what_happens() {
    let world = World::new().await;
    let free = world.agent("free").await;
    let (bound, _) = governed(&world, "bound", |_| {}).await;
    let (untrusted, _) =
        governed(&world, "untrusted", |p| p.required_trust_level = Some(TrustLevel::FirstParty)).await;
    let (no_key_grant, _) =
        governed(&world, "no-key-grant", |p| p.allowed_grant_types = Some(vec![GrantType::JwtBearer])).await;
    for agent in [&free, &bound, &untrusted, &no_key_grant] {
        for scopes in ["", "a", "a b x", "x", "nhi:manage", "a nhi:manage"] {
            let said = evaluated(&world, root_by(agent, scopes)).await;
            same(&said, &world.root(agent, scopes).await);
        }
    }
    let said = evaluated(&world, root_by(&bound, "a x nhi:manage")).await;
    assert_eq!(said.outcome.unwrap().record.usable.to_string(), "a");
    let sides: Vec<_> = said.left_out.iter().map(|refused| (refused.scope.as_str(), refused.side)).collect();
    assert_eq!(sides, [("nhi:manage", Side::IdentityPolicy), ("x", Side::IdentityPolicy)]);
}

#[tokio::test]
async fn what_is_said_of_an_exchange_is_what_happens() {
    let world = World::new().await;
    let (boss, _) = governed(&world, "boss", |_| {}).await;
    let aide = world.agent("aide").await;
    let root = world.root(&boss, "a b").await.unwrap();
    for scopes in ["", "a", "a c", "a x", "x"] {
        let said = evaluated(&world, hop_by(&aide, root.claims.jti, scopes)).await;
        same(&said, &world.hop(&root, &aide, scopes).await);
        // Narrowing one's own.
        let said = evaluated(&world, hop_by(&boss, root.claims.jti, scopes)).await;
        same(&said, &world.hop(&root, &boss, scopes).await);
    }
    let said = evaluated(&world, hop_by(&aide, root.claims.jti, "a x")).await;
    assert_eq!(said.left_out.iter().map(|refused| refused.side).collect::<Vec<_>>(), [Side::Parent]);
    // Too deep for the boss's policy.
    let leaf = world.hop(&root, &aide, "a").await.unwrap();
    let last = world.agent("last").await;
    let said = evaluated(&world, hop_by(&last, leaf.claims.jti, "a")).await;
    assert!(matches!(said.outcome, Err(TokenError::Refused(Refusal::ChainTooDeep { depth: 2, cap: 1 }))));
    same(&said, &world.hop(&leaf, &last, "a").await);
    // Dead.
    world.engine.revoke_token(root.access_token.expose()).await.unwrap();
    let said = evaluated(&world, hop_by(&last, leaf.claims.jti, "a")).await;
    same(&said, &world.hop(&leaf, &last, "a").await);
}

#[tokio::test]
async fn an_agent_with_a_key_of_its_own_proves_itself_by_it() {
    let world = World::new().await;
    let (key, _) = SigningKey::generate().unwrap();
    let boss = world.agent("boss").await;
    let aide = world.agent_with("aide", |new| new.public_key_pem = Some(key.public().to_pem())).await;
    let root = world.root(&boss, "a").await.unwrap();
    let said = evaluated(&world, hop_by(&aide, root.claims.jti, "a")).await;
    let signed = assertion(&key, aide.record.identity.spiffe_id.as_str(), world.engine.now(), |_| {});
    same(&said, &world.hop_by_assertion(&root, signed, "a").await);
    let by_key = Hypothetical { api_key: Some(aide.key.id), ..hop_by(&aide, root.claims.jti, "a") };
    same(&evaluated(&world, by_key).await, &world.hop(&root, &aide, "a").await);
    let signs = Hypothetical { grant: GrantType::JwtBearer, ..root_by(&aide, "a") };
    assert!(evaluated(&world, signs).await.outcome.is_ok());
}

#[tokio::test]
async fn what_would_be_under_another_policy_or_with_a_dead_key() {
    let world = World::new().await;
    let agent = world.agent("agent").await;
    let (_, narrow) = governed(&world, "other", |_| {}).await;
    let under = Hypothetical { policy: Some(narrow), ..root_by(&agent, "a x") };
    let said = evaluated(&world, under.clone()).await;
    assert_eq!(said.outcome.unwrap().record.usable.to_string(), "a");
    assert_eq!(said.policies[0].policy, narrow);
    let off = PolicyPatch { is_active: Some(false), ..PolicyPatch::default() };
    world.engine.patch_policy(&world.tenant, narrow, off).await.unwrap();
    let said = evaluated(&world, under).await;
    assert!(matches!(said.outcome, Err(TokenError::Refused(Refusal::PolicyInactive))));
    // The agent itself is as it was.
    assert_eq!(world.root(&agent, "a x").await.unwrap().claims.scope, "a x");

    world.engine.revoke_api_key(&world.tenant, agent.key.id, Reason::new("test")).await.unwrap();
    let with_key = Hypothetical { api_key: Some(agent.key.id), ..root_by(&agent, "a") };
    let said = evaluated(&world, with_key).await;
    same(&said, &world.root(&agent, "a").await);
    let patch = IdentityPatch { status: Some(Status::Suspended), ..IdentityPatch::default() };
    world.engine.patch_identity(&world.tenant, agent.record.identity.id, patch).await.unwrap();
    let another = world.agent("another").await;
    let patch = IdentityPatch { status: Some(Status::Suspended), ..IdentityPatch::default() };
    world.engine.patch_identity(&world.tenant, another.record.identity.id, patch).await.unwrap();
    same(&evaluated(&world, root_by(&another, "a")).await, &world.root(&another, "a").await);
}

#[tokio::test]
async fn nothing_is_issued_counted_or_used_up() {
    let world = World::new().await;
    let agent = world.agent("agent").await;
    for _ in 0..5 {
        assert!(evaluated(&world, root_by(&agent, "a")).await.outcome.is_ok());
    }
    let (id, page) = (agent.record.identity.id, Page { limit: 10, offset: 0 });
    let issued = world.engine.credentials(&world.tenant, CredentialFilter::Identity(id), page).await.unwrap();
    assert_eq!(issued.total, 0);
    let key = world.engine.api_key(&world.tenant, agent.key.id).await.unwrap();
    assert_eq!((key.usage_count, key.last_used_at), (0, None));
    assert_eq!(world.engine.identity(&world.tenant, id).await.unwrap(), agent.record);
}

#[tokio::test]
async fn what_does_not_exist_or_go_together_is_named() {
    let world = World::new().await;
    let (agent, other) = (world.agent("agent").await, world.agent("other").await);
    let root = world.root(&agent, "a").await.unwrap();
    let plain = root_by(&agent, "a");
    let nobody = zeroid_identity_model::IdentityId::from_bytes([9; 16]);
    let cases = [
        ("identity_id", Hypothetical { identity: nobody, ..plain.clone() }),
        ("identity_id", Hypothetical { grant: GrantType::JwtBearer, ..plain.clone() }),
        ("api_key_id", Hypothetical { api_key: Some(other.key.id), ..plain.clone() }),
        (
            "credential_policy_id",
            Hypothetical { policy: Some(PolicyId::from_bytes([9; 16])), ..plain.clone() },
        ),
        ("parent_jti", Hypothetical { parent: Some(root.claims.jti), ..plain.clone() }),
        ("parent_jti", Hypothetical { grant: GrantType::TokenExchange, ..plain.clone() }),
        ("parent_jti", hop_by(&agent, CredentialId::from_bytes([9; 16]), "a")),
        ("grant_type", Hypothetical { grant: GrantType::Ciba, ..plain.clone() }),
        ("grant_type", Hypothetical { grant: GrantType::RefreshToken, ..plain.clone() }),
        ("client_id", Hypothetical { grant: GrantType::ClientCredentials, ..plain.clone() }),
        ("client_id", Hypothetical { client: Some("nobody".parse().unwrap()), ..plain.clone() }),
        ("proof", Hypothetical { proof: Some(ExchangeProof::ApiKey), ..plain.clone() }),
        (
            "proof",
            Hypothetical {
                proof: Some(ExchangeProof::Route),
                api_key: Some(agent.key.id),
                ..hop_by(&agent, root.claims.jti, "a")
            },
        ),
        (
            "client_id",
            Hypothetical { proof: Some(ExchangeProof::Client), ..hop_by(&agent, root.claims.jti, "a") },
        ),
    ];
    for (field, wanted) in cases {
        match world.engine.evaluate(&world.tenant, wanted.clone()).await {
            Err(AdminError::Invalid { field: named, .. }) => assert_eq!(named, field, "{wanted:?}"),
            other => panic!("{wanted:?}: {other:?}"),
        }
    }
    // Another tenant sees none of it.
    let theirs = zeroid_identity_model::Tenant::new("theirs", "prod").unwrap();
    let stranger =
        zeroid_core::NewIdentity::agent("agent".parse().unwrap(), "dev@acme.example".parse().unwrap());
    let stranger = world.engine.register(&theirs, stranger, None).await.unwrap();
    let foreign = hop_by(&stranger, root.claims.jti, "a");
    let refused = world.engine.evaluate(&theirs, foreign).await;
    assert!(matches!(refused, Err(AdminError::Invalid { field: "parent_jti", .. })), "{refused:?}");
    let refused = world.engine.evaluate(&theirs, plain).await;
    assert!(matches!(refused, Err(AdminError::Invalid { field: "identity_id", .. })), "{refused:?}");
}
