//! RFC 8725, RFC 9068 §4: no forgery of a token of ours is taken anywhere.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use zeroid_tests::{Answer, EXCHANGE, claims, is_active};

use crate::forge::forgeries;
use crate::surfaces::World;

/// The header of a token.
fn header(token: &str) -> Value {
    let (header, _) = token.split_once('.').unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap()
}

/// Every place that takes a token of ours takes this one for none.
#[track_caller]
fn is_none_of_ours(world: &World, token: &str, name: &str) {
    let client = &world.client;
    assert!(!is_active(client, token), "{name}");
    let given_up = client.post("/oauth2/token/revoke", &json!({"token": token}));
    assert_eq!((given_up.status, &given_up.json), (200, &json!({"revoked": true})), "RFC 7009 §2.2: {name}");
    let body = json!({"grant_type": EXCHANGE, "subject_token": token, "api_key": world.agent.api_key, "scope": "read"});
    let exchanged = client.post("/oauth2/token", &body);
    let code = (exchanged.status, exchanged.text("/error"));
    assert_eq!(code, (400, "invalid_grant".to_owned()), "{name}: {exchanged:?}");
    for path in ["/agents/registry", "/oauth2/token/verify"] {
        let Some(answer) = bearer(world, path, token) else { continue };
        assert_eq!(answer.status, 401, "{name} at {path}: {answer:?}");
    }
}

/// A request with a token; absent when it cannot stand in a header.
fn bearer(world: &World, path: &str, token: &str) -> Option<Answer> {
    let header = format!("Bearer {token}");
    ureq::http::HeaderValue::from_str(&header).ok()?.to_str().ok()?;
    Some(world.client.send("GET", path, &[("authorization", &header)], ""))
}

#[test]
fn rfc9068_section_4_no_forgery_of_a_token_is_taken_anywhere() {
    let world = World::new();
    let told = claims(&world.manager);
    // The attacker has the token, everything it says, the published keys, and a key of its own.
    let made = forgeries(&world.key, &header(&world.manager), &|| told.clone(), &world.trap);
    for (name, token) in made {
        is_none_of_ours(&world, &token, &name);
    }
    world.trap.is_untouched();
    assert!(is_active(&world.client, &world.manager), "none of them was taken for it");
    assert_eq!(world.client.bearer(&world.manager).get("/agents/registry").status, 200);
}

#[test]
fn rfc7515_section_7_1_a_token_has_one_spelling() {
    let world = World::new();
    let parts: Vec<&str> = world.manager.split('.').collect();
    let respelt = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part).unwrap();
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        URL_SAFE_NO_PAD.encode(serde_json::to_string_pretty(&value).unwrap())
    };
    for (name, token) in [
        ("padded", format!("{}==", world.manager)),
        ("the header with other spaces", format!("{}.{}.{}", respelt(parts[0]), parts[1], parts[2])),
        ("the payload with other spaces", format!("{}.{}.{}", parts[0], respelt(parts[1]), parts[2])),
        ("without its signature", format!("{}.{}.", parts[0], parts[1])),
        ("without its last part", format!("{}.{}", parts[0], parts[1])),
        ("the payload alone", parts[1].to_owned()),
        ("a space before", format!(" {}", world.manager)),
        ("a line break behind", format!("{}\n", world.manager)),
    ] {
        if name == "a space before" {
            // Before a token in a header a space means nothing (RFC 9110 §11.4).
            assert!(!is_active(&world.client, &token), "{name}");
            continue;
        }
        is_none_of_ours(&world, &token, name);
    }
    assert!(is_active(&world.client, &world.manager));
}
