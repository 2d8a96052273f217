//! Forgetting what is past its time: a few rows a transaction, so that no token waits for it.

use diesel::prelude::*;
use diesel::sql_types::BigInt;
use zeroid_identity_model::Timestamp;
use zeroid_storage::{StoreError, Swept};

use super::SqliteStore;
use super::verbs::{Changes, Writing};
use crate::error::unavailable;

/// Rows of one transaction: 2 ms of the one writer, and a write to disk like any other.
const ROWS: u32 = 100;

/// Transactions of one sweep. With a sweep a minute it keeps up with 2000 credentials a second.
const TRANSACTIONS: u32 = 1200;

const SPENT: &str = "DELETE FROM spent WHERE (hash, scope) IN \
                     (SELECT hash, scope FROM spent WHERE forget_at <= ? LIMIT ?)";

/// A credential refers to the root of its mission, which ends no earlier: of those that end together the root goes last.
const CREDENTIALS: &str = "DELETE FROM credentials WHERE jti IN (SELECT jti FROM credentials \
                           WHERE expires_at < ? ORDER BY expires_at, mission_id = jti LIMIT ?)";

impl SqliteStore {
    /// Forget used-up things at their time, and credentials that ended before a moment.
    pub(super) async fn forget(&self, now: Timestamp, forget_before: Timestamp) -> Result<Swept, StoreError> {
        let forgotten = self.delete(SPENT, now).await?;
        let forgotten_credentials = self.delete(CREDENTIALS, forget_before).await?;
        Ok(Swept { forgotten, forgotten_credentials, ..Swept::default() })
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
