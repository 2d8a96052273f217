//! A real nginx in front of a service, with the configuration of `docs/forward-auth.md`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use zeroid_tests::{Answer, Client, Server, issue, register, revoke};

use crate::prover::Prover;

/// What the documentation tells operators to write.
const DOCUMENTED: &str = include_str!("../../../docs/forward-auth.md");

/// An nginx of its own; stopped when dropped.
struct Nginx {
    child: Child,
    base: String,
    _folder: TempDir,
}

impl Nginx {
    /// Start one; absent when nginx is not installed, which is said, and in CI is a failure.
    fn start(zeroid: &str, service: &str) -> Option<Self> {
        let Some(program) = program() else {
            assert!(std::env::var_os("CI").is_none(), "nginx is not installed, which CI may not do without");
            println!("skipped: nginx is not installed (Debian: nginx-light)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        // A port that was free a moment ago may be taken by then.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            std::fs::write(folder.path().join("nginx.conf"), config(port, zeroid, service)).unwrap();
            let mut command = Command::new(&program);
            command.arg("-p").arg(folder.path()).args(["-c", "nginx.conf", "-e", "error.log"]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            for _ in 0..200 {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    let base = format!("http://127.0.0.1:{port}");
                    return Some(Self { child, base, _folder: folder });
                }
                if child.try_wait().unwrap().is_some() {
                    break;
                }
                std::thread::sleep(Duration::from_millis(25));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        panic!("nginx did not start: {:?}", std::fs::read_to_string(folder.path().join("error.log")))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Asked to stop, the master takes its workers along.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

fn program() -> Option<String> {
    let candidates = ["nginx", "/usr/sbin/nginx"].into_iter();
    let mut found = candidates.filter(|name| {
        let asked = Command::new(name).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    });
    found.next().map(str::to_owned)
}

/// The documented server, on these addresses and without TLS.
fn config(port: u16, zeroid: &str, service: &str) -> String {
    let (_, rest) = DOCUMENTED.split_once("```nginx\n").expect("a block of nginx");
    let (server, _) = rest.split_once("```").expect("the end of the block");
    let mut server = server.to_owned();
    for (documented, ours) in [
        ("listen 443 ssl;", format!("listen 127.0.0.1:{port};")),
        ("http://127.0.0.1:9000", service.to_owned()),
        ("http://127.0.0.1:8899", zeroid.to_owned()),
    ] {
        assert_eq!(server.matches(documented).count(), 1, "{documented}");
        server = server.replace(documented, &ours);
    }
    let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let paths: String = paths.iter().map(|name| format!("{name}_temp_path {name};\n")).collect();
    format!(
        "daemon off;\npid nginx.pid;\nworker_processes 1;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}{server}}}\n"
    )
}

/// A service that answers every request with what it was sent.
struct Upstream {
    base: String,
    seen: Arc<Mutex<usize>>,
}

impl Upstream {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(0));
        let count = Arc::clone(&seen);
        // It ends with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                *count.lock().unwrap() += 1;
                echo(stream.unwrap());
            }
        });
        Self { base, seen }
    }

    fn requests(&self) -> usize {
        *self.seen.lock().unwrap()
    }
}

fn echo(stream: TcpStream) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&lower);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let told = format!("{head}\n{}", String::from_utf8(body).unwrap());
    let mut stream = reader.into_inner();
    let length = told.len();
    write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{told}").unwrap();
}

/// What the service was told under a name, and nothing when it was not told.
fn told<'a>(answer: &'a Answer, name: &str) -> &'a str {
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut lines = answer.body.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(known, _)| *known == name).map_or("", |(_, value)| value)
}

#[test]
fn nginx_asks_before_it_passes_a_request_on() {
    let server = Server::start_with(&[("ZEROID_TRUSTED_PROXIES", "127.0.0.1")]);
    let client = server.client();
    let upstream = Upstream::start();
    let Some(nginx) = Nginx::start(&server.base, &upstream.base) else { return };
    let service = Client::new(&nginx.base);
    let boss = register(&client, "boss", json!({"trust_level": "first_party"}));

    let nobody = service.get("/orders");
    assert_eq!(nobody.status, 401, "{nobody:?}");
    let challenge = nobody.header("www-authenticate");
    assert!(
        challenge.starts_with("Bearer realm=\"zeroid\", DPoP ") && !challenge.contains("error"),
        "{challenge}"
    );

    let weak = issue(&client, &boss.api_key, "read").token();
    let refused = service.bearer(&weak).get("/orders");
    assert_eq!(refused.status, 403, "{refused:?}");
    let challenge = refused.header("www-authenticate");
    assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
    assert!(challenge.contains("scope=\"orders:read\""), "{challenge}");
    assert_eq!(upstream.requests(), 0, "nobody passed");

    let token = issue(&client, &boss.api_key, "orders:read").token();
    let forged = [
        ("x-forwarded-user", "admin"),
        ("x-zeroid-act-sub", "admin"),
        ("x-zeroid-trust-level", "admin"),
        ("x-zeroid-external-id", "admin"),
    ];
    let passed = service.bearer(&token).send("POST", "/orders?a=b", &forged, "the body");
    assert_eq!(told(&passed, "x-forwarded-user"), boss.uri);
    assert_eq!(told(&passed, "x-zeroid-external-id"), "boss");
    assert_eq!(told(&passed, "x-zeroid-trust-level"), "first_party");
    assert_eq!(
        (told(&passed, "x-zeroid-account-id"), told(&passed, "x-zeroid-project-id")),
        ("default", "default")
    );
    assert_eq!((told(&passed, "x-zeroid-act-sub"), told(&passed, "authorization")), ("", ""), "{passed:?}");
    assert!(passed.body.starts_with("post /orders?a=b ") && passed.body.ends_with("the body"), "{passed:?}");
    assert!(!passed.body.contains("admin"), "nobody's own headers pass: {passed:?}");

    revoke(&client, &token);
    let dead = service.bearer(&token).get("/orders");
    assert_eq!(dead.status, 401, "{dead:?}");
    assert!(dead.header("www-authenticate").contains("error=\"invalid_token\""), "{dead:?}");
    drop(server);
    assert_eq!(service.bearer(&token).get("/orders").status, 500, "no verdict is no permission");
    assert_eq!(upstream.requests(), 1);
}

#[test]
fn nginx_lets_a_bound_token_pass_with_its_proof() {
    let nonces = ("ZEROID_DPOP_NONCE_REQUIRED", "true");
    let server = Server::start_with(&[("ZEROID_TRUSTED_PROXIES", "127.0.0.1"), nonces]);
    let (client, prover) = (server.client(), Prover::new());
    let upstream = Upstream::start();
    let Some(nginx) = Nginx::start(&server.base, &upstream.base) else { return };
    let service = Client::new(&nginx.base);
    let boss = register(&client, "boss", json!({}));
    let asked = prover.issue(&client, &boss.api_key, "orders:read");
    let mut claims = crate::prover::claims("POST", &format!("{}/oauth2/token", client.base));
    claims["nonce"] = json!(asked.header("dpop-nonce"));
    let body = crate::prover::by_key(&boss.api_key, "orders:read");
    let token = crate::prover::ask(&client, &body, &prover.sign(&claims)).token();

    let send = |uri: &str, nonce: &str, host: &str| {
        let mut claims = crate::prover::claims_with("PUT", uri, &token);
        claims["nonce"] = json!(nonce);
        let (authorization, proof) = (format!("DPoP {token}"), prover.sign(&claims));
        let headers = [("authorization", authorization.as_str()), ("dpop", proof.as_str()), ("host", host)];
        (service.send("PUT", "/orders/7?a=b", &headers, "x"), proof)
    };
    let (uri, host) = ("http://api.example/orders/7", "api.example");
    let (asked, _) = send(uri, "", host);
    assert_eq!(asked.status, 401, "{asked:?}");
    assert!(asked.header("www-authenticate").contains("error=\"use_dpop_nonce\""), "{asked:?}");
    let nonce = asked.header("dpop-nonce").to_owned();
    let (passed, proof) = send(uri, &nonce, host);
    assert_eq!((told(&passed, "x-forwarded-user"), told(&passed, "dpop")), (boss.uri.as_str(), ""));
    assert!(!passed.header("dpop-nonce").is_empty(), "the nonce for the next proof: {passed:?}");

    let authorization = format!("DPoP {token}");
    let headers = [("authorization", authorization.as_str()), ("dpop", proof.as_str()), ("host", host)];
    let again = service.send("PUT", "/orders/7?a=b", &headers, "x");
    assert_eq!(again.status, 401, "{again:?}");
    assert!(again.header("www-authenticate").contains("error=\"invalid_dpop_proof\""), "{again:?}");
    // A proof for another service does not pass here, whatever name the request calls this one by.
    let (elsewhere, _) = send("http://other.example/orders/7", &nonce, "other.example");
    assert_eq!(elsewhere.status, 401, "{elsewhere:?}");
    let (elsewhere, _) = send("http://api.example/orders/8", &nonce, host);
    assert_eq!(elsewhere.status, 401, "{elsewhere:?}");
    assert_eq!(upstream.requests(), 1);
}
