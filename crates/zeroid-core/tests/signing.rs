//! Every algorithm through the engine, and what happens when the place that signs fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use support::{World, assertion};
use zeroid_core::{Fault, Inline, Issued, NotDone, Offload, Offloaded, OpenError, Signing, TokenError, Work};
use zeroid_jose::{
    HeldKey, KeyPlace, KeyState, PublicKey, Rotation, Signer, SignerError, SigningAlgorithm, SigningKey,
    parse, verify,
};
use zeroid_storage::{CredentialFilter, MemoryStore, Page};

/// Counts what it runs; does nothing while it is full.
#[derive(Default)]
struct Counted {
    run: AtomicUsize,
    full: AtomicBool,
}

impl Offload for Counted {
    fn run(&self, work: Work, within: Duration) -> Offloaded<'_> {
        if self.full.load(Ordering::SeqCst) {
            return Box::pin(std::future::ready(Err(NotDone("too many signatures wait".to_owned()))));
        }
        self.run.fetch_add(1, Ordering::SeqCst);
        Inline.run(work, within)
    }
}

fn algorithm(algorithm: SigningAlgorithm) -> Signing {
    Signing { algorithm, ..Signing::default() }
}

fn key_of(world: &World, token: &Issued) -> PublicKey {
    let jws = parse(token.access_token.expose()).unwrap();
    let kid = jws.peek().header.kid.clone();
    let keys = world.engine.jwks().keys;
    PublicKey::from_jwk(keys.iter().find(|jwk| jwk.kid == kid).expect("published")).unwrap()
}

fn state_of(world: &World, state: KeyState) -> Vec<SigningAlgorithm> {
    world.engine.keys().iter().filter(|key| key.state == state).map(|key| key.algorithm).collect()
}

#[tokio::test]
async fn every_algorithm_issues_delegates_introspects_revokes_and_rotates() {
    for alg in SigningAlgorithm::ALL {
        for always in [false, true] {
            let store = Arc::new(MemoryStore::new());
            let world = World::with_signing(store, algorithm(alg), |settings| {
                settings.always_verify_signatures = always;
            })
            .await;
            let key = SigningKey::generate().unwrap().0;
            let boss = world.agent("boss").await;
            let aide = world.agent_with("aide", |new| new.public_key_pem = Some(key.public().to_pem())).await;
            let root = world.root(&boss, "read write").await.unwrap();
            let proof = assertion(&key, aide.record.identity.spiffe_id.as_str(), world.engine.now(), |_| {});
            let leaf = world.hop_by_assertion(&root, proof, "read").await.unwrap();
            for token in [&root, &leaf] {
                let jws = parse(token.access_token.expose()).unwrap();
                assert_eq!(jws.peek().header.alg, alg.as_str());
                assert!(verify(jws, &key_of(&world, token)).is_ok());
                assert!(world.is_active(token).await, "{alg}, always {always}");
            }
            // No other header, and no other byte.
            let text = leaf.access_token.expose();
            let (header, rest) = text.split_once('.').unwrap();
            let said = String::from_utf8(URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
            for other in
                ["none", "HS256", "ES256", "RS256", "EdDSA"].into_iter().filter(|it| *it != alg.as_str())
            {
                let forged = URL_SAFE_NO_PAD.encode(said.replace(alg.as_str(), other));
                let forged = format!("{forged}.{rest}");
                let answer = world.engine.introspect(&forged).await.unwrap();
                assert!(matches!(answer, zeroid_core::Introspection::Inactive), "{alg} as {other}");
            }
            // A planned rotation keeps them alive, an emergency does not.
            world.pass(360);
            world.engine.rotate_keys(Rotation::Planned, "rotation").await.unwrap();
            let after = world.root(&boss, "read").await.unwrap();
            assert_ne!(key_of(&world, &after), key_of(&world, &root));
            assert!(world.is_active(&root).await && world.is_active(&after).await);
            world.engine.revoke_token(root.access_token.expose()).await.unwrap();
            assert!(!world.is_active(&root).await && !world.is_active(&leaf).await);
            world.engine.rotate_keys(Rotation::Emergency, "stolen").await.unwrap();
            assert!(!world.is_active(&after).await);
            assert!(world.is_active(&world.root(&boss, "read").await.unwrap()).await);
        }
    }
}

#[tokio::test]
async fn another_algorithm_takes_effect_by_rotation() {
    let store = Arc::new(MemoryStore::new());
    let world = World::on(Arc::<MemoryStore>::clone(&store), |_| {}).await;
    let boss = world.agent("boss").await;
    let before = world.root(&boss, "x").await.unwrap();
    world.pass(7200);
    let later = world.replica_with(store, algorithm(SigningAlgorithm::Rs256), |_| {}).await.unwrap();
    assert_eq!(state_of(&later, KeyState::Next), [SigningAlgorithm::Es256], "opening changes nothing");
    later.engine.publish_next_key().await.unwrap();
    later.engine.publish_next_key().await.unwrap();
    assert_eq!(state_of(&later, KeyState::Next), [SigningAlgorithm::Es256, SigningAlgorithm::Rs256]);
    let es256 = later.root(&boss, "x").await.unwrap();
    assert_eq!(key_of(&later, &es256).algorithm(), SigningAlgorithm::Es256, "nothing else changes");
    assert!(later.engine.rotate_keys(Rotation::Planned, "too soon").await.is_err());
    later.pass(360);
    later.engine.rotate_keys(Rotation::Planned, "rotation").await.unwrap();
    let rs256 = later.root(&boss, "x").await.unwrap();
    assert_eq!(key_of(&later, &rs256).algorithm(), SigningAlgorithm::Rs256);
    assert_eq!(state_of(&later, KeyState::Next), [SigningAlgorithm::Rs256]);
    // The replica that was started before verifies what it has never seen, and what was signed before is good.
    for token in [&es256, &rs256] {
        assert!(world.is_active(token).await && later.is_active(token).await);
    }
    assert!(!later.is_active(&before).await, "its hour is over");
}

#[tokio::test]
async fn only_what_takes_long_leaves_the_thread() {
    for (alg, leaves) in
        [(SigningAlgorithm::Es256, 0), (SigningAlgorithm::EdDsa, 0), (SigningAlgorithm::Rs256, 10)]
    {
        let aside = Arc::new(Counted::default());
        let signing = Signing { offload: Arc::<Counted>::clone(&aside), ..algorithm(alg) };
        let world = World::with_signing(Arc::new(MemoryStore::new()), signing, |_| {}).await;
        let boss = world.agent("boss").await;
        let before = aside.run.load(Ordering::SeqCst);
        for _ in 0..10 {
            world.root(&boss, "x").await.unwrap();
        }
        assert_eq!(aside.run.load(Ordering::SeqCst) - before, leaves, "{alg}");
    }
}

/// A place of keys in memory that may be down.
#[derive(Default)]
struct Vault {
    keys: Mutex<HashMap<String, Vec<u8>>>,
    down: AtomicBool,
}

impl Vault {
    fn up(&self) -> Result<(), SignerError> {
        if self.down.load(Ordering::SeqCst) { Err(SignerError::new("it is down")) } else { Ok(()) }
    }
}

impl Signer for Vault {
    fn generate(&self, algorithm: SigningAlgorithm) -> Result<HeldKey, SignerError> {
        self.up()?;
        let (key, pkcs8) = SigningKey::generate_for(algorithm).map_err(SignerError::new)?;
        let reference = format!("vault:{}", key.kid());
        self.keys.lock().unwrap().insert(reference.clone(), pkcs8.to_vec());
        Ok(HeldKey { reference, public: key.public().clone() })
    }

    fn is_home_of(&self, reference: &str) -> bool {
        reference.starts_with("vault:")
    }

    fn sign(
        &self,
        reference: &str,
        algorithm: SigningAlgorithm,
        input: &[u8],
    ) -> Result<Vec<u8>, SignerError> {
        self.up()?;
        let keys = self.keys.lock().unwrap();
        let pkcs8 = keys.get(reference).ok_or_else(|| SignerError::new("no such key"))?;
        // The only input this place is asked to sign is that of a token: sign the same claims by the same key.
        let key = SigningKey::load(algorithm, pkcs8).map_err(SignerError::new)?;
        let (header, claims) = std::str::from_utf8(input).unwrap().split_once('.').unwrap();
        let header: serde_json::Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        let claims = URL_SAFE_NO_PAD.decode(claims).unwrap();
        let token = key.sign(header["typ"].as_str().unwrap(), &claims).map_err(SignerError::new)?;
        Ok(URL_SAFE_NO_PAD.decode(token.rsplit_once('.').unwrap().1).unwrap())
    }

    fn discard(&self, reference: &str) -> Result<(), SignerError> {
        self.keys.lock().unwrap().remove(reference);
        Ok(())
    }
}

fn in_vault(vault: &Arc<Vault>, aside: &Arc<Counted>) -> Signing {
    Signing {
        algorithm: SigningAlgorithm::Es256,
        place: KeyPlace::Elsewhere,
        signer: Some(Arc::<Vault>::clone(vault)),
        offload: Arc::<Counted>::clone(aside),
    }
}

#[tokio::test]
async fn a_place_that_fails_is_our_fault_and_nothing_is_stored_or_used_up() {
    let (vault, aside) = (Arc::new(Vault::default()), Arc::new(Counted::default()));
    let store = Arc::new(MemoryStore::new());
    let world = World::with_signing(store, in_vault(&vault, &aside), |_| {}).await;
    let key = SigningKey::generate().unwrap().0;
    let boss = world.agent("boss").await;
    let aide = world.agent_with("aide", |new| new.public_key_pem = Some(key.public().to_pem())).await;
    let root = world.root(&boss, "x").await.unwrap();
    let proof = assertion(&key, aide.record.identity.spiffe_id.as_str(), world.engine.now(), |_| {});
    let stored = async || {
        let mut total = 0;
        for agent in [&boss, &aide] {
            let (of, page) =
                (CredentialFilter::Identity(agent.record.identity.id), Page { limit: 9, offset: 0 });
            total += world.engine.credentials(&world.tenant, of, page).await.unwrap().total;
        }
        total
    };
    assert_eq!(stored().await, 1);
    for down in [true, false] {
        vault.down.store(down, Ordering::SeqCst);
        aside.full.store(!down, Ordering::SeqCst);
        for failed in [world.root(&boss, "x").await, world.hop_by_assertion(&root, proof.clone(), "x").await]
        {
            let error = failed.unwrap_err();
            assert_eq!(error.oauth_code(), None, "no code of the client's: {error}");
            let TokenError::Fault(fault) = error else { panic!("{error}") };
            assert!(matches!(fault, Fault::Signing(_)) && fault.is_passing(), "{fault}");
        }
        assert_eq!(stored().await, 1);
        assert!(world.is_active(&root).await, "what was signed is still good");
    }
    vault.down.store(false, Ordering::SeqCst);
    aside.full.store(false, Ordering::SeqCst);
    assert!(world.hop_by_assertion(&root, proof, "x").await.is_ok(), "the assertion was not used up");
}

#[tokio::test]
async fn keys_elsewhere_rotate_retire_and_are_left_behind() {
    let (vault, aside) = (Arc::new(Vault::default()), Arc::new(Counted::default()));
    let store = Arc::new(MemoryStore::new());
    let world =
        World::with_signing(Arc::<MemoryStore>::clone(&store), in_vault(&vault, &aside), |_| {}).await;
    let boss = world.agent("boss").await;
    assert!(world.engine.keys().iter().all(|key| key.reference.is_some()));
    let first = world.root(&boss, "x").await.unwrap();
    world.pass(360);
    vault.down.store(true, Ordering::SeqCst);
    let refused = world.engine.rotate_keys(Rotation::Planned, "rotation").await.unwrap_err();
    assert!(refused.to_string().contains("it is down"), "{refused}");
    vault.down.store(false, Ordering::SeqCst);
    world.engine.rotate_keys(Rotation::Planned, "rotation").await.unwrap();
    let second = world.root(&boss, "x").await.unwrap();
    assert_ne!(key_of(&world, &first), key_of(&world, &second));
    assert!(world.is_active(&first).await);

    // Without the place nobody starts: the reason names the key.
    let refused = world.replica_with(Arc::<MemoryStore>::clone(&store), Signing::default(), |_| {}).await;
    let Err(OpenError::Fault(refused)) = refused.map(drop) else { panic!("it started") };
    assert!(refused.to_string().contains("`vault:"), "{refused}");
    // Nor when the key is gone.
    let empty = Arc::new(Vault::default());
    let refused =
        world.replica_with(Arc::<MemoryStore>::clone(&store), in_vault(&empty, &aside), |_| {}).await;
    let Err(OpenError::Fault(refused)) = refused.map(drop) else { panic!("it started") };
    assert!(refused.to_string().contains("no such key"), "{refused}");

    // Leaving: the place goes on signing until a key of this process is published for long enough.
    let leaving = Signing { place: KeyPlace::Here, ..in_vault(&vault, &aside) };
    let leaving = world.replica_with(Arc::<MemoryStore>::clone(&store), leaving, |_| {}).await.unwrap();
    leaving.engine.publish_next_key().await.unwrap();
    leaving.pass(360);
    leaving.engine.rotate_keys(Rotation::Planned, "leaving").await.unwrap();
    let third = leaving.root(&boss, "x").await.unwrap();
    let gone = world.replica_with(store, Signing::default(), |_| {}).await.unwrap();
    for token in [&first, &second, &third] {
        assert!(gone.is_active(token).await && world.is_active(token).await);
    }
    // An emergency of a key elsewhere ends what it signed.
    let kid = parse(second.access_token.expose()).unwrap().peek().header.kid.clone().unwrap();
    gone.engine.retire_key(&kid, "leaked").await.unwrap();
    assert!(!gone.is_active(&second).await && gone.is_active(&third).await);
}

/// A stolen key is retired although the module hangs and every thread is taken.
#[tokio::test]
async fn an_emergency_does_not_wait_for_the_place() {
    let (vault, aside) = (Arc::new(Vault::default()), Arc::new(Counted::default()));
    let world = World::with_signing(Arc::new(MemoryStore::new()), in_vault(&vault, &aside), |_| {}).await;
    let boss = world.agent("boss").await;
    let token = world.root(&boss, "x").await.unwrap();
    vault.down.store(true, Ordering::SeqCst);
    aside.full.store(true, Ordering::SeqCst);
    world.engine.rotate_keys(Rotation::Emergency, "stolen").await.unwrap();
    assert!(!world.is_active(&token).await);
    assert_eq!(state_of(&world, KeyState::Next), [], "what follows could not be made");
    assert!(world.engine.publish_next_key().await.is_err());
    vault.down.store(false, Ordering::SeqCst);
    aside.full.store(false, Ordering::SeqCst);
    world.engine.publish_next_key().await.unwrap();
    assert_eq!(state_of(&world, KeyState::Next).len(), 1);
    assert!(world.is_active(&world.root(&boss, "x").await.unwrap()).await);
}

/// Lets another replica change the keys once, between the work and its being stored.
#[derive(Default)]
struct Meanwhile(Mutex<Option<Arc<World>>>);

impl Offload for Meanwhile {
    fn run(&self, work: Work, _: Duration) -> Offloaded<'_> {
        work();
        let other = self.0.lock().unwrap().take();
        Box::pin(async move {
            if let Some(other) = other {
                other.engine.rotate_keys(Rotation::Emergency, "stolen").await.unwrap();
            }
            Ok(())
        })
    }
}

#[tokio::test]
async fn a_key_made_for_a_change_that_came_too_late_is_destroyed() {
    let (vault, aside) = (Arc::new(Vault::default()), Arc::new(Counted::default()));
    let store = Arc::new(MemoryStore::new());
    let meanwhile = Arc::new(Meanwhile::default());
    let signing = Signing { offload: Arc::<Meanwhile>::clone(&meanwhile), ..in_vault(&vault, &aside) };
    let world = World::with_signing(Arc::<MemoryStore>::clone(&store), signing, |_| {}).await;
    let other = world.replica_with(store, in_vault(&vault, &aside), |_| {}).await.unwrap();
    assert_eq!(vault.keys.lock().unwrap().len(), 2);
    *meanwhile.0.lock().unwrap() = Some(Arc::new(other));
    world.pass(360);
    // The other's emergency takes the next key while this one's rotation is under way: what follows is too fresh.
    let refused = world.engine.rotate_keys(Rotation::Planned, "rotation").await.unwrap_err();
    assert!(refused.to_string().contains("360 s are needed"), "{refused}");
    world.engine.keep_keys().await.unwrap();
    assert_eq!(world.engine.keys().len(), 3);
    assert_eq!(vault.keys.lock().unwrap().len(), 3, "the key of the attempt that came too late is gone");
}
