//! The database itself is asked what it enforces.

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::SqliteConnection;
use zeroid_storage::{CredentialStore, IdentityStore, ServerStore};
use zeroid_storage_diesel::SqliteStore;
use zeroid_token_core::{CutOffKey, Reason};

use crate::support::{Agent, Folder, NOW, tenant};

/// Tables that belong to the server, not to a tenant. A spent hash is nobody's: it names its issuer.
const OF_THE_SERVER: [&str; 6] =
    ["tenants", "spent", "signing_keys", "server_facts", "sequence", "__diesel_schema_migrations"];

/// Written at every token, and by one verb that has read all it refers to: no index and no reference is kept that
/// nothing asks for. Its key is found first, and its tenant compared then.
const CREDENTIALS: &str = "credentials";

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
pub(crate) struct Number {
    #[diesel(sql_type = BigInt)]
    pub(crate) number: i64,
}

fn names(conn: &mut SqliteConnection, sql: &str) -> Vec<String> {
    diesel::sql_query(sql).load::<Name>(conn).unwrap().into_iter().map(|row| row.name).collect()
}

fn number(conn: &mut SqliteConnection, sql: &str) -> i64 {
    diesel::sql_query(sql).get_result::<Number>(conn).unwrap().number
}

fn tables(conn: &mut SqliteConnection) -> Vec<String> {
    let all = names(conn, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'");
    all.into_iter().filter(|table| !OF_THE_SERVER.contains(&table.as_str())).collect()
}

fn columns(conn: &mut SqliteConnection, table: &str) -> Vec<String> {
    names(conn, &format!("SELECT name FROM pragma_table_info('{table}')"))
}

fn migrated() -> (Folder, SqliteConnection) {
    let folder = Folder::new();
    SqliteStore::migrate(&folder.file()).unwrap();
    let conn = folder.connect();
    (folder, conn)
}

#[test]
fn every_table_of_a_tenant_has_the_tenant_in_a_unique_key() {
    let (_folder, mut conn) = migrated();
    let found = tables(&mut conn);
    let all = ["policies", "identities", "api_keys", "cut_offs", CREDENTIALS, "clients", "delegation_routes"];
    assert_eq!(found, all);
    for table in found {
        let unique = names(
            &mut conn,
            &format!(
                "SELECT DISTINCT member.name AS name FROM pragma_index_list('{table}') AS list
                 JOIN pragma_index_info(list.name) AS member WHERE list.\"unique\" AND member.name IS NOT NULL"
            ),
        );
        // The key of a cut-off carries the tenant within: see the next test.
        let within = table == "cut_offs" || table == CREDENTIALS;
        assert!(unique.contains(&"tenant_id".to_owned()) || within, "{table}: {unique:?}");
    }
}

#[tokio::test]
async fn the_key_of_a_cut_off_begins_with_its_tenant() {
    let folder = Folder::new();
    let store = folder.open();
    Agent::of(&store, "first", "billing").await;
    let agent = Agent::of(&store, "second", "billing").await;
    store.cut_off(agent.tenant(), &CutOffKey::Identity(agent.id()), &Reason::new("why"), NOW).await.unwrap();
    store.cut_off(&tenant("third"), &CutOffKey::Tenant, &Reason::new("why"), NOW).await.unwrap();
    let mut conn = folder.connect();
    let agree = "SELECT count(*) AS number FROM cut_offs
                 WHERE hex(substr(cut_key, 1, 8)) = printf('%016X', tenant_id)";
    assert_eq!(number(&mut conn, agree), 2);
}

#[test]
fn every_reference_has_a_foreign_key_behind_it() {
    let (_folder, mut conn) = migrated();
    for table in tables(&mut conn).into_iter().filter(|table| table != CREDENTIALS) {
        let kept =
            names(&mut conn, &format!("SELECT \"from\" AS name FROM pragma_foreign_key_list('{table}')"));
        let own = ["external_id", "spiffe_id", "client_id"];
        for column in columns(&mut conn, &table) {
            if column.ends_with("_id") && !own.contains(&column.as_str()) {
                assert!(kept.contains(&column), "{table}.{column} refers to something");
            }
        }
        // A reference to another record of a tenant goes through the tenant: none can point into another one.
        let composite = format!(
            "SELECT count(*) AS number FROM pragma_foreign_key_list('{table}') AS one
             WHERE one.\"table\" <> 'tenants' AND NOT EXISTS (
                 SELECT 1 FROM pragma_foreign_key_list('{table}') AS other
                 WHERE other.id = one.id AND other.\"from\" = 'tenant_id')"
        );
        assert_eq!(number(&mut conn, &composite), 0, "{table}");
    }
}

#[tokio::test]
async fn cut_offs_are_append_only_and_credentials_are_written_once() {
    let folder = Folder::new();
    let store = folder.open();
    let agent = Agent::of(&store, "prod", "billing").await;
    let root = agent.root(&store).await;
    store.issue(root.clone()).await.unwrap();
    let key = CutOffKey::Credential(root.record.jti());
    store.cut_off(agent.tenant(), &key, &Reason::new("why"), NOW).await.unwrap();
    let mut conn = folder.connect();
    for (sql, why) in [
        ("UPDATE cut_offs SET up_to = 0", "cut-offs are append-only"),
        ("DELETE FROM cut_offs", "cut-offs are append-only"),
        ("UPDATE credentials SET expires_at = expires_at + 1", "credentials are written once"),
    ] {
        assert_eq!(conn.batch_execute(sql).unwrap_err().to_string(), why);
    }
    assert_eq!(number(&mut conn, "SELECT count(*) AS number FROM cut_offs"), 1);
}

#[test]
fn a_tenant_has_one_default_policy() {
    let (_folder, mut conn) = migrated();
    let insert = |id: &str, name: &str| {
        format!(
            "INSERT INTO policies (id, tenant_id, name, is_default, version, created_at, body)
             VALUES (x'{id}', 1, '{name}', true, 1, 0, '{{}}')"
        )
    };
    conn.batch_execute("INSERT INTO tenants (id, account, project) VALUES (1, 'acme', 'prod')").unwrap();
    conn.batch_execute(&insert("01", "first")).unwrap();
    assert!(conn.batch_execute(&insert("02", "second")).is_err());
}

#[test]
fn the_hot_lookups_use_an_index() {
    let (_folder, mut conn) = migrated();
    #[derive(QueryableByName)]
    struct Step {
        #[diesel(sql_type = Text)]
        detail: String,
    }
    for query in [
        "SELECT body FROM api_keys WHERE hash = x'00'",
        "SELECT body FROM credentials WHERE jti = x'00'",
        "SELECT body FROM identities WHERE id = x'00'",
        "SELECT body FROM identities WHERE spiffe_id = 'x'",
        "SELECT body FROM cut_offs WHERE cut_key = x'00' OR cut_key = x'01' OR cut_key = x'02'",
        "SELECT body FROM credentials WHERE tenant_id = 1 AND mission_id = x'00' AND jti <> mission_id
         ORDER BY depth, issued_at, jti",
        "SELECT body FROM credentials WHERE tenant_id = 1 AND identity_id = x'00' ORDER BY issued_at DESC",
        "SELECT body FROM identities WHERE tenant_id = 1 ORDER BY created_at DESC, id",
    ] {
        let plan: Vec<Step> =
            diesel::sql_query(format!("EXPLAIN QUERY PLAN {query}")).load(&mut conn).unwrap();
        assert!(!plan.is_empty());
        for step in plan.iter().filter(|step| !step.detail.starts_with("USE TEMP B-TREE FOR LAST")) {
            assert!(step.detail.starts_with("SEARCH"), "{query}: {}", step.detail);
        }
    }
}

#[tokio::test]
async fn a_database_of_the_first_migration_opens_and_reads_back() {
    let folder = Folder::new();
    folder.connect().batch_execute(include_str!("../fixtures/first_migration.sql")).unwrap();
    let store = folder.open();
    let of = tenant("prod");
    let uri = "spiffe://id.example/acme/prod/agent/billing".parse().unwrap();
    let identity = store.identity_by_spiffe_id(&of, &uri).await.unwrap().unwrap();
    assert_eq!(identity.identity.name, "billing");
    let filter = zeroid_storage::CredentialFilter::Identity(identity.identity.id);
    let page = zeroid_storage::Page { limit: 10, offset: 0 };
    let listed = store.credentials(&of, filter, page).await.unwrap();
    assert_eq!(listed.total, 2);
    let revoked: Vec<bool> = listed.items.iter().map(|view| view.revoked_by.is_some()).collect();
    assert_eq!(revoked, [true, true], "the root was cut off, and with it the child");
    let root = listed.items[0].record.mission_id();
    let facts = store.credential_facts(root).await.unwrap().unwrap();
    assert_eq!(facts.digest.0, [7; 32]);
    assert_eq!(store.chain(&of, listed.items[1].record.jti()).await.unwrap().unwrap().identities.len(), 1);
    assert_eq!(store.fact("name").await.unwrap(), Some(b"value".to_vec()));
    assert!(identity.identity.owner.is_some());
}
