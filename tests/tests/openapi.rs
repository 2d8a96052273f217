//! The OpenAPI document, and the server held against it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::sync::Arc;

use serde_json::json;
use zeroid_tests::{Server, command, run_schemathesis};

const OPERATOR: &str = "an-operator-key-of-more-than-32-characters";

const PRODUCTION: [(&str, &str); 3] = [
    ("ZEROID_ISSUER", "https://id.example"),
    ("ZEROID_WIMSE_DOMAIN", "id.example"),
    ("ZEROID_OPERATOR_KEY", OPERATOR),
];

fn production() -> Server {
    let data = Arc::new(tempfile::tempdir().unwrap());
    let made = command(data.path(), &PRODUCTION).arg("init").output().expect("init runs");
    assert!(made.status.success(), "{made:?}");
    Server::serve(data, &PRODUCTION)
}

#[test]
fn the_document_is_public_and_recognised_by_its_mark() {
    let server = production();
    let client = server.client();
    let document = client.get("/openapi.json");
    assert_eq!((document.status, document.header("content-type")), (200, "application/json"));
    assert_eq!(document.json["openapi"], json!("3.1.0"));
    let agent = &document.json["paths"]["/agents/registry/{id}"];
    assert_eq!(agent["servers"], json!([{"url": "/"}, {"url": "/api/v1"}]));
    assert_eq!(agent["get"]["security"], json!([{"bearer": []}]));
    let again = client.send("GET", "/openapi.json", &[("if-none-match", document.header("etag"))], "");
    assert_eq!((again.status, again.body.as_str()), (304, ""));

    // In `dev` no credential is needed, and the document says so.
    let open = Server::start().client().get("/openapi.json").json;
    assert_eq!(open["paths"]["/agents/registry/{id}"]["get"]["security"], json!([{"bearer": []}, {}]));
}

/// What schemathesis makes of the document, within a minute: no fault of ours, no status, media type or answer that is
/// not described, no route open that should be closed.
///
/// Left out are checks of rules we do not have: a record that was stopped stays; a body may break a rule that no
/// schema can say; an empty parameter is as good as none.
#[test]
fn no_request_is_answered_otherwise_than_described() {
    let server = production();
    run_schemathesis(
        &server,
        OPERATOR,
        &[
            "--phases=examples,coverage,fuzzing,stateful",
            "--exclude-checks=use_after_free,positive_data_acceptance,negative_data_rejection",
            "--max-examples=5",
            "--workers=1",
            "--seed=1",
        ],
    );
}
