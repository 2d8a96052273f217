//! The OAuth endpoints.

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use serde_json::json;
use zeroid_core::{ActiveToken, ApiKeyGrant, ExchangeGrant, Fault, Introspection, Issued, JwtBearerGrant};
use zeroid_jose::Secret;
use zeroid_token_core::GrantType;
use zeroid_wire::{
    INTROSPECTION_INACTIVE, OAuthError, Params, TokenAnswer, TokenRequest, WireError, read_presented_token,
    read_token_request, token_response,
};

use crate::app::App;
use crate::http::{Edge, Media, Reply, Request};

/// `POST /oauth2/token` (RFC 6749 §3.2, RFC 7523 §2.1, RFC 8693 §2.1).
pub(crate) async fn token(app: &App, request: Request) -> Result<Reply, Edge> {
    if let Some(refused) = refuse_basic(&request) {
        return Ok(refused);
    }
    let issued = match read_token_request(&params(&request)?)? {
        TokenRequest::ApiKey { api_key, grant } => {
            let api_key = Secret::new(api_key);
            app.engine.api_key_grant(ApiKeyGrant { api_key, asked: grant.asked, typ: grant.typ }).await?
        }
        TokenRequest::JwtBearer { assertion, grant } => {
            let assertion = Secret::new(assertion);
            app.engine
                .jwt_bearer_grant(JwtBearerGrant { assertion, asked: grant.asked, typ: grant.typ })
                .await?
        }
        TokenRequest::Exchange(exchange) => {
            let grant = ExchangeGrant {
                subject_token: Secret::new(exchange.subject_token),
                actor_token: exchange.actor_token.map(Secret::new),
                api_key: exchange.api_key.map(Secret::new),
                asked: exchange.grant.asked,
                typ: exchange.grant.typ,
            };
            app.engine.exchange(grant).await?
        }
    };
    let body = token_response(&answer(&issued)).map_err(|error| Fault::Json(error.to_string()))?;
    Ok(Reply::text(body).no_store())
}

/// `POST /oauth2/token/introspect` (RFC 7662 §2).
pub(crate) async fn introspect(app: &App, request: Request) -> Result<Reply, Edge> {
    if let Some(refused) = refuse_basic(&request) {
        return Ok(refused);
    }
    let presented = read_presented_token(&params(&request)?)?;
    let reply = match app.engine.introspect(&presented.0).await? {
        Introspection::Inactive => Reply::text(INTROSPECTION_INACTIVE),
        Introspection::Active(token) => {
            let ActiveToken { claims, token_type, principal_sub, .. } = &*token;
            Reply::written(&zeroid_wire::introspection(claims, &token.labels, token_type, principal_sub))?
        }
    };
    Ok(reply.no_store())
}

/// `POST /oauth2/token/revoke` (RFC 7009 §2): 200 only once the cut-off is durable.
pub(crate) async fn revoke(app: &App, request: Request) -> Result<Reply, Edge> {
    if let Some(refused) = refuse_basic(&request) {
        return Ok(refused);
    }
    let presented = read_presented_token(&params(&request)?)?;
    app.engine.revoke_token(&presented.0).await?;
    Ok(Reply::ok(&json!({"revoked": true})).no_store())
}

fn params(request: &Request) -> Result<Params<'_>, Edge> {
    let read = match request.media {
        Media::Form => Params::from_form(&request.body),
        _ if request.body.is_empty() => Ok(Params::default()),
        _ => Params::from_json(&request.body),
    };
    Ok(read.map_err(WireError::from)?)
}

/// Client credentials that are presented must hold, and no client has any (RFC 6749 §5.2). A bearer token here is
/// no client authentication, and is ignored.
fn refuse_basic(request: &Request) -> Option<Reply> {
    let scheme = request.header(AUTHORIZATION.as_str()).split(' ').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case("basic").then(|| {
        let error =
            OAuthError { code: "invalid_client", description: "client authentication failed".to_owned() };
        Reply::json(StatusCode::UNAUTHORIZED, &error.body())
            .no_store()
            .with(WWW_AUTHENTICATE, "Basic realm=\"zeroid\", charset=\"UTF-8\"")
    })
}

fn answer(issued: &Issued) -> TokenAnswer<'_> {
    let by_key = issued.record.grant_type == GrantType::ApiKey;
    TokenAnswer {
        access_token: issued.access_token.expose(),
        typ: issued.typ,
        claims: &issued.claims,
        expires_in: issued.expires_in,
        user_id: issued.user_id.as_deref(),
        external_id: by_key.then_some(issued.external_id.as_str()),
        exchanged: issued.record.grant_type == GrantType::TokenExchange,
    }
}
