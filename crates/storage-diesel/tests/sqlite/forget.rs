//! Forgetting goes through the credentials in the order of their issue, and by the index of those that last long.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use zeroid_identity_model::Timestamp;
use zeroid_storage::ServerStore;

use crate::support::Folder;

/// A moment, in seconds; long before what the server would keep.
const START: i64 = 1_700_000_000;

const DAY: i64 = 86_400;

/// Rows as issuances leave them: when they were issued and how long they last, in seconds after the start.
fn rows(conn: &mut SqliteConnection, rows: &[(i64, i64)]) {
    for (number, (issued, lasts)) in rows.iter().enumerate() {
        let at = START + issued;
        let id = format!("{:012x}7{:03x}8{:015x}", at * 1000, 0, number);
        conn.batch_execute(&format!(
            "INSERT INTO credentials VALUES (x'{id}', 1, x'00', x'{id}', 0, {at}000000, {}000000, x'00', x'00')",
            at + lasts
        ))
        .unwrap();
    }
}

/// The seconds after the start at which those were issued that are left.
fn left(conn: &mut SqliteConnection) -> Vec<i64> {
    diesel::dsl::sql::<BigInt>(&format!("SELECT issued_at / 1000000 - {START} FROM credentials ORDER BY jti"))
        .load(conn)
        .unwrap()
}

fn after(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(START + seconds)
}

#[tokio::test]
async fn what_ended_is_forgotten_wherever_it_stands() {
    let folder = Folder::new();
    let store = folder.open();
    let mut conn = folder.connect();
    // Hundreds that last an hour, among them some that last two days, one of which is the first.
    let many: Vec<(i64, i64)> =
        (0..350).map(|number| (number * 60, if number % 100 == 0 { 2 * DAY } else { 3600 })).collect();
    rows(&mut conn, &many);
    let swept = async |at: i64| store.sweep(after(at), after(at)).await.unwrap().forgotten_credentials;

    assert_eq!(swept(3600).await, 0, "what ends at that moment is kept");
    assert_eq!(swept(3600 + 61).await, 1);
    assert_eq!(swept(350 * 60 + 3601).await, 345);
    assert_eq!(left(&mut conn), [0, 6000, 12_000, 18_000]);
    assert_eq!(swept(2 * DAY + 6001).await, 2, "those that last are found by their ends");
    rows(&mut conn, &[(3 * DAY, 60), (3 * DAY + 1, 3600), (3 * DAY + 2, 60)]);
    assert_eq!(swept(3 * DAY + 100).await, 4, "as is what comes later, also behind one that is kept");
    assert_eq!(left(&mut conn), [3 * DAY + 1]);
    assert_eq!(swept(4 * DAY).await, 1);
    assert_eq!(swept(4 * DAY).await, 0);
    // Another process knows of nothing that was done before.
    rows(&mut conn, &[(10, 3600)]);
    drop(store);
    let store = folder.open();
    assert_eq!(store.sweep(after(DAY), after(DAY)).await.unwrap().forgotten_credentials, 1);
}

#[tokio::test]
async fn no_sweep_reads_what_is_kept_again_and_again() {
    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = diesel::sql_types::Text)]
        detail: String,
    }
    let folder = Folder::new();
    drop(folder.open());
    for query in [
        "SELECT jti FROM credentials WHERE expires_at - issued_at > 86400000000 AND expires_at < 1
         ORDER BY expires_at LIMIT 100",
        "SELECT jti FROM credentials WHERE jti > x'00' AND jti < x'01' ORDER BY jti LIMIT 100",
        "DELETE FROM credentials WHERE jti > x'00' AND jti <= x'01' AND expires_at < 1",
    ] {
        let plan: Vec<Step> =
            diesel::sql_query(format!("EXPLAIN QUERY PLAN {query}")).load(&mut folder.connect()).unwrap();
        let details: Vec<&str> = plan.iter().map(|step| step.detail.as_str()).collect();
        assert!(details.iter().all(|step| step.starts_with("SEARCH")), "{query}: {details:?}");
    }
}
