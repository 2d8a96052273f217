//! The same by somebody else's library.

use zeroid_tests::{Server, run_python};

#[test]
fn authlib_authenticates_by_every_method() {
    run_python(&Server::start(), "oauth_clients.py");
}
