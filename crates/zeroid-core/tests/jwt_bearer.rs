//! The grant jwt-bearer: an identity asks for a root by what its registered key signs (RFC 7523 §2.1).
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use serde_json::json;
use support::{World, asked, assertion};
use zeroid_core::{Issued, JwtBearerGrant, TokenError};
use zeroid_identity_model::Status;
use zeroid_jose::{Secret, SigningAlgorithm, SigningKey};
use zeroid_token_core::{GrantType, OAuthCode, Source};

async fn ask(world: &World, assertion: &str, scopes: &str) -> Result<Issued, TokenError> {
    let assertion = Secret::new(assertion);
    world
        .engine
        .jwt_bearer_grant(JwtBearerGrant { assertion, client: None, asked: asked(scopes), typ: None })
        .await
}

#[tokio::test]
async fn an_assertion_buys_one_root() {
    let world = World::new().await;
    let (key, _) = SigningKey::generate().unwrap();
    let agent = world.agent_with("boss", |new| new.public_key_pem = Some(key.public().to_pem())).await;
    let uri = agent.record.identity.spiffe_id.to_string();
    let proof = assertion(&key, &uri, world.engine.now(), |_| {});
    let root = ask(&world, &proof, "read write").await.unwrap();
    assert_eq!((root.claims.sub.as_str(), root.claims.grant_type.as_str()), (uri.as_str(), "jwt_bearer"));
    assert_eq!((root.claims.delegation_depth, root.expires_in), (0, 3600));
    assert!(root.claims.act.is_none() && root.user_id.is_none());
    assert_eq!(root.record.grant_type, GrantType::JwtBearer);
    assert_eq!(root.record.lineage.own().source, Source::Assertion);
    let again = ask(&world, &proof, "read").await.unwrap_err();
    assert!(matches!(&again, TokenError::Assertion(why) if why.contains("used before")), "{again}");
    assert_eq!(again.oauth_code(), Some(OAuthCode::InvalidGrant));

    // What bought a root proves no actor any more: it was used up, whatever for.
    let spent = world.hop_by_assertion(&root, proof, "read").await.unwrap_err();
    assert!(spent.to_string().contains("used before"), "{spent}");
}

#[tokio::test]
async fn a_registered_key_may_be_of_another_kind() {
    let world = World::new().await;
    let (key, _) = SigningKey::generate_for(SigningAlgorithm::EdDsa).unwrap();
    let agent = world.agent_with("boss", |new| new.public_key_pem = Some(key.public().to_pem())).await;
    let uri = agent.record.identity.spiffe_id.to_string();
    let proof = assertion(&key, &uri, world.engine.now(), |_| {});
    let root = ask(&world, &proof, "read").await.unwrap();
    assert_eq!(root.claims.sub, uri);
    // The kind is the key's, whatever a header says.
    let (other, _) = SigningKey::generate().unwrap();
    let forged = assertion(&other, &uri, world.engine.now(), |_| {});
    assert!(ask(&world, &forged, "read").await.is_err());
}

#[tokio::test]
async fn what_is_refused_is_not_used_up() {
    let world = World::new().await;
    let (key, _) = SigningKey::generate().unwrap();
    let agent = world
        .agent_with("boss", |new| {
            new.public_key_pem = Some(key.public().to_pem());
            new.allowed_scopes = Some("read".parse().unwrap());
        })
        .await;
    let uri = agent.record.identity.spiffe_id.to_string();
    let proof = assertion(&key, &uri, world.engine.now(), |_| {});
    let refused = ask(&world, &proof, "write").await.unwrap_err();
    assert_eq!(refused.oauth_code(), Some(OAuthCode::InvalidScope));
    assert_eq!(ask(&world, &proof, "read write").await.unwrap().claims.scope, "read");
}

#[tokio::test]
async fn who_cannot_be_proven_gets_nothing_and_is_not_told_apart() {
    let world = World::new().await;
    let ((key, _), (other, _)) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let agent = world.agent_with("boss", |new| new.public_key_pem = Some(key.public().to_pem())).await;
    let keyless = world.agent("keyless").await;
    let uri = agent.record.identity.spiffe_id.to_string();
    let nobody = format!("{uri}-nobody");
    let now = world.engine.now();
    let mut told: Vec<String> = Vec::new();
    for (signer, named) in
        [(&other, uri.as_str()), (&key, &nobody), (&key, keyless.record.identity.spiffe_id.as_str())]
    {
        let refused = ask(&world, &assertion(signer, named, now, |_| {}), "x").await.unwrap_err();
        assert_eq!(refused.oauth_code(), Some(OAuthCode::InvalidGrant));
        told.push(refused.to_string());
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");

    let rules: [(&str, serde_json::Value); 4] = [
        ("`exp`", json!(now.unix_seconds() + 301)),
        ("`aud`", json!("https://other.example")),
        ("`sub`", json!(nobody)),
        ("`iat`", json!(now.unix_seconds() + 61)),
    ];
    for (claim, value) in rules {
        let bad = assertion(&key, &uri, now, |claims| claims[claim.trim_matches('`')] = value);
        let refused = ask(&world, &bad, "x").await.unwrap_err();
        assert!(refused.to_string().contains(claim), "{refused} should name {claim}");
    }
    let token = world.root(&agent, "x").await.unwrap();
    let refused = ask(&world, token.access_token.expose(), "x").await.unwrap_err();
    assert!(refused.to_string().contains("`typ`"), "an access token is no assertion: {refused}");
}

#[tokio::test]
async fn the_key_of_now_counts_and_so_does_the_standing() {
    let world = World::new().await;
    let ((old, _), (new, _)) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let agent = world.agent_with("boss", |it| it.public_key_pem = Some(old.public().to_pem())).await;
    let (id, uri) = (agent.record.identity.id, agent.record.identity.spiffe_id.to_string());
    let by = |key: &SigningKey| assertion(key, &uri, world.engine.now(), |_| {});
    ask(&world, &by(&old), "x").await.unwrap();
    let patch = zeroid_core::IdentityPatch {
        public_key_pem: Some(new.public().to_pem()),
        ..zeroid_core::IdentityPatch::default()
    };
    world.engine.patch_identity(&world.tenant, id, patch).await.unwrap();
    ask(&world, &by(&old), "x").await.unwrap_err();
    let root = ask(&world, &by(&new), "x").await.unwrap();
    let patch = zeroid_core::IdentityPatch {
        status: Some(Status::Suspended),
        ..zeroid_core::IdentityPatch::default()
    };
    world.engine.patch_identity(&world.tenant, id, patch).await.unwrap();
    let refused = ask(&world, &by(&new), "x").await.unwrap_err();
    assert_eq!(refused.oauth_code(), Some(OAuthCode::InvalidGrant));
    assert!(!world.is_active(&root).await);
}
