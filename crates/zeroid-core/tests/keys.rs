//! Signing keys change while replicas issue and clients verify.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::VecDeque;
use std::sync::Arc;

use support::World;
use zeroid_core::{Issued, KeysError};
use zeroid_jose::{Jwks, KeyState, PublicKey, RotateError, Rotation, parse, verify};
use zeroid_storage::MemoryStore;

/// How long clients cache the key set, in seconds.
const CACHED: i64 = 300;

/// Whether a client that has this key set accepts the token.
fn verifies(keys: &Jwks, token: &Issued) -> bool {
    let jws = parse(token.access_token.expose()).unwrap();
    let kid = jws.peek().header.kid.clone().unwrap();
    let jwk = keys.keys.iter().find(|jwk| jwk.kid.as_deref() == Some(&kid));
    jwk.is_some_and(|jwk| verify(jws, &PublicKey::from_jwk(jwk).unwrap()).is_ok())
}

#[tokio::test]
async fn rotation_fails_no_client_that_caches_the_key_set() {
    let store = Arc::new(MemoryStore::new());
    let first = World::on(Arc::<MemoryStore>::clone(&store), |_| {}).await;
    let second = first.replica(store).await;
    let boss = first.agent("boss").await;
    let mut cached: VecDeque<(i64, Jwks)> = VecDeque::new();
    let mut kids = std::collections::HashSet::new();
    let (mut rotations, mut live) = (0, Vec::new());
    for step in 0..400_i64 {
        let now = step * 20;
        first.pass(20);
        cached.push_back((now, second.engine.jwks()));
        while cached.front().is_some_and(|(at, _)| now - at > CACHED) {
            cached.pop_front();
        }
        if step % 19 == 7 && first.engine.rotate_keys(Rotation::Planned, "rotation").await.is_ok() {
            rotations += 1;
        }
        // The second follows at its own pace, and still knows every token of the first at once.
        if step % 3 == 0 {
            second.engine.keep_keys().await.unwrap();
        }
        for world in [&first, &second] {
            let token = world.root(&boss, "x").await.unwrap();
            kids.insert(parse(token.access_token.expose()).unwrap().peek().header.kid.clone());
            for (at, keys) in &cached {
                assert!(verifies(keys, &token), "step {step}: a key set of {} s ago fails", now - at);
            }
            assert!(first.is_active(&token).await && second.is_active(&token).await, "step {step}");
            live.push((now, token));
        }
        live.retain(|(issued, _)| now - issued < 3500);
        if step % 40 == 0 {
            for (_, token) in &live {
                assert!(second.is_active(token).await, "an old key verifies until its last token has ended");
            }
        }
    }
    assert!(rotations > 10 && kids.len() > 10, "{rotations} rotations, {} keys", kids.len());
}

#[tokio::test]
async fn a_fresh_key_waits_until_clients_know_it() {
    let world = World::new().await;
    let refused = world.engine.rotate_keys(Rotation::Planned, "rotation").await.unwrap_err();
    assert!(matches!(refused, KeysError::Rotate(RotateError::TooFresh { .. })), "{refused}");
    world.pass(301);
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
