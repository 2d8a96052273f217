//! The server proves who it is, or nothing is sent to it.

use std::path::Path;

use serde_json::json;
use zeroid_test_postgres::{Cluster, sql};
use zeroid_tests::{Server, command, issue, register};

/// Trusted servers ask for none, which is as well: what matters here is where it turns up.
const PASSWORD: &str = "pass-w0rd-nobody-may-see";

/// What `migrate` says of a database, which is all that happens.
fn migrate(url: &str, more: &[(&str, &str)]) -> (bool, String) {
    let data = tempfile::tempdir().unwrap();
    let settings: Vec<_> = [("ZEROID_DATABASE_URL", url)].into_iter().chain(more.iter().copied()).collect();
    let ran = command(data.path(), &settings).arg("migrate").output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(!said.contains(PASSWORD), "{said}");
    (ran.status.success(), said)
}

#[track_caller]
fn refused(url: &str, says: &str) {
    let (ok, said) = migrate(url, &[]);
    assert!(!ok && said.contains(says), "{url}: {said}");
    assert!(said.trim().lines().count() == 1, "{said}");
}

fn url(host: &str, cluster: &Cluster, database: &str, settings: &str) -> String {
    format!("postgresql://zeroid:{PASSWORD}@{host}:{}/{database}?{settings}", cluster.port())
}

fn verified_by(ca: &Path) -> String {
    format!("sslmode=verify-full&sslrootcert={}", ca.display())
}

#[test]
fn a_server_that_proves_who_it_is_is_used_and_any_other_is_refused() {
    let (cluster, authority) = Cluster::start_with_tls().expect("a PostgreSQL with TLS");
    let administer =
        format!("postgresql://zeroid@/postgres?host={}&port={}", cluster.folder().display(), cluster.port());
    sql(&administer, "CREATE DATABASE ours").unwrap();
    sql(&administer, "CREATE DATABASE theirs").unwrap();
    let (ca, other) = (verified_by(&authority.ca), verified_by(&authority.other));

    refused(&url("localhost", &cluster, "ours", &other), "certificate verify failed");
    refused(&url("127.0.0.1", &cluster, "ours", &ca), "does not match host name");
    refused(
        &url("localhost", &cluster, "ours", "sslmode=verify-full&sslrootcert=nowhere.pem"),
        "nowhere.pem",
    );
    refused(&url("localhost", &cluster, "ours", "sslmode=disable"), "no encryption");
    refused(&url("db.example", &cluster, "ours", "x=y"), "add `sslmode=verify-full");
    // The CAs of the system, which do not know this one until OpenSSL is told where they are.
    let of_system = url("localhost", &cluster, "theirs", "sslrootcert=system");
    refused(&of_system, "certificate verify failed");
    let (ok, said) = migrate(&of_system, &[("SSL_CERT_FILE", authority.ca.to_str().unwrap())]);
    assert!(ok && said.contains("applied"), "{said}");

    let server = Server::start_with(&[("ZEROID_DATABASE_URL", &url("localhost", &cluster, "ours", &ca))]);
    let agent = register(&server.client(), "boss", json!({}));
    assert_eq!(issue(&server.client(), &agent.api_key, "read").status, 200);
    let encrypted = sql(
        &administer,
        "SELECT bool_and(ssl), count(*) > 2 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE datname = 'ours'",
    );
    assert_eq!(encrypted.unwrap().trim(), "t|t");
    assert!(!server.printed().contains(PASSWORD));
}

#[test]
fn a_server_without_tls_is_refused_when_it_must_prove_who_it_is() {
    let cluster = Cluster::start(zeroid_test_postgres::Durability::OfTheProcess).expect("a PostgreSQL");
    let ca = cluster.folder().join("data/PG_VERSION");
    refused(&url("localhost", &cluster, "postgres", "sslmode=require"), "server does not support SSL");
    let verified = verified_by(&ca);
    let (ok, said) = migrate(&url("localhost", &cluster, "postgres", &verified), &[]);
    assert!(!ok, "{said}");
}
