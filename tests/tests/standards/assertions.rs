//! RFC 7521 §4 and RFC 7523 §2, §3: what an assertion of an agent must say. (Those of clients: `tests/clients`.)

use serde_json::{Value, json};

use crate::forge::signed;
use crate::surfaces::{Surface, World, now, refused};

const OF_AGENT: [Surface; 2] = [Surface::Assertion, Surface::ActorToken];

/// One claim of an otherwise good assertion is this; `null` takes it away.
#[track_caller]
fn with(world: &World, name: &str, value: &Value, is_good: bool) {
    for surface in OF_AGENT {
        let mut claims = world.claims(surface);
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
        let object = signed(&world.key, &world.header(surface).to_string(), &claims.to_string());
        let answer = world.present(surface, &object);
        let told = format!("{name}: {value}");
        if is_good {
            assert_eq!(answer.status, 200, "{told} at {surface:?}: {answer:?}");
        } else {
            refused(surface, &answer, &told);
            let said = answer.text("/error_description");
            assert!(said.contains(&format!("`{name}`")) || said.contains("signed by"), "{told}: {said}");
        }
    }
}

#[test]
fn rfc7523_section_3_1_and_2_an_agent_speaks_for_itself() {
    let world = World::new();
    let others =
        ["agent", "spiffe://zeroid.local/default/default/agent/boss", "spiffe://other.example/x", ""];
    let own = world.agent.uri.clone();
    for name in ["iss", "sub"] {
        // RFC 3986 §6.2.1: names are the same or not, and nothing is made alike.
        for alike in
            [own.to_uppercase(), format!("{own}/"), format!(" {own}"), own.replace("agent", "%61gent")]
        {
            with(&world, name, &json!(alike), false);
        }
        with(&world, name, &json!([own]), false);
        with(&world, name, &Value::Null, false);
        with(&world, name, &json!(7), false);
        for other in others {
            with(&world, name, &json!(other), false);
        }
    }
}

#[test]
fn rfc7523_section_3_3_it_is_for_this_issuer_alone() {
    let world = World::new();
    let own = world.client.base.clone();
    with(&world, "aud", &json!([own]), true);
    for bad in [
        Value::Null,
        json!([]),
        json!(""),
        json!(7),
        json!(format!("{own}/")),
        json!(format!("{own}/oauth2/token")),
        json!(own.to_uppercase()),
        json!("https://other.example"),
        json!([own, "https://other.example"]),
        json!([own, own]),
        json!({"0": own}),
    ] {
        with(&world, "aud", &bad, false);
    }
}

#[test]
fn rfc7523_section_3_4_5_and_6_it_is_for_now() {
    let world = World::new();
    let now = now();
    for (name, value) in
        [("iat", json!(now - 1000)), ("nbf", json!(now)), ("exp", format!("{}.5", now + 90).parse().unwrap())]
    {
        with(&world, name, &value, true);
    }
    with(&world, "iat", &Value::Null, true);
    for (name, bad) in [
        ("exp", Value::Null),
        ("exp", json!(now - 1)),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!(now + 400)),
        ("exp", json!(i64::MAX)),
        ("exp", json!(i64::MIN)),
        ("exp", json!(u64::MAX)),
        ("exp", json!(1e300)),
        ("exp", json!((now + 60).to_string())),
        ("exp", json!([now + 60])),
        ("nbf", json!(now + 120)),
        ("nbf", json!(i64::MAX)),
        ("nbf", json!("now")),
        ("iat", json!(now + 120)),
        ("iat", json!(true)),
    ] {
        with(&world, name, &bad, false);
    }
}

#[test]
fn rfc7523_section_3_7_it_is_good_once() {
    let world = World::new();
    for (first, second) in [(OF_AGENT[0], OF_AGENT[1]), (OF_AGENT[1], OF_AGENT[0])] {
        let object = signed(&world.key, &world.header(first).to_string(), &world.claims(first).to_string());
        assert_eq!(world.present(first, &object).status, 200);
        for place in [first, second] {
            let answer = world.present(place, &object);
            refused(place, &answer, "used before");
            assert!(answer.text("/error_description").contains("`jti`"), "{answer:?}");
        }
    }
    for odd in [json!(""), json!(7), json!({}), json!("x".repeat(600))] {
        with(&world, "jti", &odd, false);
    }
}

#[test]
fn rfc7521_section_4_1_an_assertion_comes_once_and_by_its_name() {
    let world = World::new();
    let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer";
    let fresh = || {
        let surface = Surface::Assertion;
        signed(&world.key, &world.header(surface).to_string(), &world.claims(surface).to_string())
    };
    let object = fresh();
    for form in [
        grant.to_owned(),
        format!("{grant}&assertion="),
        format!("{grant}&assertion={object}&assertion={object}"),
        format!("{grant}&assertion={object}&subject={}", fresh()),
        format!("{grant}&ASSERTION={object}"),
    ] {
        let answer = world.client.form("/oauth2/token", &form);
        assert_eq!((answer.status, answer.text("/error")), (400, "invalid_request".to_owned()), "{answer:?}");
    }
    // RFC 7523 §2.1: it is one JWT.
    for two in
        [format!("{object},{}", fresh()), format!("{object}%20{}", fresh()), format!("{object}.{object}")]
    {
        let answer = world.client.form("/oauth2/token", &format!("{grant}&assertion={two}"));
        refused(Surface::Assertion, &answer, "two in one");
    }
    let answer = world.client.form("/oauth2/token", &format!("{grant}&assertion={object}"));
    assert_eq!(answer.status, 200, "what was refused used nothing up: {answer:?}");
    assert!(answer.json.get("refresh_token").is_none(), "§4.1: {answer:?}");
}

#[test]
fn rfc7523_section_3_1_credentials_of_a_client_beside_an_assertion_are_checked() {
    let world = World::new();
    let fresh =
        |surface| signed(&world.key, &world.header(surface).to_string(), &world.claims(surface).to_string());
    let made =
        json!({"client_id": "app", "name": "app", "confidential": true, "grant_types": ["jwt_bearer"]});
    let made = world.client.post("/oauth/clients", &made);
    let secret = made.text("/client_secret");
    let ask = |more: Value| {
        let mut body = json!({"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
                              "assertion": fresh(Surface::Assertion)});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        world.client.post("/oauth2/token", &body)
    };
    for bad in [
        json!({"client_id": "app", "client_secret": "x"}),
        json!({"client_id": "app"}),
        json!({"client_id": "nobody", "client_secret": secret}),
        json!({"client_assertion": fresh(Surface::Proof),
               "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}),
    ] {
        let answer = ask(bad.clone());
        assert_eq!(
            (answer.status, answer.text("/error")),
            (401, "invalid_client".to_owned()),
            "{bad}: {answer:?}"
        );
    }
    let issued = ask(json!({"client_id": "app", "client_secret": secret}));
    assert_eq!(zeroid_tests::claims(&issued.token())["client_id"], json!("app"), "{issued:?}");
}
