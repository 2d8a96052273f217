//! Delegation routes through the engine: who acts without a proof, what limits it, and when nobody does.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;

use support::{World, asked};
use zeroid_core::{
    AdminError, ExchangeGrant, Introspection, Issued, NewDelegationRoute, Registered, TokenError,
};
use zeroid_identity_model::Tenant;
use zeroid_storage::{DelegationRouteRecord, MemoryStore};
use zeroid_token_core::{Asked, OAuthCode, Refusal, Source};

fn between(from: &Registered, to: &Registered, scopes: &str) -> NewDelegationRoute {
    NewDelegationRoute {
        from: from.record.identity.id,
        to: to.record.identity.id,
        scopes: scopes.parse().unwrap(),
        max_ttl_seconds: None,
        description: String::new(),
        created_by: String::new(),
    }
}

async fn made(world: &World, new: NewDelegationRoute) -> DelegationRouteRecord {
    world.engine.create_delegation_route(&world.tenant, new).await.unwrap()
}

/// An exchange that proves nothing of its actor.
async fn follow(world: &World, subject: &Issued, asked: Asked) -> Result<Issued, TokenError> {
    let grant = ExchangeGrant {
        subject_token: subject.access_token.clone(),
        actor_token: None,
        api_key: None,
        client: None,
        asked,
        typ: None,
    };
    world.engine.exchange(grant).await
}

#[track_caller]
fn refused(outcome: Result<Issued, TokenError>, code: OAuthCode, says: &str) {
    let error = outcome.expect_err("it is refused");
    assert_eq!(error.oauth_code(), Some(code), "{error}");
    assert!(error.to_string().contains(says), "{error}");
}

#[tokio::test]
async fn the_one_covering_route_says_who_acts() {
    let world = World::new().await;
    let (watch, probe, other) =
        (world.agent("watch").await, world.agent("probe").await, world.agent("other").await);
    let root = world.root(&watch, "read write").await.unwrap();
    refused(follow(&world, &root, asked("read")).await, OAuthCode::InvalidRequest, "proof of the actor");
    let route = made(&world, between(&watch, &probe, "read")).await;
    made(&world, between(&watch, &other, "write")).await;
    made(&world, between(&probe, &other, "read")).await;

    let leaf = follow(&world, &root, asked("read")).await.unwrap();
    assert!(leaf.claims.sub.ends_with("/agent/probe"));
    assert!(leaf.claims.act.as_ref().unwrap().sub.ends_with("/agent/watch"));
    assert_eq!(leaf.claims.actor_proof.as_deref(), Some("policy"));
    assert_eq!(leaf.record.lineage.own().source, Source::Route(route.route.id));
    let Introspection::Active(seen) = world.engine.introspect(leaf.access_token.expose()).await.unwrap()
    else {
        panic!("the leaf is active")
    };
    assert_eq!(seen.claims, leaf.claims);
    assert!(follow(&world, &root, asked("write")).await.unwrap().claims.sub.ends_with("/agent/other"));
    assert!(world.hop(&root, &probe, "read").await.unwrap().claims.actor_proof.is_none(), "it proved itself");

    let outside = follow(&world, &root, asked("read write")).await;
    refused(outside, OAuthCode::InvalidRequest, "no delegation route covers");
    refused(follow(&world, &root, asked("")).await, OAuthCode::InvalidScope, "scope is required");
    made(&world, between(&watch, &other, "read")).await;
    refused(follow(&world, &root, asked("read")).await, OAuthCode::InvalidRequest, "2 delegation routes");
    world.engine.revoke_token(root.access_token.expose()).await.unwrap();
    assert!(!world.is_active(&leaf).await);
    refused(follow(&world, &root, asked("write")).await, OAuthCode::InvalidGrant, "subject_token");
}

#[tokio::test]
async fn a_route_limits_what_it_makes() {
    let world = World::new().await;
    let (watch, probe) = (world.agent("watch").await, world.agent("probe").await);
    let narrow =
        NewDelegationRoute { max_ttl_seconds: Some(60), ..between(&watch, &probe, "read write nhi:manage") };
    made(&world, narrow).await;
    let root = world.root(&watch, "read").await.unwrap();
    let leaf = follow(&world, &root, asked("read write")).await.unwrap();
    assert_eq!((leaf.claims.scope.as_str(), leaf.expires_in), ("read", 60), "no more than the root holds");
    let longer = Asked { ttl_seconds: Some(61), ..asked("read") };
    refused(follow(&world, &root, longer).await, OAuthCode::PolicyViolation, "at most 60 s");
    refused(follow(&world, &root, asked("nhi:manage")).await, OAuthCode::InvalidScope, "nhi:manage");
}

#[tokio::test]
async fn an_end_that_may_not_act_or_is_not_named_makes_nothing() {
    let world = World::new().await;
    let (watch, probe) = (world.agent("watch").await, world.agent("probe").await);
    made(&world, between(&watch, &probe, "read")).await;
    let root = world.root(&watch, "read").await.unwrap();
    let only_self = Asked { may_act: Some(vec![watch.record.identity.spiffe_id.clone()]), ..asked("read") };
    let grant = zeroid_core::ApiKeyGrant {
        api_key: watch.api_key.clone(),
        client: None,
        asked: only_self,
        typ: None,
    };
    let fenced = world.engine.api_key_grant(grant).await.unwrap();
    refused(follow(&world, &fenced, asked("read")).await, OAuthCode::InvalidGrant, "may_act");
    let patch = zeroid_core::IdentityPatch {
        status: Some(zeroid_identity_model::Status::Suspended),
        ..zeroid_core::IdentityPatch::default()
    };
    world.engine.patch_identity(&world.tenant, probe.record.identity.id, patch).await.unwrap();
    let outcome = follow(&world, &root, asked("read")).await.unwrap_err();
    assert!(matches!(outcome, TokenError::Refused(Refusal::Presenter(_))), "{outcome}");
}

#[tokio::test]
async fn a_deleted_route_makes_nothing_and_leaves_what_it_made() {
    let world = World::on(Arc::new(MemoryStore::new()), |_| {}).await;
    let (watch, probe) = (world.agent("watch").await, world.agent("probe").await);
    let route = made(&world, between(&watch, &probe, "read")).await;
    let root = world.root(&watch, "read").await.unwrap();
    let leaf = follow(&world, &root, asked("read")).await.unwrap();
    world.engine.delete_delegation_route(&world.tenant, route.route.id).await.unwrap();
    refused(follow(&world, &root, asked("read")).await, OAuthCode::InvalidRequest, "no delegation route");
    assert!(world.is_active(&leaf).await, "until its end");
}

#[tokio::test]
async fn a_route_is_checked_when_it_is_made() {
    let world = World::new().await;
    let (watch, probe) = (world.agent("watch").await, world.agent("probe").await);
    let good = between(&watch, &probe, "read");
    let bad = [
        (NewDelegationRoute { to: good.from, ..good.clone() }, "to_identity_id"),
        (NewDelegationRoute { scopes: "".parse().unwrap(), ..good.clone() }, "scopes"),
        (NewDelegationRoute { max_ttl_seconds: Some(0), ..good.clone() }, "max_ttl_seconds"),
        (NewDelegationRoute { max_ttl_seconds: Some(301), ..good.clone() }, "max_ttl_seconds"),
        (NewDelegationRoute { description: "x".repeat(1025), ..good.clone() }, "description"),
    ];
    for (new, member) in bad {
        let error = world.engine.create_delegation_route(&world.tenant, new).await.unwrap_err();
        assert!(matches!(&error, AdminError::Invalid { field, .. } if *field == member), "{error}");
    }
    let foreign = Tenant::new("other", "prod").unwrap();
    let error = world.engine.create_delegation_route(&foreign, good).await.unwrap_err();
    assert!(matches!(&error, AdminError::Invalid { field: "from_identity_id", .. }), "{error}");
}
