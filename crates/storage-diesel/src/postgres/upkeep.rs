//! Upkeep of what grows: a partition of credentials a day, made ahead and dropped as a whole.
//!
//! One replica at a time does it, on a connection of its own: nothing here stands in the queue of the writer. Where a
//! lock is needed that tokens need too, it is asked for briefly, and again with the next sweep.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use zeroid_identity_model::Timestamp;
use zeroid_storage::{StoreError, Swept};

use super::{Conn, epochs};
use crate::error::unavailable;

/// Who has it does the upkeep.
const UPKEEP_LOCK: i64 = 0x7a69_645f_7377_6570;

/// A count of a day's credentials may take longer than a request. A lock that stops tokens is waited for no longer than
/// nobody notices.
const SETUP: &str = "SET statement_timeout = '10min'; SET lock_timeout = '100ms'";

/// Who has it, for one transaction, makes a partition: replicas that start together make each once.
const MAKE_LOCK: i64 = 0x7a69_645f_6d61_6b65;

/// Partitions that are ready beforehand: so long the upkeep may fail before credentials go to the default partition.
const DAYS_AHEAD: i64 = 7;

/// How long after the end of its span a partition is measured: clocks of replicas are at most 30 s off.
const GRACE_MICROS: i64 = 3_600_000_000;

/// Rows of one delete, and deletes of one sweep.
const ROWS: i64 = 5000;
const DELETES: u32 = 60;

const MICROS_PER_DAY: i64 = 86_400_000_000;

#[derive(QueryableByName)]
struct Partition {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = BigInt)]
    row_count: i64,
    #[diesel(sql_type = Bool)]
    is_detached: bool,
}

#[derive(QueryableByName)]
struct Measured {
    #[diesel(sql_type = BigInt)]
    row_count: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    last_expiry: Option<i64>,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

/// Make the partitions of today and of the next days.
pub(super) fn prepare(conn: &mut Conn) -> Result<(), StoreError> {
    let now = moment(conn)?;
    let today = now.div_euclid(MICROS_PER_DAY);
    let mut lacking = None;
    for day in today..=today + DAYS_AHEAD {
        match make(conn, day) {
            Ok(()) => {}
            // The default partition has credentials of that day already: there they stay.
            Err(Error::DatabaseError(DatabaseErrorKind::CheckViolation, _)) => {}
            Err(error) => lacking = lacking.or(Some(unavailable(error))),
        }
    }
    lacking.map_or(Ok(()), Err)
}

/// Make what is needed, drop what ended before a moment, forget what was used up; nothing, while another replica does.
pub(super) fn sweep(conn: &mut Conn, now: Timestamp, forget_before: Timestamp) -> Result<Swept, StoreError> {
    conn.batch_execute(SETUP).map_err(unavailable)?;
    let ours = diesel::dsl::sql::<Bool>(&format!("pg_try_advisory_lock({UPKEEP_LOCK})"));
    if !diesel::select(ours).get_result::<bool>(conn).map_err(unavailable)? {
        return Ok(Swept::default());
    }
    // What fails does not stop the rest, and is told in the end.
    let prepared = prepare(conn);
    let measured = measure(conn);
    let dropped = drop_ended(conn, forget_before);
    let deleted = delete(
        conn,
        "DELETE FROM credentials_default WHERE jti IN \
         (SELECT jti FROM credentials_default WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)",
        forget_before,
    );
    let forgotten = delete(
        conn,
        "DELETE FROM spent WHERE (hash, scope) IN \
         (SELECT hash, scope FROM spent WHERE forget_at <= $1 ORDER BY forget_at LIMIT $2)",
        now,
    );
    prepared.and(measured).and(epochs::forget(conn))?;
    Ok(Swept { forgotten: forgotten?, forgotten_credentials: dropped? + deleted?, ..Swept::default() })
}

/// The partition of one day since 1970, unless its span has one.
fn make(conn: &mut Conn, day: i64) -> QueryResult<()> {
    let (from, to) = (day * MICROS_PER_DAY, (day + 1) * MICROS_PER_DAY);
    let name = format!("credentials_{}", date(day));
    let (first, end) = (bound(from), bound(to));
    conn.transaction(|conn| {
        conn.batch_execute(&format!(
            "SET LOCAL lock_timeout = '100ms'; SELECT pg_advisory_xact_lock({MAKE_LOCK})"
        ))?;
        let known = "SELECT count(*) AS number FROM credential_partitions WHERE from_at < $2 AND to_at > $1";
        let known = diesel::sql_query(known).bind::<BigInt, _>(from).bind::<BigInt, _>(to);
        if known.get_result::<Number>(conn)?.number > 0 {
            return Ok(());
        }
        // Attached, not made in place: that would stop every token until it has the table for itself.
        conn.batch_execute(&format!(
            "CREATE TABLE {name} (LIKE credentials INCLUDING DEFAULTS INCLUDING CONSTRAINTS);
             ALTER TABLE credentials ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{end}')"
        ))?;
        let insert = "INSERT INTO credential_partitions (name, from_at, to_at) VALUES ($1, $2, $3)";
        let insert = diesel::sql_query(insert).bind::<Text, _>(&name);
        insert.bind::<BigInt, _>(from).bind::<BigInt, _>(to).execute(conn).map(drop)
    })
}

/// Count the oldest partition whose span is over, and find when the last of it ends: one a sweep, and each once.
fn measure(conn: &mut Conn) -> Result<(), StoreError> {
    let over = moment(conn)? - GRACE_MICROS;
    let next = "SELECT name, 0::bigint AS row_count, is_detached FROM credential_partitions \
                WHERE to_at < $1 AND row_count IS NULL ORDER BY to_at LIMIT 1";
    let next = diesel::sql_query(next).bind::<BigInt, _>(over).get_result::<Partition>(conn);
    let Some(partition) = next.optional().map_err(unavailable)? else { return Ok(()) };
    measure_one(conn, &partition.name).map(drop)
}

/// Count a partition, find when the last of it ends, and write both down.
fn measure_one(conn: &mut Conn, name: &str) -> Result<Measured, StoreError> {
    let count = format!("SELECT count(*) AS row_count, max(expires_at) AS last_expiry FROM {name}");
    let found: Measured = diesel::sql_query(count).get_result(conn).map_err(unavailable)?;
    let keep = "UPDATE credential_partitions SET row_count = $2, last_expiry = $3 WHERE name = $1";
    let keep = diesel::sql_query(keep).bind::<Text, _>(name).bind::<BigInt, _>(found.row_count);
    keep.bind::<Nullable<BigInt>, _>(found.last_expiry).execute(conn).map_err(unavailable)?;
    Ok(found)
}

/// Drop the partitions in which everything ended before a moment; gives how many credentials that were.
fn drop_ended(conn: &mut Conn, before: Timestamp) -> Result<u64, StoreError> {
    let ended = "SELECT name, row_count, is_detached FROM credential_partitions \
                 WHERE row_count IS NOT NULL AND (last_expiry IS NULL OR last_expiry < $1) ORDER BY to_at";
    let ended = diesel::sql_query(ended).bind::<BigInt, _>(before.as_micros());
    let mut dropped = 0;
    for partition in ended.load::<Partition>(conn).map_err(unavailable)? {
        // Taking it out stops tokens for a moment; removing its files, which takes longer, stops nobody.
        let name = &partition.name;
        if !partition.is_detached {
            // Measured long ago: whatever came since, though nothing should have, must not go with it.
            let found = measure_one(conn, name)?;
            if found.last_expiry.is_some_and(|last| last >= before.as_micros()) {
                continue;
            }
            conn.batch_execute(&format!(
                "BEGIN; ALTER TABLE credentials DETACH PARTITION {name};
                 UPDATE credential_partitions SET is_detached = true WHERE name = '{name}'; COMMIT"
            ))
            .or_else(|error| conn.batch_execute("ROLLBACK").and(Err(error)))
            .map_err(unavailable)?;
        }
        conn.batch_execute(&format!(
            "BEGIN; DROP TABLE {name}; DELETE FROM credential_partitions WHERE name = '{name}'; COMMIT"
        ))
        .or_else(|error| conn.batch_execute("ROLLBACK").and(Err(error)))
        .map_err(unavailable)?;
        dropped += u64::try_from(partition.row_count).unwrap_or(0);
    }
    Ok(dropped)
}

/// Delete rows that are past a moment, some at a time.
fn delete(conn: &mut Conn, rows: &str, by: Timestamp) -> Result<u64, StoreError> {
    let mut deleted = 0;
    for _ in 0..DELETES {
        let delete = diesel::sql_query(rows).bind::<BigInt, _>(by.as_micros()).bind::<BigInt, _>(ROWS);
        let count = delete.execute(conn).map_err(unavailable)?;
        deleted += u64::try_from(count).unwrap_or(0);
        if i64::try_from(count).unwrap_or(ROWS) < ROWS {
            break;
        }
    }
    Ok(deleted)
}

/// The clock ids are made by.
fn moment(conn: &mut Conn) -> Result<i64, StoreError> {
    let now = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS number";
    diesel::sql_query(now).get_result::<Number>(conn).map(|now| now.number).map_err(unavailable)
}

/// The least id of a moment, as PostgreSQL writes bytes.
fn bound(micros: i64) -> String {
    format!("\\x{:012x}{:020x}", micros.div_euclid(1000), 0)
}

/// The date of a day since 1970, as `20261125`.
fn date(day: i64) -> String {
    let text = Timestamp::from_micros(day * MICROS_PER_DAY).to_string();
    text.chars().take(10).filter(|char| *char != '-').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_a_name_and_bounds() {
        assert_eq!(date(20_782), "20261125");
        assert_eq!(bound(0), format!("\\x{}", "0".repeat(32)));
        assert_eq!(bound(20_782 * MICROS_PER_DAY), "\\x01a21000880000000000000000000000");
    }
}
