//! Every way `decide` and `live` refuse, one row each: what was wrong, and what the client reads.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod case;

use zeroid_identity_model::{ApiKeyId, ClientId, DelegationRouteId, IdentityId, Status, Tenant, TrustLevel};
use zeroid_token_core::limits::{MAX_DEPTH, MAX_LINKS};
use zeroid_token_core::{
    ActorProof, AttestationLevel, Audience, ClientCaps, CutOff, CutOffKey, Dead, DelegationRoute, GrantType,
    LiveFacts, NoRoute, OAuthCode, Order, Policy, ProvenKey, Reason, Refusal, ScopeSet, Standing, live,
};

use case::{Case, at, identity, policy, scopes};

#[test]
fn what_is_not_refused() {
    let root = Case::root().decide().unwrap();
    assert_eq!(root.record.usable, scopes("read write"));
    assert_eq!(root.record.expires_at, at(3600));
    let leaf = Case::exchange().decide().unwrap();
    assert_eq!((leaf.record.delegation_depth(), leaf.record.expires_at), (1, at(300)));
    assert_eq!(leaf.record.mission_id(), root.record.jti());
}

#[test]
fn who_may_not_act() {
    use OAuthCode::InvalidGrant;
    for status in [Status::Pending, Status::Suspended, Status::Deactivated] {
        Case::root().with(|case| case.identity.status = status).refuses(InvalidGrant, status.as_str());
    }
    Case::root().with(|case| case.identity.expires_at = Some(at(0))).refuses(InvalidGrant, "expired");
    Case::root().with(|case| case.key_expires_at = Some(at(0))).refuses(InvalidGrant, "credential_expired");
    let foreign = Case::exchange().with(|case| case.identity.tenant = Tenant::new("acme", "test").unwrap());
    assert_eq!(foreign.refuses(InvalidGrant, "tenant"), Refusal::ForeignActor);
}

#[test]
fn whom_may_act_does_not_name() {
    let named = |name: &str| vec![identity(name, 7).spiffe_id];
    let hop = |list| Case::root().with(|case| case.asked.may_act = Some(list)).delegated("aide", 2);
    assert!(hop(named("aide")).decide().is_ok());
    hop(named("other")).refuses(OAuthCode::InvalidGrant, "may_act");
    hop(Vec::new()).refuses(OAuthCode::InvalidGrant, "may_act");
    // The presenter itself only narrows what is its own.
    let own = hop(named("other")).with(|case| case.identity = identity("boss", 1));
    assert_eq!(own.decide().unwrap().record.delegation_depth(), 0);
}

fn proven(thumbprint: &str) -> ProvenKey {
    ProvenKey { thumbprint: thumbprint.parse().unwrap(), jti: "once".to_owned(), iat: 0 }
}

#[test]
fn a_bound_token_wants_its_proof() {
    use OAuthCode::InvalidDpopProof;
    let key = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
    let bound = || {
        let root = Case::root().with(|case| case.asked.proven_key = Some(proven(key)));
        root.delegated("aide", 2)
    };
    bound().refuses(InvalidDpopProof, "no proof");
    bound().with(|case| case.proof = ActorProof::Assertion).refuses(InvalidDpopProof, "no proof");
    let with_proof = bound().with(|case| case.asked.proven_key = Some(proven(key)));
    assert_eq!(with_proof.decide().unwrap().record.confirmation, Some(key.parse().unwrap()));
}

#[test]
fn how_deep_is_too_deep() {
    let deep = Case::root().with(|case| case.policy.max_delegation_depth = 1).delegated("aide", 2);
    let refusal = deep.delegated("third", 3).refuses(OAuthCode::InvalidScope, "2 deep, at most 1");
    assert_eq!(refusal, Refusal::ChainTooDeep { depth: 2, cap: 1 });
    // The longest chain there is, by policies that allow it, and then not one hop more.
    let allow = |case: &mut Case| case.policy.max_delegation_depth = u8::MAX;
    let mut chain = Case::root().with(allow);
    for hop in 1..=MAX_DEPTH {
        chain = chain.delegated(&format!("hop-{hop}"), hop + 1).with(allow);
    }
    assert_eq!(chain.decide().unwrap().record.delegation_depth(), MAX_DEPTH);
    chain.delegated("last", 99).with(allow).refuses(OAuthCode::InvalidScope, "17 deep, at most 16");
}

#[test]
fn narrowing_is_no_hop_but_ends_somewhere() {
    let mut own = Case::root();
    for _ in 1..MAX_LINKS {
        own = own.delegated("boss", 1);
    }
    assert_eq!(own.decide().unwrap().record.delegation_depth(), 0);
    own.delegated("boss", 1).refuses(OAuthCode::InvalidRequest, "links");
}

#[test]
fn a_client_limits_what_it_asks_for_and_is_named() {
    let list: &'static ScopeSet = Box::leak(Box::new(scopes("read")));
    let client = ClientCaps {
        id: ClientId::from_bytes([8; 16]),
        name: "web-app",
        scopes: Some(list),
        policy: None,
        ttl_seconds: Some(60),
    };
    let by_client = |case: Case| case.with(|case| case.client = Some(client.clone()));
    let root = by_client(Case::root()).decide().unwrap();
    assert_eq!((root.record.usable.clone(), root.record.expires_at), (scopes("read"), at(60)));
    assert_eq!(root.claims.client_id, "web-app");
    let cut: Vec<_> = root.record.lineage.own().cut_off_keys().collect();
    assert!(
        cut.contains(&CutOffKey::Client(client.id))
            && cut.contains(&CutOffKey::ApiKey(ApiKeyId::from_bytes([9; 16]))),
        "{cut:?}"
    );
    let write = by_client(Case::root()).with(|case| case.asked.scopes = Some(scopes("write")));
    write.refuses(OAuthCode::InvalidScope, "not in the client's scopes");
    // A long lifetime is meant for the client's roots, a short one for all it asks for.
    let long = |case: Case| case.with(|case| case.client.as_mut().unwrap().ttl_seconds = Some(2000));
    assert_eq!(long(by_client(Case::root())).decide().unwrap().record.expires_at, at(2000));
    assert_eq!(long(by_client(Case::exchange())).decide().unwrap().record.expires_at, at(300));
    let leaf = by_client(Case::exchange()).decide().unwrap();
    assert_eq!((leaf.record.expires_at, leaf.claims.client_id.as_str()), (at(60), "web-app"));
}

#[test]
fn what_a_policy_forbids() {
    use OAuthCode::PolicyViolation;
    let forbids = |says: &str, change: fn(&mut Policy)| {
        Case::root().with(|case| change(&mut case.policy)).refuses(PolicyViolation, says);
        let by_key = Case::root().with(|case| case.key_policy = Some(policy()));
        by_key.with(|case| change(case.key_policy.as_mut().unwrap())).refuses(PolicyViolation, says);
    };
    forbids("not active", |policy| policy.is_active = false);
    forbids("expired", |policy| policy.expires_at = Some(at(0)));
    forbids("`api_key` is not allowed", |policy| policy.allowed_grant_types.clear());
    forbids("trust level", |policy| policy.required_trust_level = Some(TrustLevel::FirstParty));
    forbids("`platform` is required", |policy| {
        policy.required_attestation = Some(AttestationLevel::Platform);
    });
    let longer = Case::root().with(|case| case.asked.ttl_seconds = Some(3601));
    longer.refuses(PolicyViolation, "3601 s asked for, at most 3600 s");
    let attested = Case::root().with(|case| {
        case.policy.required_attestation = Some(AttestationLevel::Platform);
        case.attestation = Some(AttestationLevel::Hardware);
    });
    assert!(attested.decide().is_ok());
    let no_exchange = Case::exchange().with(|case| {
        case.policy.allowed_grant_types.remove(&GrantType::TokenExchange);
    });
    no_exchange.refuses(PolicyViolation, "token_exchange");
}

#[test]
fn which_side_refused_a_scope() {
    let refused = |case: Case, side: &str| {
        let says = format!("`read` is {side}");
        case.with(|case| case.asked.scopes = Some(scopes("read"))).refuses(OAuthCode::InvalidScope, &says);
    };
    let other = || Some(scopes("other"));
    refused(Case::root().with(|case| case.allowed = other()), "not in the identity's allowed_scopes");
    refused(Case::root().with(|case| case.allowed = Some(ScopeSet::nothing())), "not in the identity's");
    refused(
        Case::root().with(|case| case.policy.allowed_scopes = other()),
        "not in the identity's credential policy",
    );
    refused(Case::root().with(|case| case.key_scopes = other()), "not in the key's scopes");
    let by_key = Policy { allowed_scopes: other(), ..policy() };
    refused(Case::root().with(|case| case.key_policy = Some(by_key)), "not in the key's credential policy");
    let narrow = Case::root().with(|case| case.asked.scopes = other()).delegated("aide", 2);
    refused(narrow, "not held by the subject token");
    let manage = Case::root().with(|case| case.asked.scopes = Some(scopes("nhi:manage")));
    manage.refuses(OAuthCode::InvalidScope, "a management scope");
    for asked in [None, Some(ScopeSet::nothing())] {
        Case::exchange().with(|case| case.asked.scopes = asked).refuses(OAuthCode::InvalidScope, "required");
    }
}

#[test]
fn a_resource_outside_the_parents() {
    let audience = |text: &str| Some(Audience::asked_for(vec![text.to_owned()]).unwrap());
    let hop = |text| {
        let root = Case::root().with(|case| case.asked.audience = audience("https://a.example"));
        root.delegated("aide", 2).with(|case| case.asked.audience = audience(text))
    };
    assert!(hop("https://a.example").decide().is_ok());
    hop("https://b.example").refuses(OAuthCode::InvalidTarget, "https://b.example");
}

#[test]
fn why_a_credential_is_dead() {
    let record = Case::exchange().decide().unwrap().record;
    let boss = record.lineage.root().identity;
    let facts = |status, expires_at| {
        let mut facts = LiveFacts::default();
        for link in record.lineage.links() {
            facts.standings.push(Standing { identity: link.identity, status, expires_at });
        }
        facts
    };
    assert!(live(&record, &facts(Status::Active, None), at(0)).is_ok());
    assert_eq!(live(&record, &facts(Status::Active, None), at(300)).unwrap_err(), Dead::Expired);
    assert!(live(&record, &facts(Status::Active, None), at(299)).is_ok());
    let suspended = live(&record, &facts(Status::Suspended, None), at(0)).unwrap_err();
    assert!(matches!(suspended, Dead::Identity { identity, .. } if identity == boss), "{suspended}");
    let ended = live(&record, &facts(Status::Active, Some(at(10))), at(10)).unwrap_err();
    assert!(matches!(ended, Dead::Identity { .. }), "{ended}");
    let unknown = live(&record, &LiveFacts::default(), at(0)).unwrap_err();
    assert_eq!(unknown, Dead::Unknown { identity: boss });
    let mut cut = facts(Status::Active, None);
    cut.cut_offs.push(CutOff {
        tenant: Some(record.tenant().clone()),
        key: CutOffKey::Identity(boss),
        up_to: Some(Order(1)),
        at: at(0),
        reason: Reason::new("test"),
    });
    let dead = live(&record, &cut, at(0)).unwrap_err();
    assert!(matches!(dead, Dead::CutOff(_)), "{dead}");
    assert_eq!(Refusal::from(dead).oauth_code(), OAuthCode::InvalidGrant);
}

/// A route from the boss to the aide, that lives as long as the test.
fn route(change: impl FnOnce(&mut DelegationRoute)) -> &'static DelegationRoute {
    let mut route = DelegationRoute {
        id: DelegationRouteId::from_bytes([7; 16]),
        from: IdentityId::from_bytes([1; 16]),
        to: IdentityId::from_bytes([2; 16]),
        scopes: scopes("read"),
        max_ttl_seconds: 60,
    };
    change(&mut route);
    Box::leak(Box::new(route))
}

#[test]
fn a_route_leads_only_where_it_leads() {
    let by = |route| Case::exchange().with(|case| case.proof = ActorProof::Route(route));
    let plan = by(route(|_| {})).decide().unwrap();
    assert_eq!((plan.record.expires_at, plan.claims.actor_proof.as_deref()), (at(60), Some("policy")));
    assert_eq!(plan.record.route(), Some(DelegationRouteId::from_bytes([7; 16])));
    let elsewhere = IdentityId::from_bytes([3; 16]);
    for off in [route(|route| route.from = elsewhere), route(|route| route.to = elsewhere)] {
        assert_eq!(by(off).refuses(OAuthCode::InvalidGrant, "does not lead"), Refusal::OffRoute);
    }
    let other = route(|route| route.scopes = scopes("write"));
    by(other).refuses(OAuthCode::InvalidScope, "not in the scopes of the delegation route");
    by(route(|route| route.max_ttl_seconds = 9_999))
        .with(|case| case.asked.ttl_seconds = Some(301))
        .refuses(OAuthCode::PolicyViolation, "at most 300 s");
    // Nobody proved to be the actor, so a bound token wants a proof of its own key.
    let bound = Case::root()
        .with(|case| case.asked.proven_key = Some(proven("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")));
    let bound = bound.delegated("aide", 2).with(|case| case.proof = ActorProof::Route(route(|_| {})));
    bound.refuses(OAuthCode::InvalidDpopProof, "no proof");
}

#[test]
fn one_route_covers_or_none() {
    let parent = Case::root().decide().unwrap().record;
    let wide = route(|route| route.scopes = scopes("read write"));
    let cover = |routes: &[&DelegationRoute], asked: &str| {
        let asked = Some(scopes(asked));
        DelegationRoute::covering(routes.iter().copied(), &parent, asked.as_ref())
            .map(|found| found.scopes.clone())
    };
    let narrow = route(|_| {});
    assert_eq!(cover(&[narrow, wide], "read write"), Ok(scopes("read write")));
    assert_eq!(cover(&[narrow, wide], "read"), Err(NoRoute::Ambiguous(2)));
    assert_eq!(cover(&[narrow], "write"), Err(NoRoute::Uncovered));
    assert_eq!(cover(&[narrow], ""), Err(NoRoute::Refused(Refusal::ScopeMissing)));
    assert_eq!(cover(&[], ""), Err(NoRoute::Uncovered));
    let from_another = route(|route| route.from = IdentityId::from_bytes([9; 16]));
    assert_eq!(cover(&[from_another], "read"), Err(NoRoute::Uncovered));
    let flat = Case::root().with(|case| case.policy.max_delegation_depth = 0).decide().unwrap().record;
    let deep = DelegationRoute::covering([narrow], &flat, Some(&scopes("read")));
    assert_eq!(deep, Err(NoRoute::Refused(Refusal::ChainTooDeep { depth: 1, cap: 0 })));
}
