//! A caller in a process of its own: it is told the base URL of a server, reads what to send and when, a line of JSON
//! each, and writes what came back.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a caller that cannot go on panics, and the test fails that misses its answer"
)]

use std::io::{BufRead, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use zeroid_tests::Client;

/// A sleep may last so much longer than it should, in microseconds; the rest of the time is waited awake.
const AWAKE: u64 = 300;

fn main() {
    let base = std::env::args().nth(1).expect("the base URL of a server");
    let client = Client::new(&base);
    // Later requests find a connection.
    assert_eq!(client.get("/ready").status, 200);
    let mut out = std::io::stdout().lock();
    writeln!(out, "ready").unwrap();
    for line in std::io::stdin().lock().lines() {
        let told: Value = serde_json::from_str(&line.unwrap()).expect("JSON");
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(told["proof"].as_str().map(|proof| ("dpop", proof)));
        let body = told["body"].to_string();
        wait_until(told["at"].as_u64().expect("a moment"));
        let began = now();
        let answer = client.send("POST", "/oauth2/token", &headers, body);
        let ended = now();
        let came = json!({"status": answer.status, "body": answer.body, "began": began, "ended": ended});
        writeln!(out, "{came}").unwrap();
    }
}

fn wait_until(moment: u64) {
    let left = moment.saturating_sub(now());
    if left > AWAKE {
        std::thread::sleep(Duration::from_micros(left - AWAKE));
    }
    while now() < moment {
        std::hint::spin_loop();
    }
}

/// Microseconds of the machine's clock, which all processes share.
fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap()
}
