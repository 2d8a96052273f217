//! Rounds of issue, exchange, revoke and introspect against any replica, while a replica dies and the database dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use zeroid_jose::SigningKey;
use zeroid_tests::{Agent, EXCHANGE, is_active, register};

use crate::fleet::{Fleet, ISSUER, check_unavailable};
use crate::ledger::Ledger;

/// How many rounds; `cargo xtask soak rounds` makes it more.
fn rounds() -> usize {
    std::env::var("ZEROID_SOAK_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1200)
}

const WORKERS: usize = 8;

/// One round in so many leaves its leaf alive, and one in so many tries to use an assertion more than once.
const KEEP: usize = 16;
const CHEAT: usize = 8;

struct Soak {
    fleet: Fleet,
    ledger: Ledger,
    boss: Agent,
    aide: Agent,
    key: SigningKey,
    rounds: usize,
    next: AtomicUsize,
    done: AtomicUsize,
    cheats: AtomicUsize,
    /// Attempts without an answer whose assertion was good afterwards, and whose was used up by them.
    reused: AtomicUsize,
    used_up: AtomicUsize,
    failed: AtomicBool,
}

#[test]
fn rounds_against_any_replica_are_never_stale_never_double_and_lose_nothing() {
    let fleet = Fleet::of(&[&[], &[], &[]]);
    Ledger::watch(&fleet.url);
    let (key, _) = SigningKey::generate().unwrap();
    let client = fleet.client();
    let boss = register(&client, "boss", json!({}));
    let aide = register(&client, "aide", json!({"public_key_pem": key.public().to_pem()}));
    let zero = || AtomicUsize::new(0);
    let soak = Arc::new(Soak {
        fleet,
        ledger: Ledger::default(),
        boss,
        aide,
        key,
        rounds: rounds(),
        next: zero(),
        done: zero(),
        cheats: zero(),
        reused: zero(),
        used_up: zero(),
        failed: AtomicBool::new(false),
    });
    let began = Instant::now();
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let soak = Arc::clone(&soak);
            std::thread::spawn(move || soak.work())
        })
        .collect();
    soak.await_share(1, 3);
    soak.fleet.crash_a_replica(1);
    soak.await_share(2, 3);
    let away = soak.lose_the_database();
    for worker in workers {
        worker.join().expect("a worker found something wrong");
    }
    let seconds = began.elapsed().as_secs_f64();
    soak.check();
    let count = |number: &AtomicUsize| number.load(Ordering::SeqCst);
    println!(
        "{} rounds in {seconds:.0} s, {} credentials, {} kept, {} attempts to use an assertion again; the database away \
         with {away} answers of 503; of the attempts without an answer {} left the assertion unused and {} had used it",
        count(&soak.done),
        soak.ledger.count(),
        soak.ledger.kept.lock().unwrap().len(),
        count(&soak.cheats),
        count(&soak.reused),
        count(&soak.used_up),
    );
}

impl Soak {
    fn work(&self) {
        let failing = Failing(&self.failed);
        loop {
            let number = self.next.fetch_add(1, Ordering::SeqCst);
            if number >= self.rounds {
                break;
            }
            self.round(number);
            self.done.fetch_add(1, Ordering::SeqCst);
        }
        std::mem::forget(failing);
    }

    fn round(&self, number: usize) {
        let fleet = &self.fleet;
        let root = fleet.issue(&self.boss.api_key).token();
        self.ledger.issued(&root);
        let leaf = self.exchange(&root, number);
        self.ledger.issued(&leaf);
        assert!(fleet.is_active(&leaf), "what one issued another does not know");
        if number.is_multiple_of(KEEP) {
            self.ledger.kept.lock().unwrap().push(leaf);
            return;
        }
        fleet.revoke(&root);
        assert!(!fleet.is_active(&leaf), "a stale answer after a revocation was acknowledged");
        assert!(!fleet.is_active(&root), "a stale answer after a revocation was acknowledged");
        self.ledger.dead.lock().unwrap().push(leaf);
    }

    /// Delegate to the aide by an assertion, which is good for one credential whatever happens.
    fn exchange(&self, root: &str, number: usize) -> String {
        for attempt in 0.. {
            let body = self.exchange_body(root, &format!("{number}-{attempt}"));
            if number.is_multiple_of(CHEAT)
                && let Some(leaf) = self.cheat(&body)
            {
                return leaf;
            }
            let mut unanswered = number.is_multiple_of(CHEAT);
            for _ in 0..3000 {
                let Some(answer) = self.fleet.try_post("/oauth2/token", &body) else {
                    unanswered = true;
                    std::thread::sleep(Duration::from_millis(10));
                    continue;
                };
                if answer.status == 200 {
                    self.reused.fetch_add(usize::from(unanswered), Ordering::SeqCst);
                    return answer.token();
                }
                assert_eq!(
                    (answer.status, answer.text("/error")),
                    (400, "invalid_grant".to_owned()),
                    "{answer:?}"
                );
                assert!(unanswered, "an assertion nobody used is refused: {answer:?}");
                break;
            }
            // Its answer was lost, and what it bought with it: that is there, and nobody holds it.
            self.used_up.fetch_add(1, Ordering::SeqCst);
        }
        unreachable!()
    }

    /// Send one assertion to every replica at once, and again: it buys one credential at most.
    fn cheat(&self, body: &Value) -> Option<String> {
        self.cheats.fetch_add(1, Ordering::SeqCst);
        let mut won = Vec::new();
        let mut unanswered = 0;
        for _ in 0..2 {
            let answers: Vec<_> = std::thread::scope(|scope| {
                let ask = |client: zeroid_tests::Client| {
                    scope.spawn(move || client.try_post("/oauth2/token", body))
                };
                let asked: Vec<_> = self.fleet.clients().into_iter().map(ask).collect();
                asked.into_iter().map(|asked| asked.join().unwrap()).collect()
            });
            for answer in answers {
                match answer {
                    Some(answer) if answer.status == 200 => won.push(answer.token()),
                    Some(answer) if answer.status == 400 => {
                        assert_eq!(answer.text("/error"), "invalid_grant", "{answer:?}");
                    }
                    Some(answer) => {
                        check_unavailable(&answer);
                        unanswered += 1;
                    }
                    None => unanswered += 1,
                }
            }
        }
        assert!(won.len() <= 1, "an assertion bought {} credentials", won.len());
        assert!(won.len() == 1 || unanswered > 0, "an assertion bought nothing");
        won.pop()
    }

    fn exchange_body(&self, root: &str, jti: &str) -> Value {
        let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let uri = &self.aide.uri;
        let claims = json!({"iss": uri, "sub": uri, "aud": ISSUER, "jti": jti, "iat": at, "exp": at + 290});
        let proof = self.key.sign("JWT", claims.to_string().as_bytes()).unwrap();
        json!({"grant_type": EXCHANGE, "subject_token": root, "actor_token": proof, "scope": "read"})
    }

    fn await_share(&self, parts: usize, of: usize) {
        while self.done.load(Ordering::SeqCst) < self.rounds * parts / of {
            assert!(!self.failed.load(Ordering::SeqCst), "a worker found something wrong");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Kill the database and start it again; gives how many answers were asked for meanwhile, each a clean 503.
    fn lose_the_database(&self) -> usize {
        let root = self.fleet.issue(&self.boss.api_key).token();
        self.fleet.cluster.crash();
        let began = Instant::now();
        let mut count = 0;
        let mut exchange = 0;
        while began.elapsed() < Duration::from_millis(1500) {
            for client in self.fleet.clients() {
                exchange += 1;
                for answer in [
                    client.get("/ready"),
                    client.get("/agents/registry"),
                    client.post("/oauth2/token/introspect", &json!({"token": root})),
                    client.post("/oauth2/token/revoke", &json!({"token": root})),
                    client.post("/oauth2/token", &self.exchange_body(&root, &format!("away-{exchange}"))),
                    client.post(
                        "/oauth2/token",
                        &json!({"grant_type": "api_key", "api_key": self.boss.api_key, "scope": "read"}),
                    ),
                ] {
                    check_unavailable(&answer);
                    count += 1;
                }
            }
        }
        self.fleet.cluster.resume().unwrap();
        assert!(self.fleet.is_active(&root), "a revocation that was not acknowledged did not happen");
        // An assertion of an exchange that failed was not used.
        let again = self.fleet.post("/oauth2/token", &self.exchange_body(&root, "away-1"));
        self.ledger.issued(&again.token());
        self.ledger.issued(&root);
        count
    }

    fn check(&self) {
        let (kept, dead) = (self.ledger.kept.lock().unwrap(), self.ledger.dead.lock().unwrap());
        assert!(!kept.is_empty() && !dead.is_empty());
        for client in self.fleet.clients() {
            assert!(
                kept.iter().rev().take(2000).all(|token| is_active(&client, token)),
                "an acknowledged token is gone"
            );
            assert!(
                dead.iter().rev().take(2000).all(|token| !is_active(&client, token)),
                "a cut-off is gone"
            );
        }
        self.ledger.check(&self.fleet.url);
    }
}

/// Tells the others when its thread panics.
struct Failing<'a>(&'a AtomicBool);

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
