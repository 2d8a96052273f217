//! RFC 6750, RFC 9068 §4, RFC 8693 §4.1: how our own routes take an access token, and how they refuse one.

use std::sync::Arc;

use serde_json::json;
use zeroid_tests::{Answer, Client, Server, command, delegate, issue, register};

const REGISTRY: &str = "/agents/registry";

/// Every route that takes an access token in the header `Authorization`, and how it is asked.
const ROUTES: [(&str, &str); 5] = [
    ("GET", REGISTRY),
    ("GET", "/credential-policies"),
    ("GET", "/oauth2/token/verify"),
    ("POST", "/proof/generate"),
    ("POST", "/agents/self/public-key"),
];

/// A server with a live token that opens its administrative routes.
fn with_manager() -> (Server, Client, String) {
    let server = Server::start();
    let client = server.client();
    let manager = issue(&client, &server.management_key, "nhi:manage").token();
    (server, client, manager)
}

fn ask(client: &Client, route: (&str, &str), headers: &[(&str, &str)]) -> Answer {
    let all = [&[("content-type", "application/json")], headers].concat();
    client.send(route.0, route.1, &all, if route.0 == "POST" { "{}" } else { "" })
}

/// The same in production, where nothing is open to who brings none.
fn in_production() -> (Server, Client, String) {
    let settings = [("ZEROID_ISSUER", "https://id.example"), ("ZEROID_WIMSE_DOMAIN", "id.example")];
    let data = Arc::new(tempfile::tempdir().unwrap());
    let printed = command(data.path(), &settings).arg("init").output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let key = printed.split_whitespace().find(|word| word.starts_with("zid_sk_")).unwrap().to_owned();
    let server = Server::serve(data, &settings);
    let client = server.client();
    let manager = issue(&client, &key, "nhi:manage").token();
    (server, client, manager)
}

#[test]
fn rfc6750_section_2_1_a_token_comes_in_the_header_alone() {
    let (_server, client, manager) = in_production();
    let (bearer, spelt) = (format!("Bearer {manager}"), format!("bEARER {manager}"));
    for route in ROUTES {
        // Whoever is let in may still have said something wrong.
        let opens = |answer: &Answer| answer.status != 401;
        for authorization in [&bearer, &spelt] {
            let answer = ask(&client, route, &[("authorization", authorization)]);
            assert!(opens(&answer), "{route:?} {authorization}: {answer:?}");
        }
        // §2.2 and §2.3 (RFC 9700 §4.3.2): neither the URI nor a body carries one.
        let (method, path) = route;
        let by_uri = format!("{path}?access_token={manager}");
        assert!(!opens(&ask(&client, (method, &by_uri), &[])), "{by_uri}");
        if method == "POST" {
            let json = client.post(path, &json!({"access_token": manager}));
            assert!(!opens(&json), "{json:?}");
            let form = client.form(path, &format!("access_token={manager}"));
            assert!([401, 415].contains(&form.status), "{form:?}");
        }
        // RFC 9449 §7.1 of the first.
        for header in ["proxy-authorization", "x-access-token", "cookie"] {
            assert!(!opens(&ask(&client, route, &[(header, &bearer)])), "{route:?} {header}");
        }
        // §3: who brought nothing is told what is wanted, and of no error (§3.1).
        let bare = ask(&client, route, &[]);
        assert!(!opens(&bare), "{route:?}: {bare:?}");
        let told = bare.header("www-authenticate");
        assert!(told.starts_with("Bearer ") && told.contains(", DPoP ") && !told.contains("error"), "{told}");
    }
}

#[test]
fn rfc6750_section_2_a_request_has_one_token() {
    let (_server, client, manager) = with_manager();
    let bearer = format!("Bearer {manager}");
    let twice = format!("{bearer}, {bearer}");
    for route in ROUTES {
        for headers in [
            &[("authorization", bearer.as_str()), ("authorization", &bearer)][..],
            &[("authorization", &bearer), ("authorization", "DPoP x")],
            &[("authorization", "Basic YTpi"), ("authorization", &bearer)],
            &[("authorization", &twice)],
        ] {
            let answer = ask(&client, route, headers);
            assert_eq!(answer.status, 401, "{route:?} {headers:?}: {answer:?}");
            assert!(answer.header("www-authenticate").contains("invalid_request"), "{answer:?}");
        }
    }
}

#[test]
fn rfc6750_section_3_and_3_1_a_refusal_says_what_is_wanted_once() {
    let (server, client, manager) = with_manager();
    let boss = register(&client, "boss", json!({}));
    let weak = issue(&client, &boss.api_key, "read").token();
    let elsewhere = json!({"grant_type": "api_key", "api_key": server.management_key, "scope": "nhi:manage",
                           "resource": "https://other.example"});
    let elsewhere = client.post("/oauth2/token", &elsewhere).token();
    let dead = issue(&client, &server.management_key, "nhi:manage").token();
    zeroid_tests::revoke(&client, &dead);
    let refused = |authorization: &str, status: u16, error: &str| {
        let answer = ask(&client, ("GET", REGISTRY), &[("authorization", authorization)]);
        let told = answer.header("www-authenticate").to_owned();
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(told.starts_with("Bearer ") && told.contains(&format!("error=\"{error}\"")), "{told}");
        assert!(told.is_ascii() && !told.contains('\\'), "{told}");
        // The challenge of one scheme says each thing once.
        let own = told.split(", DPoP ").next().unwrap();
        for attribute in ["realm=", "scope=", "error=", "error_description=", "resource_metadata="] {
            assert!(own.matches(&format!(" {attribute}")).count() <= 1, "{attribute} in {own}");
        }
        assert_eq!(answer.headers.get_all("www-authenticate").iter().count(), 1);
    };
    for none in ["x", "a.b.c", "\u{21}\u{23}", &boss.api_key, &dead, &elsewhere] {
        refused(&format!("Bearer {none}"), 401, "invalid_token");
    }
    refused(&format!("Bearer {weak}"), 403, "insufficient_scope");
    refused("Bearer", 401, "invalid_request");
    // §5.3: no token is in a cookie, and each has an end.
    let asked = ask(&client, ("GET", REGISTRY), &[("authorization", &format!("Bearer {manager}"))]);
    assert!(asked.status == 200 && asked.headers.get("set-cookie").is_none(), "{asked:?}");
    assert!(zeroid_tests::claims(&manager)["exp"].is_i64());
}

#[test]
fn rfc8693_section_4_1_what_earlier_actors_held_opens_nothing() {
    let (_server, client, _) = with_manager();
    let may_manage = json!({"allowed_scopes": ["read", "nhi:manage"]});
    let [boss, aide] = ["boss", "aide"].map(|name| register(&client, name, may_manage.clone()));
    let root = issue(&client, &boss.api_key, "nhi:manage read").token();
    let child = delegate(&client, &root, &aide.api_key, "read").token();
    assert_eq!(zeroid_tests::claims(&child)["act"]["sub"], json!(boss.uri), "who could");
    let answer = client.bearer(&child).get(REGISTRY);
    assert_eq!(answer.status, 403, "{answer:?}");
    assert_eq!(client.bearer(&root).get(REGISTRY).status, 200);
}
