//! The epoch: the last of a list that only grows, so that whoever asks for it reads one row.
//!
//! One row that is changed again and again would leave a version of itself each time, and none of them can be removed
//! while anybody holds a snapshot, as a backup does: each read would pass them all.

use diesel::prelude::*;
use zeroid_storage::{Epoch, StoreError};

use super::Conn;
use crate::error::unavailable;
use crate::rows::{signed, unsigned};

diesel::table! {
    epochs (epoch) {
        epoch -> BigInt,
    }
}
diesel::table! {
    touched (id) {
        id -> BigInt,
        at -> BigInt,
    }
}

/// The state of the facts.
pub(super) fn epoch(conn: &mut Conn) -> Result<Epoch, StoreError> {
    let last = epochs::table.order(epochs::epoch.desc()).select(epochs::epoch);
    let epoch: i64 = last.first(conn).map_err(unavailable)?;
    Ok(Epoch(unsigned(epoch)))
}

/// Facts changed: what was read before is to be read again.
pub(super) fn raise(conn: &mut Conn, to: Epoch) -> Result<(), StoreError> {
    let add = diesel::insert_into(epochs::table).values(epochs::epoch.eq(signed(to.0)));
    add.execute(conn).map(drop).map_err(unavailable)
}

/// A write that changes nothing, to learn whether writes are accepted.
pub(super) fn touch(conn: &mut Conn) -> Result<(), StoreError> {
    let set = diesel::update(touched::table).set(touched::at.eq(touched::at + 1));
    set.execute(conn).map(drop).map_err(unavailable)
}

/// Forget all but the last: nobody asks for an earlier one.
pub(super) fn forget(conn: &mut Conn) -> Result<(), StoreError> {
    let last = signed(epoch(conn)?.0);
    let old = epochs::table.filter(epochs::epoch.lt(last));
    diesel::delete(old).execute(conn).map(drop).map_err(unavailable)
}
