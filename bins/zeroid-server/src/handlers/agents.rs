//! `/agents/…`: the registry of agents.

use hyper::StatusCode;
use serde_json::{Value, json};
use zeroid_core::{IdentityPatch, Registered};
use zeroid_identity_model::IdentityId;
use zeroid_storage::IdentityRecord;
use zeroid_wire::{Issue, agent_view, read_identity_patch, read_registration};

use super::identities::{filter, id, new_identity, parts};
use super::query::{DEFAULT_LIMIT, MAX_LIMIT, Query};
use crate::app::App;
use crate::auth::{Need, admin};
use crate::http::{Edge, Reply, Request};

/// `POST /agents/register`: an identity and its first key.
pub(crate) async fn register(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let body = read_registration(&request.body)?;
    let owner = caller.creator(body.identity.created_by.clone()).ok_or_else(no_owner)?;
    let new = new_identity(body.identity, owner.clone(), owner.to_string())?;
    let registered = app.engine.register(&caller.tenant, new, body.key_policy_id).await?;
    Ok(Reply::json(StatusCode::CREATED, &registered_view(&registered)).no_store())
}

/// `GET /agents/registry`.
pub(crate) async fn list(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let query = Query::of(&request)?;
    let page = query.page(DEFAULT_LIMIT, MAX_LIMIT)?;
    let found = app.engine.identities(&caller.tenant, &filter(&query)?, page).await?;
    let ids: Vec<IdentityId> = found.items.iter().map(|record| record.identity.id).collect();
    let prefixes = app.engine.key_prefixes(&caller.tenant, &ids).await?;
    let prefix = |id| prefixes.iter().find(|(of, _)| *of == id).map_or("", |(_, prefix)| prefix.as_str());
    let mut agents = Vec::with_capacity(found.items.len());
    for record in &found.items {
        let depth = app.engine.deepest_delegation(&caller.tenant, record.identity.id).await?;
        agents.push(agent_view(&parts(record), prefix(record.identity.id), depth));
    }
    Ok(Reply::ok(
        &json!({"agents": agents, "total": found.total, "limit": page.limit, "offset": page.offset}),
    ))
}

/// `GET /agents/registry/facets`.
pub(crate) async fn facets(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let facets = app.engine.facets(&caller.tenant).await?;
    let counted = |counts: &[(String, u64)]| -> Value {
        counts.iter().map(|(value, count)| json!({"value": value, "count": count})).collect()
    };
    let shown: u64 = facets.statuses.iter().map(|(_, count)| count).sum();
    let origins = if shown == 0 { json!([]) } else { json!([{"value": "native", "count": shown}]) };
    Ok(Reply::ok(&json!({
        "identity_types": counted(&facets.identity_types),
        "trust_levels": counted(&facets.trust_levels),
        "statuses": counted(&facets.statuses),
        "created_by": counted(&facets.created_by),
        "origins": origins,
        "ownerless": facets.ownerless,
        "discovered": facets.discovered,
    })))
}

/// `GET /agents/registry/{id}`.
pub(crate) async fn get(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let record = app.engine.identity(&caller.tenant, id(&request.id)?).await?;
    one(app, &record).await
}

/// `PATCH /agents/registry/{id}`.
pub(crate) async fn update(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let change =
        IdentityPatch { modified_by: caller.label().to_owned(), ..read_identity_patch(&request.body)? };
    let record = app.engine.patch_identity(&caller.tenant, id(&request.id)?, change).await?;
    one(app, &record).await
}

/// `POST /agents/registry/{id}/activate`.
pub(crate) async fn activate(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let record = app.engine.activate(&caller.tenant, id(&request.id)?, caller.label()).await?;
    one(app, &record).await
}

/// `POST /agents/registry/{id}/deactivate` and `DELETE /agents/registry/{id}`.
pub(crate) async fn deactivate(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let record = app.engine.deactivate(&caller.tenant, id(&request.id)?, caller.label()).await?;
    one(app, &record).await
}

/// `POST /agents/registry/{id}/rotate-key`.
pub(crate) async fn rotate_key(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let by = caller.creator(None).map(|name| name.to_string()).unwrap_or_default();
    let registered = app.engine.rotate_key(&caller.tenant, id(&request.id)?, &by).await?;
    Ok(Reply::ok(&registered_view(&registered)).no_store())
}

pub(super) async fn one(app: &App, record: &IdentityRecord) -> Result<Reply, Edge> {
    let (tenant, id) = (&record.identity.tenant, record.identity.id);
    let prefixes = app.engine.key_prefixes(tenant, &[id]).await?;
    let prefix = prefixes.first().map_or("", |(_, prefix)| prefix.as_str());
    let depth = app.engine.deepest_delegation(tenant, id).await?;
    Ok(Reply::ok(&agent_view(&parts(record), prefix, depth)))
}

fn registered_view(registered: &Registered) -> Value {
    let agent = agent_view(&parts(&registered.record), &registered.key.prefix, 0);
    json!({"identity": agent, "api_key": registered.api_key.expose()})
}

fn no_owner() -> Edge {
    let issue = Issue::at("body.created_by", "is needed: name who answers for the agent");
    Edge::Problem(
        StatusCode::BAD_REQUEST,
        "created_by is needed: name who answers for the agent".to_owned(),
        vec![issue],
    )
}
