//! Delegation routes at the edge: made, shown, used without a proof, deleted.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::{Value, json};
use zeroid_tests::{EXCHANGE, Server, claims, introspect, is_active, issue, register};

const PATH: &str = "/delegation-routes";

#[test]
fn a_route_is_made_used_and_deleted() {
    let server = Server::start();
    let client = server.client();
    let boss = register(&client, "boss", json!({}));
    let aide = register(&client, "aide", json!({}));
    let root = issue(&client, &boss.api_key, "read write").token();
    let follow = |scope: &str| {
        let body = json!({"grant_type": EXCHANGE, "subject_token": root, "scope": scope});
        client.post("/oauth2/token", &body)
    };
    let off = follow("read");
    assert_eq!((off.status, off.text("/error")), (400, "invalid_request".to_owned()), "{off:?}");

    let body = json!({"from_identity_id": boss.id, "to_identity_id": aide.id, "scopes": ["read"], "max_ttl_seconds": 60, "description": "by night"});
    let made = client.post(PATH, &body);
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.text("/id");
    for (name, value) in body.as_object().unwrap() {
        assert_eq!(&made.json[name], value, "{name}");
    }
    assert_eq!(client.get(&format!("{PATH}/{id}")).json, made.json);
    let listed = client.get(PATH).json;
    assert_eq!((&listed["delegation_routes"], &listed["total"]), (&json!([made.json]), &json!(1)));

    let leaf = follow("read");
    assert_eq!(leaf.json["expires_in"], json!(60), "{leaf:?}");
    let (leaf, told) = (leaf.token(), claims(&leaf.token()));
    assert_eq!((&told["sub"], &told["act"]["sub"]), (&json!(aide.uri), &json!(boss.uri)));
    assert_eq!(told["actor_proof"], json!("policy"));
    assert_eq!(introspect(&client, &leaf).json["actor_proof"], json!("policy"));
    let jti = told["jti"].as_str().unwrap();
    let stored = client.get(&format!("/credentials/{jti}")).json;
    assert_eq!((&stored["actor_proof"], &stored["delegation_route_id"]), (&json!("policy"), &json!(id)));
    let edges = client.get(&format!("/delegations/by-jti/{jti}")).json["edges"].clone();
    assert_eq!((&edges[0]["actor_proof"], &edges[1]["actor_proof"]), (&Value::Null, &json!("policy")));

    assert_eq!(client.delete(&format!("{PATH}/{id}")).status, 204);
    assert_eq!(client.delete(&format!("{PATH}/{id}")).status, 404);
    assert_eq!(client.get(&format!("{PATH}/{id}")).status, 404);
    assert_eq!(follow("read").text("/error"), "invalid_request");
    assert!(is_active(&client, &leaf), "what it made lives until its end");
}

#[test]
fn a_route_belongs_to_its_tenant_and_is_made_by_managers() {
    let server = Server::start();
    let (ours, theirs) = (server.client(), server.client().tenant("theirs", "prod"));
    let (boss, aide) = (register(&ours, "boss", json!({})), register(&ours, "aide", json!({})));
    let body = json!({"from_identity_id": boss.id, "to_identity_id": aide.id, "scopes": ["read"]});
    let foreign = theirs.post(PATH, &body);
    assert_eq!(
        (foreign.status, foreign.text("/errors/0/location")),
        (400, "body.from_identity_id".to_owned())
    );
    let made = ours.post(PATH, &body);
    let own = format!("{PATH}/{}", made.text("/id"));
    assert_eq!(made.json["max_ttl_seconds"], json!(300));
    assert_eq!((theirs.get(&own).status, theirs.delete(&own).status), (404, 404));
    assert_eq!(theirs.get(PATH).json["total"], json!(0));
    let token = issue(&ours, &boss.api_key, "read").token();
    for answer in [ours.bearer(&token).post(PATH, &body), ours.bearer(&token).get(&own)] {
        assert_eq!(answer.status, 403, "{answer:?}");
    }
    for (member, value, status) in [
        ("scopes", json!([]), 400),
        ("max_ttl_seconds", json!(301), 400),
        ("to_identity_id", json!(boss.id), 400),
        ("scopes", json!("read"), 422),
        ("from", json!(boss.id), 422),
    ] {
        let mut bad = body.clone();
        bad[member] = value;
        assert_eq!(ours.post(PATH, &bad).status, status, "{bad}");
    }
}
