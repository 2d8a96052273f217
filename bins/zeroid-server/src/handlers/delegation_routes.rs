//! `/delegation-routes/…`.

use hyper::StatusCode;
use serde_json::{Value, json};
use zeroid_core::NewDelegationRoute;
use zeroid_storage::DelegationRouteRecord;
use zeroid_wire::{delegation_route_view, read_delegation_route};

use super::identities::id;
use super::query::Query;
use crate::app::App;
use crate::auth::{Need, admin};
use crate::http::{Edge, Reply, Request};

/// Routes are few, as policies are.
const LIMIT: u32 = 500;

/// `POST /delegation-routes`.
pub(crate) async fn create(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let body = read_delegation_route(&request.body)?;
    let (Some(from), Some(to)) = (body.from, body.to) else {
        return Err(Edge::problem(StatusCode::BAD_REQUEST, "a delegation route has two ends"));
    };
    let new = NewDelegationRoute {
        from,
        to,
        scopes: body.scopes,
        max_ttl_seconds: body.max_ttl_seconds,
        description: body.description,
        created_by: caller.creator(body.created_by).map(|name| name.to_string()).unwrap_or_default(),
    };
    let record = app.engine.create_delegation_route(&caller.tenant, new).await?;
    Ok(Reply::json(StatusCode::CREATED, &view(&record)))
}

/// `GET /delegation-routes`.
pub(crate) async fn list(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let page = Query::of(&request)?.page(LIMIT, LIMIT)?;
    let found = app.engine.delegation_routes(&caller.tenant, page).await?;
    let routes: Vec<_> = found.items.iter().map(view).collect();
    Ok(Reply::ok(&json!({
        "delegation_routes": routes, "total": found.total, "limit": page.limit, "offset": page.offset,
    })))
}

/// `GET /delegation-routes/{id}`.
pub(crate) async fn get(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    Ok(Reply::ok(&view(&app.engine.delegation_route(&caller.tenant, id(&request.id)?).await?)))
}

/// `DELETE /delegation-routes/{id}`: from now on it makes nothing.
pub(crate) async fn delete(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    app.engine.delete_delegation_route(&caller.tenant, id(&request.id)?).await?;
    Ok(Reply::empty(StatusCode::NO_CONTENT))
}

fn view(record: &DelegationRouteRecord) -> Value {
    let DelegationRouteRecord { tenant, route, description, created_at, created_by } = record;
    delegation_route_view(tenant, route, description, created_by, *created_at)
}
