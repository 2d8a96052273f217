//! Issuance, delegation and revocation through the engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use serde_json::json;
use support::{World, asked, assertion};
use zeroid_core::{ExchangeGrant, IdentityPatch, Introspection, NewPolicy, TokenError};
use zeroid_identity_model::{Status, TrustLevel};
use zeroid_jose::{Secret, SigningKey};
use zeroid_token_core::{GrantType, OAuthCode, Reason, Refusal};

type Edit = fn(&mut serde_json::Value, i64);

fn deep_policy(name: &str) -> NewPolicy {
    NewPolicy {
        name: name.to_owned(),
        description: String::new(),
        max_ttl_seconds: None,
        allowed_grant_types: Some(vec![GrantType::ApiKey, GrantType::TokenExchange]),
        allowed_scopes: None,
        delegable_scopes: "".parse().unwrap(),
        required_trust_level: None,
        required_attestation: None,
        max_delegation_depth: Some(16),
        may_act: None,
        token_labels: [].into(),
        expires_at: None,
    }
}

#[tokio::test]
async fn a_delegated_token_names_its_delegators_and_dies_with_the_root() {
    let world = World::new().await;
    let (a, b, c) = (world.agent("a").await, world.agent("b").await, world.agent("c").await);
    let root = world.root(&a, "x y z").await.unwrap();
    let middle = world.hop(&root, &b, "x y w").await.unwrap();
    let leaf = world.hop(&middle, &c, "x").await.unwrap();

    assert_eq!(root.claims.delegation_depth, 0);
    assert!(root.claims.act.is_none());
    assert_eq!(middle.claims.scope, "x y");
    let act = leaf.claims.act.clone().unwrap();
    assert!(act.sub.ends_with("/agent/b"));
    assert!(act.act.unwrap().sub.ends_with("/agent/a"));
    assert_eq!(leaf.claims.delegation_depth, 2);
    assert_eq!(leaf.claims.mission_id, root.claims.jti);
    assert!(leaf.claims.exp <= middle.claims.exp && middle.claims.exp <= root.claims.exp);

    let Introspection::Active(seen) = world.engine.introspect(leaf.access_token.expose()).await.unwrap()
    else {
        panic!("the leaf is active")
    };
    assert_eq!(seen.claims, leaf.claims);
    assert!(seen.principal_sub.ends_with("/agent/a"));

    world.engine.revoke_token(root.access_token.expose()).await.unwrap();
    for token in [&root, &middle, &leaf] {
        assert!(!world.is_active(token).await);
    }
    let late = world.hop(&leaf, &a, "x").await.unwrap_err();
    assert_eq!(late.oauth_code(), Some(OAuthCode::InvalidGrant));
}

#[tokio::test]
async fn revoking_link_i_of_sixteen_hops_kills_i_and_below_and_nothing_above() {
    for cut in 0..=16_usize {
        let world = World::new().await;
        let policy = world.engine.create_policy(&world.tenant, deep_policy("deep")).await.unwrap().policy.id;
        let mut agents = Vec::new();
        for n in 0..=17 {
            agents.push(world.agent_with(&format!("a{n}"), |new| new.policy_id = Some(policy)).await);
        }
        let mut chain = vec![world.root(&agents[0], "x").await.unwrap()];
        for agent in &agents[1..=16] {
            chain.push(world.hop(chain.last().unwrap(), agent, "x").await.unwrap());
        }
        let seventeenth = world.hop(&chain[16], &agents[17], "x").await.unwrap_err();
        assert!(matches!(seventeenth, TokenError::Refused(Refusal::ChainTooDeep { depth: 17, cap: 16 })));

        let reason = Reason::new("test");
        world.engine.revoke_credential(&world.tenant, chain[cut].record.jti(), reason).await.unwrap();
        for (at, token) in chain.iter().enumerate() {
            assert_eq!(world.is_active(token).await, at < cut, "link {at} after cutting {cut}");
        }
    }
}

#[tokio::test]
async fn an_assertion_proves_the_actor_once() {
    let world = World::new().await;
    let (key, _) = SigningKey::generate().unwrap();
    let boss = world.agent("boss").await;
    let aide = world.agent_with("aide", |new| new.public_key_pem = Some(key.public().to_pem())).await;
    let uri = aide.record.identity.spiffe_id.to_string();
    let root = world.root(&boss, "x").await.unwrap();

    let proof = assertion(&key, &uri, world.engine.now(), |_| {});
    let leaf = world.hop_by_assertion(&root, proof.clone(), "x").await.unwrap();
    assert_eq!(leaf.claims.sub, uri);
    let again = world.hop_by_assertion(&root, proof, "x").await.unwrap_err();
    assert!(again.to_string().contains("used before"), "{again}");

    // Without `jti` the signing input is what is remembered: another signature over it does not help.
    let claims = |claims: &mut serde_json::Value| {
        claims.as_object_mut().unwrap().remove("jti");
        claims["iat"] = json!(claims["iat"].as_i64().unwrap());
    };
    let now = world.engine.now();
    let (first, second) = (assertion(&key, &uri, now, claims), assertion(&key, &uri, now, claims));
    assert_ne!(first, second, "ECDSA signs anew");
    world.hop_by_assertion(&root, first, "x").await.unwrap();
    world.hop_by_assertion(&root, second, "x").await.unwrap_err();
}

#[tokio::test]
async fn a_key_beside_an_assertion_takes_what_it_limited_with_it() {
    let world = World::new().await;
    let (key, _) = SigningKey::generate().unwrap();
    let boss = world.agent("boss").await;
    let aide = world.agent_with("aide", |new| new.public_key_pem = Some(key.public().to_pem())).await;
    let root = world.root(&boss, "x").await.unwrap();
    let proof = assertion(&key, aide.record.identity.spiffe_id.as_str(), world.engine.now(), |_| {});
    let grant = ExchangeGrant {
        subject_token: root.access_token.clone(),
        actor_token: Some(Secret::new(proof)),
        api_key: Some(aide.api_key.clone()),
        client: None,
        asked: asked("x"),
        typ: None,
    };
    let leaf = world.engine.exchange(grant).await.unwrap();
    assert!(world.is_active(&leaf).await);
    world.engine.revoke_api_key(&world.tenant, aide.key.id, Reason::new("test")).await.unwrap();
    assert!(!world.is_active(&leaf).await && world.is_active(&root).await);
}

#[tokio::test]
async fn a_refused_exchange_uses_nothing_up() {
    let world = World::new().await;
    let (key, _) = SigningKey::generate().unwrap();
    let boss = world.agent("boss").await;
    let aide = world.agent_with("aide", |new| new.public_key_pem = Some(key.public().to_pem())).await;
    let uri = aide.record.identity.spiffe_id.to_string();
    let root = world.root(&boss, "x").await.unwrap();
    let proof = assertion(&key, &uri, world.engine.now(), |_| {});
    let refused = world.hop_by_assertion(&root, proof.clone(), "not-held").await.unwrap_err();
    assert_eq!(refused.oauth_code(), Some(OAuthCode::InvalidScope));
    world.hop_by_assertion(&root, proof, "x").await.unwrap();
}

#[tokio::test]
async fn a_bad_assertion_proves_nobody() {
    let world = World::new().await;
    let ((key, _), (other, _)) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let boss = world.agent("boss").await;
    let aide = world.agent_with("aide", |new| new.public_key_pem = Some(key.public().to_pem())).await;
    let uri = aide.record.identity.spiffe_id.to_string();
    let root = world.root(&boss, "x").await.unwrap();
    let now = world.engine.now();
    let at = now.unix_seconds();
    let edits: [(&str, Edit); 9] = [
        ("`exp` has passed", |claims, at| claims["exp"] = json!(at)),
        ("more than 300 s", |claims, at| claims["exp"] = json!(at + 301)),
        ("`exp` is missing", |claims, _| drop(claims.as_object_mut().unwrap().remove("exp"))),
        ("`aud` must be", |claims, _| claims["aud"] = json!("https://other.example")),
        ("`aud` must be", |claims, _| claims["aud"] = json!(["https://id.example", "https://other.example"])),
        ("`sub` must equal", |claims, _| claims["sub"] = json!("spiffe://id.example/acme/prod/agent/boss")),
        ("`iat` is in the future", |claims, at| claims["iat"] = json!(at + 61)),
        ("`jti` must be", |claims, _| claims["jti"] = json!(7)),
        ("no SPIFFE ID", |claims, _| claims["iss"] = json!("aide")),
    ];
    for (expected, edit) in edits {
        let proof = assertion(&key, &uri, now, |claims| edit(claims, at));
        let refused = world.hop_by_assertion(&root, proof, "x").await.unwrap_err();
        assert_eq!(refused.oauth_code(), Some(OAuthCode::InvalidGrant), "{refused}");
        let text = refused.to_string();
        assert!(text.contains(expected) || expected == "`jti` must be", "{text} should say {expected}");
    }
    let forged = assertion(&other, &uri, now, |_| {});
    assert!(matches!(world.hop_by_assertion(&root, forged, "x").await, Err(TokenError::ActorToken(_))));
    // The algorithm comes from the key: a header that names another one is refused, `none` included.
    let proof = assertion(&key, &uri, now, |_| {});
    let rest = proof.split_once('.').unwrap().1;
    for header in [
        "eyJhbGciOiJub25lIn0",  // none
        "eyJhbGciOiJIUzI1NiJ9", // HS256
        "eyJhbGciOiJSUzI1NiJ9", // RS256
        "eyJhbGciOiJFUzM4NCJ9", // ES384
    ] {
        let refused = world.hop_by_assertion(&root, format!("{header}.{rest}"), "x").await.unwrap_err();
        assert_eq!(refused.oauth_code(), Some(OAuthCode::InvalidGrant), "{refused}");
    }
    world.hop_by_assertion(&root, proof, "x").await.unwrap();
    // An access token is no proof of being the actor.
    let own = world.root(&aide, "x").await.unwrap();
    let refused = world.hop_by_assertion(&root, own.access_token.expose().to_owned(), "x").await.unwrap_err();
    assert!(refused.to_string().contains("no proof"), "{refused}");
}

#[tokio::test]
async fn another_tenants_actor_is_as_unknown_as_nobody() {
    let world = World::new().await;
    let mut other = World::new().await;
    other.engine = World::new().await.engine;
    let boss = world.agent("boss").await;
    let root = world.root(&boss, "x").await.unwrap();
    let foreign = zeroid_identity_model::Tenant::new("evil", "prod").unwrap();
    let new = zeroid_core::NewIdentity::agent("aide".parse().unwrap(), "dev@evil.example".parse().unwrap());
    let aide = world.engine.register(&foreign, new, None).await.unwrap();
    let by_foreign = world.hop(&root, &aide, "x").await.unwrap_err();
    let mut nobody = aide;
    nobody.api_key = zeroid_jose::Secret::new("zid_sk_0000000000000000000000000000000000000000000");
    let by_nobody = world.hop(&root, &nobody, "x").await.unwrap_err();
    assert_eq!(by_foreign.to_string(), by_nobody.to_string());
}

#[tokio::test]
async fn narrowing_ones_own_token_adds_no_level_and_dies_with_it() {
    let world = World::new().await;
    let a = world.agent("a").await;
    let root = world.root(&a, "x y").await.unwrap();
    let narrow = world.hop(&root, &a, "x").await.unwrap();
    assert_eq!(narrow.claims.delegation_depth, 0);
    assert!(narrow.claims.act.is_none());
    assert_eq!(narrow.claims.sub, root.claims.sub);
    assert!(world.hop(&narrow, &a, "y").await.is_err(), "what was given up is gone");
    world.engine.revoke_token(root.access_token.expose()).await.unwrap();
    assert!(!world.is_active(&narrow).await);
}

#[tokio::test]
async fn a_suspended_identity_is_dead_until_it_is_active_again() {
    let world = World::new().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let root = world.root(&a, "x").await.unwrap();
    let leaf = world.hop(&root, &b, "x").await.unwrap();
    let id = a.record.identity.id;
    let status = |status| IdentityPatch { status: Some(status), ..IdentityPatch::default() };
    world.engine.patch_identity(&world.tenant, id, status(Status::Suspended)).await.unwrap();
    assert!(!world.is_active(&root).await && !world.is_active(&leaf).await);
    assert!(world.root(&a, "x").await.is_err());
    world.engine.patch_identity(&world.tenant, id, status(Status::Active)).await.unwrap();
    assert!(world.is_active(&root).await && world.is_active(&leaf).await);
}

#[tokio::test]
async fn deactivation_is_for_good_and_a_rotated_key_starts_anew() {
    let world = World::new().await;
    let (a, b) = (world.agent("a").await, world.agent("b").await);
    let root = world.root(&a, "x").await.unwrap();
    let leaf = world.hop(&root, &b, "x").await.unwrap();
    let id = a.record.identity.id;
    world.engine.deactivate(&world.tenant, id, "ops").await.unwrap();
    world.engine.activate(&world.tenant, id, "ops").await.unwrap();
    assert!(!world.is_active(&root).await && !world.is_active(&leaf).await);
    assert!(matches!(world.root(&a, "x").await, Err(TokenError::ApiKey)));
    let renewed = world.engine.rotate_key(&world.tenant, id, "ops").await.unwrap();
    let fresh = world.root(&renewed, "x").await.unwrap();
    assert!(world.is_active(&fresh).await);
    world.engine.rotate_key(&world.tenant, id, "ops").await.unwrap();
    assert!(!world.is_active(&fresh).await, "what the old key minted is cut off");
    assert!(world.root(&renewed, "x").await.is_err());
}

#[tokio::test]
async fn lowering_trust_cuts_off_what_was_issued_under_it() {
    let world = World::new().await;
    let a = world.agent_with("a", |new| new.trust_level = TrustLevel::FirstParty).await;
    let before = world.root(&a, "x").await.unwrap();
    let lower = IdentityPatch { trust_level: Some(TrustLevel::Unverified), ..IdentityPatch::default() };
    world.engine.patch_identity(&world.tenant, a.record.identity.id, lower).await.unwrap();
    assert!(!world.is_active(&before).await);
    let after = world.root(&a, "x").await.unwrap();
    assert_eq!(after.claims.trust_level, TrustLevel::Unverified);
    assert!(world.is_active(&after).await);
}

#[tokio::test]
async fn a_token_altered_anywhere_is_inactive() {
    let world = World::new().await;
    let a = world.agent("a").await;
    let root = world.root(&a, "x").await.unwrap();
    let token = root.access_token.expose();
    for at in (0..token.len()).step_by(7) {
        let mut bytes = token.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(bytes).unwrap();
        let answer = world.engine.introspect(&altered).await.unwrap();
        assert!(matches!(answer, Introspection::Inactive), "byte {at}");
    }
    assert!(world.is_active(&root).await);
    world.pass(3601);
    assert!(!world.is_active(&root).await);
}

#[tokio::test]
async fn both_ways_of_authenticity_agree() {
    let store = std::sync::Arc::new(zeroid_storage::MemoryStore::new());
    let world = World::on(store.clone(), |_| {}).await;
    let a = world.agent("a").await;
    let root = world.root(&a, "x").await.unwrap();
    let verifying = World::on(store, |settings| settings.always_verify_signatures = true).await;
    assert!(verifying.is_active(&root).await);
    let token = root.access_token.expose();
    let forged = format!("{}{}", &token[..token.len() - 2], if token.ends_with("AA") { "BB" } else { "AA" });
    assert!(matches!(verifying.engine.introspect(&forged).await.unwrap(), Introspection::Inactive));
    assert!(matches!(world.engine.introspect(&forged).await.unwrap(), Introspection::Inactive));
}

#[tokio::test]
async fn an_issuance_that_races_a_revocation_leaves_nothing_alive() {
    let world = std::sync::Arc::new(World::new().await);
    let (a, b) = (world.agent("a").await, std::sync::Arc::new(world.agent("b").await));
    for _ in 0..200 {
        let root = std::sync::Arc::new(world.root(&a, "x").await.unwrap());
        let hop = tokio::spawn({
            let (world, root, b) = (world.clone(), root.clone(), b.clone());
            async move { world.hop(&root, &b, "x").await }
        });
        let cut = tokio::spawn({
            let (world, root) = (world.clone(), root.clone());
            async move { world.engine.revoke_token(root.access_token.expose()).await }
        });
        let (hop, cut) = (hop.await.unwrap(), cut.await.unwrap());
        cut.unwrap();
        if let Ok(leaf) = hop {
            assert!(!world.is_active(&leaf).await);
        }
    }
}
