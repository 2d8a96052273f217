//! `/credential-policies/…`.

use hyper::StatusCode;
use serde_json::{Value, json};
use zeroid_storage::PolicyRecord;
use zeroid_wire::{policy_view, read_policy, read_policy_patch};

use super::identities::id;
use super::query::Query;
use crate::app::App;
use crate::auth::{Need, admin};
use crate::http::{Edge, Reply, Request};

/// Policies are few; clients read them without paging.
const LIMIT: u32 = 500;

/// `POST /credential-policies`.
pub(crate) async fn create(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let new = read_policy(&request.body)?;
    let record = app.engine.create_policy(&caller.tenant, new).await?;
    Ok(Reply::json(StatusCode::CREATED, &view(&record)))
}

/// `GET /credential-policies`.
pub(crate) async fn list(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let page = Query::of(&request)?.page(LIMIT, LIMIT)?;
    let found = app.engine.policies(&caller.tenant, page).await?;
    let policies: Vec<_> = found.items.iter().map(view).collect();
    Ok(Reply::ok(&json!({
        "credential_policies": policies, "total": found.total, "limit": page.limit, "offset": page.offset,
    })))
}

/// `GET /credential-policies/{id}`.
pub(crate) async fn get(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    Ok(Reply::ok(&view(&app.engine.policy(&caller.tenant, id(&request.id)?).await?)))
}

/// `PATCH /credential-policies/{id}`: holds from the next issuance.
pub(crate) async fn update(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let patch = read_policy_patch(&request.body)?;
    Ok(Reply::ok(&view(&app.engine.patch_policy(&caller.tenant, id(&request.id)?, patch).await?)))
}

/// `DELETE /credential-policies/{id}`.
pub(crate) async fn delete(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    app.engine.delete_policy(&caller.tenant, id(&request.id)?).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn view(record: &PolicyRecord) -> Value {
    policy_view(
        &record.tenant,
        &record.policy,
        &record.description,
        record.is_default,
        record.created_at,
        record.updated_at,
    )
}
