//! RFC 7515 §4, RFC 7517 §4 and §5, RFC 7519 §4: what nobody understands is passed over, and everything else is not.

use serde_json::{Value, json};

use crate::forge::signed;
use crate::surfaces::{SURFACES, Surface, World, refused};

/// An object with more members, and whether it is taken.
fn present(world: &World, surface: Surface, header: &Value, claims: &Value) -> zeroid_tests::Answer {
    let merged = |mut into: Value, more: &Value| {
        for (name, value) in more.as_object().unwrap() {
            into[name] = value.clone();
        }
        into.to_string()
    };
    let (header, claims) = (merged(world.header(surface), header), merged(world.claims(surface), claims));
    world.present(surface, &signed(&world.key, &header, &claims))
}

#[test]
fn rfc7515_section_4_and_rfc7519_section_4_what_is_not_understood_is_ignored() {
    let world = World::new();
    for surface in SURFACES {
        for (header, claims) in [
            (json!({"x": 1, "url": "https://other.example", "nonce": "n", "exp": 0}), json!({})),
            (json!({"cty": "json", "x5t": "AAAA", "x5t#S256": "AAAA"}), json!({})),
            (json!({}), json!({"unknown": {"a": [1, null, true]}, "ALG": "none", "Sub": "x", "auds": []})),
            (json!({}), json!({"scope": "nhi:manage", "act": {"sub": "x"}, "may_act": [], "azp": 7})),
        ] {
            let answer = present(&world, surface, &header, &claims);
            assert_eq!(answer.status, 200, "{surface:?} {header} {claims}: {answer:?}");
            let told = (answer.json["scope"].to_string(), zeroid_tests::claims(&answer.token()).to_string());
            assert!(!told.0.contains("manage") && !told.1.contains("manage"), "it grants nothing: {told:?}");
        }
    }
}

#[test]
fn rfc7517_section_4_members_of_a_key_that_are_not_understood_are_ignored() {
    let world = World::new();
    let own = world.header(Surface::Proof)["jwk"].clone();
    let with = |more: Value| {
        let mut jwk = own.clone();
        for (name, value) in more.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        present(&world, Surface::Proof, &json!({"jwk": jwk}), &json!({}))
    };
    for more in
        [json!({"unknown": [1]}), json!({"kid": "any", "x5t": "AA"}), json!({"use": "sig", "alg": "ES256"})]
    {
        assert_eq!(with(more.clone()).status, 200, "{more}");
    }
    // What is understood holds: for what the key is, and that it is no private one.
    for more in [
        json!({"use": "enc"}),
        json!({"alg": "ES384"}),
        json!({"kty": "ec"}),
        json!({"crv": "P-384"}),
        json!({"d": "AAAA"}),
        json!({"x": own["y"], "y": own["x"]}),
        json!({"x": "AAAA"}),
    ] {
        refused(Surface::Proof, &with(more.clone()), &more.to_string());
    }
}

#[test]
fn rfc7517_section_5_a_set_of_a_client_is_used_for_what_is_understood_of_it() {
    let world = World::new();
    let own = json!(world.key.public().jwk(world.key.kid().as_str(), "sig"));
    let mut extended = own.clone();
    extended["unknown"] = json!({"a": 1});
    let set = json!({
        "keys": [
            {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"},
            {"kty": "EC", "crv": "P-521", "x": "AAAA", "y": "AAAA"},
            {"kty": "unknown"},
            extended,
        ],
        "more": "members",
    });
    let client = &world.client;
    let found = client.get("/oauth/clients");
    let id = found.json["clients"][0]["id"].as_str().unwrap().to_owned();
    let changed = client.patch(&format!("/oauth/clients/{id}"), &json!({"jwks": set}));
    assert_eq!(changed.status, 200, "{changed:?}");
    let answer = present(&world, Surface::ClientAssertion, &json!({}), &json!({}));
    assert_eq!(answer.status, 200, "{answer:?}");
    for bad in [
        json!({"keys": {}}),
        json!({"keys": [7]}),
        json!({}),
        json!([own]),
        json!({"keys": [{"kty": "oct", "k": "AAAA"}, own]}),
        json!({"keys": [{"kty": "unknown"}]}),
    ] {
        let changed = client.patch(&format!("/oauth/clients/{id}"), &json!({"jwks": bad}));
        assert!([400, 422].contains(&changed.status), "{bad}: {changed:?}");
    }
}

#[test]
fn rfc7517_section_5_and_9_the_published_keys_are_public_and_each_has_its_own_name() {
    let world = World::new();
    let told = world.client.get("/.well-known/jwks.json");
    assert_eq!((told.status, told.header("content-type")), (200, "application/json"));
    let keys = told.json["keys"].as_array().unwrap();
    let mut names = Vec::new();
    for key in keys {
        let members = key.as_object().unwrap();
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
            assert!(!members.contains_key(private), "{private}");
        }
        assert_eq!(
            (&key["use"], key["kty"].is_string(), key["alg"].is_string()),
            (&json!("sig"), true, true)
        );
        names.push(key["kid"].as_str().unwrap().to_owned());
    }
    let count = names.len();
    names.sort();
    names.dedup();
    assert!(count > 0 && names.len() == count, "{names:?}");
}
