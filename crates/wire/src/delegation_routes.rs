//! Delegation routes: the body that makes one, and how they are shown.

use serde_json::{Value, json};
use zeroid_identity_model::{IdentityId, Owner, Tenant, Timestamp};
use zeroid_token_core::{DelegationRoute, ScopeSet};

use crate::body::{BodyError, Reader};
use crate::views::Object;

/// The body of `POST /delegation-routes`.
#[derive(Clone, Debug, Default)]
pub struct DelegationRouteBody {
    /// `from_identity_id`. Absent only when it breaks a rule.
    pub from: Option<IdentityId>,
    /// `to_identity_id`, likewise.
    pub to: Option<IdentityId>,
    /// `scopes`.
    pub scopes: ScopeSet,
    /// `max_ttl_seconds`.
    pub max_ttl_seconds: Option<u32>,
    /// `description`.
    pub description: String,
    /// `created_by`.
    pub created_by: Option<Owner>,
}

/// Read it.
///
/// # Errors
/// [`BodyError`].
pub fn read_delegation_route(bytes: &[u8]) -> Result<DelegationRouteBody, BodyError> {
    let mut reader = Reader::new(bytes)?;
    for name in ["from_identity_id", "to_identity_id", "scopes"] {
        reader.required(name);
    }
    let max_ttl_seconds = reader.integer("max_ttl_seconds").and_then(|seconds| {
        let fits = u32::try_from(seconds).ok();
        if fits.is_none() {
            reader.breaks("max_ttl_seconds", "is out of range");
        }
        fits
    });
    let body = DelegationRouteBody {
        from: reader.parsed("from_identity_id"),
        to: reader.parsed("to_identity_id"),
        scopes: reader.scopes("scopes").unwrap_or_default(),
        max_ttl_seconds,
        description: reader.text("description").unwrap_or_default(),
        created_by: reader.parsed("created_by"),
    };
    reader.finish(body)
}

/// A delegation route of a tenant.
pub fn delegation_route_view(
    tenant: &Tenant,
    route: &DelegationRoute,
    description: &str,
    created_by: &str,
    created_at: Timestamp,
) -> Value {
    let view = json!({
        "id": route.id,
        "account_id": tenant.account,
        "project_id": tenant.project,
        "from_identity_id": route.from,
        "to_identity_id": route.to,
        "scopes": route.scopes,
        "max_ttl_seconds": route.max_ttl_seconds,
        "created_at": created_at,
    });
    Object::of(view).text("description", description).text("created_by", created_by).end()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ID: &str = "01890000-0000-7000-8000-000000000001";

    #[test]
    fn its_ends_and_scopes_are_required() {
        let good = json!({"from_identity_id": ID, "to_identity_id": ID, "scopes": ["a"]});
        let read = |body: &Value| read_delegation_route(body.to_string().as_bytes());
        assert_eq!(read(&good).unwrap().max_ttl_seconds, None);
        for name in ["from_identity_id", "to_identity_id", "scopes"] {
            let mut without = good.clone();
            without.as_object_mut().unwrap().remove(name);
            assert!(matches!(read(&without), Err(BodyError::Schema(_))), "{name}");
        }
        for (name, value) in
            [("from_identity_id", json!("x")), ("scopes", json!(["a b"])), ("max_ttl_seconds", json!(-1))]
        {
            let mut bad = good.clone();
            bad.as_object_mut().unwrap().insert(name.to_owned(), value);
            assert!(matches!(read(&bad), Err(BodyError::Rule(_))), "{name}");
        }
    }
}
