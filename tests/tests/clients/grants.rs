//! What clients are issued: roots by `client_credentials`, and exchanges in which they are the actor.

use serde_json::{Value, json};
use zeroid_jose::SigningKey;
use zeroid_tests::{
    EXCHANGE, Server, claims, delegate, introspect, is_active, issue, policy, register, revoke,
};

use super::{Made, make, refused, signed};

#[test]
fn a_client_gets_a_root_of_the_identity_it_is_bound_to() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "billing", json!({"allowed_scopes": ["read", "write", "nhi:manage"]}));
    let made = make(&client, "billing", json!({"scopes": ["read", "other", "nhi:manage"]}));
    let answer = made.ask(&client, "read write other");
    assert_eq!(answer.text("/scope"), "read", "requested, the identity's and the client's");
    assert_eq!(answer.json["expires_in"], 3600);
    for absent in ["account_id", "user_id", "issued_token_type", "refresh_token"] {
        assert!(answer.json.get(absent).is_none(), "{absent} is in {answer:?}");
    }
    let told = introspect(&client, &answer.token()).json;
    assert_eq!((&told["sub"], &told["client_id"]), (&json!(agent.uri), &json!("billing")));
    assert_eq!((&told["grant_type"], &told["delegation_depth"]), (&json!("client_credentials"), &json!(0)));
    assert!(told.get("act").is_none(), "{told}");
    assert_eq!(client.get(&format!("/credentials/{}", answer.text("/jti"))).text("/client_id"), "billing");

    assert_eq!(made.ask(&client, "").text("/scope"), "read", "what both list, management scopes apart");
    assert_eq!(made.ask(&client, "nhi:manage").text("/scope"), "nhi:manage", "both list it");
    refused(&made.ask(&client, "write"), 400, "invalid_scope");
    let said = made.ask(&client, "write").text("/error_description");
    assert!(said.contains("not in the client's scopes"), "{said}");

    // What limits the client holds from its next token.
    let policy_id = policy(&client, &json!({"name": "short", "max_ttl_seconds": 60}));
    let change = json!({"credential_policy_id": policy_id, "scopes_restricted": false});
    assert_eq!(client.patch(&made.path(), &change).status, 200);
    let answer = made.ask(&client, "write");
    assert_eq!((answer.text("/scope"), &answer.json["expires_in"]), ("write".to_owned(), &json!(60)));
    let change = json!({"credential_policy_id": "", "access_token_ttl": 90});
    assert_eq!(client.patch(&made.path(), &change).status, 200);
    assert_eq!(made.ask(&client, "write").json["expires_in"], 90);
    let in_use = client.delete(&format!("/credential-policies/{policy_id}"));
    assert_eq!(in_use.status, 204, "{in_use:?}");

    let change = json!({"grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"]});
    assert_eq!(client.patch(&made.path(), &change).status, 200);
    refused(&made.ask(&client, "read"), 400, "unauthorized_client");
}

#[test]
fn deleting_a_client_kills_what_it_was_issued_and_everything_below() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "billing", json!({}));
    let aide = register(&client, "aide", json!({}));
    let made = make(&client, "billing", json!({}));
    let root = made.ask(&client, "read").token();
    let leaf = delegate(&client, &root, &aide.api_key, "read").token();
    assert_eq!(claims(&leaf)["client_id"], aide.uri, "only who authenticated is named");
    let own = issue(&client, &agent.api_key, "read").token();
    assert!(is_active(&client, &root) && is_active(&client, &leaf));
    assert_eq!(client.delete(&made.path()).status, 200);
    assert!(!is_active(&client, &root) && !is_active(&client, &leaf) && is_active(&client, &own));
    let row = client.get(&format!("/credentials/{}", claims(&leaf)["jti"].as_str().unwrap()));
    assert_eq!(row.text("/revoke_reason"), "client_deleted", "{row:?}");
    refused(&made.ask(&client, "read"), 401, "invalid_client");
    let again = make(&client, "billing", json!({}));
    assert!(is_active(&client, &again.ask(&client, "read").token()), "another client of the same name");
    assert!(!is_active(&client, &root), "and what the first was issued stays dead");
}

#[test]
fn a_client_without_an_identity_is_bound_at_its_first_use_and_for_good() {
    let server = Server::start();
    let ours = server.client().tenant("ours", "prod");
    let theirs = server.client().tenant("theirs", "prod");
    let made = make(&ours, "late", json!({}));
    register(&theirs, "late", json!({}));
    let nobody = made.ask(&ours, "read");
    refused(&nobody, 401, "invalid_client");
    assert!(nobody.text("/error_description").contains("no identity found"), "{nobody:?}");
    assert!(ours.get(&made.path()).json.get("identity_id").is_none(), "another tenant's is none");
    let agent = register(&ours, "late", json!({}));
    assert_eq!(claims(&made.ask(&ours, "read").token())["sub"], agent.uri);
    assert_eq!(ours.get(&made.path()).text("/identity_id"), agent.id, "the binding is stored and shown");

    let suspended = ours.patch(&format!("/identities/{}", agent.id), &json!({"status": "suspended"}));
    assert_eq!(suspended.status, 200, "{suspended:?}");
    refused(&made.ask(&ours, "read"), 400, "invalid_grant");
}

#[test]
fn the_tenant_is_the_clients_whatever_the_request_says() {
    let server = Server::start();
    let ours = server.client().tenant("ours", "prod");
    register(&ours, "job", json!({}));
    let made = make(&ours, "job", json!({}));
    let plain = server.client();
    let ask = |tenant: Value| {
        let mut body =
            json!({"grant_type": "client_credentials", "client_id": "job", "client_secret": made.secret});
        for (name, value) in tenant.as_object().unwrap() {
            body[name] = value.clone();
        }
        plain.post("/oauth2/token", &body)
    };
    for good in [
        json!({}),
        json!({"account_id": "ours", "project_id": "prod"}),
        json!({"project_id": "prod"}),
        json!({"account_id": "default", "project_id": "default"}),
    ] {
        let answer = ask(good);
        assert_eq!(claims(&answer.token())["account_id"], "ours");
    }
    for bad in [
        json!({"account_id": "theirs", "project_id": "prod"}),
        json!({"account_id": "default"}),
        json!({"project_id": "test"}),
    ] {
        refused(&ask(bad), 400, "invalid_request");
    }
}

/// Exchange a token as a client.
fn exchange_as(
    client: &zeroid_tests::Client,
    made: &Made,
    subject: &str,
    more: Value,
) -> zeroid_tests::Answer {
    let mut body = json!({
        "grant_type": EXCHANGE, "subject_token": subject, "scope": "read", "client_id": made.client_id,
        "client_secret": made.secret,
    });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    client.post("/oauth2/token", &body)
}

#[test]
fn a_bound_client_is_the_actor_of_an_exchange() {
    let server = Server::start();
    let client = server.client();
    let (boss, aide) = (register(&client, "boss", json!({})), register(&client, "aide", json!({})));
    let exchanging = json!({"grant_types": [EXCHANGE], "scopes": ["read"]});
    let made = make(&client, "aide", exchanging.clone());
    let root = issue(&client, &boss.api_key, "read write").token();
    let leaf = exchange_as(&client, &made, &root, json!({"scope": "read write"}));
    assert_eq!(leaf.text("/scope"), "read", "the client's list narrows too");
    let told = introspect(&client, &leaf.token()).json;
    assert_eq!((&told["sub"], &told["act"]["sub"]), (&json!(aide.uri), &json!(boss.uri)));
    assert_eq!((&told["client_id"], &told["delegation_depth"]), (&json!("aide"), &json!(1)));

    // Two proofs name one identity: then both limit the token, and each can be cut off.
    let by_both = exchange_as(&client, &made, &root, json!({"api_key": aide.api_key}));
    assert_eq!(claims(&by_both.token())["sub"], aide.uri);
    refused(&exchange_as(&client, &made, &root, json!({"api_key": boss.api_key})), 400, "invalid_request");
    let (key, _) = SigningKey::generate().unwrap();
    let third = register(&client, "third", json!({"public_key_pem": key.public().to_pem()}));
    let proof = signed(&key, &client, &third.uri, "JWT", |_, _| {});
    refused(&exchange_as(&client, &made, &root, json!({"actor_token": proof})), 400, "invalid_request");
    let own = make(&client, "third", exchanging.clone());
    let by_assertion = exchange_as(&client, &own, &root, json!({"actor_token": proof})).token();
    assert_eq!(
        (&claims(&by_assertion)["sub"], &claims(&by_assertion)["client_id"]),
        (&json!(third.uri), &json!("third"))
    );

    // A client that presents its own token narrows it.
    let narrowed = exchange_as(&client, &made, &leaf.token(), json!({}));
    assert_eq!(introspect(&client, &narrowed.token()).json["delegation_depth"], 1);

    let key_id = client.get("/api-keys").json["keys"].as_array().unwrap().iter().find_map(|key| {
        (key["identity_id"] == json!(aide.id)).then(|| key["id"].as_str().unwrap().to_owned())
    });
    assert_eq!(client.post(&format!("/api-keys/{}/revoke", key_id.unwrap()), &json!({})).status, 200);
    assert!(!is_active(&client, &by_both.token()) && is_active(&client, &leaf.token()));
    assert_eq!(client.delete(&own.path()).status, 200);
    assert!(!is_active(&client, &by_assertion));
    revoke(&client, &root);
    assert!(!is_active(&client, &leaf.token()));
}

#[test]
fn who_is_no_actor_by_its_client() {
    let server = Server::start();
    let ours = server.client().tenant("ours", "prod");
    let theirs = server.client().tenant("theirs", "prod");
    let (boss, aide) = (register(&ours, "boss", json!({})), register(&ours, "aide", json!({})));
    let root = issue(&ours, &boss.api_key, "read").token();
    let exchanging = json!({"grant_types": [EXCHANGE]});
    let unbound = make(&ours, "unbound", exchanging.clone());
    let nobody = exchange_as(&ours, &unbound, &root, json!({}));
    refused(&nobody, 401, "invalid_client");
    assert!(nobody.text("/error_description").contains("no identity found"), "{nobody:?}");
    // It may still ask for somebody who proves itself, and is named then.
    let leaf = exchange_as(&ours, &unbound, &root, json!({"api_key": aide.api_key})).token();
    assert_eq!((&claims(&leaf)["sub"], &claims(&leaf)["client_id"]), (&json!(aide.uri), &json!("unbound")));
    assert_eq!(ours.delete(&unbound.path()).status, 200);
    assert!(!is_active(&ours, &leaf), "the client is a part of its lineage");

    let public = json!({
        "client_id": "public", "name": "p", "grant_types": [EXCHANGE], "identity_id": aide.id,
    });
    assert_eq!(ours.post("/oauth/clients", &public).status, 201);
    let named =
        json!({"grant_type": EXCHANGE, "subject_token": root, "scope": "read", "client_id": "public"});
    refused(&ours.post("/oauth2/token", &named), 400, "invalid_request");
    let wrong = make(&ours, "aide", json!({}));
    refused(&exchange_as(&ours, &wrong, &root, json!({})), 400, "unauthorized_client");

    register(&theirs, "foreign", json!({}));
    let foreign = make(&theirs, "foreign", exchanging);
    refused(&exchange_as(&ours, &foreign, &root, json!({})), 400, "invalid_grant");
    refused(&exchange_as(&ours, &foreign, &root, json!({"api_key": aide.api_key})), 400, "invalid_grant");
    let bad = exchange_as(
        &ours,
        &Made { secret: "wrong".to_owned(), ..foreign },
        &root,
        json!({"api_key": aide.api_key}),
    );
    refused(&bad, 401, "invalid_client");
}

#[test]
fn a_client_beside_a_key_narrows_and_is_named() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "boss", json!({}));
    let made = make(&client, "app", json!({"grant_types": ["api_key"], "scopes": ["read"]}));
    let token = client.post(
        "/oauth2/token",
        &json!({"grant_type": "api_key", "api_key": agent.api_key, "scope": "read write",
                "client_id": "app", "client_secret": made.secret}),
    );
    assert_eq!(token.text("/scope"), "read");
    assert_eq!(claims(&token.token())["client_id"], "app");
    let plain = issue(&client, &agent.api_key, "read write").token();
    assert_eq!(claims(&plain)["client_id"], agent.uri);
    assert_eq!(client.delete(&made.path()).status, 200);
    assert!(!is_active(&client, &token.token()) && is_active(&client, &plain));
}

#[test]
fn the_metadata_says_what_is_served_and_nothing_else() {
    let server = Server::start();
    let told = server.client().get("/.well-known/oauth-authorization-server").json;
    let mut grants: Vec<_> =
        told["grant_types_supported"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    grants.sort_unstable();
    let jwt_bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    assert_eq!(grants, ["api_key", "client_credentials", jwt_bearer, EXCHANGE]);
    let methods = json!(["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]);
    for endpoint in ["token", "introspection", "revocation"] {
        assert_eq!(told[format!("{endpoint}_endpoint_auth_methods_supported")], methods, "{endpoint}");
        let algorithms = &told[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")];
        assert_eq!(algorithms, &json!(["ES256", "RS256", "EdDSA"]));
    }
    for grant in grants {
        let answer = server.client().form("/oauth2/token", &format!("grant_type={grant}"));
        assert_ne!(answer.text("/error"), "unsupported_grant_type", "{grant}");
    }
    for grant in ["authorization_code", "refresh_token", "password", "urn:openid:params:grant-type:ciba"] {
        refused(
            &server.client().form("/oauth2/token", &format!("grant_type={grant}")),
            400,
            "unsupported_grant_type",
        );
    }
}
