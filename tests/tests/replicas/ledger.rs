//! What was acknowledged, and whether the database has it: all of it, whole, and nothing that is half of something.

use std::io::Write;
use std::sync::Mutex;

use zeroid_test_postgres::{psql, sql};
use zeroid_tests::claims;

/// What the replicas acknowledged.
#[derive(Default)]
pub(crate) struct Ledger {
    /// Every credential, as its id without hyphens.
    credentials: Mutex<Vec<String>>,
    /// Leaves nobody revoked.
    pub(crate) kept: Mutex<Vec<String>>,
    /// Leaves under a root whose revocation was acknowledged.
    pub(crate) dead: Mutex<Vec<String>>,
}

impl Ledger {
    /// A token was handed out.
    pub(crate) fn issued(&self, token: &str) {
        self.credentials.lock().unwrap().push(id_of(token));
    }

    /// How many were.
    pub(crate) fn count(&self) -> usize {
        self.credentials.lock().unwrap().len()
    }

    /// Compare with the database.
    pub(crate) fn check(&self, url: &str) {
        let credentials = self.credentials.lock().unwrap();
        let mut session = psql(url).unwrap();
        let mut input = session.stdin.take().unwrap();
        writeln!(input, "CREATE TABLE acknowledged (jti bytea); COPY acknowledged FROM STDIN;").unwrap();
        for id in credentials.iter() {
            writeln!(input, "\\\\x{id}").unwrap();
        }
        writeln!(input, "\\.").unwrap();
        drop(input);
        assert!(session.wait_with_output().unwrap().status.success());
        let number = |text: &str| sql(url, text).unwrap().trim().parse::<usize>().unwrap();
        assert_eq!(number("SELECT count(*) FROM acknowledged"), credentials.len());
        let lost = "SELECT count(*) FROM acknowledged WHERE jti NOT IN (SELECT jti FROM credentials)";
        assert_eq!(number(lost), 0, "an acknowledged credential is gone");
        // Whatever is there, acknowledged or not, is whole.
        let half = "SELECT count(*) FROM credentials WHERE length(digest) <> 32
                    OR replace(body::jsonb #>> '{lineage,-1,jti}', '-', '') <> encode(jti, 'hex')
                    OR replace(body::jsonb #>> '{lineage,0,jti}', '-', '') <> encode(mission_id, 'hex')";
        assert_eq!(number(half), 0, "a credential is not what its row says");
        let orphans =
            "SELECT count(*) FROM credentials WHERE mission_id NOT IN (SELECT jti FROM credentials)";
        assert_eq!(number(orphans), 0, "a credential lacks its root");
        let bought = number(
            "SELECT count(*) FROM credentials WHERE body::jsonb #>> '{lineage,-1,source,by}' = 'assertion'",
        );
        assert_eq!(
            number("SELECT count(*) FROM spent"),
            bought,
            "an assertion bought one credential, or was not used"
        );
        let uses = number("SELECT sum(usage_count) FROM api_keys");
        assert_eq!(
            uses,
            number("SELECT count(*) FROM credentials") - bought,
            "each other credential is a counted use"
        );
    }
}

/// The id of a token, as 32 hexadecimal digits.
fn id_of(token: &str) -> String {
    claims(token)["jti"].as_str().unwrap().replace('-', "")
}
