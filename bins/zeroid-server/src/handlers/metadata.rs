//! Well-known documents: written once, until the keys change.

use std::sync::{PoisonError, RwLock};

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderValue, IF_NONE_MATCH};
use serde_json::{Value, json};
use zeroid_core::Inspection;
use zeroid_jose::PROOF_ALGORITHMS;
use zeroid_wire::Metadata;

use crate::app::App;
use crate::http::{Edge, Reply, Request};

/// The documents as they were written last.
#[derive(Default)]
pub(crate) struct Documents {
    metadata: Kept,
    resource: Kept,
    key_set: Kept,
    trust_bundle: Kept,
    openapi: Kept,
}

/// `GET /.well-known/oauth-authorization-server` (RFC 8414 §3), and the same under `openid-configuration`, where some
/// clients look first (RFC 8414 §5).
pub(crate) async fn authorization_server(app: &App, request: Request) -> Result<Reply, Edge> {
    refuse_other_issuers(app, &request)?;
    let write = || {
        let settings = app.engine.settings();
        zeroid_wire::authorization_server(&Metadata {
            issuer: &settings.rules.issuer,
            profile: settings.rules.profile,
            dpop_algorithms: &PROOF_ALGORITHMS,
            answers_signed_by: app.engine.signing_algorithm().as_str(),
            looking_needs_a_client: settings.inspection == Inspection::Required,
        })
    };
    Ok(reply(&request, app.documents.metadata.at(app.engine.key_set_version(), write)))
}

/// `GET /.well-known/oauth-protected-resource` (RFC 9728 §3).
pub(crate) async fn protected_resource(app: &App, request: Request) -> Result<Reply, Edge> {
    refuse_other_issuers(app, &request)?;
    let write = || zeroid_wire::protected_resource(&app.engine.settings().rules.issuer, &PROOF_ALGORITHMS);
    Ok(reply(&request, app.documents.resource.at(0, write)))
}

/// A document of an issuer with a path is asked for with that path at its end (RFC 8414 §3.1, RFC 9728 §3.1); one of
/// another path is another issuer's.
fn refuse_other_issuers(app: &App, request: &Request) -> Result<(), Edge> {
    let own = path_of(&app.engine.settings().rules.issuer);
    let asked = request.id.as_str();
    if asked.is_empty() || own.strip_prefix('/') == Some(asked) { Ok(()) } else { Err(Edge::not_found()) }
}

/// Where the metadata of this server as a protected resource is found (RFC 9728 §3.1).
pub(crate) fn resource_metadata_url(issuer: &str) -> String {
    let path = path_of(issuer);
    let origin = issuer.strip_suffix(path).unwrap_or(issuer);
    format!("{origin}/.well-known/oauth-protected-resource{path}")
}

/// The path of a URL; empty when it has none.
fn path_of(url: &str) -> &str {
    let after = url.split_once("://").map_or(url, |(_, after)| after);
    after.find('/').and_then(|at| after.get(at..)).unwrap_or_default()
}

/// `GET /.well-known/jwks.json` (RFC 7517 §5).
pub(crate) async fn jwks(app: &App, request: Request) -> Result<Reply, Edge> {
    let version = app.engine.key_set_version();
    Ok(reply(&request, app.documents.key_set.at(version, || json!(app.engine.jwks()))))
}

/// `GET /openapi.json` (OpenAPI 3.1).
pub(crate) async fn openapi(app: &App, request: Request) -> Result<Reply, Edge> {
    Ok(reply(&request, app.documents.openapi.at(0, || app.openapi.clone())))
}

/// `GET /.well-known/spiffe-trust-bundle.json` (SPIFFE Trust Domain and Bundle §4).
pub(crate) async fn trust_bundle(app: &App, request: Request) -> Result<Reply, Edge> {
    let version = app.engine.key_set_version();
    let write = || {
        let mut keys = app.engine.jwks();
        for key in &mut keys.keys {
            key.usage = Some("JWT-SVID".to_owned());
        }
        let sequence = app.engine.key_set_sequence();
        json!({"keys": keys.keys, "spiffe_sequence": sequence, "spiffe_refresh_hint": 300})
    };
    Ok(reply(&request, app.documents.trust_bundle.at(version, write)))
}

/// A document as it was written last, if it was.
#[derive(Default)]
struct Kept(RwLock<Option<Document>>);

#[derive(Clone)]
struct Document {
    version: u64,
    body: Bytes,
    etag: HeaderValue,
}

impl Kept {
    /// The document of this version.
    fn at(&self, version: u64, write: impl FnOnce() -> Value) -> Document {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(document) = kept.filter(|document| document.version == version) {
            return document;
        }
        let body = Bytes::from(write().to_string());
        let etag = HeaderValue::try_from(format!("\"{}\"", zeroid_jose::content_mark(&body)));
        // INVARIANT: a mark is base64url, which every header takes.
        let etag = etag.unwrap_or_else(|_| HeaderValue::from_static("\"\""));
        let document = Document { version, body, etag };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(document.clone());
        document
    }
}

/// A document with its mark; nothing but the mark when the caller has it already (RFC 9110 §13.1.2).
fn reply(request: &Request, document: Document) -> Reply {
    let Document { body, etag, .. } = document;
    let asked = request.header(IF_NONE_MATCH.as_str());
    let is_known = |tag: &str| tag == "*" || tag.as_bytes() == etag.as_bytes();
    if !asked.is_empty() && asked.split(',').map(str::trim).any(is_known) {
        return Reply::empty(StatusCode::NOT_MODIFIED).cacheable(etag);
    }
    Reply::text(body).cacheable(etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9728_section_3_1() {
        let check = |issuer: &str, expected: &str| assert_eq!(resource_metadata_url(issuer), expected);
        check("https://id.example", "https://id.example/.well-known/oauth-protected-resource");
        check("https://id.example:8443", "https://id.example:8443/.well-known/oauth-protected-resource");
        check("https://id.example/a/b", "https://id.example/.well-known/oauth-protected-resource/a/b");
    }
}
