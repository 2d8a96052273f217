//! RFC 8693 §2 and RFC 8707 §2: exchange, and the resources a token is for.

use serde_json::{Value, json};
use zeroid_tests::{Answer, Client, EXCHANGE, Server, claims, issue, register};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

struct World {
    _server: Server,
    client: Client,
    root: String,
    aide_key: String,
    boss_key: String,
}

impl World {
    fn new() -> Self {
        let server = Server::start();
        let client = server.client();
        let (boss, aide) = (register(&client, "boss", json!({})), register(&client, "aide", json!({})));
        let root = issue(&client, &boss.api_key, "read write").token();
        Self { _server: server, client, root, aide_key: aide.api_key, boss_key: boss.api_key }
    }

    /// An exchange; `more` overrides or adds parameters, and `null` takes one away.
    fn exchange(&self, more: Value) -> Answer {
        let mut body = json!({
            "grant_type": EXCHANGE, "subject_token": self.root, "api_key": self.aide_key, "scope": "read",
        });
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        self.client.post("/oauth2/token", &body)
    }

    #[track_caller]
    fn refused(&self, more: Value, code: &str) {
        let answer = self.exchange(more.clone());
        assert_eq!((answer.status, answer.text("/error").as_str()), (400, code), "{more}: {answer:?}");
    }
}

#[test]
fn rfc8693_section_2_1_the_parameters() {
    let world = World::new();
    for missing in ["subject_token", "api_key"] {
        world.refused(json!({missing: null}), "invalid_request");
    }
    world.refused(json!({"grant_type": null}), "invalid_request");
    for good in [ACCESS_TOKEN, JWT] {
        assert_eq!(world.exchange(json!({"subject_token_type": good})).status, 200, "{good}");
    }
    let others = [
        "urn:ietf:params:oauth:token-type:refresh_token",
        "urn:ietf:params:oauth:token-type:id_token",
        "urn:ietf:params:oauth:token-type:saml2",
        "access_token",
        "x",
    ];
    for other in others {
        world.refused(json!({"subject_token_type": other}), "invalid_request");
        world.refused(json!({"requested_token_type": other}), "invalid_request");
        world.refused(json!({"actor_token": "a.b.c", "actor_token_type": other}), "invalid_request");
    }
    // It must not be there without what it is the type of.
    world.refused(json!({"actor_token_type": JWT}), "invalid_request");
}

#[test]
fn rfc8693_section_2_2_1_the_answer() {
    let world = World::new();
    for (wanted, issued) in
        [(Value::Null, ACCESS_TOKEN), (json!(ACCESS_TOKEN), ACCESS_TOKEN), (json!(JWT), JWT)]
    {
        let answer = world.exchange(json!({"requested_token_type": wanted, "scope": "read unheld"}));
        assert_eq!(answer.text("/issued_token_type"), issued);
        assert_eq!(answer.text("/token_type"), "Bearer");
        assert_eq!(answer.text("/scope"), "read", "told, as it is not what was asked for");
        assert!(
            answer.json["expires_in"].is_u64() && answer.json.get("refresh_token").is_none(),
            "{answer:?}"
        );
        assert!(!answer.token().is_empty());
    }
}

#[test]
fn rfc8693_section_2_2_2_a_token_that_is_not_acceptable_for_any_reason() {
    let world = World::new();
    let (_, other) = (World::new(), World::new());
    for subject in ["x", "a.b.c", world.aide_key.as_str(), &other.root] {
        world.refused(json!({"subject_token": subject}), "invalid_grant");
    }
    for actor in ["x", "a.b.c", world.root.as_str()] {
        world.refused(json!({"actor_token": actor}), "invalid_grant");
    }
    world.refused(json!({"resource": "https://a.example#x"}), "invalid_target");
}

#[test]
fn rfc8693_section_4_1_and_4_4_the_chain_is_told_and_obeyed() {
    let world = World::new();
    let leaf = world.exchange(json!({})).token();
    let says = claims(&leaf);
    assert_eq!(says["act"]["sub"], claims(&world.root)["sub"], "who delegated");
    assert!(
        says["act"].get("exp").is_none() && says["act"].get("aud").is_none(),
        "§4.1: only who, never what"
    );
    // Who is named in no `may_act` does not act.
    let list = json!({"name": "nobody", "allowed_grant_types": ["api_key"], "may_act": []});
    let policy = zeroid_tests::policy(&world.client, &list);
    let boss = register(&world.client, "closed", json!({"credential_policy_id": policy}));
    let closed = issue(&world.client, &boss.api_key, "read").token();
    world.refused(json!({"subject_token": closed}), "invalid_grant");
}

#[test]
fn rfc8707_section_2_a_resource_is_an_absolute_uri_without_a_fragment() {
    let world = World::new();
    let ask = |resource: Value| {
        let body = json!({"grant_type": "api_key", "api_key": world.boss_key, "scope": "read", "resource": resource});
        world.client.post("/oauth2/token", &body)
    };
    for good in ["https://a.example", "https://a.example:8443/x?y=z", "urn:example:api", "http://[::1]/x"] {
        let answer = ask(json!(good));
        assert_eq!(claims(&answer.token())["aud"], json!([good]));
    }
    let bad = [
        "a.example",
        "/path",
        "//a.example/x",
        "https://a.example#",
        "https://a.example/#x",
        "https://",
        "https:///x",
        "https://a example",
        "x",
        "https://a.example/\u{e4}",
        "1https://a.example",
    ];
    for bad in bad {
        let answer = ask(json!(bad));
        assert_eq!(
            (answer.status, answer.text("/error")),
            (400, "invalid_target".to_owned()),
            "{bad}: {answer:?}"
        );
        let among = ask(json!(["https://a.example", bad]));
        assert_eq!(among.text("/error"), "invalid_target", "{bad} among others: {among:?}");
    }
}

#[test]
fn rfc8707_section_2_several_resources_may_be_named() {
    let world = World::new();
    let form = format!(
        "grant_type=api_key&api_key={}&scope=read&resource=https%3A%2F%2Fa.example&resource=https%3A%2F%2Fb.example",
        world.boss_key
    );
    let token = world.client.form("/oauth2/token", &form).token();
    assert_eq!(claims(&token)["aud"], json!(["https://a.example", "https://b.example"]));
    let narrowed = world.exchange(json!({"subject_token": token, "resource": "https://b.example"})).token();
    assert_eq!(claims(&narrowed)["aud"], json!(["https://b.example"]), "§2.2: a part of them");
    world.refused(json!({"subject_token": narrowed, "resource": "https://a.example"}), "invalid_target");
}
