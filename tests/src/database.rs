//! Which database the servers of a test run use.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Names the database of a test run: `sqlite`, the default, or `postgres`.
const VARIABLE: &str = "ZEROID_TEST_DATABASE";

/// Whether the servers of this test run use PostgreSQL.
pub fn on_postgres() -> bool {
    match std::env::var(VARIABLE).as_deref() {
        Err(_) | Ok("sqlite") => false,
        Ok("postgres") => true,
        Ok(other) => panic!("{VARIABLE} is {other:?}; it must be sqlite or postgres"),
    }
}

/// The URL of the database that belongs to a data folder, made at its first use; absent for the file in the folder.
pub(crate) fn url_of(folder: &Path) -> Option<String> {
    static MADE: LazyLock<Mutex<HashMap<PathBuf, String>>> = LazyLock::new(Mutex::default);
    if !on_postgres() {
        return None;
    }
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = || zeroid_test_postgres::fresh_database().expect("a PostgreSQL");
    Some(made.entry(folder.to_owned()).or_insert_with(fresh).clone())
}
