//! What is cut off issues nothing, and what came of it is dead.

use serde_json::json;
use zeroid_tests::{is_active, revoke};

use crate::asker::{Asker, GRANTS, Grant, Grid, Limits, refused};

/// A token by each grant, and a child of each by each exchange.
struct Family {
    grant: Grant,
    parent: String,
    children: Vec<(Grant, String)>,
}

fn families(grid: &Grid, asker: &Asker, next: &Asker) -> Vec<Family> {
    GRANTS
        .into_iter()
        .map(|grant| {
            let parent = grid.ask(grant, asker, json!({})).token();
            let child = |child| (child, grid.ask_for(child, next, &parent, json!({}), None).token());
            let children = Grant::exchanges().map(child).collect();
            Family { grant, parent, children }
        })
        .collect()
}

impl Family {
    /// Whether all of it is alive, or none of it.
    #[track_caller]
    fn lives(&self, grid: &Grid, expected: bool) {
        assert_eq!(is_active(&grid.client, &self.parent), expected, "{:?}", self.grant);
        for (child, token) in &self.children {
            assert_eq!(is_active(&grid.client, token), expected, "{child:?} of {:?}", self.grant);
        }
    }

    /// Nobody exchanges any of it any more.
    #[track_caller]
    fn is_barren(&self, grid: &Grid, next: &Asker) {
        let tokens = std::iter::once(&self.parent).chain(self.children.iter().map(|(_, token)| token));
        for token in tokens {
            for child in Grant::exchanges() {
                let late = grid.ask_for(child, next, token, json!({}), None);
                refused(&late, "invalid_grant", &format!("{child:?} below a dead {:?}", self.grant));
            }
        }
    }
}

#[test]
fn a_revoked_parent_takes_every_child_with_it_and_gets_no_more() {
    let grid = Grid::new(&[]);
    let (asker, next) = (grid.asker(&Limits::default()), grid.asker(&Limits::default()));
    for family in families(&grid, &asker, &next) {
        family.lives(&grid, true);
        revoke(&grid.client, &family.parent);
        family.lives(&grid, false);
        family.is_barren(&grid, &next);
    }
    // The root above an exchange takes both.
    for grant in Grant::exchanges() {
        let root = grid.root(json!({}));
        let token = grid.ask_for(grant, &asker, &root, json!({}), None).token();
        revoke(&grid.client, &root);
        assert!(!is_active(&grid.client, &token), "{grant:?}");
        let late = grid.ask_for(grant, &asker, &root, json!({}), None);
        refused(&late, "invalid_grant", &format!("{grant:?} of a revoked root"));
    }
}

#[test]
fn a_suspended_identity_gets_nothing_and_what_it_has_sleeps() {
    let grid = Grid::new(&[]);
    let (asker, next) = (grid.asker(&Limits::default()), grid.asker(&Limits::default()));
    let families = families(&grid, &asker, &next);
    let path = format!("/identities/{}", asker.id);
    let set = |status: &str| {
        let answer = grid.client.patch(&path, &json!({"status": status}));
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    set("suspended");
    for family in &families {
        family.lives(&grid, false);
        family.is_barren(&grid, &next);
        refused(&grid.ask(family.grant, &asker, json!({})), "invalid_grant", &format!("{:?}", family.grant));
    }
    set("active");
    families.iter().for_each(|family| family.lives(&grid, true));
    assert_eq!(grid.client.delete(&path).status, 200);
    for family in &families {
        family.lives(&grid, false);
        let answer = grid.ask(family.grant, &asker, json!({}));
        assert!(answer.json.get("access_token").is_none(), "{:?}: {answer:?}", family.grant);
        assert!([400, 401].contains(&answer.status), "{:?}: {answer:?}", family.grant);
    }
}

#[test]
fn a_revoked_key_ends_what_it_was_used_for_and_nothing_else() {
    let grid = Grid::new(&[]);
    let (asker, next) = (grid.asker(&Limits::default()), grid.asker(&Limits::default()));
    let families = families(&grid, &asker, &next);
    assert_eq!(grid.client.post(&format!("{}/revoke", asker.key_path), &json!({})).status, 200);
    for family in &families {
        let (cell, uses_key) = (format!("{:?}", family.grant), family.grant.uses_key());
        family.lives(&grid, !uses_key);
        let again = grid.ask(family.grant, &asker, json!({}));
        if uses_key {
            family.is_barren(&grid, &next);
            refused(&again, "invalid_grant", &cell);
        } else {
            assert_eq!(again.status, 200, "{cell}: {again:?}");
        }
    }
}

#[test]
fn a_deleted_client_ends_what_it_was_issued_and_nothing_else() {
    let grid = Grid::new(&[]);
    let (asker, next) = (grid.asker(&Limits::default()), grid.asker(&Limits::default()));
    let families = families(&grid, &asker, &next);
    assert_eq!(grid.client.delete(&asker.client_path).status, 200);
    for family in &families {
        let (cell, uses_client) = (format!("{:?}", family.grant), family.grant.uses_client());
        family.lives(&grid, !uses_client);
        let again = grid.ask(family.grant, &asker, json!({}));
        if uses_client {
            family.is_barren(&grid, &next);
            refused(&again, "invalid_client", &cell);
        } else {
            assert_eq!(again.status, 200, "{cell}: {again:?}");
        }
    }
}

#[test]
fn a_replaced_public_key_proves_nobody() {
    let grid = Grid::new(&[]);
    let asker = grid.asker(&Limits::default());
    let other = grid.asker(&Limits::default());
    let pem = grid.client.get(&format!("/identities/{}", other.id)).text("/public_key_pem");
    let replaced = grid.client.patch(&format!("/identities/{}", asker.id), &json!({"public_key_pem": pem}));
    assert_eq!(replaced.status, 200, "{replaced:?}");
    for grant in GRANTS {
        let answer = grid.ask(grant, &asker, json!({}));
        match grant {
            Grant::JwtBearer | Grant::ByAssertion => refused(&answer, "invalid_grant", &format!("{grant:?}")),
            _ => assert_eq!(answer.status, 200, "{grant:?}: {answer:?}"),
        }
    }
}
