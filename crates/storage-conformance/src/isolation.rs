//! Tenants do not see each other, and what is another's is answered like what is nobody's.

use zeroid_storage::{ApiKeyFilter, CredentialFilter, IdentityChange, Page, StoreError};
use zeroid_token_core::{CutOffKey, Reason};

use crate::Shared;
use crate::fixtures::{
    at, identity, identity_id, is_live, issued_root, jti, key_id, ours, policy_id, populated, theirs,
};

const ALL: Page = Page { limit: 100, offset: 0 };

/// The same numbers of things on both sides; each list shows one side.
pub async fn tenants_do_not_see_each_other(store: Shared) {
    let (ours, theirs) = (ours(), theirs());
    populated(&store, &ours, 1, 2).await;
    populated(&store, &theirs, 11, 13).await;
    issued_root(&store, &ours, 1, 1).await;
    for (tenant, count) in [(&ours, 2), (&theirs, 3)] {
        assert_eq!(store.identities(tenant, &Default::default(), ALL).await.unwrap().total, count);
        assert_eq!(store.api_keys(tenant, &ApiKeyFilter::default(), ALL, at(1)).await.unwrap().total, count);
        assert_eq!(store.policies(tenant, ALL).await.unwrap().total, 1);
        assert_eq!(store.facets(tenant).await.unwrap().statuses, [("active".to_owned(), count)]);
    }
    let of_ours = CredentialFilter::Identity(identity_id(1));
    assert_eq!(store.credentials(&theirs, of_ours, ALL).await.unwrap().total, 0);
    assert_eq!(store.credentials(&theirs, CredentialFilter::Mission(jti(1)), ALL).await.unwrap().total, 0);
    assert!(store.newest_key_prefixes(&theirs, &[identity_id(1)]).await.unwrap().is_empty());
}

/// Every verb by id.
pub async fn a_foreign_id_is_answered_like_an_unknown_one(store: Shared) {
    let (ours, theirs) = (ours(), theirs());
    populated(&store, &ours, 1, 1).await;
    populated(&store, &theirs, 11, 11).await;
    issued_root(&store, &ours, 1, 1).await;
    let reason = Reason::new("x");
    assert_eq!(store.identity(&theirs, identity_id(1)).await.unwrap(), None);
    let uri = identity(&ours, 1, policy_id(1)).identity.spiffe_id;
    assert_eq!(store.identity_by_spiffe_id(&theirs, &uri).await.unwrap(), None);
    assert_eq!(store.api_key(&theirs, key_id(1)).await.unwrap(), None);
    assert_eq!(store.policy(&theirs, policy_id(1)).await.unwrap(), None);
    assert_eq!(store.credential(&theirs, jti(1)).await.unwrap(), None);
    assert!(store.chain(&theirs, jti(1)).await.unwrap().is_none());
    assert_eq!(store.revoke_api_key(&theirs, key_id(1), &reason, at(1)).await, Err(StoreError::NotFound));
    assert_eq!(store.delete_policy(&theirs, policy_id(1)).await, Err(StoreError::NotFound));
    for key in
        [CutOffKey::Credential(jti(1)), CutOffKey::Identity(identity_id(1)), CutOffKey::ApiKey(key_id(1))]
    {
        assert_eq!(store.cut_off(&theirs, &key, &reason, at(1)).await, Err(StoreError::NotFound));
    }
    let mut record = identity(&ours, 1, policy_id(11));
    record.identity.tenant = theirs;
    record.version = 2;
    let change = IdentityChange {
        record,
        cut_off: None,
        revoke_keys: None,
        new_key: None,
        asked_with: None,
        now: at(1),
    };
    assert_eq!(store.change_identity(change).await, Err(StoreError::NotFound));
    assert!(is_live(&store, jti(1)).await);
}

/// The same owner, or the whole tenant, on the other side only.
pub async fn a_cut_off_stays_in_its_tenant(store: Shared) {
    let (ours, theirs) = (ours(), theirs());
    populated(&store, &ours, 1, 1).await;
    populated(&store, &theirs, 11, 11).await;
    issued_root(&store, &ours, 1, 1).await;
    issued_root(&store, &theirs, 2, 11).await;
    let owner = CutOffKey::Owner("owner-1@acme.example".parse().unwrap());
    for key in [owner, CutOffKey::Tenant] {
        store.cut_off(&theirs, &key, &Reason::new("x"), at(11)).await.unwrap();
    }
    assert!(is_live(&store, jti(1)).await && !is_live(&store, jti(2)).await);
}
