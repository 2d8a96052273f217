//! A server with its database, and the same SQL for either kind.

use std::io::Write;
use std::sync::Arc;

use diesel::connection::SimpleConnection;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection};
use zeroid_test_postgres::{Cluster, Durability, psql, sql};
use zeroid_tests::Server;

pub(crate) struct Database {
    pub(crate) server: Server,
    pub(crate) kind: Kind,
}

pub(crate) enum Kind {
    Sqlite,
    Postgres { url: String, _cluster: Arc<Cluster> },
}

#[derive(QueryableByName)]
struct Text {
    #[diesel(sql_type = diesel::sql_types::Text)]
    text: String,
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        let server = Server::start_with(&[("ZEROID_DATABASE_URL", "")]);
        Self { server, kind: Kind::Sqlite }
    }

    /// Two databases of one server, which flushes to disk at every commit.
    pub(crate) fn postgres() -> (Self, Self) {
        let cluster = Arc::new(Cluster::start(Durability::OfTheMachine).expect("a PostgreSQL"));
        let fresh = || {
            let url = cluster.fresh_database().unwrap();
            let server = Server::start_with(&[("ZEROID_DATABASE_URL", &url)]);
            Self { server, kind: Kind::Postgres { url, _cluster: Arc::clone(&cluster) } }
        };
        (fresh(), fresh())
    }

    /// Run statements on one session.
    pub(crate) fn run(&self, statements: impl IntoIterator<Item = String>) {
        match &self.kind {
            Kind::Sqlite => {
                let mut conn = self.beside();
                statements.into_iter().for_each(|text| conn.batch_execute(&text).unwrap());
            }
            Kind::Postgres { url, .. } => {
                let mut session = psql(url).unwrap();
                let mut input = session.stdin.take().unwrap();
                writeln!(input, "SET client_min_messages = warning;").unwrap();
                statements.into_iter().for_each(|text| writeln!(input, "{text};").unwrap());
                drop(input);
                assert!(session.wait_with_output().unwrap().status.success());
            }
        }
    }

    /// One text.
    pub(crate) fn one(&self, query: &str) -> String {
        match &self.kind {
            Kind::Sqlite => {
                let query = format!("SELECT CAST(({query}) AS TEXT) AS text");
                diesel::sql_query(query).get_result::<Text>(&mut self.beside()).unwrap().text
            }
            Kind::Postgres { url, .. } => sql(url, query).unwrap().trim_end().to_owned(),
        }
    }

    /// Bytes, given as hexadecimal digits.
    pub(crate) fn bytes(&self, hex: &str) -> String {
        match &self.kind {
            Kind::Sqlite => format!("x'{hex}'"),
            Kind::Postgres { .. } => format!("'\\x{hex}'"),
        }
    }

    /// What a database in use has come to by itself.
    pub(crate) fn settle(&self) {
        match &self.kind {
            Kind::Sqlite => self.run(["PRAGMA wal_checkpoint(TRUNCATE)".to_owned()]),
            Kind::Postgres { .. } => self.run(["VACUUM ANALYZE".to_owned(), "CHECKPOINT".to_owned()]),
        }
    }

    /// A connection beside the server's, which checks and flushes nothing.
    fn beside(&self) -> SqliteConnection {
        let path = self.server.data().join("zeroid.db");
        let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
        conn.batch_execute(
            "PRAGMA busy_timeout = 60000; PRAGMA synchronous = OFF; PRAGMA cache_size = -2000000",
        )
        .unwrap();
        conn
    }
}
