//! What one decision needs, read together.

use zeroid_identity_model::{IdentityId, Timestamp};
use zeroid_storage::{Guard, StoreError};
use zeroid_token_core::{CredentialRecord, LiveFacts, Standing};

use super::{Conn, clients, cut_offs, delegation_routes, identities, keys, policies};
use crate::cut_key;
use crate::error::corrupt;

/// What the life of a credential that is to be stored is judged by. An identity that does not exist has no standing.
pub(crate) fn live(conn: &mut Conn, tenant: i64, record: &CredentialRecord) -> Result<LiveFacts, StoreError> {
    let cut_offs = cut_offs::naming(conn, &cut_key::of_lineage(tenant, &record.lineage))?;
    let mut ids: Vec<IdentityId> = record.lineage.links().map(|link| link.identity).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut standings = Vec::with_capacity(ids.len());
    for identity in ids {
        if let Some((status, end)) = identities::standing(conn, identity)? {
            let status = status.parse().map_err(|error| corrupt("status", error))?;
            standings.push(Standing { identity, status, expires_at: end.map(Timestamp::from_micros) });
        }
    }
    Ok(LiveFacts { standings, cut_offs })
}

/// Whether a fact is still what it was.
pub(crate) fn holds(conn: &mut Conn, guard: Guard) -> Result<bool, StoreError> {
    match guard {
        Guard::Identity(id, version) => Ok(identities::version(conn, id)? == Some(version)),
        Guard::Policy(id, version) => Ok(policies::version(conn, id)? == Some(version)),
        Guard::Client(id, version) => Ok(clients::version(conn, id)? == Some(version)),
        Guard::DelegationRoute(id) => delegation_routes::is_there(conn, id),
        Guard::ApiKey(id) => keys::is_unrevoked(conn, id),
    }
}
