//! `/credentials/…` and `/delegations/…`: what was issued, and the chains it forms.

use hyper::StatusCode;
use serde_json::json;
use zeroid_storage::{CredentialFilter, CredentialView};
use zeroid_token_core::Reason;
use zeroid_wire::{CredentialParts, chain_view, credential_view, read_reason};

use super::identities::id;
use super::query::Query;
use crate::app::App;
use crate::auth::{Need, admin};
use crate::http::{Edge, Reply, Request};

/// Credentials of a list when nobody says how many, and the most.
const LIMITS: (u32, u32) = (100, 500);

/// `GET /credentials?identity_id=…` or `?mission_id=…`.
pub(crate) async fn list(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Credentials).await?;
    let query = Query::of(&request)?;
    let filter = match (query.parsed("identity_id")?, query.parsed("mission_id")?) {
        (Some(identity), None) => CredentialFilter::Identity(identity),
        (None, Some(mission)) => CredentialFilter::Mission(mission),
        _ => {
            return Err(Edge::problem(
                StatusCode::BAD_REQUEST,
                "name exactly one of identity_id and mission_id",
            ));
        }
    };
    let page = query.page(LIMITS.0, LIMITS.1)?;
    let found = app.engine.credentials(&caller.tenant, filter, page).await?;
    let credentials: Vec<_> = found.items.iter().map(|item| credential_view(&parts(item))).collect();
    Ok(Reply::ok(&json!({
        "credentials": credentials, "total": found.total, "limit": page.limit, "offset": page.offset,
    })))
}

/// `GET /credentials/{id}`.
pub(crate) async fn get(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Credentials).await?;
    let found = app.engine.credential(&caller.tenant, id(&request.id)?).await?;
    Ok(Reply::ok(&credential_view(&parts(&found))))
}

/// `POST /credentials/{id}/revoke`: it and everything below it, in one write.
pub(crate) async fn revoke(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Credentials).await?;
    let reason = read_reason(&request.body)?.reason.unwrap_or_else(|| "manual_revocation".to_owned());
    let reason = Reason::new(reason).by(caller.label());
    app.engine.revoke_credential(&caller.tenant, id(&request.id)?, reason).await?;
    Ok(Reply::ok(&json!({"revoked": true, "id": request.id})))
}

/// `GET /delegations/by-jti/{jti}`: the whole chain, root first.
pub(crate) async fn chain(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Credentials).await?;
    let jti = request.id.parse().map_err(|_| {
        let issue = zeroid_wire::Issue::at("path.jti", "is not a lower-case UUID");
        Edge::Problem(StatusCode::UNPROCESSABLE_ENTITY, "validation failed".to_owned(), vec![issue])
    })?;
    let chain = app.engine.chain(&caller.tenant, jti).await?;
    let identities: Vec<_> = chain.identities.iter().map(|record| &record.identity).collect();
    let edges: Vec<_> = chain.credentials.iter().map(parts).collect();
    Ok(Reply::ok(&chain_view(&identities, &edges)))
}

const fn parts(view: &CredentialView) -> CredentialParts<'_> {
    CredentialParts { record: &view.record, revoked_by: view.revoked_by.as_ref() }
}
