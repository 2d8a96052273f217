//! What is read back of a caller's claims: from the bytes of the token, and never in our place.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use support::{World, asked};
use zeroid_core::{ExchangeGrant, Introspection, Issued, Registered};
use zeroid_identity_model::CredentialId;
use zeroid_jose::{MasterKey, Secret};
use zeroid_storage::{ActorLookup, CredentialDigest, CredentialStore, Issuance, MemoryStore};
use zeroid_token_core::{AdditionalClaims, CredentialRecord, Lineage};

/// A token as a server of another release would have issued it: stored with its digest, whatever is in it.
async fn issued_elsewhere(
    store: &MemoryStore,
    like: &Issued,
    agent: &Registered,
    number: u8,
    additional: &Value,
) -> Secret {
    let jti = CredentialId::from_bytes([number; 16]);
    let parts: Vec<&str> = like.access_token.expose().split('.').collect();
    let mut claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    claims["jti"] = json!(jti);
    claims.as_object_mut().unwrap().extend(additional.as_object().unwrap().clone());
    let token = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(claims.to_string()), parts[2]);
    let uri = agent.record.identity.spiffe_id.clone();
    let facts = store.root_facts(&ActorLookup::Spiffe(uri)).await.unwrap().unwrap();
    let mut link = like.record.lineage.own().clone();
    (link.jti, link.order) = (jti, facts.order);
    let record = CredentialRecord {
        lineage: Lineage::try_from(vec![link]).unwrap(),
        additional: serde_json::from_value::<AdditionalClaims>(additional.clone()).unwrap(),
        ..CredentialRecord::clone(&like.record)
    };
    let digest = MasterKey::from_bytes([7; 32]).unwrap().token_digest(&token);
    let issuance = Issuance {
        now: record.issued_at(),
        record: Arc::new(record),
        digest: CredentialDigest(*digest.as_bytes()),
        guards: Vec::new(),
        epoch: facts.epoch,
        spends: Vec::new(),
    };
    store.issue(issuance).await.unwrap();
    Secret::new(token)
}

#[tokio::test]
async fn a_name_that_became_ours_is_not_read_as_our_word() {
    let store = Arc::new(MemoryStore::new());
    let world = World::on(store.clone(), |_| {}).await;
    let agent = world.agent("agent").await;
    let root = world.root(&agent, "a").await.unwrap();
    let cases = [
        (json!({"department": "billing"}), true),
        (json!({"links": "forged"}), false),
        (json!({"department": "billing", "principal_type": "person"}), false),
    ];
    for (number, (additional, good)) in (1..).zip(cases) {
        let token = issued_elsewhere(&store, &root, &agent, number, &additional).await;
        match world.engine.introspect(token.expose()).await.unwrap() {
            Introspection::Active(token) if good => {
                assert_eq!(json!(token.claims.additional), additional, "as the bytes say it");
            }
            Introspection::Inactive if !good => {}
            other => panic!("{additional}: {other:?}"),
        }
        let grant = ExchangeGrant {
            subject_token: token,
            actor_token: None,
            api_key: Some(agent.api_key.clone()),
            client: None,
            asked: asked("a"),
            typ: None,
        };
        match world.engine.exchange(grant).await {
            Ok(child) if good => assert_eq!(json!(child.record.additional), additional),
            Err(refused) if !good => assert!(refused.to_string().contains("additional_claims"), "{refused}"),
            other => panic!("{additional}: {other:?}"),
        }
    }
}
