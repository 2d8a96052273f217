//! RFC 8725 §3.11, §3.12: each kind of object is taken where it belongs, and nowhere else.

use serde_json::{Value, json};
use zeroid_tests::{EXCHANGE, is_active, issue};

use crate::forge::signed;
use crate::surfaces::{SURFACES, Surface, World, refused};

/// Where an honest object of one place is taken besides: the two places for an agent's assertion ask for the same.
fn belongs(object: Surface, place: Surface) -> bool {
    let of_agent = |surface| matches!(surface, Surface::Assertion | Surface::ActorToken);
    object == place || (of_agent(object) && of_agent(place))
}

#[test]
fn rfc8725_section_3_12_an_object_of_one_place_is_none_of_another() {
    let world = World::new();
    for object in SURFACES {
        for place in SURFACES {
            let honest =
                signed(&world.key, &world.header(object).to_string(), &world.claims(object).to_string());
            let answer = world.present(place, &honest);
            if belongs(object, place) {
                assert_eq!(answer.status, 200, "{object:?} at {place:?}: {answer:?}");
            } else {
                refused(place, &answer, &format!("{object:?}"));
            }
        }
    }
}

#[test]
fn rfc8725_section_3_11_a_type_is_taken_where_it_belongs() {
    let world = World::new();
    let kinds = [
        ("JWT", &[Surface::Assertion, Surface::ActorToken, Surface::ClientAssertion][..]),
        ("client-authentication+jwt", &[Surface::ClientAssertion]),
        ("dpop+jwt", &[Surface::Proof]),
        ("at+jwt", &[]),
        ("application/at+jwt", &[]),
        ("jwt", &[]),
        ("wimse-proof+jwt", &[]),
        ("token-introspection+jwt", &[]),
        ("secevent+jwt", &[]),
        ("logout+jwt", &[]),
        ("oauth-id-jag+jwt", &[]),
        ("", &[]),
    ];
    for place in SURFACES {
        for (kind, places) in &kinds {
            let mut header = world.header(place);
            header["typ"] = json!(kind);
            // All claims of all kinds, so that the type alone can tell.
            let mut claims = world.claims(Surface::Proof);
            for (name, value) in world.claims(place).as_object().unwrap() {
                claims[name] = value.clone();
            }
            let answer = world.present(place, &signed(&world.key, &header.to_string(), &claims.to_string()));
            if places.contains(&place) {
                assert_eq!(answer.status, 200, "{kind:?} at {place:?}: {answer:?}");
            } else {
                refused(place, &answer, kind);
            }
        }
        let mut untyped = world.header(place);
        untyped.as_object_mut().unwrap().remove("typ");
        let answer =
            world.present(place, &signed(&world.key, &untyped.to_string(), &world.claims(place).to_string()));
        match place {
            Surface::Proof => refused(place, &answer, "without a type"),
            _ => assert_eq!(answer.status, 200, "without a type at {place:?}: {answer:?}"),
        }
        for odd in [json!(7), json!(["JWT"]), Value::Null] {
            let mut header = world.header(place);
            header["typ"] = odd.clone();
            let object = signed(&world.key, &header.to_string(), &world.claims(place).to_string());
            refused(place, &world.present(place, &object), &odd.to_string());
        }
    }
}

#[test]
fn rfc8725_section_3_12_a_token_proves_nobody_and_a_proof_is_no_token() {
    let world = World::new();
    let token = issue(&world.client, &world.agent.api_key, "read").token();
    let svid = world.client.post(
        "/oauth2/token",
        &json!({"grant_type": "api_key", "api_key": world.agent.api_key, "scope": "read",
                "requested_token_type": "urn:ietf:params:oauth:token-type:jwt"}),
    );
    // A token of ours, by either type, is no assertion and no proof, though its audience is this issuer.
    for (name, token) in [("an access token", token), ("a JWT-SVID", svid.token())] {
        for place in SURFACES {
            refused(place, &world.present(place, &token), name);
        }
    }
    // And nothing that an agent signs is a token.
    for object in SURFACES {
        let honest = signed(&world.key, &world.header(object).to_string(), &world.claims(object).to_string());
        assert!(!is_active(&world.client, &honest), "{object:?}");
        let body = json!({
            "grant_type": EXCHANGE, "subject_token": honest, "api_key": world.agent.api_key, "scope": "read",
        });
        let exchanged = world.client.post("/oauth2/token", &body);
        assert_eq!(
            (exchanged.status, exchanged.text("/error")),
            (400, "invalid_grant".to_owned()),
            "{object:?}"
        );
        for path in ["/agents/registry", "/oauth2/token/verify"] {
            assert_eq!(world.client.bearer(&honest).get(path).status, 401, "{object:?} at {path}");
        }
        // It is none the less good where it belongs: nothing used it up.
        assert_eq!(world.present(object, &honest).status, 200, "{object:?}");
    }
}
