//! The cluster starts, survives a crash, and is gone with its owner.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use zeroid_test_postgres::{Cluster, Durability};

#[test]
fn a_cluster_comes_back_from_a_crash_and_goes_with_its_owner() {
    let cluster = match Cluster::start(Durability::OfTheProcess) {
        Ok(cluster) => cluster,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    let url = cluster.fresh_database().unwrap();
    cluster.sql(&url, "CREATE TABLE kept (n INT); INSERT INTO kept VALUES (7)").unwrap();
    cluster.crash();
    assert!(cluster.sql(&url, "SELECT 1").is_err(), "it is down");
    cluster.resume().unwrap();
    assert_eq!(cluster.sql(&url, "SELECT n FROM kept").unwrap().trim(), "7");
    let folder = cluster.folder().to_owned();
    drop(cluster);
    assert!(!folder.exists());
}
