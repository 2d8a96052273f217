//! Delegation routes: what is stored reads back, joins what its tenant has, and ends with its deletion.

use zeroid_identity_model::{DelegationRouteId, Tenant};
use zeroid_storage::{
    Conflict, DelegationRouteRecord, Guard, Issuance, MAX_ROUTES_FROM_ONE, Page, StoreError,
};
use zeroid_token_core::{CredentialRecord, DelegationRoute, Link, Source};

use crate::Shared;
use crate::fixtures::{
    at, by_key, identity_id, is_live, issuance, issued_root, jti, link, ours, populated, record, scopes,
    theirs,
};

const ALL: Page = Page { limit: 100, offset: 0 };

fn route_id(number: u64) -> DelegationRouteId {
    let mut bytes = [6; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    DelegationRouteId::from_bytes(bytes)
}

/// The n-th route, between two identities.
fn route(tenant: &Tenant, number: u64, from: u64, to: u64) -> DelegationRouteRecord {
    DelegationRouteRecord {
        tenant: tenant.clone(),
        route: DelegationRoute {
            id: route_id(number),
            from: identity_id(from),
            to: identity_id(to),
            scopes: scopes("a b"),
            max_ttl_seconds: 120,
        },
        description: "by night — “quoted”".to_owned(),
        created_at: at(i64::try_from(number).unwrap()),
        created_by: "dev@acme.example".to_owned(),
    }
}

/// By its id, in lists, and from where it begins.
pub async fn a_route_reads_back_exactly(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 3).await;
    let (first, second, other) = (route(&tenant, 1, 1, 2), route(&tenant, 2, 1, 3), route(&tenant, 3, 2, 3));
    for one in [&first, &second, &other] {
        store.create_delegation_route(one.clone()).await.unwrap();
        let read = store.delegation_route(&tenant, one.route.id).await.unwrap();
        assert_eq!(read.as_ref(), Some(one));
    }
    let listed = store.delegation_routes(&tenant, ALL).await.unwrap();
    assert_eq!(listed.items, [other.clone(), second.clone(), first.clone()], "newest first");
    let window = store.delegation_routes(&tenant, Page { limit: 1, offset: 1 }).await.unwrap();
    assert_eq!((window.items, window.total), (vec![second.clone()], 3));
    let from = store.delegation_routes_from(&tenant, identity_id(1)).await.unwrap();
    assert_eq!(from.routes, [first.route, second.route]);
    let from = store.delegation_routes_from(&tenant, identity_id(3)).await.unwrap();
    assert!(from.routes.is_empty());
    assert_eq!(store.delegation_route(&tenant, route_id(9)).await.unwrap(), None);
}

/// Both of its ends.
pub async fn a_route_joins_what_its_tenant_has(store: Shared) {
    let (ours, theirs) = (ours(), theirs());
    populated(&store, &ours, 1, 1).await;
    populated(&store, &theirs, 11, 11).await;
    let made = store.create_delegation_route(route(&ours, 1, 11, 1)).await;
    assert_eq!(made, Err(Conflict::NoSuchFrom.into()));
    let made = store.create_delegation_route(route(&ours, 1, 1, 11)).await;
    assert_eq!(made, Err(Conflict::NoSuchTo.into()));
    assert_eq!(store.delegation_routes(&ours, ALL).await.unwrap().total, 0);
}

/// A bound on what one exchange has to read, and on nobody else's routes.
pub async fn routes_from_one_identity_are_bounded(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 2).await;
    let most = MAX_ROUTES_FROM_ONE as u64;
    for number in 0..most {
        store.create_delegation_route(route(&tenant, number, 1, 2)).await.unwrap();
    }
    let more = store.create_delegation_route(route(&tenant, most, 1, 2)).await;
    assert_eq!(more, Err(Conflict::TooManyRoutes.into()));
    store.create_delegation_route(route(&tenant, most, 2, 1)).await.unwrap();
    store.delete_delegation_route(&tenant, route_id(0)).await.unwrap();
    store.create_delegation_route(route(&tenant, most + 1, 1, 2)).await.unwrap();
}

/// What makes the n-th credential by a route, decided by what is read now.
async fn by(store: &Shared, parent: &CredentialRecord, number: u64, route: &DelegationRoute) -> Issuance {
    let tenant = parent.tenant();
    let routes = store.delegation_routes_from(tenant, route.from).await.unwrap();
    assert!(routes.routes.contains(route));
    let facts = store.exchange_facts(parent.jti(), &by_key(2)).await.unwrap();
    let own = Link { source: Source::Route(route.id), ..link(tenant, number, 2, facts.order) };
    let child = record(parent.lineage.extended(own).unwrap());
    let guards = vec![Guard::DelegationRoute(route.id)];
    Issuance { guards, ..issuance(child, facts.epoch.min(routes.epoch)) }
}

/// Whatever was decided before it went.
pub async fn a_deleted_route_refuses_an_issuance_and_leaves_what_it_made(store: Shared) {
    let tenant = ours();
    populated(&store, &tenant, 1, 2).await;
    let root = issued_root(&store, &tenant, 1, 1).await;
    let own = route(&tenant, 1, 1, 2);
    store.create_delegation_route(own.clone()).await.unwrap();
    store.issue(by(&store, &root, 2, &own.route).await).await.unwrap();
    let stored = store.credential_facts(jti(2)).await.unwrap().unwrap();
    assert_eq!(stored.record.route(), Some(own.route.id), "the credential keeps what decided it");
    let decided = by(&store, &root, 3, &own.route).await;
    store.delete_delegation_route(&tenant, own.route.id).await.unwrap();
    assert_eq!(store.issue(decided).await, Err(StoreError::Stale));
    assert!(is_live(&store, jti(2)).await);
    assert_eq!(store.delegation_route(&tenant, own.route.id).await.unwrap(), None);
    assert!(store.delegation_routes_from(&tenant, own.route.from).await.unwrap().routes.is_empty());
    let again = store.delete_delegation_route(&tenant, own.route.id).await;
    assert_eq!(again, Err(StoreError::NotFound));
}

/// Every verb.
pub async fn routes_are_seen_by_their_tenant_alone(store: Shared) {
    let (ours, theirs) = (ours(), theirs());
    populated(&store, &ours, 1, 2).await;
    populated(&store, &theirs, 11, 12).await;
    let own = route(&ours, 1, 1, 2);
    store.create_delegation_route(own.clone()).await.unwrap();
    store.create_delegation_route(route(&theirs, 2, 11, 12)).await.unwrap();
    let id = own.route.id;
    assert_eq!(store.delegation_route(&theirs, id).await.unwrap(), None);
    assert_eq!(store.delegation_routes(&theirs, ALL).await.unwrap().total, 1);
    assert!(store.delegation_routes_from(&theirs, own.route.from).await.unwrap().routes.is_empty());
    assert_eq!(store.delete_delegation_route(&theirs, id).await, Err(StoreError::NotFound));
    assert_eq!(store.delegation_route(&ours, id).await.unwrap(), Some(own));
}
