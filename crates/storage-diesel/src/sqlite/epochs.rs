//! The epoch: a number that one process raises, in one row.

use diesel::prelude::*;
use zeroid_storage::{Epoch, StoreError};

use super::Conn;
use crate::error::unavailable;
use crate::rows::{signed, unsigned};

diesel::table! {
    sequence (id) {
        id -> BigInt,
        epoch -> BigInt,
    }
}

/// The state of the facts.
pub(super) fn epoch(conn: &mut Conn) -> Result<Epoch, StoreError> {
    let epoch: i64 = sequence::table.select(sequence::epoch).get_result(conn).map_err(unavailable)?;
    Ok(Epoch(unsigned(epoch)))
}

/// Facts changed: what was read before is to be read again.
pub(super) fn raise(conn: &mut Conn, to: Epoch) -> Result<(), StoreError> {
    let set = diesel::update(sequence::table).set(sequence::epoch.eq(signed(to.0)));
    set.execute(conn).map(drop).map_err(unavailable)
}

/// A write that changes nothing, to learn whether writes are accepted.
pub(super) fn touch(conn: &mut Conn) -> Result<(), StoreError> {
    let set = diesel::update(sequence::table).set(sequence::epoch.eq(sequence::epoch));
    set.execute(conn).map(drop).map_err(unavailable)
}
