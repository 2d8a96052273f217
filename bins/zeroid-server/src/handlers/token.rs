//! The OAuth endpoints.

use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use serde_json::json;
use zeroid_core::{
    ApiKeyGrant, ClientCredentialsGrant, ClientProof, ExchangeGrant, Fault, Issued, JwtBearerGrant,
};
use zeroid_jose::Secret;
use zeroid_token_core::GrantType;
use zeroid_wire::{
    Params, PresentedClient, TokenAnswer, TokenRequest, WireError, read_client_credentials,
    read_presented_token, read_token_request, token_response,
};

use crate::app::App;
use crate::dpop;
use crate::http::{Edge, Media, Reply, Request};
use crate::limits;

/// `POST /oauth2/token` (RFC 6749 §3.2, RFC 7523 §2.1, RFC 8693 §2.1, RFC 9449 §5).
pub(crate) async fn token(app: &App, request: Request) -> Result<Reply, Edge> {
    let by_basic = presents_basic(&request);
    challenged(issue(app, &request).await, by_basic)
}

/// `POST /oauth2/token/revoke` (RFC 7009 §2): 200 only once the cut-off is durable.
pub(crate) async fn revoke(app: &App, request: Request) -> Result<Reply, Edge> {
    let by_basic = presents_basic(&request);
    challenged(give_up(app, &request).await, by_basic)
}

async fn issue(app: &App, request: &Request) -> Result<Reply, Edge> {
    let (params, client) = counted(app, request)?;
    let mut asked = read_token_request(&params)?;
    asked.asked_mut().proven_key = dpop::proven_key(app, request)?;
    let client = client?;
    let issued = match asked {
        TokenRequest::ApiKey { api_key, grant } => {
            let api_key = Secret::new(api_key);
            let grant = ApiKeyGrant { api_key, client, asked: grant.asked, typ: grant.typ };
            app.engine.api_key_grant(grant).await?
        }
        TokenRequest::ClientCredentials { tenant, grant } => {
            let (account, project) = (tenant.account, tenant.project);
            let grant =
                ClientCredentialsGrant { client, account, project, asked: grant.asked, typ: grant.typ };
            app.engine.client_credentials_grant(grant).await?
        }
        TokenRequest::JwtBearer { assertion, grant } => {
            let assertion = Secret::new(assertion);
            let grant = JwtBearerGrant { assertion, client, asked: grant.asked, typ: grant.typ };
            app.engine.jwt_bearer_grant(grant).await?
        }
        TokenRequest::Exchange(exchange) => {
            let grant = ExchangeGrant {
                subject_token: Secret::new(exchange.subject_token),
                actor_token: exchange.actor_token.map(Secret::new),
                api_key: exchange.api_key.map(Secret::new),
                client,
                asked: exchange.grant.asked,
                typ: exchange.grant.typ,
            };
            // Apart, so that a root does not carry what it needs.
            Box::pin(app.engine.exchange(grant)).await?
        }
    };
    let body = token_response(&answer(&issued)).map_err(|error| Fault::Json(error.to_string()))?;
    Ok(Reply::text(body).no_store())
}

async fn give_up(app: &App, request: &Request) -> Result<Reply, Edge> {
    let (params, client) = counted(app, request)?;
    let presented = read_presented_token(&params)?;
    let who = app.engine.inspector(client?.as_ref()).await?;
    app.engine.revoke_for(&presented.0, &who).await?;
    Ok(Reply::ok(&json!({"revoked": true})).no_store())
}

/// What a client presented, or why that cannot be; what is wrong with the rest of a request is told first.
type Claimed = Result<Option<ClientProof>, Edge>;

/// The parameters of a request, and its client, once it is known that its caller does not ask too often.
pub(super) fn counted<'r>(app: &App, request: &'r Request) -> Result<(Params<'r>, Claimed), Edge> {
    limits::by_address(app, request)?;
    let params = params(request)?;
    let client = client(request, &params);
    limits::by_parameters(app, request, &params, client.as_ref().ok().and_then(Option::as_ref))?;
    Ok((params, client))
}

fn params(request: &Request) -> Result<Params<'_>, Edge> {
    let read = match request.media {
        Media::Form => Params::from_form(&request.body),
        _ if request.body.is_empty() => Ok(Params::default()),
        _ => Params::from_json(&request.body),
    };
    Ok(read.map_err(WireError::from)?)
}

/// What the client presented, if any did. A bearer token here is no client authentication, and is ignored.
fn client(request: &Request, params: &Params<'_>) -> Claimed {
    let headers = request.headers.get_all(AUTHORIZATION).iter().map(|value| value.as_bytes());
    Ok(read_client_credentials(headers, params)?.map(|presented| match presented {
        PresentedClient::Name(name) => ClientProof::Name(name),
        PresentedClient::Basic { client_id, secret } => {
            ClientProof::Basic { client_id, secret: Secret::new(secret) }
        }
        PresentedClient::Post { client_id, secret } => {
            ClientProof::Post { client_id, secret: Secret::new(secret) }
        }
        PresentedClient::Assertion { client_id, assertion } => {
            ClientProof::Assertion { client_id, assertion: Secret::new(assertion) }
        }
    }))
}

pub(super) fn presents_basic(request: &Request) -> bool {
    let scheme = |value: &[u8]| value.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic"));
    request.headers.get_all(AUTHORIZATION).iter().any(|value| scheme(value.as_bytes()))
}

/// Whoever failed by the header is told what the header is for (RFC 6749 §5.2).
pub(super) fn challenged(answered: Result<Reply, Edge>, by_basic: bool) -> Result<Reply, Edge> {
    match answered {
        Err(Edge::OAuth(StatusCode::UNAUTHORIZED, error)) if by_basic => {
            Ok(Reply::json(StatusCode::UNAUTHORIZED, &error.body())
                .no_store()
                .with_static(WWW_AUTHENTICATE, "Basic realm=\"zeroid\", charset=\"UTF-8\""))
        }
        answered => answered,
    }
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
