//! An agent's own key: who may set it, and what they must prove.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use support::{ISSUER, World, assertion};
use zeroid_core::{
    BearerRefused, IdentityPatch, Issued, NewOwnKey, OWN_KEY_PATH, OwnKeyError, Presentation,
    PresentationRefused, Registered,
};
use zeroid_identity_model::Status;
use zeroid_jose::{Secret, SigningKey};
use zeroid_storage::IdentityRecord;

fn key() -> SigningKey {
    SigningKey::generate().unwrap().0
}

/// A proof as the clients sign it; `change` edits its claims.
fn proof(world: &World, signer: &SigningKey, uri: &str, change: impl FnOnce(&mut Value, i64)) -> Secret {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let at = world.engine.now().unix_seconds();
    let jti = format!("jti-{}", NUMBER.fetch_add(1, Ordering::SeqCst));
    let aud = format!("{ISSUER}{OWN_KEY_PATH}");
    let mut claims = json!({"sub": uri, "aud": aud, "jti": jti, "iat": at, "exp": at + 60});
    change(&mut claims, at);
    Secret::new(signer.sign("JWT", claims.to_string().as_bytes()).unwrap())
}

struct Enrolling<'a> {
    world: &'a World,
    token: &'a Issued,
    uri: String,
}

impl Enrolling<'_> {
    fn request(&self, new: &SigningKey, current: Option<&SigningKey>) -> NewOwnKey {
        let nkt = new.public().spki_sha256();
        NewOwnKey {
            public_key_pem: new.public().to_pem(),
            new_key_proof: proof(self.world, new, &self.uri, |_, _| {}),
            current_key_proof: current
                .map(|current| proof(self.world, current, &self.uri, |claims, _| claims["nkt"] = json!(nkt))),
        }
    }

    async fn send(&self, request: NewOwnKey) -> Result<IdentityRecord, OwnKeyError> {
        self.world.engine.set_own_key(&Presentation::Bearer(self.token.access_token.expose()), request).await
    }

    async fn enrol(
        &self,
        new: &SigningKey,
        current: Option<&SigningKey>,
    ) -> Result<IdentityRecord, OwnKeyError> {
        self.send(self.request(new, current)).await
    }
}

fn enrolling<'a>(world: &'a World, agent: &Registered, token: &'a Issued) -> Enrolling<'a> {
    Enrolling { world, token, uri: agent.record.identity.spiffe_id.to_string() }
}

#[track_caller]
fn refused(outcome: Result<IdentityRecord, OwnKeyError>, member: &str, why: &str) {
    match outcome {
        Err(OwnKeyError::Proof { member: seen, why: said }) => {
            assert_eq!(seen, member, "{said}");
            assert!(said.contains(why), "{said}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_key_is_enrolled_replaced_and_used_at_once() {
    let world = World::new().await;
    let (agent, boss) = (world.agent("aide").await, world.agent("boss").await);
    let token = world.root(&agent, "x").await.unwrap();
    let enrolling = enrolling(&world, &agent, &token);
    let (first, second) = (key(), key());
    let record = enrolling.enrol(&first, None).await.unwrap();
    assert_eq!(record.identity.public_key_pem, Some(first.public().to_pem()));
    assert_eq!(record.identity.modified_by, enrolling.uri);

    let root = world.root(&boss, "x").await.unwrap();
    let acts = async |key: &SigningKey| {
        let assertion = assertion(key, &enrolling.uri, world.engine.now(), |_| {});
        world.hop_by_assertion(&root, assertion, "x").await.is_ok()
    };
    assert!(acts(&first).await);
    enrolling.enrol(&second, Some(&first)).await.unwrap();
    assert!(acts(&second).await);
    assert!(!acts(&first).await);
}

#[tokio::test]
async fn the_current_key_must_agree() {
    let world = World::new().await;
    let agent = world.agent("aide").await;
    let token = world.root(&agent, "x").await.unwrap();
    let enrolling = enrolling(&world, &agent, &token);
    let (current, new, other) = (key(), key(), key());
    refused(enrolling.enrol(&new, Some(&current)).await, "current_key_proof", "no key is enrolled");
    enrolling.enrol(&current, None).await.unwrap();
    refused(enrolling.enrol(&new, None).await, "current_key_proof", "must agree");
    refused(enrolling.enrol(&new, Some(&other)).await, "current_key_proof", "signature");
    // An agreement to another key.
    let mut request = enrolling.request(&new, Some(&current));
    request.current_key_proof = enrolling.request(&other, Some(&current)).current_key_proof;
    refused(enrolling.send(request).await, "current_key_proof", "nkt");
    // A proof of the new key is no agreement, even by the current one.
    let mut request = enrolling.request(&new, None);
    request.current_key_proof = Some(proof(&world, &current, &enrolling.uri, |_, _| {}));
    refused(enrolling.send(request).await, "current_key_proof", "nkt");
    enrolling.enrol(&new, Some(&current)).await.unwrap();
}

#[tokio::test]
async fn a_proof_that_is_wrong_anywhere_is_refused() {
    type Edit = fn(&mut Value, i64);
    let edits: &[(&str, Edit)] = &[
        ("aud", |claims, _| claims["aud"] = json!(ISSUER)),
        ("aud", |claims, _| {
            claims["aud"] = json!([format!("{ISSUER}{OWN_KEY_PATH}"), "https://other.example"])
        }),
        ("aud", |claims, _| drop(claims.as_object_mut().unwrap().remove("aud"))),
        ("sub", |claims, _| claims["sub"] = json!("spiffe://id.example/acme/prod/agent/other")),
        ("sub", |claims, _| drop(claims.as_object_mut().unwrap().remove("sub"))),
        ("jti", |claims, _| drop(claims.as_object_mut().unwrap().remove("jti"))),
        ("jti", |claims, _| claims["jti"] = json!("")),
        ("jti", |claims, _| claims["jti"] = json!("x".repeat(513))),
        ("iat", |claims, _| drop(claims.as_object_mut().unwrap().remove("iat"))),
        ("exp", |claims, _| drop(claims.as_object_mut().unwrap().remove("exp"))),
        ("exp", |claims, at| claims["exp"] = json!(at)),
        ("exp", |claims, at| claims["exp"] = json!(at + 121)),
        ("exp", |claims, at| {
            claims["iat"] = json!(at + 50);
            claims["exp"] = json!(at + 49)
        }),
        ("exp", |claims, _| {
            claims["iat"] = json!(i64::MIN);
            claims["exp"] = json!(i64::MAX)
        }),
        ("iat", |claims, at| {
            claims["iat"] = json!(at + 100);
            claims["exp"] = json!(at + 160)
        }),
        ("nbf", |claims, at| claims["nbf"] = json!(at + 100)),
    ];
    let world = World::new().await;
    let agent = world.agent("aide").await;
    let token = world.root(&agent, "x").await.unwrap();
    let enrolling = enrolling(&world, &agent, &token);
    let new = key();
    for (at, (claim, edit)) in edits.iter().enumerate() {
        let mut request = enrolling.request(&new, None);
        request.new_key_proof = proof(&world, &new, &enrolling.uri, edit);
        let outcome = enrolling.send(request).await;
        assert!(
            matches!(&outcome, Err(OwnKeyError::Proof { member: "new_key_proof", .. })),
            "{at}: {outcome:?}"
        );
        refused(outcome, "new_key_proof", claim);
    }
    let mut request = enrolling.request(&new, None);
    request.new_key_proof = proof(&world, &key(), &enrolling.uri, |_, _| {});
    refused(enrolling.send(request).await, "new_key_proof", "signature");
    let mut request = enrolling.request(&new, None);
    request.public_key_pem = "no key".to_owned();
    assert!(matches!(enrolling.send(request).await, Err(OwnKeyError::Key(_))));
    assert_eq!(world.engine.identity(&world.tenant, agent.record.identity.id).await.unwrap(), agent.record);
    enrolling.enrol(&new, None).await.unwrap();
}

#[tokio::test]
async fn a_proof_is_used_once_and_a_refused_call_uses_none_up() {
    let world = World::new().await;
    let agent = world.agent("aide").await;
    let token = world.root(&agent, "x").await.unwrap();
    let enrolling = enrolling(&world, &agent, &token);
    let (first, second) = (key(), key());
    let used = enrolling.request(&first, None).new_key_proof;
    let request = |current: Option<Secret>| NewOwnKey {
        public_key_pem: first.public().to_pem(),
        new_key_proof: used.clone(),
        current_key_proof: current,
    };
    let no_agreement = Some(enrolling.request(&first, Some(&second)).current_key_proof.unwrap());
    refused(enrolling.send(request(no_agreement)).await, "current_key_proof", "no key");
    enrolling.send(request(None)).await.unwrap();
    enrolling.enrol(&second, Some(&first)).await.unwrap();
    // Back to the first key by its old proof: the current key agrees, and the proof is spent.
    let agreement = enrolling.request(&first, Some(&second)).current_key_proof;
    refused(enrolling.send(request(agreement)).await, "new_key_proof", "used before");
    enrolling.enrol(&first, Some(&second)).await.unwrap();
}

#[tokio::test]
async fn only_a_live_token_of_its_own_sets_a_key() {
    let world = World::new().await;
    let (boss, aide) = (world.agent("boss").await, world.agent("aide").await);
    let root = world.root(&boss, "x y").await.unwrap();
    for delegated in
        [world.hop(&root, &aide, "x").await.unwrap(), world.hop(&root, &boss, "x").await.unwrap()]
    {
        let holder = if delegated.claims.delegation_depth == 0 { &boss } else { &aide };
        let outcome = enrolling(&world, holder, &delegated).enrol(&key(), None).await;
        assert!(matches!(outcome, Err(OwnKeyError::NotItsOwn)), "{outcome:?}");
    }
    // A token of somebody else names its own identity, whatever the proofs say.
    let other =
        Enrolling { uri: aide.record.identity.spiffe_id.to_string(), ..enrolling(&world, &boss, &root) };
    refused(other.enrol(&key(), None).await, "new_key_proof", "sub");

    world.engine.revoke_token(root.access_token.expose()).await.unwrap();
    let invalid = |outcome| {
        matches!(
            outcome,
            Err(OwnKeyError::Presented(PresentationRefused::Bearer(BearerRefused::InvalidToken)))
        )
    };
    assert!(invalid(enrolling(&world, &boss, &root).enrol(&key(), None).await));
    let token = world.root(&aide, "x").await.unwrap();
    let patch = IdentityPatch { status: Some(Status::Suspended), ..IdentityPatch::default() };
    world.engine.patch_identity(&world.tenant, aide.record.identity.id, patch).await.unwrap();
    assert!(invalid(enrolling(&world, &aide, &token).enrol(&key(), None).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_first_enrolments_at_once_one_stands() {
    let world = World::new().await;
    let agent = world.agent("aide").await;
    let token = world.root(&agent, "x").await.unwrap();
    let enrolling = enrolling(&world, &agent, &token);
    let keys: Vec<SigningKey> = (0..8).map(|_| key()).collect();
    let outcomes = std::thread::scope(|scope| {
        let threads: Vec<_> = keys
            .iter()
            .map(|key| {
                let (enrolling, handle) = (&enrolling, tokio::runtime::Handle::current());
                scope.spawn(move || handle.block_on(enrolling.enrol(key, None)))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let winners: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
    assert_eq!(winners.len(), 1);
    let stored = world.engine.identity(&world.tenant, agent.record.identity.id).await.unwrap();
    assert_eq!(Some(&&stored), winners.first());
    for outcome in outcomes.into_iter().filter(Result::is_err) {
        refused(outcome, "current_key_proof", "must agree");
    }
}
