//! Whatever ends, ends what comes of it: an identity, a key, a parent.

use serde_json::json;
use zeroid_identity_model::Timestamp;
use zeroid_tests::{claims, is_active};

use crate::asker::{ALL, GRANTS, Grant, Grid, Limits, now, refused};

fn exp(token: &str) -> i64 {
    claims(token)["exp"].as_i64().unwrap()
}

fn at(seconds: i64) -> serde_json::Value {
    json!(Timestamp::from_unix_seconds(seconds))
}

#[test]
fn nothing_outlives_its_identity() {
    let grid = Grid::new(&[]);
    let (end, soon) = (now() + 100, now() + 4);
    let mut limits = Limits::default();
    limits.identity["expires_at"] = at(end);
    let bounded = grid.asker(&limits);
    limits.identity["expires_at"] = at(soon);
    let ending = grid.asker(&limits);
    let mut last = Vec::new();
    for grant in GRANTS {
        assert_eq!(exp(&grid.ask(grant, &bounded, json!({})).token()), end, "{grant:?}");
        last.push(grid.ask(grant, &ending, json!({})).token());
    }
    while now() <= soon {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    for (grant, token) in GRANTS.into_iter().zip(last) {
        assert!(!is_active(&grid.client, &token), "{grant:?}");
        refused(&grid.ask(grant, &ending, json!({})), "invalid_grant", &format!("{grant:?}"));
    }
}

#[test]
fn nothing_outlives_its_key() {
    const LONG: &str = "172800"; // Two days; a key lives at least one.
    let settings = [("ZEROID_TOKEN_TTL_SECONDS", LONG), ("ZEROID_DELEGATED_TTL_SECONDS", LONG)];
    let grid = Grid::new(&settings);
    let mut limits = Limits::default();
    limits.key["expires_in_days"] = json!(1);
    let asker = grid.asker(&limits);
    let end = exact(&grid.client.get(&asker.key_path).text("/expires_at"));
    for grant in GRANTS {
        let issued = exp(&grid.ask(grant, &asker, json!({})).token());
        if grant.uses_key() {
            assert_eq!(issued, end, "{grant:?}");
        } else {
            assert!(issued > end, "{grant:?} uses no key");
        }
    }
}

fn exact(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap().unix_seconds()
}

#[test]
fn nothing_outlives_its_parent() {
    let grid = Grid::new(&[("ZEROID_DELEGATED_TTL_SECONDS", "3600")]);
    let mut limits = Limits::default();
    limits.policies[0] = Some(json!({
        "max_ttl_seconds": 5, "max_delegation_depth": 4,
        "allowed_grant_types": ALL,
    }));
    let (short, long) = (grid.asker(&limits), grid.asker(&Limits::default()));
    let mut ended = Vec::new();
    for grant in GRANTS {
        let parent = grid.ask(grant, &short, json!({})).token();
        for child in Grant::exchanges() {
            let token = grid.ask_for(child, &long, &parent, json!({}), None).token();
            assert!(exp(&token) <= exp(&parent), "{child:?} of {grant:?}");
        }
        ended.push((grant, parent));
    }
    let last = ended.iter().map(|(_, parent)| exp(parent)).max().unwrap();
    while now() <= last {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    for (grant, parent) in ended {
        for child in Grant::exchanges() {
            let late = grid.ask_for(child, &long, &parent, json!({}), None);
            refused(&late, "invalid_grant", &format!("{child:?} of an ended {grant:?}"));
        }
    }
}
