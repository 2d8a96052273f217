//! A whole batch in one statement that is its own transaction: `write_together` of the migrations.

use std::collections::HashMap;

use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::sql_types::{Array, BigInt, Binary, Bool, Integer, Nullable, Text};
use zeroid_identity_model::Timestamp;
use zeroid_storage::{Epoch, Spend, StoreError};
use zeroid_token_core::{CutOffKey, KeyId};

use super::Conn;
use super::columns::CredentialColumns;
use super::cut::Cut;
use super::verbs::{Issue, UseUp};
use super::writer::ORDER_LOCK;
use crate::cut_key;
use crate::error::unavailable;
use crate::rows::{signed, unsigned};
use crate::uses::Counted;

/// Everything a batch writes, a column each.
#[derive(Debug, Default)]
pub(super) struct Together<'r> {
    deadline: Option<i64>,
    oldest: i64,
    signing_keys: Vec<Vec<u8>>,
    lineage_keys: Vec<Vec<u8>>,
    credentials: CredentialColumns<'r>,
    spent: Spent<'r>,
    /// So many of them, the first, buy credentials.
    bought: i32,
    used: Uses,
    cut: Cuts<'r>,
}

#[derive(Debug, Default)]
struct Spent<'r> {
    hash: Vec<&'r [u8]>,
    scope: Vec<&'r str>,
    until: Vec<i64>,
}

impl<'r> Spent<'r> {
    fn push(&mut self, spend: &'r Spend) {
        self.hash.push(&spend.hash.0);
        self.scope.push(&spend.scope);
        self.until.push(spend.forget_at.as_micros());
    }

    /// The columns as arguments, a comma behind each.
    fn bind<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_bind_param::<Array<Binary>, _>(&self.hash)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.scope)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.until)?;
        out.push_sql(", ");
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Uses {
    id: Vec<Vec<u8>>,
    count: Vec<i64>,
    last: Vec<i64>,
}

#[derive(Debug, Default)]
struct Cuts<'r> {
    jti: Vec<&'r [u8]>,
    tenant: Vec<i64>,
    key: Vec<&'r [u8]>,
    moment: Vec<i64>,
    body: Vec<&'r str>,
}

impl<'r> Together<'r> {
    /// Credentials, each with its tenant's number, and what they use up. `oldest` is the least epoch their facts were read
    /// at.
    pub(super) fn issue(&mut self, issues: &'r [(i64, Issue)], oldest: Epoch) {
        self.oldest = signed(oldest.0);
        for (tenant, Issue { issuance, row, .. }) in issues {
            let lineage = &issuance.record.lineage;
            // Nobody could cut off what was not stored yet.
            for link in lineage.links().filter(|link| link.jti != lineage.own().jti) {
                self.lineage_keys.push(cut_key::encode(*tenant, &CutOffKey::Credential(link.jti)));
            }
            issuance.spends.iter().for_each(|spend| self.spent.push(spend));
            self.credentials.push(*tenant, row);
        }
        // INVARIANT: a batch is bounded far below.
        self.bought = i32::try_from(self.spent.hash.len()).unwrap_or(i32::MAX);
    }

    /// Uses of API keys.
    pub(super) fn count(&mut self, uses: &Counted) {
        for (id, (count, last)) in uses {
            self.used.id.push(id.as_bytes().to_vec());
            self.used.count.push(signed(*count));
            self.used.last.push(last.as_micros());
        }
    }

    /// By the server's clock; what ends later fails.
    pub(super) fn ends_by(&mut self, deadline: Timestamp) {
        self.deadline = Some(deadline.as_micros());
    }

    /// Signing keys of which it is not known that they were not cut off.
    pub(super) fn signed_by<'k>(&mut self, kids: impl IntoIterator<Item = &'k KeyId>) {
        let key = |kid: &KeyId| cut_key::encode(0, &CutOffKey::SigningKey(kid.clone()));
        self.signing_keys = kids.into_iter().map(key).collect();
    }

    /// Cut-offs, one for each key; gives which of these each of them became.
    fn cut_off(&mut self, cuts: &'r [Cut]) -> Vec<Option<usize>> {
        let mut places: HashMap<&[u8], usize> = HashMap::new();
        let mut of = Vec::with_capacity(cuts.len());
        for Cut { row, outcome, .. } in cuts {
            if outcome.is_some() {
                of.push(None);
                continue;
            }
            let place = *places.entry(&row.key).or_insert(self.cut.jti.len());
            of.push(Some(place));
            if place == self.cut.jti.len() {
                self.cut.jti.push(row.jti.as_bytes());
                self.cut.tenant.push(row.tenant_id);
                self.cut.key.push(&row.key);
                self.cut.moment.push(row.at().as_micros());
                self.cut.body.push(&row.body);
            }
        }
        of
    }
}

/// What a batch that was written says.
pub(super) struct Written {
    /// The epoch after it.
    pub(super) epoch: Epoch,
    /// The server's clock.
    pub(super) clock: Timestamp,
}

/// What the statement says: the clock, the epoch after it, whether it wrote, the first cut-off of each, and whether each
/// was not used up before.
type Said = (Option<i64>, i64, bool, Vec<Option<String>>, Vec<bool>);

/// Write a batch, and with it cut-offs and what is used up for itself; nothing comes back when nothing was written.
///
/// An error means that nothing was written, unless the connection is lost: then nobody knows.
pub(super) fn write(
    conn: &mut Conn,
    credentials: Together<'_>,
    cuts: &mut [Cut],
    spends: &mut [UseUp],
) -> Result<Option<Written>, StoreError> {
    for cut in cuts.iter_mut() {
        cut.outcome = None;
        cut.be_in_time();
    }
    let (said, places, bought) = {
        let mut all = credentials;
        let places = all.cut_off(cuts);
        let bought = all.spent.hash.len();
        spends.iter().for_each(|spending| all.spent.push(&spending.spend));
        let said: Said = all.get_result(conn).map_err(unavailable)?;
        (said, places, bought)
    };
    let (moment, present, is_written, outcomes, fresh) = said;
    let Some(clock) = moment.filter(|_| is_written).map(Timestamp::from_micros) else { return Ok(None) };
    for (cut, place) in cuts.iter_mut().zip(places) {
        if let Some(place) = place {
            let said = outcomes.get(place).ok_or_else(|| unavailable("an answer is missing"))?;
            cut.outcome = Some(cut.row.outcome(said.as_deref()));
        }
    }
    for (spending, is_fresh) in spends.iter_mut().zip(fresh.into_iter().skip(bought)) {
        spending.outcome = Some(if is_fresh { Ok(()) } else { Err(StoreError::Spent) });
    }
    Ok(Some(Written { epoch: Epoch(unsigned(present)), clock }))
}

/// Names the statement among those kept prepared.
#[derive(Debug)]
pub(super) struct TogetherId;

impl QueryId for Together<'_> {
    type QueryId = TogetherId;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl QueryFragment<Pg> for Together<'_> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("SELECT moment, present, is_written, outcomes, are_fresh FROM write_together(");
        out.push_bind_param::<BigInt, _>(&ORDER_LOCK)?;
        out.push_sql(", ");
        out.push_bind_param::<Nullable<BigInt>, _>(&self.deadline)?;
        out.push_sql(", ");
        out.push_bind_param::<BigInt, _>(&self.oldest)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.signing_keys)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.lineage_keys)?;
        out.push_sql(", ");
        self.credentials.bind(&mut out)?;
        out.push_sql(", ");
        self.spent.bind(&mut out)?;
        out.push_bind_param::<Integer, _>(&self.bought)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.used.id)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.used.count)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.used.last)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.cut.jti)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.cut.tenant)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Binary>, _>(&self.cut.key)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<BigInt>, _>(&self.cut.moment)?;
        out.push_sql(", ");
        out.push_bind_param::<Array<Text>, _>(&self.cut.body)?;
        out.push_sql(")");
        Ok(())
    }
}

impl Query for Together<'_> {
    type SqlType = (Nullable<BigInt>, BigInt, Bool, Array<Nullable<Text>>, Array<Bool>);
}

impl RunQueryDsl<Conn> for Together<'_> {}
