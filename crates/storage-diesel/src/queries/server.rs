//! Signing keys, and the server's own facts.

use diesel::prelude::*;
use zeroid_storage::{SigningKeyRecord, StoreError};

use super::Conn;
use crate::error::unavailable;
use crate::rows::{from_json, to_json};
use crate::schema::{server_facts, signing_keys};

/// All signing keys, oldest first.
pub(crate) fn signing_keys(conn: &mut Conn) -> Result<Vec<SigningKeyRecord>, StoreError> {
    let bodies: Vec<String> = signing_keys::table
        .order((signing_keys::created_at.asc(), signing_keys::kid.asc()))
        .select(signing_keys::body)
        .load(conn)
        .map_err(unavailable)?;
    bodies.iter().map(|body| from_json("signing key", body)).collect()
}

/// Replace all signing keys.
pub(crate) fn replace_signing_keys(conn: &mut Conn, keys: &[SigningKeyRecord]) -> Result<(), StoreError> {
    diesel::delete(signing_keys::table).execute(conn).map_err(unavailable)?;
    for key in keys {
        diesel::insert_into(signing_keys::table)
            .values((
                signing_keys::kid.eq(key.kid.as_str()),
                signing_keys::created_at.eq(key.created_at.as_micros()),
                signing_keys::body.eq(to_json("signing key", key)?),
            ))
            .execute(conn)
            .map_err(unavailable)?;
    }
    Ok(())
}

/// The value stored under a name.
pub(crate) fn fact(conn: &mut Conn, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    server_facts::table
        .filter(server_facts::name.eq(name))
        .select(server_facts::value)
        .get_result(conn)
        .optional()
        .map_err(unavailable)
}

/// Store a value under a name.
pub(crate) fn add_fact(conn: &mut Conn, name: &str, value: &[u8]) -> Result<(), StoreError> {
    diesel::insert_into(server_facts::table)
        .values((server_facts::name.eq(name), server_facts::value.eq(value)))
        .execute(conn)
        .map_err(unavailable)?;
    Ok(())
}
