//! What happens at once: one assertion asked with many times, and a secret rotated under those who use it.

use std::sync::Barrier;
use std::thread;

use serde_json::json;
use zeroid_jose::SigningKey;
use zeroid_tests::{Server, is_active, register};

use super::{Made, ask_by_assertion, jwks, make, refused, signed};

#[test]
fn of_many_requests_with_one_assertion_one_gets_a_token() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "job", json!({}));
    let (key, _) = SigningKey::generate().unwrap();
    let method = json!({"identity_id": agent.id, "jwks": jwks(&[&key]), "token_endpoint_auth_method": "private_key_jwt"});
    make(&client, "job", method);
    for _ in 0..20 {
        let assertion = signed(&key, &client, "job", "JWT", |_, _| {});
        let start = Barrier::new(8);
        let answers: Vec<_> = thread::scope(|scope| {
            let ask = || {
                start.wait();
                ask_by_assertion(&server.client(), &assertion)
            };
            let asking: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            asking.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!(won.len(), 1, "{answers:?}");
        lost.into_iter().for_each(|answer| refused(answer, 401, "invalid_client"));
    }
}

#[test]
fn a_secret_that_is_rotated_under_its_users_leaves_nothing_alive() {
    let server = Server::start();
    let client = server.client();
    let agent = register(&client, "job", json!({}));
    let mut made = make(&client, "job", json!({"identity_id": agent.id}));
    let (mut won, mut lost) = (0, 0);
    for _ in 0..40 {
        let start = Barrier::new(5);
        let (answers, fresh) = thread::scope(|scope| {
            let ask = || {
                start.wait();
                let client = server.client();
                (0..4).map(|_| made.ask(&client, "read")).collect::<Vec<_>>()
            };
            let asking: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
            start.wait();
            let rotated = client.post(&format!("{}/rotate-secret", made.path()), &json!({}));
            let fresh = rotated.text("/client_secret");
            let answers: Vec<_> = asking.into_iter().flat_map(|one| one.join().unwrap()).collect();
            (answers, fresh)
        });
        for answer in &answers {
            if answer.status == 200 {
                won += 1;
                assert!(!is_active(&client, &answer.token()), "a live token of a secret that is no more");
            } else {
                lost += 1;
                refused(answer, 401, "invalid_client");
            }
        }
        made = Made { secret: fresh, ..made };
    }
    assert!(won > 0 && lost > 0, "nothing was raced: {won} {lost}");
}
