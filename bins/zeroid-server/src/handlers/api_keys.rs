//! `/api-keys/…`.

use hyper::StatusCode;
use serde_json::{Value, json};
use zeroid_core::NewApiKey;
use zeroid_storage::{ApiKeyFilter, ApiKeyRecord, ApiKeyStateFilter, Environment, Page};
use zeroid_token_core::Reason;
use zeroid_wire::{ApiKeyView, api_key_view, read_api_key, read_reason};

use super::identities::{id, identity_query};
use super::query::{DEFAULT_LIMIT, MAX_LIMIT, Query};
use crate::app::App;
use crate::auth::{Admin, Need, admin};
use crate::http::{Edge, Reply, Request};

const SECONDS_PER_DAY: i64 = 86_400;

/// `POST /api-keys`.
pub(crate) async fn create(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let body = read_api_key(&request.body)?;
    let identity =
        body.identity_id.ok_or_else(|| Edge::problem(StatusCode::BAD_REQUEST, "identity_id is needed"))?;
    let creator = caller.creator(body.created_by).map(|name| name.to_string()).unwrap_or_default();
    let days = body.expires_in_days.map(|days| i64::from(days) * SECONDS_PER_DAY);
    let new = NewApiKey {
        identity,
        name: body.name,
        description: body.description,
        scopes: body.scopes,
        policy_id: body.policy_id,
        environment: if body.is_test { Environment::Test } else { Environment::Live },
        metadata: if body.metadata.is_null() { json!({}) } else { body.metadata },
        created_by: creator,
        expires_at: days.map(|seconds| app.engine.now().plus_seconds(seconds)),
    };
    let (record, secret) = app.engine.create_api_key(&caller.tenant, new).await?;
    let mut view = json!({
        "id": record.id,
        "name": record.name,
        "description": record.description,
        "key": secret.expose(),
        "key_prefix": record.prefix,
        "environment": record.environment.as_str(),
        "scopes": record.scopes.clone().unwrap_or_default(),
        "scopes_restricted": record.scopes.is_some(),
        "created_at": record.created_at,
    });
    if let (Some(end), Some(members)) = (record.expires_at, view.as_object_mut()) {
        members.insert("expires_at".to_owned(), json!(end));
    }
    Ok(Reply::json(StatusCode::CREATED, &view).no_store())
}

/// `GET /api-keys`.
pub(crate) async fn list(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let query = Query::of(&request)?;
    let Page { limit, .. } = query.page(DEFAULT_LIMIT, MAX_LIMIT)?;
    let page = query.parsed::<u64>("page")?.unwrap_or(1).max(1);
    let state = match query.one("state") {
        None => None,
        Some("active") => Some(ApiKeyStateFilter::Active),
        Some("expired") => Some(ApiKeyStateFilter::Expired),
        Some("revoked") => Some(ApiKeyStateFilter::Revoked),
        Some(_) => return Err(Edge::query("state", "must be active, expired or revoked")),
    };
    // Both are read, so that neither is wrong unnoticed.
    let by_older_name = identity_query(&query, "application_id")?;
    let identity = identity_query(&query, "identity_id")?.or(by_older_name);
    let offset = (page - 1).saturating_mul(u64::from(limit));
    let filter = ApiKeyFilter { identity, state };
    let found = app.engine.api_keys(&caller.tenant, &filter, Page { limit, offset }).await?;
    let mut keys = Vec::with_capacity(found.items.len());
    for record in &found.items {
        keys.push(view(app, &caller, record).await?);
    }
    Ok(Reply::ok(&json!({"keys": keys, "total": found.total, "page": page, "limit": limit})))
}

/// `GET /api-keys/{id}`.
pub(crate) async fn get(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let record = app.engine.api_key(&caller.tenant, id(&request.id)?).await?;
    Ok(Reply::ok(&view(app, &caller, &record).await?))
}

/// `POST /api-keys/{id}/revoke`: what it minted dies with it.
pub(crate) async fn revoke(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let reason = read_reason(&request.body)?.reason.unwrap_or_else(|| "manual_revocation".to_owned());
    let reason = Reason::new(reason).by(caller.label());
    app.engine.revoke_api_key(&caller.tenant, id(&request.id)?, reason).await?;
    Ok(Reply::ok(&json!({"message": "API key revoked"})))
}

async fn view(app: &App, caller: &Admin, record: &ApiKeyRecord) -> Result<Value, Edge> {
    let policy_id = match record.policy_id {
        Some(id) => id,
        None => app.engine.identity(&caller.tenant, record.identity).await?.policy_id,
    };
    let ended = record.expires_at.is_some_and(|end| app.engine.now() >= end);
    let state = match &record.revoked {
        Some(_) => "revoked",
        None if ended => "expired",
        None => "active",
    };
    let key = ApiKeyView {
        id: record.id,
        tenant: &record.tenant,
        identity: record.identity,
        name: &record.name,
        description: &record.description,
        prefix: &record.prefix,
        key_version: record.hash_key_version,
        scopes: record.scopes.as_ref(),
        policy_id: record.policy_id,
        environment: record.environment.as_str(),
        metadata: &record.metadata,
        created_at: record.created_at,
        created_by: &record.created_by,
        updated_at: record.updated_at,
        expires_at: record.expires_at,
        revoked: record
            .revoked
            .as_ref()
            .map(|revoked| (revoked.at, revoked.reason.by.as_str(), revoked.reason.text.as_str())),
        usage_count: record.usage_count,
        last_used_at: record.last_used_at,
    };
    Ok(api_key_view(&key, state, policy_id))
}
