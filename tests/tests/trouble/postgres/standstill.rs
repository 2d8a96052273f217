//! Whatever ails the database: the answer comes in time, says 503, and means that nothing was changed.

use std::io::{BufRead, BufReader, Write};
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::json;
use zeroid_test_postgres::{Cluster, Durability, Passing, Proxy, sql};
use zeroid_tests::{Answer, Server, introspect, is_active, issue, register, revoke};

/// What `docs/defaults.md` promises, and what a busy machine may add.
const IN_TIME: Duration = Duration::from_secs(10 + 3);

/// A server on a database, with a live token.
struct Scene {
    server: Server,
    key: String,
    root: String,
}

impl Scene {
    fn on(url: &str) -> Self {
        let server = Server::start_with(&[("ZEROID_DATABASE_URL", url)]);
        let key = register(&server.client(), "boss", json!({})).api_key;
        let root = issue(&server.client(), &key, "read").token();
        Self { server, key, root }
    }

    /// Ask what changes something while the database is in trouble, all at once.
    fn ask(&self) {
        let client = self.server.client();
        let (root, key) = (&self.root, &self.key);
        let began = Instant::now();
        let answers: Vec<(Answer, Duration)> = std::thread::scope(|scope| {
            let timed = |ask: &dyn Fn() -> Answer| (ask(), began.elapsed());
            let (first, second) = (client.clone(), client.clone());
            let asked = [
                scope.spawn(move || timed(&|| first.post("/oauth2/token/revoke", &json!({"token": root})))),
                scope.spawn(move || timed(&|| second.post("/oauth2/token/revoke", &json!({"token": root})))),
                scope.spawn(move || timed(&|| client.get("/ready"))),
            ];
            asked.map(|asked| asked.join().unwrap()).into_iter().collect()
        });
        for (answer, took) in answers {
            assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{answer:?}");
            assert!(took < IN_TIME, "{took:?}");
        }
        // Neither may a token come out of nowhere.
        let issued = issue(&self.server.client(), key, "read");
        assert!(matches!(issued.status, 200 | 503), "{issued:?}");
    }

    /// The database is well again: nothing happened, and everything works.
    fn is_whole(&self) {
        let client = self.server.client();
        let began = Instant::now();
        while client.get("/ready").status != 200 {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "it does not get ready: {}",
                self.server.printed()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(is_active(&client, &self.root), "a revocation that was not acknowledged did not happen");
        revoke(&client, &self.root);
        assert!(!is_active(&client, &self.root));
        assert_eq!(issue(&client, &self.key, "read").status, 200);
    }
}

/// A session that holds a lock until it is dropped.
struct Held(Child);

impl Held {
    fn by(url: &str, text: &str) -> Self {
        let mut child = zeroid_test_postgres::psql(url).unwrap();
        let mut input = child.stdin.take().unwrap();
        writeln!(input, "{text}\n\\echo held").unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        assert!(output.lines().any(|line| line.unwrap() == "held"));
        child.stdin = Some(input);
        Self(child)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn database() -> String {
    zeroid_test_postgres::fresh_database().expect("a PostgreSQL")
}

#[test]
fn a_lock_that_somebody_keeps_is_not_waited_for_beyond_the_bound() {
    let url = database();
    let scene = Scene::on(&url);
    let held = Held::by(&url, "BEGIN; LOCK TABLE cut_offs, touched IN EXCLUSIVE MODE;");
    scene.ask();
    drop(held);
    scene.is_whole();
}

#[test]
fn a_statement_that_takes_too_long_is_given_up() {
    let url = database();
    let scene = Scene::on(&url);
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;
                CREATE TRIGGER slow BEFORE INSERT ON cut_offs FOR EACH STATEMENT EXECUTE FUNCTION slow();
                CREATE TRIGGER slow BEFORE UPDATE ON touched FOR EACH STATEMENT EXECUTE FUNCTION slow()";
    sql(&url, slow).unwrap();
    scene.ask();
    sql(&url, "DROP TRIGGER slow ON cut_offs; DROP TRIGGER slow ON touched").unwrap();
    scene.is_whole();
}

#[test]
fn a_database_that_stands_still_is_answered_for_in_time() {
    let cluster = Cluster::start(Durability::OfTheProcess).expect("a PostgreSQL");
    let scene = Scene::on(&cluster.fresh_database().unwrap());
    cluster.freeze(true).unwrap();
    scene.ask();
    cluster.freeze(false).unwrap();
    scene.is_whole();
}

#[test]
fn a_network_that_swallows_everything_is_answered_for_in_time() {
    let cluster = Cluster::start(Durability::OfTheProcess).expect("a PostgreSQL");
    let url = cluster.fresh_database().unwrap();
    let proxy = Proxy::start(cluster.port()).unwrap();
    let scene = Scene::on(&url.replace(&format!(":{}/", cluster.port()), &format!(":{}/", proxy.port())));
    proxy.pass(Passing::Nothing);
    scene.ask();
    proxy.pass(Passing::All);
    proxy.cut();
    scene.is_whole();
}

#[test]
fn a_commit_whose_answer_is_lost_is_answered_503_and_not_repeated() {
    let cluster = Cluster::start(Durability::OfTheProcess).expect("a PostgreSQL");
    let url = cluster.fresh_database().unwrap();
    let proxy = Proxy::start(cluster.port()).unwrap();
    let scene = Scene::on(&url.replace(&format!(":{}/", cluster.port()), &format!(":{}/", proxy.port())));
    let count = |what: &str| sql(&url, &format!("SELECT count(*) FROM {what}")).unwrap().trim().to_owned();
    let client = scene.server.client();
    assert_eq!(count("credentials"), "1");
    proxy.pass(Passing::NoAnswerToCommit);
    let issued = issue(&client, &scene.key, "read");
    proxy.pass(Passing::All);
    assert_eq!((issued.status, issued.header("retry-after")), (503, "1"), "{issued:?}");
    // It was kept, whole and once: had it been tried again there would be another.
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!(count("credentials"), "2");
    assert_eq!(count("credentials WHERE length(digest) = 32 AND position(jti IN body) > 0"), "2");
    assert_eq!(introspect(&client, &scene.root).json["active"], true, "{}", scene.server.printed());
    proxy.pass(Passing::NoAnswerToCommit);
    let revoked = client.post("/oauth2/token/revoke", &json!({"token": scene.root}));
    proxy.pass(Passing::All);
    assert_eq!((revoked.status, revoked.header("retry-after")), (503, "1"), "{revoked:?}");
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!(count("cut_offs"), "1", "it happened, and nobody was told that it had not");
    assert!(!is_active(&client, &scene.root));
}
