//! OAuth clients: what is stored reads back, names are given once, and what ends a client ends what it was issued.

use serde_json::json;
use zeroid_storage::{
    ActorLookup, ClientChange, ClientRecord, Conflict, Guard, Issuance, Page, Spend, StoreError,
};
use zeroid_token_core::{ClientAuthMethod, CutOffKey, GrantType, Lineage, Link, Reason, ScopeSet, Source};

use crate::Shared;
use crate::fixtures::{
    at, client, client_id, hash, identity, identity_id, is_live, issuance, jti, link, ours, policy,
    policy_id, populated, record, scopes, theirs,
};

const ALL: Page = Page { limit: 100, offset: 0 };

fn by_client(client: &ClientRecord) -> ActorLookup {
    ActorLookup::Client(client.client_id.clone())
}

fn next(mut record: ClientRecord, cut_off: Option<&str>) -> ClientChange {
    record.version += 1;
    ClientChange { record, cut_off: cut_off.map(Reason::new), now: at(11) }
}

/// What issues the n-th credential to a client's identity, decided by facts read now.
async fn by(store: &Shared, client: &ClientRecord, number: u64) -> Issuance {
    let facts = store.root_facts(&by_client(client)).await.unwrap().expect("the client is bound");
    let presenter = u64::from(facts.actor.identity.identity.id.as_bytes()[15]);
    let source = Source::Client(client.id);
    let link = Link { source, ..link(&client.tenant, number, presenter, facts.order) };
    let guards = vec![Guard::Client(client.id, client.version)];
    Issuance { guards, ..issuance(record(Lineage::root_of(link)), facts.epoch) }
}

/// Every member, whichever are absent; and by its name, whatever the tenant.
pub async fn a_client_reads_back_exactly(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 1).await;
    let bare = ClientRecord {
        identity: None,
        auth_method: Some(ClientAuthMethod::PrivateKeyJwt),
        secret: None,
        jwks: Some(json!({"keys": [{"kty": "EC"}]})),
        jwks_uri: None,
        scopes: None,
        policy_id: None,
        is_active: false,
        ..client(&tenant, 2, None)
    };
    let rich = ClientRecord {
        policy_id: Some(policy_id(1)),
        scopes: Some(ScopeSet::nothing()),
        ..client(&tenant, 1, Some(identity_id(1)))
    };
    for client in [&rich, &bare] {
        store.create_client(client.clone()).await.unwrap();
        assert_eq!(store.client(&tenant, client.id).await.unwrap().as_ref(), Some(client));
        assert_eq!(store.client_by_name(&client.client_id).await.unwrap().as_deref(), Some(client));
    }
    let listed = store.clients(&tenant, ALL).await.unwrap();
    assert_eq!((listed.items, listed.total), (vec![bare.clone(), rich.clone()], 2), "newest first");
    let window = store.clients(&tenant, Page { limit: 1, offset: 1 }).await.unwrap();
    assert_eq!((window.items, window.total), (vec![rich.clone()], 2));

    let facts = store.root_facts(&by_client(&rich)).await.unwrap().unwrap();
    assert_eq!(*facts.actor.identity, identity(&tenant, 1, policy_id(1)));
    let (found, own) = facts.actor.client.clone().unwrap();
    assert_eq!((&*found, own.map(|policy| policy.id)), (&rich, Some(policy_id(1))));
    assert!(facts.actor.key.is_none());
    assert!(store.root_facts(&by_client(&bare)).await.unwrap().is_none(), "it is bound to nobody");
    assert!(store.root_facts(&by_client(&client(&tenant, 9, None))).await.unwrap().is_none());
    assert!(store.client_by_name(&client(&tenant, 9, None).client_id).await.unwrap().is_none());
    let external_id = identity(&tenant, 1, policy_id(1)).identity.external_id;
    let named = store.identity_by_external_id(&tenant, &external_id).await.unwrap();
    assert_eq!(named.map(|record| record.identity.id), Some(identity_id(1)));
    assert_eq!(store.identity_by_external_id(&theirs(), &external_id).await.unwrap(), None);
}

/// Over all tenants, also while another one holds it.
pub async fn a_client_name_is_given_once(store: Shared) {
    let first = client(&ours(), 1, None);
    store.create_client(first.clone()).await.unwrap();
    let second = ClientRecord { client_id: first.client_id.clone(), ..client(&theirs(), 2, None) };
    assert_eq!(store.create_client(second.clone()).await, Err(Conflict::ClientName.into()));
    assert_eq!(store.client(&theirs(), second.id).await.unwrap(), None);
    store.delete_client(&ours(), first.id, &Reason::new("x"), at(1)).await.unwrap();
    store.create_client(second.clone()).await.unwrap();
    assert_eq!(store.client_by_name(&first.client_id).await.unwrap().as_deref(), Some(&second));
}

/// References are checked within the tenant, at creation and at every change.
pub async fn a_client_refers_to_what_its_tenant_has(store: Shared) {
    let (ours, theirs) = (ours(), theirs());
    populated(&store, &ours, 1, 1).await;
    populated(&store, &theirs, 11, 11).await;
    let foreign = client(&ours, 1, Some(identity_id(11)));
    assert_eq!(store.create_client(foreign).await, Err(Conflict::NoSuchIdentity.into()));
    let foreign = ClientRecord { policy_id: Some(policy_id(11)), ..client(&ours, 1, None) };
    assert_eq!(store.create_client(foreign.clone()).await, Err(Conflict::NoSuchPolicy.into()));
    let good = ClientRecord { policy_id: Some(policy_id(1)), ..foreign };
    store.create_client(good.clone()).await.unwrap();
    let bound = |identity| next(ClientRecord { identity: Some(identity), ..good.clone() }, None);
    assert_eq!(store.change_client(bound(identity_id(11))).await, Err(Conflict::NoSuchIdentity.into()));
    store.change_client(bound(identity_id(1))).await.unwrap();
    assert_eq!(store.change_client(bound(identity_id(1))).await, Err(StoreError::Stale));
    assert!(store.root_facts(&by_client(&good)).await.unwrap().is_some(), "it is bound now");

    store.create_policy(policy(&ours, 2)).await.unwrap();
    let under = ClientRecord { policy_id: Some(policy_id(2)), ..client(&ours, 2, None) };
    store.create_client(under.clone()).await.unwrap();
    let in_use = Conflict::PolicyInUse { identities: 0, keys: 0, clients: 1 };
    assert_eq!(store.delete_policy(&ours, policy_id(2)).await, Err(in_use.into()));
    store.delete_client(&ours, under.id, &Reason::new("x"), at(1)).await.unwrap();
    store.delete_policy(&ours, policy_id(2)).await.unwrap();
}

/// A change that says so, and deleting, each with the client itself; one that does not leaves all alive.
pub async fn what_ends_a_client_ends_what_it_was_issued(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 1).await;
    let mut own = client(&tenant, 1, Some(identity_id(1)));
    store.create_client(own.clone()).await.unwrap();
    store.issue(by(&store, &own, 1).await).await.unwrap();
    let renamed = next(ClientRecord { name: "renamed".to_owned(), ..own.clone() }, None);
    own = renamed.record.clone();
    store.change_client(renamed).await.unwrap();
    assert!(is_live(&store, jti(1)).await);
    let rotated = next(ClientRecord { secret: Some(hash(77)), ..own.clone() }, Some("rotated"));
    own = rotated.record.clone();
    store.change_client(rotated).await.unwrap();
    let named = store.client_by_name(&own.client_id).await.unwrap().unwrap();
    assert_eq!(
        (named.secret, named.version),
        (Some(hash(77)), own.version),
        "what is remembered is no older"
    );
    assert!(!is_live(&store, jti(1)).await, "cut off by the change");

    store.issue(by(&store, &own, 2).await).await.unwrap();
    assert!(is_live(&store, jti(2)).await, "issued after it");
    let cut = CutOffKey::Client(own.id);
    store.cut_off(&tenant, &cut, &Reason::new("x"), at(12)).await.unwrap();
    store.issue(by(&store, &own, 3).await).await.unwrap();
    assert!(!is_live(&store, jti(2)).await && is_live(&store, jti(3)).await);
    store.delete_client(&tenant, own.id, &Reason::new("deleted"), at(13)).await.unwrap();
    assert!(!is_live(&store, jti(3)).await);
    assert!(store.root_facts(&by_client(&own)).await.unwrap().is_none());
    assert!(store.client_by_name(&own.client_id).await.unwrap().is_none());
    let gone = Err(StoreError::NotFound);
    assert_eq!(store.delete_client(&tenant, own.id, &Reason::new("x"), at(14)).await, gone);
    assert_eq!(store.change_client(next(own.clone(), None)).await, gone);
    assert_eq!(
        store.cut_off(&tenant, &cut, &Reason::new("x"), at(14)).await.err(),
        Some(StoreError::NotFound)
    );
}

/// What was decided by a client that changed, or is gone, is not stored.
pub async fn a_changed_client_refuses_an_issuance(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 1).await;
    let own = client(&tenant, 1, Some(identity_id(1)));
    store.create_client(own.clone()).await.unwrap();
    let decided = by(&store, &own, 1).await;
    let changed = next(ClientRecord { scopes: Some(scopes("a")), ..own.clone() }, None);
    let own = changed.record.clone();
    store.change_client(changed).await.unwrap();
    assert_eq!(store.issue(decided).await, Err(StoreError::Stale));
    let decided = by(&store, &own, 2).await;
    store.delete_client(&tenant, own.id, &Reason::new("x"), at(1)).await.unwrap();
    assert_eq!(store.issue(decided).await, Err(StoreError::Stale));
}

/// Without a credential too, and whichever way it was used first.
pub async fn something_spent_alone_is_used_once(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 1).await;
    let own = client(&tenant, 1, Some(identity_id(1)));
    store.create_client(own.clone()).await.unwrap();
    let spend = |number: u64| Spend { scope: "client".to_owned(), hash: hash(number), forget_at: at(60) };
    assert_eq!(store.spend_once(spend(1)).await, Ok(()));
    assert_eq!(store.spend_once(spend(1)).await, Err(StoreError::Spent));
    let with = |issuance: Issuance, spends| Issuance { spends, ..issuance };
    let both = with(by(&store, &own, 1).await, vec![spend(2), spend(1)]);
    assert_eq!(store.issue(both).await, Err(StoreError::Spent));
    let both = with(by(&store, &own, 2).await, vec![spend(2), spend(3)]);
    assert_eq!(store.issue(both).await, Ok(()), "the refused one used nothing up");
    assert_eq!(store.spend_once(spend(3)).await, Err(StoreError::Spent));
}

/// A client is its tenant's, but for its name.
pub async fn clients_are_seen_by_their_tenant_alone(store: Shared) {
    let (ours, theirs) = (ours(), theirs());
    let own = ClientRecord { grant_types: vec![GrantType::TokenExchange], ..client(&ours, 1, None) };
    store.create_client(own.clone()).await.unwrap();
    store.create_client(client(&theirs, 2, None)).await.unwrap();
    assert_eq!(store.client(&theirs, client_id(1)).await.unwrap(), None);
    assert_eq!(store.clients(&theirs, ALL).await.unwrap().total, 1);
    let reason = Reason::new("x");
    assert_eq!(store.delete_client(&theirs, client_id(1), &reason, at(1)).await, Err(StoreError::NotFound));
    let taken = next(ClientRecord { tenant: theirs.clone(), ..own.clone() }, None);
    assert_eq!(store.change_client(taken).await, Err(StoreError::NotFound));
    let cut = store.cut_off(&theirs, &CutOffKey::Client(client_id(1)), &reason, at(1)).await;
    assert_eq!(cut.err(), Some(StoreError::NotFound));
    assert_eq!(store.client(&ours, client_id(1)).await.unwrap(), Some(own));
}
