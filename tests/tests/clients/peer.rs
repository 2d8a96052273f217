//! The same by somebody else's libraries.

use zeroid_tests::{Server, run_node, run_python};

#[test]
fn authlib_authenticates_by_every_method() {
    run_python(&Server::start(), "oauth_clients.py");
}

#[test]
fn oauth4webapi_finds_nothing_that_is_not_as_the_standards_say() {
    run_node(&Server::start_with(&[("ZEROID_DPOP_NONCE_REQUIRED", "true")]), "oauth.mjs");
}
