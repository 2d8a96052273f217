//! Signing keys are rotated and retired, and replicas follow.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::sync::Arc;

use support::World;
use zeroid_core::KeysError;
use zeroid_jose::{KeyState, RotateError, Rotation};
use zeroid_storage::MemoryStore;

#[tokio::test]
async fn a_fresh_key_waits_until_clients_know_it() {
    let world = World::new().await;
    let refused = world.engine.rotate_keys(Rotation::Planned, "rotation").await.unwrap_err();
    assert!(matches!(refused, KeysError::Rotate(RotateError::TooFresh { .. })), "{refused}");
    world.pass(360);
    world.engine.rotate_keys(Rotation::Planned, "rotation").await.unwrap();
}

#[tokio::test]
async fn an_emergency_ends_every_token_of_the_key_everywhere() {
    let store = Arc::new(MemoryStore::new());
    let first = World::on(Arc::<MemoryStore>::clone(&store), |_| {}).await;
    let second = first.replica(store).await;
    let (boss, aide) = (first.agent("boss").await, first.agent("aide").await);
    let root = first.root(&boss, "x").await.unwrap();
    let before = second.root(&boss, "x").await.unwrap();
    first.engine.rotate_keys(Rotation::Emergency, "key stolen").await.unwrap();
    for world in [&first, &second] {
        assert!(!world.is_active(&root).await && !world.is_active(&before).await);
        assert!(world.hop(&root, &aide, "x").await.is_err());
    }
    // The second has not been told, and signs with the new key at the first attempt that matters.
    let after = second.root(&boss, "x").await.unwrap();
    assert!(first.is_active(&after).await && second.is_active(&after).await);
    // A token of the new key dies with a parent of the old one, and not otherwise.
    let leaf = second.hop(&after, &aide, "x").await.unwrap();
    assert!(first.is_active(&leaf).await);
}

#[tokio::test]
async fn any_key_can_be_retired() {
    let world = World::new().await;
    let boss = world.agent("boss").await;
    let of = |state: KeyState| {
        let keys = world.engine.keys();
        keys.iter().find(|key| key.state == state).map(|key| key.kid.as_str().to_owned()).unwrap()
    };
    let token = world.root(&boss, "x").await.unwrap();
    let (active, next) = (of(KeyState::Active), of(KeyState::Next));
    world.engine.retire_key(&next, "leaked").await.unwrap();
    assert_ne!(of(KeyState::Next), next, "another one follows");
    assert!(world.is_active(&token).await, "the next key had signed nothing");
    world.engine.retire_key(&active, "leaked").await.unwrap();
    assert!(!world.is_active(&token).await);
    assert!(!world.engine.jwks().keys.iter().any(|jwk| jwk.kid.as_deref() == Some(&active)));
    let again = world.engine.retire_key(&active, "leaked").await.unwrap_err();
    assert!(matches!(again, KeysError::Unknown), "{again}");
    assert!(world.is_active(&world.root(&boss, "x").await.unwrap()).await);
}
