//! `/oauth/clients/…`.

use hyper::StatusCode;
use serde_json::{Value, json};
use zeroid_core::{ClientPatch, MadeClient, NewClient};
use zeroid_storage::ClientRecord;
use zeroid_wire::{ClientView, client_view, read_client, read_client_patch, read_reason};

use super::identities::id;
use super::query::Query;
use crate::app::App;
use crate::auth::{Need, admin};
use crate::http::{Edge, Reply, Request};

/// Existing clients of this route read it without paging.
const LIMIT: u32 = 500;

/// `POST /oauth/clients`.
pub(crate) async fn create(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let body = read_client(&request.body)?;
    let client_id =
        body.client_id.ok_or_else(|| Edge::problem(StatusCode::BAD_REQUEST, "client_id is needed"))?;
    let new = NewClient {
        client_id,
        name: body.name,
        confidential: body.confidential,
        auth_method: body.auth_method,
        scopes: body.scopes,
        policy_id: body.policy_id,
        terms: body.terms,
        created_by: caller.creator(body.created_by).map(|name| name.to_string()).unwrap_or_default(),
    };
    let made = app.engine.create_client(&caller.tenant, new).await?;
    Ok(Reply::json(StatusCode::CREATED, &with_secret(&made)).no_store())
}

/// `GET /oauth/clients`.
pub(crate) async fn list(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let page = Query::of(&request)?.page(LIMIT, LIMIT)?;
    let found = app.engine.clients(&caller.tenant, page).await?;
    let clients: Vec<_> = found.items.iter().map(view).collect();
    let (limit, offset) = (page.limit, page.offset);
    Ok(Reply::ok(&json!({"clients": clients, "total": found.total, "limit": limit, "offset": offset})))
}

/// `GET /oauth/clients/{id}`.
pub(crate) async fn get(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    Ok(Reply::ok(&view(&app.engine.client(&caller.tenant, id(&request.id)?).await?)))
}

/// `PATCH /oauth/clients/{id}`: what limits it holds from its next token.
pub(crate) async fn update(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let body = read_client_patch(&request.body)?;
    let patch = ClientPatch {
        name: body.name,
        scopes: body.scopes,
        policy_id: body.policy_id,
        is_active: body.is_active,
        revoke_existing: body.revoke_existing,
        terms: body.terms,
        modified_by: caller.label().to_owned(),
    };
    Ok(Reply::ok(&view(&app.engine.patch_client(&caller.tenant, id(&request.id)?, patch).await?)))
}

/// `POST /oauth/clients/{id}/rotate-secret`: what it was issued dies with the old secret.
pub(crate) async fn rotate_secret(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    read_reason(&request.body)?;
    let made = app.engine.rotate_client_secret(&caller.tenant, id(&request.id)?, caller.label()).await?;
    Ok(Reply::ok(&with_secret(&made)).no_store())
}

/// `DELETE /oauth/clients/{id}`: what it was issued dies with it.
pub(crate) async fn delete(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    app.engine.delete_client(&caller.tenant, id(&request.id)?, caller.label()).await?;
    Ok(Reply::ok(&json!({"deleted": true, "id": request.id})))
}

/// The one answer that shows a secret.
fn with_secret(made: &MadeClient) -> Value {
    let (secret, note) = match &made.secret {
        Some(secret) => (secret.expose(), "keep the secret now: it is not shown again"),
        None => ("", "this client has no secret"),
    };
    json!({"client": view(&made.record), "client_secret": secret, "note": note})
}

fn view(record: &ClientRecord) -> Value {
    client_view(&ClientView {
        id: record.id,
        tenant: &record.tenant,
        client_id: &record.client_id,
        name: &record.name,
        description: &record.description,
        is_confidential: record.is_confidential(),
        auth_method: record.auth_method,
        identity: record.identity,
        grant_types: &record.grant_types,
        scopes: record.scopes.as_ref(),
        policy_id: record.policy_id,
        redirect_uris: &record.redirect_uris,
        access_token_ttl_seconds: record.access_token_ttl_seconds,
        refresh_token_ttl_seconds: record.refresh_token_ttl_seconds,
        jwks: record.jwks.as_ref(),
        jwks_uri: record.jwks_uri.as_deref(),
        resources: record.resources.as_ref().map_or(&[], |resources| resources.values()),
        dpop_bound_access_tokens: record.dpop_bound_access_tokens,
        software_id: &record.software_id,
        software_version: &record.software_version,
        contacts: &record.contacts,
        metadata: &record.metadata,
        is_active: record.is_active,
        created_at: record.created_at,
        created_by: &record.created_by,
        updated_at: record.updated_at,
    })
}
