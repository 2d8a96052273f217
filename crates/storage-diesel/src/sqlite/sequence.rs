//! The sequence: numbers are reserved in blocks, since one process hands them out.

use diesel::prelude::*;
use zeroid_storage::StoreError;

use super::Conn;
use crate::error::unavailable;
use crate::rows::{signed, unsigned};

diesel::table! {
    sequence (id) {
        id -> BigInt,
        reserved -> BigInt,
    }
}

/// The last number of the sequence that may have been handed out.
pub(super) fn reserved(conn: &mut Conn) -> Result<u64, StoreError> {
    sequence::table.select(sequence::reserved).get_result(conn).map(unsigned).map_err(unavailable)
}

/// Reserve the numbers of the sequence up to this one.
pub(super) fn reserve(conn: &mut Conn, up_to: u64) -> Result<(), StoreError> {
    let set = diesel::update(sequence::table).set(sequence::reserved.eq(signed(up_to)));
    set.execute(conn).map(drop).map_err(unavailable)
}
