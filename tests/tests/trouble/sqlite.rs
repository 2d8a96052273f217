//! A file that fails is our fault: 5xx, one log line, nothing changed; never `invalid_grant` or `active: false`.
use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use serde_json::json;
use zeroid_tests::{Answer, Server, delegate, introspect, is_active, issue, on_postgres, register};

/// The database, opened by somebody else.
fn beside(server: &Server) -> SqliteConnection {
    SqliteConnection::establish(server.data().join("zeroid.db").to_str().unwrap()).unwrap()
}

/// One line of the log tells of this answer, as an error with its request id.
#[track_caller]
fn logged_once(server: &Server, answer: &Answer) {
    let id = answer.header("x-request-id");
    let printed = server.printed_until(answer);
    let lines = printed.lines().filter(|line| line.contains(id) && line.contains("our fault")).count();
    assert_eq!(lines, 1, "{id} in {printed}");
    assert!(answer.body.contains(id), "the answer names its request id: {answer:?}");
}

#[test]
fn a_store_that_takes_no_writes_is_retried_later() {
    if on_postgres() {
        return;
    }
    let server = Server::start();
    let client = server.client();
    let (boss, aide) = (register(&client, "boss", json!({})), register(&client, "aide", json!({})));
    let root = issue(&client, &boss.api_key, "read").token();
    let mut other = beside(&server);
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let body = json!({"name": "late", "external_id": "late", "created_by": "dev@company.com"});
    let (tried, registered) = std::thread::scope(|scope| {
        let tried = [
            scope.spawn(|| issue(&client, &boss.api_key, "read")),
            scope.spawn(|| delegate(&client, &root, &aide.api_key, "read")),
            scope.spawn(|| client.post("/oauth2/token/revoke", &json!({"token": root}))),
        ];
        let registered = client.post("/agents/register", &body);
        (tried.map(|trying| trying.join().unwrap()), registered)
    });
    assert_eq!((registered.status, registered.header("content-type")), (503, "application/problem+json"));
    for answer in &tried {
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(answer.text("/error"), "temporarily_unavailable");
        assert_eq!(answer.header("retry-after"), "1");
        logged_once(&server, answer);
    }
    assert!(is_active(&client, &root), "nothing revoked it, and reading goes on");
    other.batch_execute("ROLLBACK").unwrap();
    assert!(is_active(&client, &root), "a revocation that was not acknowledged did not happen");
    let late = client.get("/agents/registry?search=late");
    assert_eq!(late.json["total"], 0, "{late:?}");
    assert_eq!(client.post("/agents/register", &body).status, 201);
    assert_eq!(client.post("/oauth2/token/revoke", &json!({"token": root})).status, 200);
    assert!(!is_active(&client, &root));
}

#[test]
fn a_store_that_cannot_be_read_is_no_verdict() {
    if on_postgres() {
        return;
    }
    let server = Server::start();
    let client = server.client();
    let (boss, aide) = (register(&client, "boss", json!({})), register(&client, "aide", json!({})));
    let mut other = beside(&server);
    for table in ["credentials", "api_keys", "identities", "cut_offs"] {
        let root = issue(&client, &boss.api_key, "read").token();
        other.batch_execute(&format!("ALTER TABLE {table} RENAME TO hidden")).unwrap();
        let answers = [
            issue(&client, &boss.api_key, "read"),
            delegate(&client, &root, &aide.api_key, "read"),
            introspect(&client, &root),
            client.post("/oauth2/token/revoke", &json!({"token": root})),
        ];
        for answer in &answers {
            // What is answered at all is answered as if nothing were wrong; the rest is our fault.
            match answer.status {
                200 => assert_ne!(answer.json["active"], json!(false), "{table}: {answer:?}"),
                500 | 503 => logged_once(&server, answer),
                _ => panic!("{table}: {answer:?}"),
            }
        }
        assert!(answers.iter().any(|answer| answer.status >= 500), "{table}: nothing failed");
        other.batch_execute(&format!("ALTER TABLE hidden RENAME TO {table}")).unwrap();
        assert_eq!(issue(&client, &boss.api_key, "read").status, 200, "{table}: it goes on");
    }
}

#[test]
fn a_full_disk_acknowledges_nothing_and_loses_nothing() {
    if on_postgres() {
        return;
    }
    // No file may grow beyond 3 MiB: what a full disk does, without one.
    let server = Server::start_with_small_files(3 * 1024 * 1024);
    let client = server.client();
    let boss = register(&client, "boss", json!({}));
    let root = issue(&client, &boss.api_key, "read").token();
    let spare: Vec<String> = (0..40).map(|_| issue(&client, &boss.api_key, "read").token()).collect();
    let mut known = Vec::new();
    let full = (0..2000).find_map(|number| {
        let name = format!("agent-{number}");
        let body = json!({"name": name, "external_id": name, "created_by": "dev@company.com",
            "description": "x".repeat(1000)});
        let answer = client.post("/agents/register", &body);
        if answer.status == 201 {
            known.push(answer.text("/identity/id"));
        }
        (answer.status != 201).then_some(answer)
    });
    let full = full.expect("it fills up");
    assert_eq!((full.status, full.header("retry-after")), (503, "1"), "{full:?}");
    // There may be room for a little yet; what does not fit any more is not acknowledged.
    let revoke = |token: &String| client.post("/oauth2/token/revoke", &json!({"token": token}));
    let dead: Vec<&String> = spare.iter().take_while(|token| revoke(token).status == 200).collect();
    assert!(dead.len() < spare.len());
    let revoked = revoke(&root);
    assert_eq!((revoked.status, revoked.header("retry-after")), (503, "1"), "{revoked:?}");
    let server = server.crash_and_restart();
    let client = server.client();
    assert!(is_active(&client, &root), "a revocation that was not acknowledged did not happen");
    for token in &spare {
        assert_eq!(is_active(&client, token), !dead.contains(&token), "as it was acknowledged");
    }
    for id in known {
        assert_eq!(
            client.get(&format!("/agents/registry/{id}")).status,
            200,
            "an acknowledged agent is gone"
        );
    }
    assert_eq!(client.post("/oauth2/token/revoke", &json!({"token": root})).status, 200);
    assert!(!is_active(&client, &root));
}
