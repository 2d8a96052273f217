//! Cut-offs: what they cover, what they leave, and what they refuse.

use zeroid_identity_model::Status;
use zeroid_storage::{Guard, IdentityChange, StoreError};
use zeroid_token_core::{CutOffKey, Dead, Reason};

use crate::Shared;
use crate::fixtures::{
    api_key, at, by_key, identity_id, is_live, issuance, issued_child, issued_root, jti, judged_child,
    key_id, link, ours, policy, policy_id, populated, record, signing_key, theirs,
};

fn why(text: &str) -> Reason {
    Reason::new(text).by("ops")
}

/// What came before is dead, what comes after is not.
pub async fn a_bounded_cut_off_covers_what_came_before(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 2).await;
    issued_root(&store, &tenant, 1, 1).await;
    let other = issued_root(&store, &tenant, 2, 2).await;
    let cut = store.cut_off(&tenant, &CutOffKey::Identity(identity_id(1)), &why("x"), at(11)).await.unwrap();
    assert!(cut.up_to.is_some());
    issued_root(&store, &tenant, 3, 1).await;
    assert!(!is_live(&store, jti(1)).await);
    assert!(is_live(&store, other.jti()).await && is_live(&store, jti(3)).await);
    for key in
        [CutOffKey::Identity(identity_id(9)), CutOffKey::ApiKey(key_id(9)), CutOffKey::Credential(jti(9))]
    {
        assert_eq!(store.cut_off(&tenant, &key, &why("x"), at(1)).await, Err(StoreError::NotFound));
    }
}

/// What the first covered keeps its moment and reason.
pub async fn a_later_cut_off_leaves_the_earlier_one(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 1).await;
    issued_root(&store, &tenant, 1, 1).await;
    let key = CutOffKey::ApiKey(key_id(1));
    let first = store.cut_off(&tenant, &key, &why("first"), at(11)).await.unwrap();
    issued_root(&store, &tenant, 2, 1).await;
    let second = store.cut_off(&tenant, &key, &why("second"), at(12)).await.unwrap();
    assert!(second.up_to > first.up_to);
    let by = |view: Option<zeroid_storage::CredentialView>| view.unwrap().revoked_by.unwrap();
    assert_eq!(by(store.credential(&tenant, jti(1)).await.unwrap()), first);
    assert_eq!(by(store.credential(&tenant, jti(2)).await.unwrap()), second);
}

/// A second call changes nothing and gives the first.
pub async fn a_credential_is_cut_once_and_for_ever(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 1).await;
    issued_root(&store, &tenant, 1, 1).await;
    let key = CutOffKey::Credential(jti(1));
    let first = store.cut_off(&tenant, &key, &why("first"), at(11)).await.unwrap();
    assert_eq!(first.up_to, None);
    assert_eq!(store.cut_off(&tenant, &key, &why("second"), at(12)).await.unwrap(), first);
    assert!(!is_live(&store, jti(1)).await);
}

/// The chain and the lists show, for every link below, the cut-off that killed it.
pub async fn a_chain_shows_where_it_was_cut(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 3).await;
    let root = issued_root(&store, &tenant, 1, 1).await;
    let middle = issued_child(&store, &root, 2, 2).await.unwrap();
    issued_child(&store, &middle, 3, 3).await.unwrap();
    let cut = store.cut_off(&tenant, &CutOffKey::Credential(jti(2)), &why("leaked"), at(11)).await.unwrap();
    let chain = store.chain(&tenant, jti(3)).await.unwrap().unwrap();
    let jtis: Vec<_> = chain.credentials.iter().map(|view| view.record.jti()).collect();
    assert_eq!(jtis, [jti(1), jti(2), jti(3)]);
    let by: Vec<_> = chain.credentials.iter().map(|view| view.revoked_by.clone()).collect();
    assert_eq!(by, [None, Some(cut.clone()), Some(cut)]);
    let identities: Vec<_> = chain.identities.iter().map(|record| record.identity.id).collect();
    assert_eq!(identities, [identity_id(1), identity_id(2), identity_id(3)]);
}

/// A signing key belongs to no tenant.
pub async fn a_signing_key_is_cut_in_every_tenant(store: Shared) {
    let (ours, theirs) = (ours(), theirs());
    populated(&store, &ours, 1, 1).await;
    populated(&store, &theirs, 2, 2).await;
    issued_root(&store, &ours, 1, 1).await;
    issued_root(&store, &theirs, 2, 2).await;
    let kid = CutOffKey::SigningKey("kid-1".parse().unwrap());
    assert_eq!(store.cut_off(&ours, &kid, &why("x"), at(1)).await, Err(StoreError::NotFound));
    let keys = store.first_signing_keys(vec![signing_key(1)]).await.unwrap();
    let cut = [("kid-1".parse().unwrap(), why("stolen"))];
    store.change_signing_keys(&keys, vec![signing_key(2)], &cut, at(11)).await.unwrap();
    assert!(!is_live(&store, jti(1)).await && !is_live(&store, jti(2)).await);
    let facts = store.root_facts(&by_key(1)).await.unwrap().unwrap();
    let late = record(zeroid_token_core::Lineage::root_of(link(&ours, 5, 1, facts.order)));
    let refused = store.issue(issuance(late, facts.epoch)).await;
    assert!(matches!(refused, Err(StoreError::Dead(_))), "nothing it signs ever lives again: {refused:?}");
}

/// Owners and tenants need no row of their own.
pub async fn an_owner_and_a_tenant_are_cut_off(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 2).await;
    issued_root(&store, &tenant, 1, 1).await;
    issued_root(&store, &tenant, 2, 2).await;
    let owner = CutOffKey::Owner("owner-1@acme.example".parse().unwrap());
    store.cut_off(&tenant, &owner, &why("left"), at(11)).await.unwrap();
    assert!(!is_live(&store, jti(1)).await && is_live(&store, jti(2)).await);
    store.cut_off(&tenant, &CutOffKey::Tenant, &why("all"), at(12)).await.unwrap();
    assert!(!is_live(&store, jti(2)).await);
    issued_root(&store, &tenant, 3, 1).await;
    assert!(is_live(&store, jti(3)).await, "a new beginning");
}

/// Below a dead link nothing is stored, and what would be born dead neither.
pub async fn a_dead_chain_takes_no_child(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 2).await;
    let root = issued_root(&store, &tenant, 1, 1).await;
    let judged_before = judged_child(&store, &root, 2, 2).await.unwrap();
    store.cut_off(&tenant, &CutOffKey::Credential(jti(1)), &why("x"), at(11)).await.unwrap();
    let refused = store.issue(judged_before).await.unwrap_err();
    assert!(matches!(refused, StoreError::Dead(dead) if matches!(*dead, Dead::CutOff(_))));
    assert!(store.credential_facts(jti(2)).await.unwrap().is_none());
    // An order drawn before the cut-off is covered by it, even when the credential is stored after.
    let facts = store.root_facts(&by_key(2)).await.unwrap().unwrap();
    store.cut_off(&tenant, &CutOffKey::Identity(identity_id(2)), &why("x"), at(12)).await.unwrap();
    let late = record(zeroid_token_core::Lineage::root_of(link(&tenant, 3, 2, facts.order)));
    assert!(matches!(store.issue(issuance(late, facts.epoch)).await, Err(StoreError::Dead(_))));
    assert!(store.credential_facts(jti(3)).await.unwrap().is_none());
}

/// Facts that changed since they were read must be read again.
pub async fn a_changed_fact_refuses_an_issuance(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 1).await;
    let attempt = |guard| {
        let store = store.clone();
        let tenant = tenant.clone();
        async move {
            let facts = store.root_facts(&by_key(1)).await.unwrap().unwrap();
            let fresh = record(zeroid_token_core::Lineage::root_of(link(&tenant, 1, 1, facts.order)));
            let mut changed = policy(&tenant, 1);
            changed.policy.version = facts.actor.policy.version + 1;
            store.change_policy(changed).await.unwrap();
            store
                .issue(zeroid_storage::Issuance { guards: vec![guard], ..issuance(fresh, facts.epoch) })
                .await
        }
    };
    assert_eq!(attempt(Guard::Policy(policy_id(1), 1)).await, Err(StoreError::Stale));
    assert_eq!(attempt(Guard::Identity(identity_id(1), 7)).await, Err(StoreError::Stale));
    assert_eq!(attempt(Guard::ApiKey(key_id(7))).await, Err(StoreError::Stale));
    assert_eq!(attempt(Guard::Identity(identity_id(1), 1)).await, Ok(()));
}

/// Deactivating cuts off, revokes the keys and stores the new one, as one.
pub async fn a_change_brings_its_cut_offs_and_keys(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 1).await;
    issued_root(&store, &tenant, 1, 1).await;
    let mut changed = store.identity(&tenant, identity_id(1)).await.unwrap().unwrap();
    changed.version = 2;
    changed.identity.status = Status::Suspended;
    let change = IdentityChange {
        record: changed.clone(),
        cut_off: Some(why("stopped")),
        revoke_keys: Some(why("rotated")),
        new_key: Some(api_key(&tenant, 2, identity_id(1))),
        asked_with: None,
        now: at(11),
    };
    store.change_identity(change).await.unwrap();
    assert_eq!(store.identity(&tenant, identity_id(1)).await.unwrap(), Some(changed.clone()));
    let old = store.api_key(&tenant, key_id(1)).await.unwrap().unwrap();
    assert_eq!((old.updated_at, old.revoked.unwrap().reason), (at(11), why("rotated")));
    assert!(store.api_key(&tenant, key_id(2)).await.unwrap().unwrap().revoked.is_none());
    let facts = store.credential_facts(jti(1)).await.unwrap().unwrap();
    assert_eq!(facts.live.cut_offs.len(), 2, "the identity's and the key's");
    changed.version = 3;
    changed.identity.status = Status::Active;
    let back = IdentityChange {
        record: changed,
        cut_off: None,
        revoke_keys: None,
        new_key: None,
        asked_with: None,
        now: at(12),
    };
    store.change_identity(back).await.unwrap();
    assert!(!is_live(&store, jti(1)).await, "what was cut off stays dead");
}

/// Revoking a key kills what it minted, once.
pub async fn a_revoked_key_cuts_what_it_minted(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 1).await;
    issued_root(&store, &tenant, 1, 1).await;
    let cut = store.revoke_api_key(&tenant, key_id(1), &why("leaked"), at(11)).await.unwrap();
    assert_eq!(cut.key, CutOffKey::ApiKey(key_id(1)));
    assert!(!is_live(&store, jti(1)).await);
    assert_eq!(store.revoke_api_key(&tenant, key_id(1), &why("x"), at(12)).await, Err(StoreError::NotFound));
    let facts = store.root_facts(&by_key(1)).await.unwrap().unwrap();
    assert!(facts.actor.key.as_ref().unwrap().0.revoked.is_some(), "a revoked key is told as such");
}
