//! The whole chain over plain HTTP, without any SDK.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods
)]

use serde_json::{Value, json};
use zeroid_tests::{
    EXCHANGE, Server, claims, delegate, introspect, is_active, issue, policy, register, revoke,
};

fn deep(name: &str) -> Value {
    json!({"name": name, "allowed_grant_types": ["api_key", "token_exchange"], "max_delegation_depth": 16})
}

#[test]
fn register_issue_delegate_introspect_revoke() {
    let server = Server::start();
    let client = server.client();
    let (boss, aide) = (register(&client, "boss", json!({})), register(&client, "aide", json!({})));
    let form = format!("grant_type=api_key&api_key={}&scope=read+write", boss.api_key);
    let root = client.form("/oauth2/token", &form);
    assert_eq!(root.header("cache-control"), "no-store");
    assert!(!root.header("x-request-id").is_empty());
    let root = root.token();
    let form = format!("grant_type={EXCHANGE}&subject_token={root}&api_key={}&scope=read+more", aide.api_key);
    let answer = client.form("/oauth2/token", &form);
    assert_eq!(answer.text("/issued_token_type"), "urn:ietf:params:oauth:token-type:access_token");
    assert_eq!(answer.text("/scope"), "read");
    let leaf = answer.token();

    let seen = client.form("/oauth2/token/introspect", &format!("token={leaf}"));
    assert_eq!(seen.text("/sub"), aide.uri);
    assert_eq!(seen.text("/act/sub"), boss.uri);
    assert_eq!(seen.text("/principal_sub"), boss.uri);
    assert_eq!(seen.json["delegation_depth"], 1);
    assert_eq!(seen.text("/owner"), "dev@company.com");

    let jti = seen.text("/jti");
    let told = client.get(&format!("/api/v1/delegations/by-jti/{jti}"));
    assert_eq!(told.json["edges"].as_array().unwrap().len(), 2);
    assert_eq!(told.text("/edges/1/from"), boss.id);
    assert_eq!(told.json["edges"][1]["attenuated"], json!(["write"]));

    let answer = client.form("/oauth2/token/revoke", &format!("token={root}"));
    assert_eq!((answer.status, answer.json), (200, json!({"revoked": true})));
    assert!(!is_active(&client, &root) && !is_active(&client, &leaf));
    let told = client.get(&format!("/credentials/{jti}"));
    assert_eq!(told.json["is_revoked"], true, "{told:?}");
    assert_eq!(told.text("/revoke_reason"), "oauth2_revocation");
}

#[test]
fn revoking_link_i_of_a_16_hop_chain_kills_i_to_16_and_none_before() {
    let server = Server::start();
    let client = server.client();
    let policy = policy(&client, &deep("deep"));
    let agents: Vec<_> = (0..=17)
        .map(|n| register(&client, &format!("a{n}"), json!({"credential_policy_id": policy})))
        .collect();
    for cut in 0..=16_usize {
        let mut chain = vec![issue(&client, &agents[0].api_key, "x").token()];
        for agent in &agents[1..=16] {
            chain.push(delegate(&client, chain.last().unwrap(), &agent.api_key, "x").token());
        }
        let refused = delegate(&client, &chain[16], &agents[17].api_key, "x");
        assert_eq!((refused.status, refused.text("/error").as_str()), (400, "invalid_scope"));
        assert!(refused.text("/error_description").contains("17"), "{refused:?}");
        revoke(&client, &chain[cut]);
        for (at, token) in chain.iter().enumerate() {
            assert_eq!(is_active(&client, token), at < cut, "link {at} after revoking {cut}");
        }
    }
}

#[test]
fn a_thousand_rounds_of_exchange_racing_revoke_leave_nothing_alive() {
    let server = Server::start();
    let client = server.client();
    let (boss, aide) = (register(&client, "boss", json!({})), register(&client, "aide", json!({})));
    let workers: Vec<_> = (0..4)
        .map(|_| {
            let (client, boss_key, aide_key) = (server.client(), boss.api_key.clone(), aide.api_key.clone());
            std::thread::spawn(move || {
                let mut issued = 0;
                for _ in 0..250 {
                    let root = issue(&client, &boss_key, "x").token();
                    let racer = {
                        let (client, root, key) = (client.clone(), root.clone(), aide_key.clone());
                        std::thread::spawn(move || delegate(&client, &root, &key, "x"))
                    };
                    revoke(&client, &root);
                    let child = racer.join().unwrap();
                    if child.status == 200 {
                        issued += 1;
                        assert!(!is_active(&client, &child.token()), "a live token under a revoked root");
                    } else {
                        assert_eq!(child.text("/error"), "invalid_grant");
                    }
                }
                issued
            })
        })
        .collect();
    let issued: u32 = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
    assert!(issued > 0, "no exchange ever won, so nothing was raced");
}

#[test]
fn what_a_credential_says_is_told_the_same_everywhere() {
    let server = Server::start();
    let client = server.client();
    let (boss, aide) = (register(&client, "boss", json!({})), register(&client, "aide", json!({})));
    let root = issue(&client, &boss.api_key, "read write").token();
    let leaf = delegate(&client, &root, &aide.api_key, "read");
    let told = introspect(&client, &leaf.token()).json;
    let row = client.get(&format!("/credentials/{}", leaf.text("/jti"))).json;
    assert_eq!(told["jti"], row["jti"]);
    assert_eq!(told["scopes"], row["scopes"]);
    assert_eq!(told["mission_id"], row["mission_id"]);
    assert_eq!(told["delegation_depth"], row["delegation_depth"]);
    assert_eq!(told["act"]["sub"], row["delegated_by_wimse_uri"]);
    assert_eq!(told["sub"], row["subject"]);
}

#[test]
fn the_rfc8693_profile_tells_the_chain_the_other_way_round() {
    let server = Server::start_with(&[("ZEROID_TOKEN_PROFILE", "rfc8693")]);
    let client = server.client();
    let [boss, aide, third] = ["boss", "aide", "third"].map(|name| register(&client, name, json!({})));
    let root = issue(&client, &boss.api_key, "read write").token();
    let middle = delegate(&client, &root, &aide.api_key, "read").token();
    let leaf = delegate(&client, &middle, &third.api_key, "read").token();
    let told = introspect(&client, &leaf);
    assert_eq!((told.text("/sub"), told.text("/act/sub")), (boss.uri.clone(), third.uri.clone()), "{told:?}");
    assert_eq!(told.text("/act/act/sub"), aide.uri);
    assert_eq!(told.text("/act/external_id"), "third");
    assert_eq!(told.json["delegation_depth"], 2);
    assert!(introspect(&client, &root).json.get("act").is_none(), "nobody acts for the principal itself");
    let metadata = client.get("/.well-known/oauth-authorization-server");
    assert!(metadata.body.contains("rfc8693"), "{metadata:?}");
    revoke(&client, &middle);
    assert!(is_active(&client, &root) && !is_active(&client, &middle) && !is_active(&client, &leaf));
}

#[test]
fn a_jwt_svid_is_the_same_credential() {
    let server = Server::start();
    let client = server.client();
    let (boss, aide) = (register(&client, "boss", json!({})), register(&client, "aide", json!({})));
    let svid = "urn:ietf:params:oauth:token-type:jwt";
    let root = client.post(
        "/oauth2/token",
        &json!({"grant_type": "api_key", "api_key": boss.api_key, "scope": "read", "requested_token_type": svid}),
    );
    assert_eq!(root.text("/issued_token_type"), svid);
    assert_eq!(header(&root.token()), json!("JWT"));
    let leaf = delegate(&client, &root.token(), &aide.api_key, "read");
    assert_eq!(header(&leaf.token()), json!("at+jwt"), "asked for anew at each hop");
    revoke(&client, &root.token());
    assert!(!is_active(&client, &leaf.token()));
}

/// The `typ` of a token's header.
fn header(token: &str) -> Value {
    let bytes = zeroid_jose::parse(token).unwrap();
    json!(bytes.peek().header.typ)
}

#[test]
fn rfc8693_section_4_4_who_may_act_can_be_asked_for_and_is_kept_below() {
    let server = Server::start();
    let client = server.client();
    let [boss, aide, third] = ["boss", "aide", "third"].map(|name| register(&client, name, json!({})));
    let asked = |may_act: Value| {
        client.post(
            "/oauth2/token",
            &json!({"grant_type": "api_key", "api_key": boss.api_key, "scope": "read", "may_act": may_act}),
        )
    };
    let root = asked(json!([aide.uri])).token();
    assert_eq!(claims(&root)["may_act"], json!([{"sub": aide.uri}]));
    let refused = delegate(&client, &root, &third.api_key, "read");
    assert_eq!((refused.status, refused.text("/error")), (400, "invalid_grant".to_owned()), "{refused:?}");
    let middle = delegate(&client, &root, &aide.api_key, "read").token();
    assert_eq!(claims(&middle)["may_act"], json!([{"sub": aide.uri}]), "inherited");
    assert_eq!(delegate(&client, &middle, &third.api_key, "read").text("/error"), "invalid_grant");
    // In a form it is repeated.
    let form = format!(
        "grant_type=api_key&api_key={}&scope=read&may_act={}&may_act={}",
        boss.api_key, aide.uri, third.uri
    );
    let both = client.form("/oauth2/token", &form).token();
    assert_eq!(delegate(&client, &both, &third.api_key, "read").status, 200);
    let many: Vec<String> = (0..17).map(|n| format!("spiffe://id.example/{n}")).collect();
    for wrong in [json!([]), json!(["x"]), json!("https://a"), json!(7), json!(many)] {
        let answer = asked(wrong.clone());
        assert_eq!((answer.status, answer.text("/error")), (400, "invalid_request".to_owned()), "{wrong}");
    }
}
