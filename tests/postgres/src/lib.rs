//! A PostgreSQL of its own for tests and benches: a fresh cluster in a temporary folder, on a free loopback port,
//! gone with the process that started it. It never touches a cluster that is there.
#![allow(
    clippy::disallowed_methods,
    reason = "a test tool reads the environment and waits for another program"
)]

mod authority;
mod cluster;
mod proxy;
mod tools;

pub use authority::Authority;
pub use cluster::{Cluster, Durability};
pub use proxy::{Passing, Proxy};
pub use tools::{psql, signal, sql};

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names the URL of a PostgreSQL whose databases may be made and dropped at will; `cargo xtask test` sets it.
pub const VARIABLE: &str = "ZEROID_TEST_POSTGRES";

/// The URL of a fresh, empty database, in the server of the environment or in one that is started now.
///
/// # Errors
/// Why there is no PostgreSQL here.
pub fn fresh_database() -> Result<String, String> {
    static OWN: OnceLock<Result<Cluster, String>> = OnceLock::new();
    match std::env::var(VARIABLE) {
        Ok(url) => tools::create_database(&url, &fresh_name()),
        Err(_) => match OWN.get_or_init(|| Cluster::start(Durability::OfTheProcess)) {
            Ok(cluster) => cluster.fresh_database(),
            Err(why) => Err(why.clone()),
        },
    }
}

/// A name no other test uses.
fn fresh_name() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    format!("test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed))
}
