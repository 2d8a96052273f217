//! What tokens are signed with: each algorithm, and keys in a PKCS#11 module, through the real binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_methods
)]

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use zeroid_jose::{Jwks, PublicKey, parse, verify};
use zeroid_test_softhsm::{CONFIG_VARIABLE, PIN, SoftHsm};
use zeroid_tests::{Client, Server, command, delegate, is_active, issue, register, revoke};

const PRODUCTION: [(&str, &str); 2] =
    [("ZEROID_ISSUER", "https://id.example"), ("ZEROID_WIMSE_DOMAIN", "id.example")];

type Settings<'a> = Vec<(&'a str, &'a str)>;

/// Run a command; what it printed, or why it failed.
fn run(settings: &[(&str, &str)], args: &[&str], data: &Path) -> Result<String, String> {
    let output = command(data, settings).args(args).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[track_caller]
fn refused(settings: &[(&str, &str)], args: &[&str], data: &Path, says: &str) {
    let why = run(settings, args, data).expect_err("it must be refused");
    assert!(why.contains(says), "{args:?}: {why}");
    assert!(!why.contains(PIN), "no secret is shown: {why}");
}

/// Verify a token as a client would: by the published key it names; gives what its header says.
fn header_verified(client: &Client, token: &str) -> (String, String) {
    let jws = parse(token).unwrap();
    let header = jws.peek().header.clone();
    let keys: Jwks = serde_json::from_str(&client.get("/.well-known/jwks.json").body).unwrap();
    let jwk = keys.keys.iter().find(|jwk| jwk.kid == header.kid).expect("the key is published");
    assert_eq!(jwk.alg.as_deref(), Some(header.alg.as_str()));
    verify(jws, &PublicKey::from_jwk(jwk).unwrap()).unwrap();
    (header.alg.clone(), header.kid.clone().unwrap())
}

/// A row of `keys list`: state, algorithm, id, and where the key is.
fn rows(listed: &str) -> Vec<[String; 4]> {
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        [words[0], words[1], words[2], words[4]].map(str::to_owned)
    };
    listed.lines().skip(1).map(row).collect()
}

/// Issue, delegate, introspect, revoke.
fn a_round(server: &Server, management: &str, alg: &str) -> String {
    let client = server.client();
    let manager = client.bearer(&issue(&client, management, "nhi:manage credentials:manage").token());
    let [boss, aide] =
        ["boss", "aide"].map(|name| register(&manager, &format!("{name}-{}", server.pid()), json!({})));
    let root = issue(&client, &boss.api_key, "read").token();
    let leaf = delegate(&client, &root, &aide.api_key, "read").token();
    for token in [&root, &leaf] {
        assert_eq!(header_verified(&client, token).0, alg);
        assert!(is_active(&client, token));
    }
    revoke(&client, &root);
    assert!(!is_active(&client, &leaf));
    issue(&client, &boss.api_key, "read").token()
}

#[test]
fn a_deployment_chooses_its_algorithm() {
    for alg in ["ES256", "RS256", "EdDSA"] {
        let data = Arc::new(tempfile::tempdir().unwrap());
        let settings = [PRODUCTION[0], PRODUCTION[1], ("ZEROID_SIGNING_ALGORITHM", alg)];
        let printed = run(&settings, &["init"], data.path()).unwrap();
        let management = printed.split_whitespace().find(|word| word.starts_with("zid_sk_")).unwrap();
        let always = [settings.as_slice(), &[("ZEROID_ALWAYS_VERIFY_SIGNATURES", "true")]].concat();
        let mut tokens = Vec::new();
        for settings in [&settings[..], &always] {
            let server = Server::serve(Arc::clone(&data), settings);
            tokens.push(a_round(&server, management, alg));
            assert!(tokens.iter().all(|token| is_active(&server.client(), token)), "after a restart too");
            assert_eq!(server.terminate(), Some(0));
        }
        let listed = rows(&run(&settings, &["keys", "list"], data.path()).unwrap());
        assert!(listed.iter().all(|[_, of, _, place]| of == alg && place == "database"), "{listed:?}");
    }
    let data = tempfile::tempdir().unwrap();
    let wrong = [PRODUCTION[0], PRODUCTION[1], ("ZEROID_SIGNING_ALGORITHM", "HS256")];
    refused(&wrong, &["serve"], data.path(), "known are ES256, RS256 and EdDSA");
}

#[test]
fn another_algorithm_is_published_first() {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let printed = run(&PRODUCTION, &["init"], data.path()).unwrap();
    let management = printed.split_whitespace().find(|word| word.starts_with("zid_sk_")).unwrap();
    let settings = [PRODUCTION[0], PRODUCTION[1], ("ZEROID_SIGNING_ALGORITHM", "EdDSA")];
    let server = Server::serve(Arc::clone(&data), &settings);
    let client = server.client();
    let token = issue(&client, management, "nhi:manage").token();
    assert_eq!(header_verified(&client, &token).0, "ES256", "nothing changes but what is published");
    let keys = client.get("/.well-known/jwks.json").json;
    let kinds = |keys: &Value| -> Vec<String> {
        keys["keys"].as_array().unwrap().iter().map(|key| key["kty"].as_str().unwrap().to_owned()).collect()
    };
    let published = kinds(&keys);
    assert_eq!(published.iter().filter(|kind| *kind == "OKP").count(), 1, "{published:?}");
    refused(&settings, &["keys", "rotate"], data.path(), "360 s are needed");
    let rotated = rows(&run(&settings, &["keys", "rotate", "--emergency"], data.path()).unwrap());
    let of = |state: &str| {
        rotated.iter().filter(|row| row[0] == state).map(|row| row[1].as_str()).collect::<Vec<_>>()
    };
    assert_eq!((of("active"), of("next")), (vec!["EdDSA"], vec!["EdDSA"]), "{rotated:?}");
    let token = issue(&client, management, "nhi:manage").token();
    assert_eq!(header_verified(&client, &token).0, "EdDSA");
}

fn in_token<'a>(token: &'a SoftHsm, config: &'a str, alg: &'a str) -> Settings<'a> {
    vec![
        PRODUCTION[0],
        PRODUCTION[1],
        (CONFIG_VARIABLE, config),
        ("ZEROID_PKCS11_MODULE", token.module().to_str().unwrap()),
        ("ZEROID_PKCS11_TOKEN", token.label()),
        ("ZEROID_PKCS11_PIN", PIN),
        ("ZEROID_SIGNING_ALGORITHM", alg),
    ]
}

fn deployment(settings: &[(&str, &str)]) -> (Arc<TempDir>, String) {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let printed = run(settings, &["init"], data.path()).unwrap();
    let key = printed.split_whitespace().find(|word| word.starts_with("zid_sk_")).unwrap();
    (data, key.to_owned())
}

#[test]
fn keys_in_a_pkcs11_module_sign_rotate_and_retire() {
    for alg in ["ES256", "RS256", "EdDSA"] {
        let Some(token) = SoftHsm::for_test("keys_in_a_pkcs11_module", "ZeroID tests") else { return };
        let config = token.config().to_str().unwrap().to_owned();
        let settings = in_token(&token, &config, alg);
        let (data, management) = deployment(&settings);
        let server = Server::serve(Arc::clone(&data), &settings);
        let client = server.client();
        let before = a_round(&server, &management, alg);
        let (_, first) = header_verified(&client, &before);

        let listed = rows(&run(&settings, &["keys", "list"], data.path()).unwrap());
        let elsewhere =
            |row: &[String; 4]| row[1] == alg && row[3].starts_with("pkcs11:token=ZeroID%20tests;id=%");
        assert!(listed.len() == 2 && listed.iter().all(elsewhere), "{listed:?}");
        refused(&settings, &["keys", "rotate"], data.path(), "360 s are needed");
        let rotated = rows(&run(&settings, &["keys", "rotate", "--emergency"], data.path()).unwrap());
        assert!(rotated.len() == 3 && rotated.iter().all(elsewhere), "{rotated:?}");
        assert!(!is_active(&client, &before), "the old key's tokens are dead");
        let after = issue(&client, &management, "nhi:manage").token();
        let (_, second) = header_verified(&client, &after);
        assert_ne!(first, second);
        run(&settings, &["keys", "retire", &second], data.path()).unwrap();
        assert!(!is_active(&client, &after));
        let last = issue(&client, &management, "nhi:manage").token();
        header_verified(&client, &last);
        assert_eq!(server.terminate(), Some(0));

        // The keys are there after a restart, and the private halves in no file of ours.
        let server = Server::serve(Arc::clone(&data), &settings);
        assert!(is_active(&server.client(), &last));
        assert!(!server.printed().contains(PIN));
        header_verified(&server.client(), &issue(&server.client(), &management, "nhi:manage").token());
    }
}

#[test]
fn a_module_that_does_not_open_refuses_the_start() {
    let Some(token) = SoftHsm::for_test("a_module_that_does_not_open", "ZeroID tests") else { return };
    let config = token.config().to_str().unwrap().to_owned();
    let good = in_token(&token, &config, "ES256");
    let (data, _) = deployment(&good);
    let but = |name: &str, value: &'static str| -> Settings<'_> {
        let other = good.iter().map(|(key, old)| if *key == name { (*key, value) } else { (*key, *old) });
        other.collect()
    };
    let args = ["serve"];
    refused(
        &but("ZEROID_PKCS11_PIN", "0000-not-it"),
        &args,
        data.path(),
        "the PIN of the token `ZeroID tests` is wrong",
    );
    refused(&but("ZEROID_PKCS11_TOKEN", "other"), &args, data.path(), "has no token `other`");
    refused(
        &but("ZEROID_PKCS11_MODULE", "/nowhere/module.so"),
        &args,
        data.path(),
        "/nowhere/module.so does not load",
    );
    refused(&PRODUCTION, &args, data.path(), "the active signing key is `pkcs11:token=ZeroID%20tests;id=");
    // Another token of the same name holds other keys.
    let stranger = SoftHsm::for_test("a_module_that_does_not_open", "ZeroID tests").unwrap();
    let strange = stranger.config().to_str().unwrap().to_owned();
    refused(
        &in_token(&stranger, &strange, "ES256"),
        &args,
        data.path(),
        "has no key `pkcs11:token=ZeroID%20tests;id=",
    );

    // The PIN may come from a file that nobody else reads.
    let pin = data.path().join("pin");
    std::fs::write(&pin, format!("{PIN}\n")).unwrap();
    let path = pin.to_str().unwrap();
    let mut by_file: Settings<'_> =
        good.iter().copied().filter(|(key, _)| *key != "ZEROID_PKCS11_PIN").collect();
    by_file.push(("ZEROID_PKCS11_PIN_FILE", path));
    std::fs::set_permissions(&pin, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    refused(&by_file, &args, data.path(), "can be read by others");
    std::fs::set_permissions(&pin, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let shown = run(&by_file, &["check-config"], data.path()).unwrap();
    assert!(shown.contains("signing_keys = pkcs11") && !shown.contains(PIN), "{shown}");
    let server = Server::serve(Arc::clone(&data), &by_file);
    assert_eq!(server.client().get("/ready").status, 200);
}

#[test]
fn a_module_that_stops_working_is_our_fault() {
    let Some(token) = SoftHsm::for_test("a_module_that_stops_working", "ZeroID tests") else { return };
    let config = token.config().to_str().unwrap().to_owned();
    let settings = in_token(&token, &config, "ES256");
    let (data, management) = deployment(&settings);
    let server = Server::serve(data, &settings);
    let client = server.client();
    let good = issue(&client, &management, "nhi:manage").token();

    let (files, away) = (token.files(), token.files().with_extension("away"));
    std::fs::rename(&files, &away).unwrap();
    let failed = issue(&client, &management, "nhi:manage");
    assert_eq!(failed.status, 503, "{failed:?}");
    assert_eq!(failed.text("/error"), "temporarily_unavailable");
    assert_eq!(failed.header("retry-after"), "1");
    assert!(is_active(&client, &good), "what was signed is still good");
    let logged = server.printed_until(&failed);
    assert_eq!(logged.matches("request failed through our fault").count(), 1, "{logged}");
    assert!(logged.contains("did not sign"), "{logged}");

    std::fs::rename(&away, &files).unwrap();
    // This module finds its token again only when it is started anew, which needs no restart of the server.
    let again = issue(&client, &management, "nhi:manage");
    assert_eq!(again.status, 200, "{}", server.printed());
    header_verified(&client, &again.token());
    run(&settings, &["keys", "rotate", "--emergency"], server.data()).unwrap();
    assert!(!is_active(&client, &good));
}
