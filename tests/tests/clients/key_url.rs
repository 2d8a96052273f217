//! Clients whose keys are at a URL of their own (RFC 7591 §2, `jwks_uri`).

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use zeroid_jose::SigningKey;
use zeroid_tests::{Server, claims, register};

use super::{ask_by_assertion, jwks, make, refused, signed};

/// A server of one document, which can be replaced; it counts how often it is asked.
struct KeyServer {
    address: String,
    document: Arc<Mutex<(u16, String)>>,
    asked: Arc<AtomicUsize>,
}

impl KeyServer {
    fn start(document: &Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let document = Arc::new(Mutex::new((200, document.to_string())));
        let asked = Arc::new(AtomicUsize::new(0));
        let (shown, count) = (Arc::clone(&document), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let _ = stream.read(&mut [0; 4096]);
                count.fetch_add(1, Ordering::SeqCst);
                let (status, body) = shown.lock().unwrap().clone();
                let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n");
                let rest = format!("content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
                let _ = stream.write_all(format!("{head}{rest}").as_bytes());
            }
        });
        Self { address, document, asked }
    }

    fn url(&self) -> String {
        format!("http://{}/jwks.json", self.address)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[test]
fn the_keys_at_its_url_authenticate_a_client() {
    let ((key, _), (other, _)) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
    let keys = KeyServer::start(&jwks(&[&key]));
    let server = Server::start_with(&[("ZEROID_FETCH_ALLOW", &keys.address)]);
    let client = server.client();
    let agent = register(&client, "job", json!({"allowed_scopes": ["read"]}));
    let by_url = json!({"identity_id": agent.id, "jwks_uri": keys.url(), "token_endpoint_auth_method": "private_key_jwt"});
    let made = make(&client, "job", by_url);
    let shown = client.get(&made.path()).json;
    assert_eq!((&shown["jwks_uri"], &shown["jwks"]), (&json!(keys.url()), &Value::Null));
    assert_eq!(keys.asked(), 0, "nothing is fetched to register it");
    let ask = |key: &SigningKey, name: &str| {
        ask_by_assertion(&client, &signed(key, &client, name, "JWT", |_, _| {}))
    };

    // What is nobody's, or breaks a rule by itself, fetches nothing.
    let unknown = ask(&key, "nobody");
    refused(&unknown, 401, "invalid_client");
    make(&client, "by-secret", json!({"identity_id": agent.id, "jwks_uri": keys.url()}));
    assert_eq!(ask(&key, "by-secret").body, unknown.body);
    let late = signed(&key, &client, "job", "JWT", |it, now| it["exp"] = json!(now - 1));
    refused(&ask_by_assertion(&client, &late), 401, "invalid_client");
    assert_eq!(keys.asked(), 0);

    let assertion = signed(&key, &client, "job", "JWT", |_, _| {});
    let answer = ask_by_assertion(&client, &assertion);
    assert_eq!(claims(&answer.token())["client_id"], "job");
    refused(&ask_by_assertion(&client, &assertion), 401, "invalid_client");
    assert_eq!(ask(&key, "job").status, 200);
    assert_eq!(keys.asked(), 1, "the set is kept");
    assert_eq!(ask(&other, "job").body, unknown.body, "another key is not told from an unknown client");

    // Keys given directly take the place of the URL, and the other way round.
    let direct = client.patch(&made.path(), &json!({"jwks": jwks(&[&other])}));
    assert_eq!((direct.status, &direct.json["jwks_uri"]), (200, &Value::Null), "{direct:?}");
    assert_eq!((ask(&other, "job").status, ask(&key, "job").status), (200, 401));
    let both = client.patch(&made.path(), &json!({"jwks": jwks(&[&other]), "jwks_uri": keys.url()}));
    assert_eq!((both.status, both.text("/errors/0/location")), (400, "body.jwks_uri".to_owned()));
    let back = client.patch(&made.path(), &json!({"jwks_uri": keys.url()}));
    assert_eq!((back.status, &back.json["jwks"]), (200, &Value::Null), "{back:?}");
    assert_eq!((ask(&other, "job").status, ask(&key, "job").status), (401, 200));
}

#[test]
fn a_set_that_cannot_be_had_authenticates_nobody() {
    let (key, _) = SigningKey::generate().unwrap();
    let keys = KeyServer::start(&jwks(&[&key]));
    *keys.document.lock().unwrap() = (404, String::new());
    let server = Server::start_with(&[("ZEROID_FETCH_ALLOW", &keys.address)]);
    let client = server.client();
    let agent = register(&client, "job", json!({}));
    let by_url = |url: String| json!({"identity_id": agent.id, "jwks_uri": url, "token_endpoint_auth_method": "private_key_jwt"});
    make(&client, "job", by_url(keys.url()));
    let ask = |name: &str| ask_by_assertion(&client, &signed(&key, &client, name, "JWT", |_, _| {}));
    refused(&ask("job"), 401, "invalid_client");
    assert_eq!(keys.asked(), 1);
    refused(&ask("job"), 401, "invalid_client");
    assert_eq!(keys.asked(), 1, "a failure is remembered");

    // A set with a private key in it is none.
    let mut private = jwks(&[&key]);
    private["keys"][0]["d"] = json!("AA");
    *keys.document.lock().unwrap() = (200, private.to_string());
    make(&client, "private", by_url(format!("{}?private", keys.url())));
    refused(&ask("private"), 401, "invalid_client");
    assert_eq!(keys.asked(), 2);

    // What the deployment does not allow is no URL of keys.
    let mut body = by_url("http://127.0.0.1:9/jwks.json".to_owned());
    (body["client_id"], body["name"], body["confidential"]) = (json!("x"), json!("x"), json!(true));
    let answer = client.post("/oauth/clients", &body);
    assert_eq!(
        (answer.status, answer.text("/errors/0/location")),
        (400, "body.jwks_uri".to_owned()),
        "{answer:?}"
    );
}
