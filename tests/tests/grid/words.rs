//! What a caller wants to be told of a token: by every grant, and by every child as it is.

use serde_json::{Value, json};
use zeroid_tests::{claims, introspect};

use crate::asker::{GRANTS, Grant, Grid, Limits, refused};

#[test]
fn additional_claims_are_taken_by_every_grant_and_kept_by_every_child() {
    let grid = Grid::new(&[]);
    let (asker, next) = (grid.asker(&Limits::default()), grid.asker(&Limits::default()));
    for grant in GRANTS {
        let token = grid.ask(grant, &asker, json!({"additional_claims": {"department": {"no": 7}}})).token();
        assert_eq!(claims(&token)["department"], json!({"no": 7}), "{grant:?}");
        let forged = json!({"additional_claims": {"mission_id": "forged"}});
        refused(&grid.ask(grant, &asker, forged), "invalid_request", &format!("{grant:?}"));
        for child in Grant::exchanges() {
            let cell = format!("{child:?} of {grant:?}");
            let ask =
                |said: Value| grid.ask_for(child, &next, &token, json!({"additional_claims": said}), None);
            let kept = ask(json!({"run": 1})).token();
            let seen = introspect(&grid.client, &kept).json;
            for told in [claims(&kept), seen] {
                assert_eq!((&told["department"], &told["run"]), (&json!({"no": 7}), &json!(1)), "{cell}");
            }
            for changed in [json!({"department": 7}), json!({"department": null}), json!({"sub": next.uri})] {
                refused(&ask(changed), "invalid_request", &cell);
            }
        }
    }
}
