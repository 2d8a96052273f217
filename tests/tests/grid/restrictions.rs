//! What a token is bound to: a key, a resource, who may act for it.

use serde_json::{Value, json};
use zeroid_tests::{claims, introspect};

use crate::asker::{ALL, CLIENT, GRANTS, Grant, Grid, IDENTITY, KEY, Limits, Prover, refused};

#[test]
fn a_key_binds_what_is_issued_with_its_proof_and_every_child() {
    let grid = Grid::new(&[]);
    let asker = grid.asker(&Limits::default());
    let next = grid.asker(&Limits::default());
    for grant in GRANTS {
        let prover = Prover::new();
        let bound = json!({"jkt": prover.thumbprint()});
        let subject = if grant.is_exchange() { grid.root(json!({})) } else { String::new() };
        let token = grid.ask_for(grant, &asker, &subject, json!({}), Some(&prover));
        assert_eq!(token.text("/token_type"), "DPoP", "{grant:?}");
        assert_eq!(claims(&token.token())["cnf"], bound, "{grant:?}");
        for child in Grant::exchanges() {
            let cell = format!("{child:?} of {grant:?}");
            let ask = |prover| grid.ask_for(child, &next, &token.token(), json!({}), prover);
            assert_eq!(claims(&ask(Some(&prover)).token())["cnf"], bound, "{cell}, by the key");
            let (other, without) = (Prover::new(), ask(None));
            let by_other = ask(Some(&other));
            if child == Grant::ByKey {
                // A key that anybody may have copied proves no actor's own key.
                refused(&without, "invalid_dpop_proof", &cell);
                refused(&by_other, "invalid_dpop_proof", &cell);
            } else {
                let own = json!({"jkt": next.prover.thumbprint()});
                assert_eq!(claims(&without.token())["cnf"], own, "{cell}, by the actor's own key");
                assert_eq!(claims(&by_other.token())["cnf"], json!({"jkt": other.thumbprint()}), "{cell}");
            }
        }
    }
}

#[test]
fn a_resource_binds_what_is_issued_for_it_and_every_child() {
    let grid = Grid::new(&[]);
    let (asker, next) = (grid.asker(&Limits::default()), grid.asker(&Limits::default()));
    let (here, there) = ("https://api.example/here", "https://api.example/there");
    for grant in GRANTS {
        let token = grid.ask(grant, &asker, json!({"resource": [here, there]}));
        assert_eq!(claims(&token.token())["aud"], json!([here, there]), "{grant:?}");
        for child in Grant::exchanges() {
            let cell = format!("{child:?} of {grant:?}");
            let ask = |more: Value| grid.ask_for(child, &next, &token.token(), more, None);
            assert_eq!(claims(&ask(json!({})).token())["aud"], json!([here, there]), "{cell}");
            let narrower = ask(json!({"resource": here})).token();
            assert_eq!(claims(&narrower)["aud"], json!([here]), "{cell}");
            for name in ["resource", "audience"] {
                for outside in ["https://api.example/", "https://other.example", grid.client.base.as_str()] {
                    refused(&ask(json!({name: outside})), "invalid_target", &format!("{cell}, {outside}"));
                    refused(&ask(json!({name: [here, outside]})), "invalid_target", &cell);
                }
            }
            // One hop further, narrowed stays narrow.
            let wider = grid.ask_for(child, &asker, &narrower, json!({"resource": there}), None);
            refused(&wider, "invalid_target", &cell);
        }
    }
}

#[test]
fn may_act_binds_what_a_policy_says_it_of_and_every_child() {
    let grid = Grid::new(&[]);
    let (named, other) = (grid.asker(&Limits::default()), grid.asker(&Limits::default()));
    let list = json!({
        "may_act": [named.uri], "max_delegation_depth": 4,
        "allowed_grant_types": ALL,
    });
    for grant in GRANTS {
        for place in places(grant) {
            let mut limits = Limits::default();
            limits.policies[place] = Some(list.clone());
            let asker = grid.asker(&limits);
            let token = grid.ask(grant, &asker, json!({})).token();
            assert_eq!(claims(&token)["may_act"], json!([{"sub": named.uri}]), "{grant:?} at {place}");
            for child in Grant::exchanges() {
                let cell = format!("{child:?} of {grant:?} at {place}");
                refused(&grid.ask_for(child, &other, &token, json!({}), None), "invalid_grant", &cell);
                let passed = grid.ask_for(child, &named, &token, json!({}), None).token();
                let told = introspect(&grid.client, &passed).json;
                assert_eq!(told["may_act"], json!([{"sub": named.uri}]), "{cell}");
                // What was inherited still says who may act.
                refused(&grid.ask_for(child, &other, &passed, json!({}), None), "invalid_grant", &cell);
                // Whoever presents it may always narrow it.
                let own = grid.ask_for(child, &asker, &token, json!({"scope": "read"}), None).token();
                assert_eq!(claims(&own)["scope"], "read", "{cell}");
                assert_eq!(claims(&own)["may_act"], json!([{"sub": named.uri}]), "{cell}");
            }
        }
    }
}

/// Where a policy counts for a grant.
pub(crate) fn places(grant: Grant) -> Vec<usize> {
    let key = grant.uses_key().then_some(KEY);
    let client = grant.uses_client().then_some(CLIENT);
    std::iter::once(IDENTITY).chain(key).chain(client).collect()
}
