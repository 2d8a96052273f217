//! Key sets of others: how often they are fetched, and for how long they are used.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use zeroid_core::{
    ByUrlRefusal, FetchKeys, FetchedKeys, FetchingKeys, KeySetUnavailable, KeySets, NotFetched,
};
use zeroid_identity_model::Timestamp;
use zeroid_jose::{KeySetRefusal, SigningKey, parse};

const URL: &str = "https://keys.example/jwks.json";

/// Somebody who publishes keys, and counts how often they are asked for.
#[derive(Default)]
struct Publisher {
    answer: Mutex<Option<FetchedKeys>>,
    busy: Mutex<bool>,
    asked: AtomicUsize,
    slow: bool,
}

impl Publisher {
    fn publish(&self, keys: &[&SigningKey]) {
        self.publish_for(keys, None);
    }

    fn publish_for(&self, keys: &[&SigningKey], good_for_seconds: Option<u32>) {
        let jwks: Vec<_> = keys.iter().map(|key| key.public().jwk(key.kid().as_str(), "sig")).collect();
        let body = serde_json::json!({ "keys": jwks }).to_string().into_bytes();
        *self.answer.lock().unwrap() = Some(FetchedKeys { body, good_for_seconds });
    }

    fn break_down(&self) {
        *self.answer.lock().unwrap() = None;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl FetchKeys for Publisher {
    fn check(&self, url: &str) -> Result<(), String> {
        if url.starts_with("https://") { Ok(()) } else { Err("no https".to_owned()) }
    }

    fn fetch<'a>(&'a self, _: &'a str) -> FetchingKeys<'a> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            if self.slow {
                for _ in 0..10 {
                    tokio::task::yield_now().await;
                }
            }
            if *self.busy.lock().unwrap() {
                return Err(NotFetched::Busy);
            }
            let answer = self.answer.lock().unwrap().clone();
            answer.ok_or_else(|| NotFetched::Failed("out of order".to_owned()))
        })
    }
}

fn key() -> SigningKey {
    SigningKey::generate().unwrap().0
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(1_790_000_000 + seconds)
}

struct World {
    publisher: Arc<Publisher>,
    sets: Arc<KeySets>,
}

impl World {
    fn new() -> Self {
        Self::with(Publisher::default())
    }

    fn with(publisher: Publisher) -> Self {
        let publisher = Arc::new(publisher);
        let sets = Arc::new(KeySets::new(Arc::clone(&publisher) as Arc<dyn FetchKeys>));
        Self { publisher, sets }
    }

    async fn verify(&self, key: &SigningKey, seconds: i64) -> Result<(), ByUrlRefusal> {
        let signed = key.sign("JWT", b"{}").unwrap();
        self.sets.verify(URL, parse(&signed).unwrap(), at(seconds)).await.map(|_| ())
    }
}

fn unknown() -> Result<(), ByUrlRefusal> {
    Err(ByUrlRefusal::Refused(KeySetRefusal::UnknownKey))
}

fn failed() -> Result<(), ByUrlRefusal> {
    Err(KeySetUnavailable::from(NotFetched::Failed("out of order".to_owned())).into())
}

#[tokio::test]
async fn a_set_is_fetched_once_while_it_is_good() {
    let (world, key) = (World::new(), key());
    world.publisher.publish(&[&key]);
    for seconds in [0, 1, 299] {
        assert_eq!(world.verify(&key, seconds).await, Ok(()));
    }
    assert_eq!(world.publisher.asked(), 1);
    assert_eq!(world.verify(&key, 300).await, Ok(()));
    assert_eq!(world.publisher.asked(), 2);
}

#[tokio::test]
async fn the_other_side_says_how_long_within_bounds() {
    for (said, good_for) in [(0, 60), (10, 60), (100, 100), (3600, 3600), (1_000_000, 3600)] {
        let (world, key) = (World::new(), key());
        world.publisher.publish_for(&[&key], Some(said));
        for (seconds, asked) in [(0, 1), (good_for - 1, 1), (good_for, 2)] {
            assert_eq!(world.verify(&key, seconds).await, Ok(()));
            assert_eq!(world.publisher.asked(), asked, "{said} s, after {seconds} s");
        }
    }
}

#[tokio::test]
async fn an_unknown_key_causes_a_fetch_and_a_forged_one_no_more_than_one_in_30_s() {
    let (world, old, new) = (World::new(), key(), key());
    world.publisher.publish(&[&old]);
    assert_eq!(world.verify(&old, 0).await, Ok(()));
    world.publisher.publish(&[&old, &new]);
    // Just fetched: too early.
    assert_eq!(world.verify(&new, 29).await, unknown());
    assert_eq!(world.publisher.asked(), 1);
    assert_eq!(world.verify(&new, 30).await, Ok(()));
    assert_eq!(world.publisher.asked(), 2);
    for seconds in 30..60 {
        assert_eq!(world.verify(&key(), seconds).await, unknown());
    }
    assert_eq!(world.publisher.asked(), 2);
    assert_eq!(world.verify(&key(), 60).await, unknown());
    assert_eq!(world.publisher.asked(), 3);
}

#[tokio::test]
async fn a_key_that_was_withdrawn_is_refused_when_the_set_is_fetched_again() {
    let (world, old, new) = (World::new(), key(), key());
    world.publisher.publish(&[&old]);
    assert_eq!(world.verify(&old, 0).await, Ok(()));
    world.publisher.publish(&[&new]);
    assert_eq!(world.verify(&old, 299).await, Ok(()));
    assert_eq!(world.verify(&old, 300).await, unknown());
}

#[tokio::test]
async fn a_failure_is_remembered_for_a_while() {
    let (world, key) = (World::new(), key());
    for seconds in [0, 1, 9] {
        assert_eq!(world.verify(&key, seconds).await, failed());
    }
    assert_eq!(world.publisher.asked(), 1);
    world.publisher.publish(&[&key]);
    assert_eq!(world.verify(&key, 9).await, failed());
    assert_eq!(world.verify(&key, 10).await, Ok(()));
    assert_eq!(world.publisher.asked(), 2);
}

#[tokio::test]
async fn what_is_no_key_set_is_remembered_for_a_minute() {
    let (world, key) = (World::new(), key());
    let body = b"<html>".to_vec();
    *world.publisher.answer.lock().unwrap() = Some(FetchedKeys { body, good_for_seconds: None });
    for seconds in [0, 59] {
        let refused = world.verify(&key, seconds).await;
        assert!(
            matches!(refused, Err(ByUrlRefusal::Unavailable(KeySetUnavailable::NoKeySet(_)))),
            "{refused:?}"
        );
    }
    assert_eq!(world.publisher.asked(), 1);
    world.publisher.publish(&[&key]);
    assert_eq!(world.verify(&key, 60).await, Ok(()));
}

#[tokio::test]
async fn an_old_set_bridges_an_outage_but_not_a_second_too_long() {
    let (world, key) = (World::new(), key());
    world.publisher.publish(&[&key]);
    assert_eq!(world.verify(&key, 0).await, Ok(()));
    world.publisher.break_down();
    for seconds in [300, 600, 1199] {
        assert_eq!(world.verify(&key, seconds).await, Ok(()), "after {seconds} s");
    }
    assert_eq!(world.verify(&key, 1200).await, failed());
    world.publisher.publish(&[&key]);
    assert_eq!(world.verify(&key, 1210).await, Ok(()));
}

#[tokio::test]
async fn being_busy_is_not_remembered() {
    let (world, key) = (World::new(), key());
    world.publisher.publish(&[&key]);
    *world.publisher.busy.lock().unwrap() = true;
    let busy: ByUrlRefusal = KeySetUnavailable::from(NotFetched::Busy).into();
    assert!(busy.is_passing() && !failed().unwrap_err().is_passing());
    assert_eq!(world.verify(&key, 0).await, Err(busy));
    *world.publisher.busy.lock().unwrap() = false;
    assert_eq!(world.verify(&key, 0).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_ask_at_once_cause_one_fetch_even_when_the_first_gives_up() {
    let key = Arc::new(key());
    let publisher = Publisher { slow: true, ..Publisher::default() };
    publisher.publish(&[&key]);
    let world = Arc::new(World::with(publisher));
    let ask = || {
        let (world, key) = (Arc::clone(&world), Arc::clone(&key));
        tokio::spawn(async move { world.verify(&key, 0).await })
    };
    let tasks: Vec<_> = (0..50).map(|_| ask()).collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(()));
    }
    assert_eq!(world.publisher.asked(), 1);

    let given_up = ask();
    given_up.abort();
    let _ = given_up.await;
    assert_eq!(world.verify(&key, 0).await, Ok(()));
}

#[tokio::test]
async fn no_more_urls_are_remembered_than_may_be_and_the_unused_go_first() {
    let (world, key) = (World::new(), key());
    world.publisher.publish_for(&[&key], Some(3600));
    let url = |number: usize| format!("https://keys.example/{number}");
    for number in 0..1000 {
        world.sets.at(&url(number), at(i64::try_from(number).unwrap())).await.unwrap();
    }
    world.sets.at(&url(0), at(1000)).await.unwrap();
    assert_eq!(world.publisher.asked(), 1000);
    world.sets.at(&url(1000), at(1001)).await.unwrap();
    world.sets.at(&url(0), at(1002)).await.unwrap();
    assert_eq!(world.publisher.asked(), 1001);
    world.sets.at(&url(1), at(1003)).await.unwrap();
    assert_eq!(world.publisher.asked(), 1002);
}
