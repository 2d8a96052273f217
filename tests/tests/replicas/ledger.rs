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
    /// Keep count of what was used up and is forgotten meanwhile.
    pub(crate) fn watch(url: &str) {
        let text = "CREATE TABLE forgotten (hash bytea);
            CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN INSERT INTO forgotten VALUES (OLD.hash); RETURN OLD; END $$;
            CREATE TRIGGER remember BEFORE DELETE ON spent FOR EACH ROW EXECUTE FUNCTION remember()";
        sql(url, text).unwrap();
    }

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
        let lost = "SELECT count(*) FROM acknowledged LEFT JOIN credentials USING (jti) WHERE digest IS NULL";
        assert_eq!(number(lost), 0, "an acknowledged credential is gone");
        // Whatever is there, acknowledged or not, is whole: its record names itself, its root and who presents it.
        let half = "SELECT count(*) FROM credentials WHERE length(digest) <> 32 OR position(jti IN body) = 0
                    OR position(mission_id IN body) = 0 OR position(identity_id IN body) = 0";
        assert_eq!(number(half), 0, "a credential is not what its row says");
        let orphans = "SELECT count(*) FROM credentials AS leaf LEFT JOIN credentials AS root
                       ON root.jti = leaf.mission_id WHERE root.jti IS NULL";
        assert_eq!(number(orphans), 0, "a credential lacks its root");
        // Whatever was delegated was bought by an assertion.
        let bought = number("SELECT count(*) FROM credentials WHERE depth > 0");
        let used = number("SELECT (SELECT count(*) FROM spent) + (SELECT count(*) FROM forgotten)");
        assert_eq!(used, bought, "an assertion bought one credential, or was not used");
        // A replica that is killed takes the counts of its last second with it, and no use is counted twice.
        let uses = number("SELECT sum(usage_count) FROM api_keys");
        let others = number("SELECT count(*) FROM credentials") - bought;
        assert!(uses <= others, "{uses} uses of API keys, and {others} credentials by them");
        assert!(2 * uses >= others, "{uses} uses of API keys, and {others} credentials by them");
    }
}

/// The id of a token, as 32 hexadecimal digits.
fn id_of(token: &str) -> String {
    claims(token)["jti"].as_str().unwrap().replace('-', "")
}
