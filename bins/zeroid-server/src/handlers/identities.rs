//! `/identities/…`: every identity of a tenant.

use hyper::StatusCode;
use serde_json::json;
use zeroid_core::{IdentityPatch, NewIdentity};
use zeroid_identity_model::{IdentityId, IdentityType, Owner, SpiffeId, TrustLevel};
use zeroid_storage::{IdentityFilter, IdentityRecord, OwnerFilter};
use zeroid_wire::{IdentityBody, IdentityParts, Issue, identity_view, read_identity, read_identity_patch};

use super::query::{DEFAULT_LIMIT, MAX_LIMIT, Query};
use crate::app::App;
use crate::auth::{Need, admin};
use crate::http::{Edge, Reply, Request};

/// `POST /identities`.
pub(crate) async fn create(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let body = read_identity(&request.body)?;
    let creator = caller.creator(body.created_by.clone()).map(|name| name.to_string()).unwrap_or_default();
    let owner = body
        .owner
        .clone()
        .ok_or_else(|| Edge::problem(StatusCode::BAD_REQUEST, "owner_user_id is required"))?;
    let record = app.engine.create_identity(&caller.tenant, new_identity(body, owner, creator)?).await?;
    Ok(Reply::json(StatusCode::CREATED, &identity_view(&parts(&record))))
}

/// `GET /identities`.
pub(crate) async fn list(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let query = Query::of(&request)?;
    let page = query.page(DEFAULT_LIMIT, MAX_LIMIT)?;
    let found = app.engine.identities(&caller.tenant, &filter(&query)?, page).await?;
    let identities: Vec<_> = found.items.iter().map(|record| identity_view(&parts(record))).collect();
    Ok(Reply::ok(
        &json!({"identities": identities, "total": found.total, "limit": page.limit, "offset": page.offset}),
    ))
}

/// `GET /identities/schema`.
pub(crate) async fn schema(app: &App, request: Request) -> Result<Reply, Edge> {
    admin(app, &request, Need::Registry).await?;
    Ok(Reply::ok(&zeroid_wire::identity_schema()))
}

/// `GET /identities/by-wimse?uri=…`.
pub(crate) async fn by_wimse(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let query = Query::of(&request)?;
    let text = query.one("uri").ok_or_else(|| Edge::query("uri", "is required"))?;
    let shown = |message: &str| {
        vec![Issue {
            message: message.to_owned(),
            location: "query.uri".to_owned(),
            value: Some(text.to_owned()),
        }]
    };
    let malformed = |error: &dyn ToString| {
        Edge::Problem(StatusCode::BAD_REQUEST, "invalid_wimse_uri".to_owned(), shown(&error.to_string()))
    };
    let uri: SpiffeId = text.parse().map_err(|error| malformed(&error))?;
    match app.engine.identity_by_uri(&caller.tenant, &uri).await {
        Ok(record) => Ok(Reply::ok(&identity_view(&parts(&record)))),
        Err(zeroid_core::AdminError::NotFound) => {
            let unknown = shown("no identity of this tenant has this URI");
            Err(Edge::Problem(StatusCode::NOT_FOUND, "identity_not_found".to_owned(), unknown))
        }
        Err(other) => Err(other.into()),
    }
}

/// `GET /identities/{id}`.
pub(crate) async fn get(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let record = app.engine.identity(&caller.tenant, id(&request.id)?).await?;
    Ok(Reply::ok(&identity_view(&parts(&record))))
}

/// `PATCH /identities/{id}`.
pub(crate) async fn update(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let change =
        IdentityPatch { modified_by: caller.label().to_owned(), ..read_identity_patch(&request.body)? };
    let record = app.engine.patch_identity(&caller.tenant, id(&request.id)?, change).await?;
    Ok(Reply::ok(&identity_view(&parts(&record))))
}

/// `DELETE /identities/{id}`: the record stays, deactivated.
pub(crate) async fn deactivate(app: &App, request: Request) -> Result<Reply, Edge> {
    let caller = admin(app, &request, Need::Registry).await?;
    let record = app.engine.deactivate(&caller.tenant, id(&request.id)?, caller.label()).await?;
    Ok(Reply::ok(&identity_view(&parts(&record))))
}

/// An id in a path; what is no id names nothing.
pub(super) fn id<T: std::str::FromStr>(text: &str) -> Result<T, Edge> {
    text.parse().map_err(|_| Edge::not_found())
}

pub(super) const fn parts(record: &IdentityRecord) -> IdentityParts<'_> {
    IdentityParts {
        identity: &record.identity,
        allowed_scopes: record.allowed_scopes.as_ref(),
        policy_id: record.policy_id,
    }
}

pub(super) fn filter(query: &Query) -> Result<IdentityFilter, Edge> {
    let label = match query.one("label") {
        None => None,
        Some(text) => match text.split_once(':') {
            Some((name, value)) if !name.is_empty() => Some((name.to_owned(), value.to_owned())),
            _ => return Err(Edge::query("label", "must be `name:value`")),
        },
    };
    let owner = match (query.one("ownerless"), query.parsed("owner_user_id")?) {
        (None | Some("false"), owner) => owner.map(OwnerFilter::Is),
        (Some("true"), None) => Some(OwnerFilter::Nobody),
        (Some("true"), Some(_)) => return Err(Edge::query("ownerless", "contradicts owner_user_id")),
        (Some(_), _) => return Err(Edge::query("ownerless", "must be true or false")),
    };
    let is_active = match query.one("is_active") {
        None => None,
        Some("true" | "1") => Some(true),
        Some("false" | "0") => Some(false),
        Some(_) => return Err(Edge::query("is_active", "must be true or false")),
    };
    Ok(IdentityFilter {
        identity_types: query.several("identity_type")?,
        statuses: query.several("status")?,
        trust_levels: query.several("trust_level")?,
        is_active,
        owner,
        label,
        search: query.one("search").map(str::to_owned),
    })
}

/// A list of an identity id given as text.
pub(super) fn identity_query(query: &Query, name: &str) -> Result<Option<IdentityId>, Edge> {
    query.parsed(name)
}

/// What a body registers.
pub(super) fn new_identity(
    body: IdentityBody,
    owner: Owner,
    created_by: String,
) -> Result<NewIdentity, Edge> {
    let external_id = body
        .external_id
        .ok_or_else(|| Edge::problem(StatusCode::UNPROCESSABLE_ENTITY, "external_id is required"))?;
    Ok(NewIdentity {
        external_id,
        name: body.name,
        identity_type: body.identity_type.unwrap_or(IdentityType::Agent),
        sub_type: body.sub_type,
        trust_level: body.trust_level.unwrap_or(TrustLevel::Unverified),
        owner,
        created_by,
        allowed_scopes: body.allowed_scopes,
        policy_id: body.policy_id,
        public_key_pem: body.public_key_pem,
        expires_at: body.expires_at,
        framework: body.framework,
        version: body.version,
        publisher: body.publisher,
        description: body.description,
        capabilities: body.capabilities,
        labels: body.labels,
        metadata: body.metadata,
    })
}
