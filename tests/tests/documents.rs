//! The snippets of the documents, run as a reader would.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

use std::path::Path;
use std::process::Command;

use zeroid_tests::{Server, run_python_text};

/// The snippet of a document that follows `<!-- snippet: name -->`.
fn snippet(document: &str, name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(document);
    let text = std::fs::read_to_string(path).unwrap();
    let (_, after) =
        text.split_once(&format!("<!-- snippet: {name} -->\n```")).expect("the document has the snippet");
    let (_, body) = after.split_once('\n').unwrap();
    body.split_once("\n```").unwrap().0.to_owned()
}

/// Run a shell snippet against a fresh server; gives what it printed. Without curl the test says what it skips; in CI
/// that is a failure.
fn shell(document: &str, name: &str) -> Option<String> {
    if Command::new("curl").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "curl is not installed, which CI may not do without");
        println!("skipped {name} of {document}: curl is not installed");
        return None;
    }
    let server = Server::start();
    let script = snippet(document, name).replace("http://127.0.0.1:8899", &server.base);
    let ran = Command::new("bash").args(["-euo", "pipefail", "-c", &script]).output().unwrap();
    let printed = String::from_utf8(ran.stdout).unwrap();
    assert!(ran.status.success(), "{printed}\n{}", String::from_utf8_lossy(&ran.stderr));
    Some(printed)
}

#[test]
fn the_readmes_first_steps_end_with_a_dead_leaf() {
    let Some(printed) = shell("README.md", "first-steps") else { return };
    let lines: Vec<&str> = printed.lines().collect();
    assert!(
        lines[0].contains("\"active\":true")
            && lines[0].contains("/agent/aide")
            && lines[0].contains("/agent/boss")
    );
    assert_eq!(lines[1..], ["{\"revoked\":true}", "{\"active\":false}"]);
}

#[test]
fn the_readmes_python_does_the_same_in_at_most_20_lines() {
    let script = snippet("README.md", "first-steps-python");
    assert!(script.lines().count() <= 20);
    let server = Server::start();
    let Some(printed) = run_python_text(&server, &script) else { return };
    assert!(
        printed.contains("/agent/py-aide acts for spiffe://") && printed.contains("still active: False"),
        "{printed}"
    );
}

/// The lines that a shell snippet printed, but for empty ones.
fn lines(printed: &str) -> Vec<&str> {
    printed.lines().filter(|line| !line.is_empty()).collect()
}

#[test]
fn an_api_key_buys_a_token_as_the_token_flows_say() {
    let Some(printed) = shell("docs/token-flows.md", "api-key") else { return };
    assert_eq!(lines(&printed), ["orders:read", "[\"https://orders.example\"]"]);
}

#[test]
fn a_token_is_passed_on_as_the_token_flows_say() {
    let Some(printed) = shell("docs/token-flows.md", "token-exchange") else { return };
    assert_eq!(lines(&printed), ["orders:read", "aide", "invalid_request"]);
}

#[test]
fn an_assertion_is_good_once_as_the_token_flows_say() {
    let server = Server::start();
    let script = snippet("docs/token-flows.md", "signed");
    let Some(printed) = run_python_text(&server, &script) else { return };
    let lines = lines(&printed);
    assert_eq!((lines[0], lines[1]), ("read", "invalid_grant"), "{printed}");
    assert!(lines[2].ends_with("/agent/signed-boss"), "{printed}");
}

#[test]
fn every_grant_that_is_served_is_shown_in_the_token_flows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/token-flows.md");
    let text = std::fs::read_to_string(path).unwrap();
    let told = Server::start().client().get("/.well-known/oauth-authorization-server").json;
    for grant in told["grant_types_supported"].as_array().unwrap() {
        let grant = grant.as_str().unwrap();
        let snippets = text.split("<!-- snippet: ").skip(1).filter_map(|rest| rest.split("\n```\n").next());
        let shown = snippets.filter(|snippet| snippet.contains(grant)).count();
        assert!(shown > 0, "no snippet asks by {grant}");
    }
}

#[test]
fn an_agent_with_a_key_gets_a_token_as_the_token_flows_say() {
    let server = Server::start();
    let script = snippet("docs/token-flows.md", "jwt-bearer");
    let Some(printed) = run_python_text(&server, &script) else { return };
    assert_eq!(printed.trim().rsplit('/').next(), Some("keyed"), "{printed}");
}

#[test]
fn a_client_gets_its_identitys_token_as_the_token_flows_say() {
    let Some(printed) = shell("docs/token-flows.md", "client-credentials") else { return };
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].ends_with("/agent/billing") && lines[1] == "invoices:read", "{printed}");
}

#[test]
fn a_resource_server_is_told_of_a_token_as_the_token_flows_say() {
    let Some(printed) = shell("docs/token-flows.md", "introspection") else { return };
    assert_eq!(
        printed.split_whitespace().collect::<Vec<_>>(),
        ["mail:read", "application/token-introspection+jwt"]
    );
    let script = snippet("docs/token-flows.md", "signed-introspection");
    let Some(printed) = run_python_text(&Server::start(), &script) else { return };
    assert_eq!(printed.trim(), "True aide");
}

#[test]
fn a_proof_holds_once_as_the_token_flows_say() {
    let Some(printed) = shell("docs/token-flows.md", "proof") else { return };
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].ends_with("/agent/courier") && lines[1].contains("used before"), "{printed}");
    let script = snippet("docs/token-flows.md", "workload-proof");
    let Some(printed) = run_python_text(&Server::start(), &script) else { return };
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines[0].ends_with("/agent/pilot") && lines[1] == "401", "{printed}");
}

#[test]
fn the_identity_model_shows_an_identity() {
    let Some(printed) = shell("docs/identity-model.md", "identity-model") else { return };
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines.iter().all(|line| line.contains("\"external_id\":\"billing\"")), "{printed}");
    assert!(lines[2].contains("\"total\":1"));
}

#[test]
fn the_delegation_guide_passes_on_what_it_cannot_use() {
    let Some(printed) = shell("docs/agent-delegation.md", "agent-delegation") else { return };
    assert_eq!(printed.trim(), "write:firewall");
}
