//! What happened since an epoch, as far as it touches what is remembered.
//!
//! An epoch that only cut off credentials is written beside each of these cut-offs. Any other change leaves no such
//! trace, and an epoch without one is taken for a change of everything: of whatever wrote it nothing has to be known.

use std::collections::HashSet;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Nullable};
use zeroid_identity_model::CredentialId;
use zeroid_storage::{Epoch, StoreError};

use super::Conn;
use crate::cut_key;
use crate::error::unavailable;
use crate::rows::{signed, unsigned};

/// Whoever is further behind has little left that is worth keeping.
const MOST: i64 = 256;

/// The state of the store, and how it differs from what is remembered.
pub(super) struct Present {
    /// The epoch.
    pub(super) epoch: Epoch,
    /// A block of the sequence, drawn after the epoch was read, if one was asked for.
    pub(super) block: Option<u64>,
    /// What was cut off since; absent when anything may have changed.
    pub(super) cut: Option<Vec<CredentialId>>,
}

/// The present, seen from an epoch: one statement, so that what it says belongs together.
pub(super) fn since(conn: &mut Conn, known: Option<Epoch>, draws: bool) -> Result<Present, StoreError> {
    // From the end of time nothing is new and nothing is accounted for.
    let known = known.map_or(i64::MAX, |epoch| signed(epoch.0));
    let (epoch, block, keys, epochs) = if draws {
        Since::<true>(known).get_result::<Row>(conn)
    } else {
        Since::<false>(known).get_result::<Row>(conn)
    }
    .map_err(unavailable)?;
    let cut = cut_since(known, epoch, keys.unwrap_or_default(), &epochs.unwrap_or_default());
    Ok(Present { epoch: Epoch(unsigned(epoch)), block: block.map(unsigned), cut })
}

/// What was cut off, if every epoch since is accounted for.
fn cut_since(known: i64, present: i64, keys: Vec<Vec<u8>>, epochs: &[i64]) -> Option<Vec<CredentialId>> {
    if known == present {
        return Some(Vec::new());
    }
    let told: HashSet<&i64> = epochs.iter().collect();
    let passed = present.checked_sub(known).and_then(|passed| usize::try_from(passed).ok())?;
    if told.len() != passed {
        return None;
    }
    keys.iter().map(|key| cut_key::credential(key)).collect()
}

type Row = (i64, Option<i64>, Option<Vec<Vec<u8>>>, Option<Vec<i64>>);

/// Asks it, with or without a number of the sequence.
#[derive(QueryId)]
struct Since<const DRAWS: bool>(i64);

impl<const DRAWS: bool> QueryFragment<Pg> for Since<DRAWS> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql(if DRAWS {
            "SELECT s.epoch, nextval('order_blocks')"
        } else {
            "SELECT s.epoch, NULL::bigint"
        });
        // Where the epoch is the same the cut-offs are not looked at.
        out.push_sql(
            ", c.keys, c.epochs FROM (SELECT epoch FROM epochs ORDER BY epoch DESC LIMIT 1) s \
             LEFT JOIN LATERAL (SELECT array_agg(f.cut_key) AS keys, \
             array_agg(f.epoch) AS epochs FROM cut_offs f WHERE f.epoch > 0 AND f.epoch > ",
        );
        out.push_bind_param::<BigInt, _>(&self.0)?;
        out.push_sql(" AND s.epoch > ");
        out.push_bind_param::<BigInt, _>(&self.0)?;
        out.push_sql(" AND s.epoch - ");
        out.push_bind_param::<BigInt, _>(&MOST)?;
        out.push_sql(" <= ");
        out.push_bind_param::<BigInt, _>(&self.0)?;
        out.push_sql(") c ON true");
        Ok(())
    }
}

impl<const DRAWS: bool> Query for Since<DRAWS> {
    type SqlType = (BigInt, Nullable<BigInt>, Nullable<Array<Binary>>, Nullable<Array<BigInt>>);
}

impl<const DRAWS: bool> RunQueryDsl<Conn> for Since<DRAWS> {}

#[cfg(test)]
mod tests {
    use zeroid_token_core::CutOffKey;

    use super::*;

    #[test]
    fn what_is_not_accounted_for_is_everything() {
        let id = CredentialId::from_bytes([7; 16]);
        let key = || vec![cut_key::encode(3, &CutOffKey::Credential(id))];
        assert_eq!(cut_since(5, 5, Vec::new(), &[]), Some(Vec::new()));
        assert_eq!(cut_since(5, 6, key(), &[6]), Some(vec![id]));
        assert_eq!(cut_since(5, 7, [key(), key()].concat(), &[6, 6]), None, "nothing tells of 7");
        assert_eq!(cut_since(5, 6, Vec::new(), &[]), None);
        assert_eq!(cut_since(6, 5, Vec::new(), &[]), None, "a database that went back");
        assert_eq!(cut_since(i64::MAX, 5, Vec::new(), &[]), None);
        assert_eq!(cut_since(5, 6, vec![cut_key::encode(3, &CutOffKey::Tenant)], &[6]), None);
    }
}
