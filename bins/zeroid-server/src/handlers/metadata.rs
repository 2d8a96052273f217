//! Well-known documents.

use hyper::StatusCode;
use hyper::header::IF_NONE_MATCH;
use serde_json::{Value, json};
use zeroid_wire::Metadata;

use crate::app::App;
use crate::http::{Edge, Reply, Request};

/// `GET /.well-known/oauth-authorization-server` (RFC 8414 §3).
pub(crate) async fn authorization_server(app: &App, request: Request) -> Result<Reply, Edge> {
    let rules = &app.engine.settings().rules;
    let metadata = Metadata { issuer: &rules.issuer, profile: rules.profile };
    Ok(cached(&request, &zeroid_wire::authorization_server(&metadata)))
}

/// `GET /.well-known/jwks.json` (RFC 7517 §5).
pub(crate) async fn jwks(app: &App, request: Request) -> Result<Reply, Edge> {
    Ok(cached(&request, &json!(app.engine.jwks())))
}

/// `GET /.well-known/spiffe-trust-bundle.json` (SPIFFE Trust Domain and Bundle §4).
pub(crate) async fn trust_bundle(app: &App, request: Request) -> Result<Reply, Edge> {
    let mut keys = app.engine.jwks();
    for key in &mut keys.keys {
        key.usage = Some("JWT-SVID".to_owned());
    }
    let sequence = app.engine.key_set_sequence();
    let bundle = json!({"keys": keys.keys, "spiffe_sequence": sequence, "spiffe_refresh_hint": 300});
    Ok(cached(&request, &bundle))
}

/// A document with its mark; nothing but the mark when the caller has it already (RFC 9110 §13.1.2).
fn cached(request: &Request, document: &Value) -> Reply {
    let reply = Reply::ok(document);
    let etag = format!("\"{}\"", zeroid_jose::content_mark(&reply.body));
    let known =
        request.header(IF_NONE_MATCH.as_str()).split(',').map(str::trim).any(|tag| tag == etag || tag == "*");
    if known { Reply::empty(StatusCode::NOT_MODIFIED).cacheable(&etag) } else { reply.cacheable(&etag) }
}
