//! A partition of credentials a day: made ahead, dropped when all of it ended long ago.

use std::sync::Arc;

use zeroid_identity_model::{CredentialId, Timestamp};
use zeroid_storage_conformance::Shared;
use zeroid_storage_conformance::fixtures::{at, by_key, issuance, link, ours, populated, record};
use zeroid_storage_diesel::{PostgresOptions, PostgresStore};
use zeroid_test_postgres::sql;
use zeroid_token_core::{CredentialRecord, Lineage};

const DAY: i64 = 86_400;

/// What the first version made; migrations are never edited.
const FIRST_MIGRATION: &str = include_str!("../../../migrations/postgres/00000000000001_kernel/up.sql");

fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap())
}

/// The id of a credential that was issued at a moment.
fn issued_at(moment: Timestamp, number: u8) -> CredentialId {
    let mut bytes = [number; 16];
    bytes[..6].copy_from_slice(&moment.unix_millis().to_be_bytes()[2..]);
    CredentialId::from_bytes(bytes)
}

async fn stored(store: &Shared, jti: CredentialId, expires_at: Timestamp) -> CredentialRecord {
    let facts = store.root_facts(&by_key(1)).await.unwrap().unwrap();
    let mut link = link(&ours(), 1, 1, facts.order);
    link.jti = jti;
    let record =
        CredentialRecord { expires_at: expires_at.floor_to_second(), ..record(Lineage::root_of(link)) };
    store.issue(issuance(record.clone(), facts.epoch)).await.unwrap();
    record
}

fn open(url: &str) -> Shared {
    Arc::new(PostgresStore::open(&PostgresOptions::new(url)).unwrap())
}

fn partition_of(url: &str, jti: CredentialId) -> String {
    let hex: String = jti.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    sql(url, &format!("SELECT tableoid::regclass FROM credentials WHERE jti = '\\x{hex}'"))
        .unwrap()
        .trim()
        .to_owned()
}

fn names(url: &str) -> Vec<String> {
    let text =
        sql(url, "SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'credentials'::regclass")
            .unwrap();
    text.lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn partitions_of_the_next_week_are_ready_and_a_look_up_goes_to_one() {
    let url = zeroid_test_postgres::fresh_database().expect("a PostgreSQL");
    let store = open(&url);
    populated(&store, &ours(), 1, 1).await;
    let today = stored(&store, issued_at(now(), 1), now().plus_seconds(60)).await;
    let soon = stored(&store, issued_at(now().plus_seconds(6 * DAY), 2), now().plus_seconds(7 * DAY)).await;
    let of_no_day =
        stored(&store, issued_at(now().plus_seconds(99 * DAY), 3), now().plus_seconds(99 * DAY)).await;
    assert_eq!(names(&url).len(), 1 + 8, "{:?}", names(&url));
    let (one, other) = (partition_of(&url, today.jti()), partition_of(&url, soon.jti()));
    assert!(
        one.starts_with("credentials_2") && other.starts_with("credentials_2") && one != other,
        "{one} {other}"
    );
    assert_eq!(partition_of(&url, of_no_day.jti()), "credentials_default");
    let hex: String = today.jti().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let plan = sql(
        &url,
        &format!("EXPLAIN SELECT body FROM credentials WHERE jti = ANY (ARRAY['\\x{hex}'::bytea])"),
    );
    let plan = plan.unwrap();
    assert_eq!(plan.matches("credentials_").count(), plan.matches(one.as_str()).count(), "{plan}");
    for record in [today, soon, of_no_day] {
        assert!(store.credential_facts(record.jti()).await.unwrap().is_some());
    }
}

/// A partition of a day long ago, as a server that ran then would have made it.
fn past_partition(url: &str, day: i64) -> String {
    let (from, to) = (day * DAY, (day + 1) * DAY);
    let name = format!("credentials_past{day}");
    let text = format!(
        "CREATE TABLE {name} (LIKE credentials INCLUDING DEFAULTS);
         ALTER TABLE credentials ATTACH PARTITION {name} FOR VALUES
             FROM ('\\x{:012x}{:020x}') TO ('\\x{:012x}{:020x}');
         INSERT INTO credential_partitions (name, from_at, to_at) VALUES ('{name}', {from}000000, {to}000000)",
        from * 1000, 0, to * 1000, 0
    );
    sql(url, &text).unwrap();
    name
}

#[tokio::test]
async fn a_partition_goes_when_all_of_it_ended_long_ago_and_stays_while_one_has_not() {
    let url = zeroid_test_postgres::fresh_database().expect("a PostgreSQL");
    let store = open(&url);
    populated(&store, &ours(), 1, 1).await;
    let day = now().unix_seconds().div_euclid(DAY) - 50;
    let (gone, kept) = (past_partition(&url, day), past_partition(&url, day + 1));
    let moment = |day: i64, hour: i64| Timestamp::from_micros((day * DAY + hour * 3600) * 1_000_000);
    let mut old = Vec::new();
    // The presenter's clock is of no matter here: both are stored as if they were issued at that time.
    for (jti, end) in [
        (issued_at(moment(day, 3), 1), at(-1)),
        (issued_at(moment(day, 9), 2), at(-2)),
        (issued_at(moment(day + 1, 3), 3), at(-1)),
        (issued_at(moment(day + 1, 9), 4), at(90 * DAY)),
    ] {
        let record = stored(&store, jti, now().plus_seconds(3600)).await;
        // Ends are judged at issue; the row is put in its place as it would have become.
        let hex: String = jti.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let end = end.as_micros();
        sql(&url, &format!(
            "WITH row AS (DELETE FROM credentials WHERE jti = '\\x{hex}' RETURNING *)
             INSERT INTO credentials SELECT jti, tenant_id, identity_id, mission_id, depth, issued_at, {end}, digest, body
             FROM row"
        )).unwrap();
        old.push(record.jti());
    }
    assert_eq!(partition_of(&url, old[0]), gone);
    // One partition is measured a sweep; nothing is dropped before that.
    let mut forgotten = 0;
    for _ in 0..3 {
        forgotten += store.sweep(now(), at(0)).await.unwrap().forgotten_credentials;
    }
    assert_eq!(forgotten, 2);
    assert!(!names(&url).contains(&gone) && names(&url).contains(&kept), "{:?}", names(&url));
    assert!(sql(&url, &format!("SELECT 1 FROM {gone}")).is_err(), "its files are gone, too");
    assert!(store.credential(&ours(), old[0]).await.unwrap().is_none());
    assert!(store.credential(&ours(), old[2]).await.unwrap().is_some(), "another of its day has not ended");
    // A measure that is wrong drops nothing: it is taken again before.
    sql(&url, &format!("UPDATE credential_partitions SET last_expiry = 0 WHERE name = '{kept}'")).unwrap();
    store.sweep(now(), at(0)).await.unwrap();
    assert!(names(&url).contains(&kept) && store.credential(&ours(), old[3]).await.unwrap().is_some());
}

#[tokio::test]
async fn a_sweep_waits_for_nobody_and_one_replica_does_it() {
    let url = zeroid_test_postgres::fresh_database().expect("a PostgreSQL");
    let store = open(&url);
    populated(&store, &ours(), 1, 1).await;
    let day = now().unix_seconds().div_euclid(DAY) - 50;
    let name = past_partition(&url, day);
    store.sweep(now(), at(0)).await.unwrap();
    sql(&url, &format!("UPDATE credential_partitions SET row_count = 0 WHERE name = '{name}'")).unwrap();
    // Somebody reads all of it, and goes on reading.
    let held = hold(&url, "BEGIN; SELECT count(*) FROM credentials;");
    let began = std::time::Instant::now();
    let (swept, issued) =
        tokio::join!(store.sweep(now(), at(0)), stored(&store, issued_at(now(), 7), now().plus_seconds(60)));
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
    drop(held);
    let other = hold(&url, "SELECT pg_advisory_lock(8820691706303702384);");
    assert_eq!(store.sweep(now(), at(0)).await.unwrap(), zeroid_storage::Swept::default());
    drop(other);
    drop(swept);
    assert!(store.credential_facts(issued.jti()).await.unwrap().is_some());
    // The next sweep does what the first could not.
    let mut left = names(&url);
    for _ in 0..50 {
        let _ = store.sweep(now(), at(0)).await;
        left = names(&url);
        if !left.contains(&name) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(!left.contains(&name), "{left:?}");
}

/// A session that has run something and stays; ended when dropped.
struct Held(std::process::Child);

fn hold(url: &str, text: &str) -> Held {
    use std::io::{BufRead, Write};
    let mut child = zeroid_test_postgres::psql(url).unwrap();
    let mut input = child.stdin.take().unwrap();
    writeln!(input, "{text}\n\\echo held").unwrap();
    input.flush().unwrap();
    let output = std::io::BufReader::new(child.stdout.take().unwrap());
    assert!(output.lines().any(|line| line.unwrap() == "held"));
    child.stdin = Some(input);
    Held(child)
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn what_the_first_version_stored_is_kept_and_partitions_follow_it() {
    let url = zeroid_test_postgres::fresh_database().expect("a PostgreSQL");
    sql(&url, FIRST_MIGRATION).unwrap();
    sql(
        &url,
        "CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL,
               run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
               INSERT INTO __diesel_schema_migrations (version) VALUES ('00000000000001')",
    )
    .unwrap();
    // Rows of the first version: what a store writes, moved into tables of that version.
    let donor = zeroid_test_postgres::fresh_database().unwrap();
    let store = open(&donor);
    populated(&store, &ours(), 1, 1).await;
    let recent = stored(&store, issued_at(now(), 1), now().plus_seconds(900)).await;
    let odd = stored(&store, issued_at(now().plus_seconds(400 * DAY), 2), now().plus_seconds(900)).await;
    drop(store);
    for table in ["tenants", "policies", "identities", "api_keys", "credentials"] {
        // Records of credentials were JSON then.
        let json = |record: &CredentialRecord| {
            let hex: String = record.jti().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
            format!("WHEN '\\x{hex}' THEN '{}'", serde_json::to_string(record).unwrap())
        };
        let row = match table {
            "credentials" => format!(
                "to_jsonb(t) || jsonb_build_object('body', CASE t.jti {} {} END)",
                json(&recent),
                json(&odd)
            ),
            _ => "to_jsonb(t)".to_owned(),
        };
        let rows = sql(&donor, &format!("SELECT quote_literal(jsonb_agg({row})) FROM {table} t")).unwrap();
        let rows = rows.trim();
        let overriding = if table == "tenants" { "OVERRIDING SYSTEM VALUE" } else { "" };
        sql(&url, &format!(
            "INSERT INTO {table} {overriding} SELECT * FROM jsonb_populate_recordset(NULL::{table}, {rows}::jsonb)"
        )).unwrap();
    }
    assert_eq!(
        PostgresStore::pending_migrations(&url).unwrap(),
        [
            "00000000000002_partitions",
            "00000000000003_lean",
            "00000000000004_together",
            "00000000000005_packed",
            "00000000000006_clients",
            "00000000000007_delegation_routes",
            "00000000000008_appended"
        ]
    );
    let store = open(&url);
    for record in [&recent, &odd] {
        let facts = store.credential_facts(record.jti()).await.unwrap().unwrap();
        assert_eq!(*facts.record, *record);
    }
    assert_eq!(partition_of(&url, recent.jti()), "credentials_before");
    assert_eq!(partition_of(&url, odd.jti()), "credentials_default");
    let today = stored(&store, issued_at(now(), 3), now().plus_seconds(900)).await;
    assert_eq!(partition_of(&url, today.jti()), "credentials_before", "up to the end of the day");
    let tomorrow = stored(&store, issued_at(now().plus_seconds(DAY), 4), now().plus_seconds(900)).await;
    assert!(partition_of(&url, tomorrow.jti()).starts_with("credentials_2"));
    let written_once = sql(&url, "UPDATE credentials SET expires_at = 0").unwrap_err();
    assert!(written_once.contains("written once"), "{written_once}");
}
