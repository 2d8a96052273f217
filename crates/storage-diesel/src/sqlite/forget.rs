//! Forgetting what is past its time: a few rows a transaction, so that no token waits for it.
//!
//! Credentials that last a day at most have no index of their ends, which would be written at every token: their ids
//! begin with the millisecond of their issue, so they are gone through in that order, up to the first that is kept.

use std::sync::{Mutex, PoisonError};

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool};
use zeroid_identity_model::Timestamp;
use zeroid_storage::{StoreError, Swept};

use super::verbs::{Changes, Writing};
use super::{Conn, SqliteStore};
use crate::error::unavailable;
use crate::rows::bytes;

/// Rows of one transaction: 2 ms of the one writer, and a write to disk like any other.
const ROWS: u32 = 100;

/// Transactions of one sweep. With a sweep a minute it keeps up with 2000 credentials a second.
const TRANSACTIONS: u32 = 1200;

const SPENT: &str = "DELETE FROM spent WHERE (hash, scope) IN \
                     (SELECT hash, scope FROM spent WHERE forget_at <= ? LIMIT ?)";

/// Those that last longer than a day, by the index of their ends. A credential refers to the root of its mission, which
/// ends no earlier: of those that end together the root goes last.
const LASTING: &str = "DELETE FROM credentials WHERE jti IN (SELECT jti FROM credentials \
                       WHERE expires_at - issued_at > 86400000000 AND expires_at < ? \
                       ORDER BY expires_at, mission_id = jti LIMIT ?)";

/// The next ones in the order of their ids: whether each has ended, and whether the index knows it.
const NEXT: &str = "SELECT jti, expires_at < ? AS has_ended, expires_at - issued_at > 86400000000 AS is_lasting \
                    FROM credentials WHERE jti > ? AND jti < ? ORDER BY jti LIMIT ?";

const ENDED: &str = "DELETE FROM credentials WHERE jti > ? AND jti <= ? AND expires_at < ?";

/// Up to where everything that the index does not know was forgotten.
#[derive(Debug, Default)]
pub(super) struct Forgotten(Mutex<[u8; 16]>);

#[derive(QueryableByName)]
struct Next {
    #[diesel(sql_type = Binary)]
    jti: Vec<u8>,
    #[diesel(sql_type = Bool)]
    has_ended: bool,
    #[diesel(sql_type = Bool)]
    is_lasting: bool,
}

/// One step through the credentials.
struct Went {
    deleted: usize,
    /// Everything up to here that the index does not know was forgotten.
    forgotten_to: [u8; 16],
    /// Whether one that is kept was met, or there are no more.
    is_over: bool,
}

impl SqliteStore {
    /// Forget used-up things at their time, and credentials that ended before a moment.
    pub(super) async fn forget(&self, now: Timestamp, forget_before: Timestamp) -> Result<Swept, StoreError> {
        let forgotten = self.delete(SPENT, now).await?;
        let lasting = self.delete(LASTING, forget_before).await?;
        let forgotten_credentials = lasting + self.go_through(forget_before).await?;
        Ok(Swept { forgotten, forgotten_credentials, ..Swept::default() })
    }

    async fn go_through(&self, forget_before: Timestamp) -> Result<u64, StoreError> {
        let mut deleted = 0;
        for _ in 0..TRANSACTIONS {
            let from = *self.forgotten.0.lock().unwrap_or_else(PoisonError::into_inner);
            let step = move |writing: &mut Writing<'_>| step(writing.conn, from, forget_before);
            let went = self.write(Changes::Nothing, step).await?;
            *self.forgotten.0.lock().unwrap_or_else(PoisonError::into_inner) = went.forgotten_to;
            deleted += u64::try_from(went.deleted).unwrap_or(u64::MAX);
            if went.is_over {
                break;
            }
        }
        Ok(deleted)
    }
    /// Delete a few rows at a time, until fewer are left or this sweep has done its share.
    async fn delete(&self, rows: &'static str, by: Timestamp) -> Result<u64, StoreError> {
        let mut deleted = 0;
        for _ in 0..TRANSACTIONS {
            // What has ended answers no question differently, so nobody has to read its facts again.
            let some = move |writing: &mut Writing<'_>| {
                let delete = diesel::sql_query(rows).bind::<BigInt, _>(by.as_micros());
                delete.bind::<BigInt, _>(i64::from(ROWS)).execute(writing.conn).map_err(unavailable)
            };
            let count = u64::try_from(self.write(Changes::Nothing, some).await?).unwrap_or(u64::MAX);
            deleted += count;
            if count < u64::from(ROWS) {
                break;
            }
        }
        Ok(deleted)
    }
}

/// Look at the next credentials, and delete those that have ended.
fn step(conn: &mut Conn, from: [u8; 16], forget_before: Timestamp) -> Result<Went, StoreError> {
    let by = forget_before.as_micros();
    let next: Vec<Next> = diesel::sql_query(NEXT)
        .bind::<BigInt, _>(by)
        .bind::<Binary, _>(from)
        .bind::<Binary, _>(first_id_after(forget_before))
        .bind::<BigInt, _>(i64::from(ROWS))
        .load(conn)
        .map_err(unavailable)?;
    let Some(last) = next.last() else {
        return Ok(Went { deleted: 0, forgotten_to: from, is_over: true });
    };
    let deleted = diesel::sql_query(ENDED)
        .bind::<Binary, _>(from)
        .bind::<Binary, _>(last.jti.as_slice())
        .bind::<BigInt, _>(by)
        .execute(conn)
        .map_err(unavailable)?;
    let passed = next.iter().take_while(|row| row.has_ended || row.is_lasting);
    let forgotten_to = passed.last().map_or(Ok(from), |row| bytes("jti", &row.jti))?;
    let is_over = next.len() < ROWS as usize || last.jti != forgotten_to;
    Ok(Went { deleted, forgotten_to, is_over })
}

/// The least id of the millisecond after a moment.
fn first_id_after(moment: Timestamp) -> [u8; 16] {
    let millis = u64::try_from(moment.as_micros() / 1000 + 1).unwrap_or(0);
    u128::from(millis).wrapping_shl(80).to_be_bytes()
}
