//! Keys rotate under load, and clients that cache the key set notice nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::HashMap;
use std::sync::Arc;

use support::{START, World};
use zeroid_core::{Issued, Settings};
use zeroid_identity_model::Timestamp;
use zeroid_jose::{
    Jwk, Jwks, KEY_SET_MAX_AGE_SECONDS, KeySetAge, KeyState, PublicKey, Rotation, parse, verify,
};
use zeroid_storage::MemoryStore;

/// How far the clock moves at a time, in seconds.
const STEP: i64 = 10;

/// How much later the second replica follows the first, in seconds.
const FOLLOW: i64 = 60;

/// How long the longest token lives, in seconds: short, so that keys retire within the test.
const LONGEST: u32 = 3600;

/// A client that caches the key set for as long as it may, and fetches it no sooner: not even for a key it does not
/// know, which would hide a key that signs too early.
struct Client {
    keys: HashMap<String, PublicKey>,
    age: KeySetAge,
}

impl Client {
    fn fetched(served: Jwks, at: Timestamp) -> Self {
        let keyed = |jwk: Jwk| (jwk.kid.clone().unwrap(), PublicKey::from_jwk(&jwk).unwrap());
        Self { keys: served.keys.into_iter().map(keyed).collect(), age: KeySetAge { fetched_at: at } }
    }

    /// Whether it accepts the token. That the bytes are signed by this very key was checked once.
    fn accepts(&self, token: &Token) -> bool {
        self.keys.get(&token.kid).is_some_and(|key| *key == token.verified_by)
    }
}

/// A token out there, and the key its signature was verified by when it was new.
struct Token {
    issued: Issued,
    kid: String,
    verified_by: PublicKey,
}

impl Token {
    fn of(issued: Issued, served: &Jwks) -> Self {
        let jws = parse(issued.access_token.expose()).unwrap();
        let kid = jws.peek().header.kid.clone().unwrap();
        let jwk = served.keys.iter().find(|jwk| jwk.kid.as_deref() == Some(&kid)).expect("it is published");
        let key = PublicKey::from_jwk(jwk).unwrap();
        verify(jws, &key).unwrap();
        Self { issued, kid, verified_by: key }
    }
}

/// What a run saw.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    rotations: u32,
    retired: usize,
    verifications: u64,
    failures: u64,
}

/// Two replicas issue in every step, the first changes keys as often as it is let, and the second follows as late as a
/// replica may. Every token is verified at every client in every step of its life.
async fn run(steps: i64, rotation: Rotation) -> Seen {
    let store = Arc::new(MemoryStore::new());
    let shorter = |settings: &mut Settings| settings.rules.max_ttl_seconds = LONGEST;
    let first = World::on(Arc::<MemoryStore>::clone(&store), shorter).await;
    let second = first.replica_with(store, zeroid_core::Signing::default(), shorter).await.unwrap();
    let boss = first.agent("boss").await;
    // One of every age.
    let aged = |nth: i64| Timestamp::from_unix_seconds(START - nth * STEP);
    let mut clients: Vec<Client> = (0..KEY_SET_MAX_AGE_SECONDS / STEP)
        .map(|nth| Client::fetched(first.engine.jwks(), aged(nth)))
        .collect();
    let (mut seen, mut live, mut changed_at) = (Seen::default(), Vec::<Token>::new(), 0);
    for step in 0..steps {
        first.pass(STEP);
        if step == changed_at + FOLLOW / STEP {
            second.engine.keep_keys().await.unwrap();
        }
        first.engine.keep_keys().await.unwrap();
        for (nth, client) in clients.iter_mut().enumerate() {
            let world = if nth % 2 == 0 { &first } else { &second };
            let now = world.engine.now();
            if client.age.is_stale(now) {
                *client = Client::fetched(world.engine.jwks(), now);
            }
        }
        // In an emergency nobody waits: that is what the clients of this test would notice.
        let now = rotation == Rotation::Planned || step % 60 == 45;
        if now && first.engine.rotate_keys(rotation, "rotation").await.is_ok() {
            seen.rotations += 1;
            changed_at = step;
        }
        for world in [&first, &second] {
            live.push(Token::of(world.root(&boss, "x").await.unwrap(), &world.engine.jwks()));
        }
        let at = first.engine.now().unix_seconds();
        live.retain(|token| token.issued.claims.exp > at);
        // Introspection of everything goes on at both. It is asked seldom: a replica follows at once when it meets a key.
        if rotation == Rotation::Planned && step % 100 == 0 {
            for token in &live {
                assert!(first.is_active(&token.issued).await && second.is_active(&token.issued).await);
            }
        }
        // Tokens of one key are accepted or refused alike.
        let mut by_key: HashMap<&str, (u64, &Token)> = HashMap::new();
        for token in &live {
            by_key.entry(&token.kid).or_insert((0, token)).0 += 1;
        }
        for (count, token) in by_key.into_values() {
            let refused = clients.iter().filter(|client| !client.accepts(token)).count();
            seen.verifications += count * u64::try_from(clients.len()).unwrap();
            seen.failures += count * u64::try_from(refused).unwrap();
        }
    }
    seen.retired = first.engine.keys().iter().filter(|key| key.state == KeyState::Retired).count();
    seen
}

#[tokio::test]
async fn rotation_under_load_fails_not_one_verification() {
    let seen = run(4 * 3600 / STEP, Rotation::Planned).await;
    assert_eq!(seen.failures, 0, "{seen:?}");
    assert!(seen.rotations > 30 && seen.retired > 25, "{seen:?}");
    assert!(seen.verifications > 20_000_000, "{seen:?}");
}

/// The same clients refuse tokens of a key that signs before they can know it: the test above can fail.
#[tokio::test]
async fn a_key_that_does_not_wait_is_noticed() {
    let seen = run(200, Rotation::Emergency).await;
    assert!(seen.rotations > 2 && seen.failures > 0, "{seen:?}");
}
