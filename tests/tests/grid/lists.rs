//! What policies and lists say: lifetime, grants, scopes, trust, depth.

use serde_json::{Value, json};
use zeroid_tests::claims;

use crate::asker::{ALL, CLIENT, GRANTS, Grant, Grid, IDENTITY, KEY, Limits, refused};
use crate::restrictions::places;

/// A policy that permits everything but for `more`.
fn wide(more: Value) -> Value {
    let mut body = json!({"allowed_grant_types": ALL, "max_delegation_depth": 8});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// Each grant with each place where a policy counts for it.
fn cells() -> impl Iterator<Item = (Grant, usize, String)> {
    GRANTS.into_iter().flat_map(|grant| {
        places(grant).into_iter().map(move |place| (grant, place, format!("{grant:?} at {place}")))
    })
}

fn limited(place: usize, policy: Value) -> Limits {
    let mut limits = Limits::default();
    limits.policies[place] = Some(policy);
    limits
}

#[test]
fn a_policy_bounds_the_lifetime() {
    let grid = Grid::new(&[]);
    for (grant, place, cell) in cells() {
        let asker = grid.asker(&limited(place, wide(json!({"max_ttl_seconds": 45}))));
        let issued = grid.ask(grant, &asker, json!({}));
        assert_eq!(issued.status, 200, "{cell}: {issued:?}");
        assert_eq!(issued.json["expires_in"], 45, "{cell}");
        let told = claims(&issued.token());
        assert_eq!(told["exp"].as_i64().unwrap() - told["iat"].as_i64().unwrap(), 45, "{cell}");
    }
}

#[test]
fn a_policy_says_which_grants_there_are() {
    let grid = Grid::new(&[]);
    for (grant, place, cell) in cells() {
        let others: Vec<_> = ALL.into_iter().filter(|name| *name != grant.name()).collect();
        let asker = grid.asker(&limited(place, wide(json!({"allowed_grant_types": others}))));
        refused(&grid.ask(grant, &asker, json!({})), "policy_violation", &cell);
        let asker = grid.asker(&limited(place, wide(json!({"allowed_grant_types": [grant.name()]}))));
        assert_eq!(grid.ask(grant, &asker, json!({})).status, 200, "{cell}");
    }
    // A client's own list of grants stands beside its policy.
    for (grant, kept) in [(Grant::ClientCredentials, "api_key"), (Grant::ByClient, "client_credentials")] {
        let asker = grid.asker(&Limits::default());
        let narrowed = grid.client.patch(&asker.client_path, &json!({"grant_types": [kept]}));
        assert_eq!(narrowed.status, 200, "{narrowed:?}");
        refused(&grid.ask(grant, &asker, json!({})), "unauthorized_client", &format!("{grant:?}"));
    }
}

#[test]
fn a_policy_and_a_list_bound_the_scopes() {
    let grid = Grid::new(&[]);
    for (grant, place, cell) in cells() {
        let by_policy = limited(place, wide(json!({"allowed_scopes": ["read", "nhi:manage"]})));
        let mut by_list = Limits::default();
        let (body, member) = match place {
            IDENTITY => (&mut by_list.identity, "allowed_scopes"),
            KEY => (&mut by_list.key, "scopes"),
            CLIENT => (&mut by_list.client, "scopes"),
            other => panic!("no place {other}"),
        };
        body[member] = json!(["read"]);
        for limits in [&by_policy, &by_list] {
            let asker = grid.asker(limits);
            assert_eq!(grid.ask(grant, &asker, json!({})).text("/scope"), "read", "{cell} {limits:?}");
            let write = grid.ask(grant, &asker, json!({"scope": "write"}));
            refused(&write, "invalid_scope", &cell);
            // Nothing asked is what the list says, and of a token nothing (house rules X3, X13).
            let nothing = grid.ask(grant, &asker, json!({"scope": ""}));
            match grant.is_exchange() {
                true => refused(&nothing, "invalid_scope", &cell),
                false => assert_eq!(nothing.text("/scope"), "read", "{cell}"),
            }
        }
        // An empty list is nothing, and never no limit.
        let asker = grid.asker(&limited(place, wide(json!({"allowed_scopes": []}))));
        refused(&grid.ask(grant, &asker, json!({})), "invalid_scope", &format!("{cell}, an empty list"));
        // Two lists with nothing in common are nothing, too.
        let mut apart = limited(place, wide(json!({"allowed_scopes": ["read"]})));
        apart.identity["allowed_scopes"] = json!(["write"]);
        refused(&grid.ask(grant, &grid.asker(&apart), json!({})), "invalid_scope", &format!("{cell}, apart"));
    }
    for grant in GRANTS {
        let asker = grid.asker(&Limits::default());
        let managing = grid.ask(grant, &asker, json!({"scope": "nhi:manage"}));
        refused(&managing, "invalid_scope", &format!("{grant:?}: nobody lists it"));
        for beyond in Grant::exchanges() {
            let token = grid.ask(grant, &asker, json!({"scope": "read"})).token();
            let wider = grid.ask_for(beyond, &asker, &token, json!({"scope": "write"}), None);
            refused(&wider, "invalid_scope", &format!("{beyond:?} of {grant:?}: more than the parent has"));
        }
    }
}

#[test]
fn a_policy_asks_for_trust() {
    let grid = Grid::new(&[]);
    for (grant, place, cell) in cells() {
        let mut limits = limited(place, wide(json!({"required_trust_level": "verified_third_party"})));
        refused(&grid.ask(grant, &grid.asker(&limits), json!({})), "policy_violation", &cell);
        limits.identity["trust_level"] = json!("first_party");
        assert_eq!(grid.ask(grant, &grid.asker(&limits), json!({})).status, 200, "{cell}");
        // What nobody has attested is not attested.
        let attested = limited(place, wide(json!({"required_attestation": "software"})));
        refused(&grid.ask(grant, &grid.asker(&attested), json!({})), "policy_violation", &cell);
    }
}

#[test]
fn a_policy_bounds_the_depth_of_all_that_comes_of_it() {
    let grid = Grid::new(&[]);
    let deep = grid.asker(&limited(IDENTITY, wide(json!({}))));
    for (grant, place, cell) in cells() {
        let depth = u8::from(grant.is_exchange());
        let asker = grid.asker(&limited(place, wide(json!({"max_delegation_depth": depth}))));
        let token = grid.ask(grant, &asker, json!({})).token();
        assert_eq!(claims(&token)["max_delegation_depth"], depth, "{cell}");
        for child in Grant::exchanges() {
            let below = grid.ask_for(child, &deep, &token, json!({}), None);
            refused(&below, "invalid_scope", &format!("{child:?} of {cell}"));
            assert!(below.text("/error_description").contains("deep"), "{below:?}");
        }
        if grant.is_exchange() {
            let asker = grid.asker(&limited(place, wide(json!({"max_delegation_depth": 0}))));
            refused(&grid.ask(grant, &asker, json!({})), "invalid_scope", &cell);
        }
    }
}

#[test]
fn a_policy_that_is_off_or_over_issues_nothing() {
    let grid = Grid::new(&[]);
    for (grant, place, cell) in cells() {
        let asker = grid.asker(&limited(place, wide(json!({}))));
        let before = grid.ask(grant, &asker, json!({}));
        assert_eq!(before.status, 200, "{cell}: {before:?}");
        let path = match place {
            IDENTITY => format!("/identities/{}", asker.id),
            KEY => asker.key_path.clone(),
            _ => asker.client_path.clone(),
        };
        let policy = grid.client.get(&path).text("/credential_policy_id");
        let path = format!("/credential-policies/{policy}");
        assert_eq!(grid.client.patch(&path, &json!({"is_active": false})).status, 200);
        refused(&grid.ask(grant, &asker, json!({})), "policy_violation", &cell);
        let on = grid.client.patch(&path, &json!({"is_active": true}));
        assert_eq!(on.status, 200, "{on:?}");
        assert_eq!(grid.ask(grant, &asker, json!({})).status, 200, "{cell}");
    }
}
