//! What a token says, as JSON or signed.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, VARY};
use serde::Serialize;
use zeroid_core::{ActiveToken, Fault, Inspector, Introspection};
use zeroid_token_core::OAuthCode;
use zeroid_wire::{
    INTROSPECTION_INACTIVE, InactiveBody, IntrospectionBody, OAuthError, SignedIntrospectionBody,
    introspection, read_presented_token,
};

use super::token::{challenged, counted, presents_basic};
use crate::app::App;
use crate::http::{Edge, Reply, Request, prefers};

/// The media type of a signed answer (RFC 9701 §4).
const SIGNED: &str = "application/token-introspection+jwt";

/// `POST /oauth2/token/introspect` (RFC 7662 §2): JSON, or signed for who prefers that (RFC 9701).
pub(crate) async fn introspect(app: &App, request: Request) -> Result<Reply, Edge> {
    let by_basic = presents_basic(&request);
    challenged(look(app, request).await, by_basic).map(|reply| reply.with_static(VARY, "accept"))
}

async fn look(app: &App, request: Request) -> Result<Reply, Edge> {
    let (params, client) = counted(app, &request)?;
    let presented = read_presented_token(&params)?;
    let client = client?;
    let signed = prefers(SIGNED, &request.headers);
    if signed && client.is_none() {
        return Err(nobody());
    }
    let who = app.engine.inspector(client.as_ref()).await?;
    if signed {
        return Box::pin(look_signed(app, &presented.0, who.within_its_tenant())).await;
    }
    let reply = match app.engine.introspect_for(&presented.0, &who).await? {
        Introspection::Inactive => Reply::text(INTROSPECTION_INACTIVE),
        Introspection::Active(token) => Reply::written(&body(&token))?,
    };
    Ok(reply.no_store())
}

async fn look_signed(app: &App, token: &str, who: Inspector) -> Result<Reply, Edge> {
    let to = who.client().ok_or_else(nobody)?.as_str();
    let reply = match app.engine.introspect_for(token, &who).await? {
        Introspection::Inactive => sign(app, to, InactiveBody::default()).await?,
        Introspection::Active(token) => sign(app, to, body(&token)).await?,
    };
    Ok(reply.no_store())
}

fn body(token: &ActiveToken) -> IntrospectionBody<'_> {
    introspection(&token.claims, &token.labels, token.token_type, &token.principal_sub)
}

async fn sign(app: &App, to: &str, answer: impl Serialize) -> Result<Reply, Edge> {
    let body = SignedIntrospectionBody {
        iss: &app.engine.settings().rules.issuer,
        aud: to,
        iat: app.engine.now().unix_seconds(),
        token_introspection: answer,
    };
    let claims = serde_json::to_vec(&body).map_err(|error| Fault::Json(error.to_string()))?;
    let mut reply = Reply::empty(StatusCode::OK).with_static(CONTENT_TYPE, SIGNED);
    reply.body = Bytes::from(app.engine.sign_introspection(claims).await?);
    Ok(reply)
}

/// RFC 9701 §5: an answer that names nobody in `aud` is given to nobody.
fn nobody() -> Edge {
    let why = "a signed answer is for a client that proves who it is: send client credentials";
    Edge::OAuth(StatusCode::BAD_REQUEST, OAuthError::new(OAuthCode::InvalidRequest, why))
}
