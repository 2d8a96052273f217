//! What an operator does: make a deployment, check its settings, run it, give a tenant its key, stop it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods
)]

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;
use zeroid_tests::{Server, command, introspect, issue, on_postgres, register};

const PRODUCTION: [(&str, &str); 2] =
    [("ZEROID_ISSUER", "https://id.example"), ("ZEROID_WIMSE_DOMAIN", "id.example")];

/// What a command printed, and whether it succeeded.
struct Ran {
    ok: bool,
    out: String,
    err: String,
}

fn run(settings: &[(&str, &str)], args: &[&str], data: &Path) -> Ran {
    let output = command(data, settings).args(args).output().expect("it runs");
    Ran {
        ok: output.status.success(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn ran(settings: &[(&str, &str)], args: &[&str], data: &Path) -> String {
    let ran = run(settings, args, data);
    assert!(ran.ok, "{args:?}: {}", ran.err);
    ran.out
}

#[track_caller]
fn refused(settings: &[(&str, &str)], args: &[&str], data: &Path, says: &str) {
    let ran = run(settings, args, data);
    assert!(!ran.ok, "{args:?} succeeded: {}", ran.out);
    assert!(ran.err.contains(says), "{args:?}: {}", ran.err);
}

/// The secret after a label.
fn key(printed: &str, label: &str, prefix: &str) -> String {
    let line = printed.lines().find(|line| line.starts_with(label)).unwrap_or_else(|| panic!("{printed}"));
    let word = line.split_whitespace().last().unwrap();
    assert!(word.starts_with(prefix), "{line}");
    word.to_owned()
}

fn deployment() -> (Arc<TempDir>, String) {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let printed = ran(&PRODUCTION, &["init"], data.path());
    (data, printed)
}

#[test]
fn a_deployment_from_nothing() {
    let (data, printed) = deployment();
    let operator = key(&printed, "operator key", "zid_op_");
    let management = key(&printed, "management key", "zid_sk_");
    assert!(ran(&PRODUCTION, &["migrate"], data.path()).contains("is up to date"));
    let other = ran(&PRODUCTION, &["bootstrap", "--account", "acme", "--project", "prod"], data.path());
    let other = key(&other, "management key", "zid_sk_");

    let server = Server::serve(Arc::clone(&data), &PRODUCTION);
    let client = server.client();
    assert_eq!(client.get("/agents/registry").status, 401, "production is closed to strangers");
    let named = client.bearer(&operator).tenant("default", "default");
    assert_eq!(named.get("/agents/registry").status, 200);
    assert_eq!(client.bearer("zid_op_guessed").tenant("acme", "prod").get("/agents/registry").status, 401);

    // A management token manages its own tenant and no other.
    let manager = |key: &str| client.bearer(&issue(&client, key, "nhi:manage credentials:manage").token());
    let agent = register(&manager(&other), "aide", json!({}));
    assert_eq!(agent.uri, "spiffe://id.example/acme/prod/agent/aide");
    assert_eq!(manager(&other).get(&format!("/agents/registry/{}", agent.id)).status, 200);
    assert_eq!(manager(&management).get(&format!("/agents/registry/{}", agent.id)).status, 404);
    let token = issue(&client, &agent.api_key, "read").token();
    assert_eq!(introspect(&client, &token).text("/iss"), "https://id.example");

    // Two servers on one file would not see one another; PostgreSQL serves any number.
    if !on_postgres() {
        refused(&PRODUCTION, &["serve"], data.path(), "in use by another zeroid-server");
    }
    assert_eq!(server.terminate(), Some(0), "stopped as asked");
    let again = Server::serve(data, &PRODUCTION);
    assert_eq!(introspect(&again.client(), &token).json["active"], json!(true), "it outlives a restart");
}

#[test]
fn keys_change_without_a_restart() {
    let (data, printed) = deployment();
    let management = key(&printed, "management key", "zid_sk_");
    let kids = |state: &str, listed: &str| -> Vec<String> {
        let rows = listed.lines().filter(|line| line.starts_with(state));
        rows.map(|line| line.split_whitespace().nth(2).unwrap().to_owned()).collect()
    };
    let listed = ran(&PRODUCTION, &["keys", "list"], data.path());
    assert_eq!((kids("active", &listed).len(), kids("next", &listed).len()), (1, 1), "{listed}");
    let server = Server::serve(Arc::clone(&data), &PRODUCTION);
    let client = server.client();
    let token = issue(&client, &management, "nhi:manage").token();
    refused(&PRODUCTION, &["keys", "rotate"], data.path(), "360 s are needed");
    refused(&PRODUCTION, &["keys", "retire", "unknown"], data.path(), "no signing key of this id");
    let active = kids("active", &listed).remove(0);
    let rotated = ran(&PRODUCTION, &["keys", "rotate", "--emergency"], data.path());
    assert_eq!(kids("active", &rotated), kids("next", &listed), "the next key signs");
    assert_eq!(kids("retired", &rotated), [active.as_str()]);
    assert_eq!(introspect(&client, &token).json, json!({"active": false}), "what the old key signed is dead");
    assert!(!client.get("/.well-known/jwks.json").body.contains(&active));
    let token = issue(&client, &management, "nhi:manage").token();
    assert_eq!(introspect(&client, &token).json["active"], json!(true));
    drop(server);
    assert_eq!(ran(&PRODUCTION, &["keys", "list"], data.path()), rotated, "the same without a server");
}

#[test]
fn the_master_key_may_come_from_a_command() {
    let data = tempfile::tempdir().unwrap();
    let [issuer, domain] = PRODUCTION;
    let command = "printf %s AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let settings = [issuer, domain, ("ZEROID_MASTER_KEY_COMMAND", command)];
    ran(&settings, &["init"], data.path());
    assert!(!data.path().join("master.key").exists());
    ran(&settings, &["keys", "list"], data.path());
    let fails = [issuer, domain, ("ZEROID_MASTER_KEY_COMMAND", "echo not here >&2; exit 3")];
    refused(&fails, &["keys", "list"], data.path(), "master_key_command");
    let two = [issuer, domain, ("ZEROID_MASTER_KEY_COMMAND", command), ("ZEROID_MASTER_KEY", "x")];
    refused(&two, &["keys", "list"], data.path(), "exclude each other");
}

#[test]
fn init_shows_secrets_once() {
    let (data, printed) = deployment();
    let operator = key(&printed, "operator key", "zid_op_");
    let again = ran(&PRODUCTION, &["init"], data.path());
    assert!(again.contains("not shown again") && !again.contains(&operator), "{again}");
    let files = std::fs::read_dir(data.path()).unwrap().map(|entry| std::fs::read(entry.unwrap().path()));
    for bytes in files {
        let stored = bytes.unwrap().windows(operator.len()).any(|window| window == operator.as_bytes());
        assert!(!stored, "the operator key itself is on disk");
    }
}

#[test]
fn what_cannot_run_says_why() {
    let data = tempfile::tempdir().unwrap();
    let [issuer, domain] = PRODUCTION;
    let args = ["serve"];
    refused(&PRODUCTION, &args, data.path(), "run `zeroid-server init` first");
    refused(&[domain], &args, data.path(), "issuer is required");
    refused(&[issuer], &args, data.path(), "wimse_domain is required");
    refused(&[("ZEROID_ISSUER", "http://id.example"), domain], &args, data.path(), "must be https");
    refused(&[issuer, domain, ("ZEROID_ISUER", "x")], &args, data.path(), "ZEROID_ISUER is not a setting");
    refused(&[issuer, domain, ("ZEROID_PORT", "http")], &args, data.path(), "port");
    refused(&[issuer, domain, ("ZEROID_MASTER_KEY", "short")], &["init"], data.path(), "master key");
    refused(&[issuer], &["init"], data.path(), "wimse_domain is required");
    refused(&[], &["dev", "--listen", "0.0.0.0:0"], data.path(), "loopback");
    let bootstrap = ["bootstrap", "--account", "a b", "--project", "p"];
    refused(&PRODUCTION, &bootstrap, data.path(), "--account or --project");
    assert!(std::fs::read_dir(data.path()).unwrap().next().is_none(), "a refused start leaves nothing");

    // The keys of a deployment cannot be read under another master key, nor without one.
    let (made, _) = deployment();
    let file = made.path().join("master.key");
    let kept = std::fs::read_to_string(&file).unwrap();
    let other = tempfile::tempdir().unwrap();
    ran(&PRODUCTION, &["init"], other.path());
    std::fs::copy(other.path().join("master.key"), &file).unwrap();
    refused(&PRODUCTION, &args, made.path(), "master key");
    std::fs::remove_file(&file).unwrap();
    refused(&PRODUCTION, &args, made.path(), "master.key is missing");
    let settings = [issuer, domain, ("ZEROID_MASTER_KEY", kept.trim())];
    let server = Server::serve(made, &settings);
    assert_eq!(server.client().get("/ready").status, 200);
}

#[test]
fn check_config_shows_what_serve_would_run_with_and_no_secret() {
    let data = tempfile::tempdir().unwrap();
    let config = data.path().join("zeroid.toml");
    let text = "issuer = \"https://file.example\"\nwimse_domain = \"id.example\"\ntoken_ttl_seconds = 600\n";
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let secret = "a-secret-operator-key-of-forty-characters";
    let settings = [("ZEROID_ISSUER", "https://environment.example"), ("ZEROID_OPERATOR_KEY", secret)];
    let shown = ran(&settings, &["check-config", "--config", config], data.path());
    for says in ["https://environment.example", "600", "id.example", "operator_key"] {
        assert!(shown.contains(says), "{says} in {shown}");
    }
    assert!(!shown.contains(secret) && !shown.contains("file.example"), "{shown}");
    std::fs::write(data.path().join("wrong.toml"), "isuer = \"https://file.example\"\n").unwrap();
    let wrong = data.path().join("wrong.toml");
    refused(&[], &["check-config", "--config", wrong.to_str().unwrap()], data.path(), "isuer");
}
