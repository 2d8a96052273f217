//! What servers do that should not, on loopback.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods, reason = "tests of bounds in time")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::time::sleep;
use zeroid_fetch::{FetchError, Fetched, Freshness, MAX_FROM_ONE_NETWORK, Want};

use common::{GOOD, Server, fetcher, no_roots, read_head, saying, serve};

const WANT: Want<'_> =
    Want { media_types: &["application/json", "application/jwk-set+json"], max_bytes: 1000 };

async fn get(server: &Server) -> Result<Fetched, FetchError> {
    let address = format!("127.0.0.1:{}", server.port);
    let url = format!("http://{address}/a?b=c").parse().unwrap();
    fetcher(&address, no_roots()).get(&url, WANT).await
}

async fn check(answer: impl Into<String>, expected: Result<&str, FetchError>) {
    let answer = answer.into();
    let shown = answer.chars().take(120).collect::<String>();
    let seen = get(&saying(answer).await).await;
    let seen = seen.map(|fetched| String::from_utf8(fetched.body.to_vec()).unwrap());
    assert_eq!(seen, expected.map(str::to_owned), "{shown}");
}

#[tokio::test]
async fn a_good_answer_arrives_whole_by_each_kind_of_framing() {
    check(format!("{GOOD}Content-Length: 2\r\n\r\n{{}}"), Ok("{}")).await;
    check(format!("{GOOD}\r\n{{\"a\":1}}"), Ok("{\"a\":1}")).await;
    check(format!("{GOOD}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n1\r\n}}\r\n0\r\n\r\n"), Ok("{}")).await;
    check(format!("HTTP/1.1 100 Continue\r\n\r\n{GOOD}Content-Length: 2\r\n\r\n{{}}"), Ok("{}")).await;
    let answer = format!("{GOOD}Cache-Control: max-age=7\r\nContent-Length: 2\r\n\r\n{{}}");
    assert_eq!(get(&saying(answer).await).await.unwrap().freshness, Freshness::Seconds(7));
}

#[tokio::test]
async fn the_request_asks_for_what_is_wanted_and_says_nothing_else() {
    let seen = Arc::new(Mutex::new(String::new()));
    let keep = Arc::clone(&seen);
    let server = serve(move |mut stream| {
        let keep = Arc::clone(&keep);
        async move {
            *keep.lock().unwrap() = read_head(&mut stream).await;
            common::close_after(&mut stream, format!("{GOOD}\r\n{{}}").as_bytes()).await;
        }
    })
    .await;
    get(&server).await.unwrap();
    let seen = seen.lock().unwrap().to_ascii_lowercase();
    let lines: Vec<&str> = seen.trim().split("\r\n").collect();
    assert_eq!(lines[0], "get /a?b=c http/1.1");
    assert!(lines.contains(&"accept: application/json, application/jwk-set+json"), "{seen}");
    assert!(lines.contains(&format!("host: 127.0.0.1:{}", server.port).as_str()), "{seen}");
    assert_eq!(lines.len(), 5, "{seen}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let victim = saying(format!("{GOOD}\r\nsecret")).await;
    for status in [301, 302, 303, 307, 308, 300, 304] {
        let to = format!("http://127.0.0.1:{}/", victim.port);
        check(
            format!("HTTP/1.1 {status} Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n"),
            Err(FetchError::Redirect),
        )
        .await;
    }
    assert_eq!(victim.connections(), 0);
}

#[tokio::test]
async fn only_status_200_is_an_answer() {
    for status in [201, 204, 206, 400, 404, 500, 503] {
        check(
            format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"),
            Err(FetchError::Status(status)),
        )
        .await;
    }
}

#[tokio::test]
async fn another_media_type_or_a_content_coding_is_refused() {
    let answer = |head: &str| format!("HTTP/1.1 200 OK\r\n{head}\r\n{{}}");
    for head in [
        "",
        "Content-Type: text/html\r\n",
        "Content-Type: application/jsonp\r\n",
        "Content-Type: application/json\r\nContent-Type: text/html\r\n",
        "Content-Type: \u{fc}\r\n",
    ] {
        check(answer(head), Err(FetchError::MediaType)).await;
    }
    check(answer("Content-Type: Application/JWK-set+JSON; charset=utf-8\r\n"), Ok("{}")).await;
    check(answer("Content-Type: application/json\r\nContent-Encoding: gzip\r\n"), Err(FetchError::Encoded))
        .await;
    check(answer("Content-Type: application/json\r\nContent-Encoding: identity\r\n"), Ok("{}")).await;
}

#[tokio::test]
async fn a_body_is_read_to_its_bound_and_no_further() {
    let full = "x".repeat(WANT.max_bytes);
    check(format!("{GOOD}\r\n{full}"), Ok(full.as_str())).await;
    check(format!("{GOOD}\r\n{full}x"), Err(FetchError::TooLarge(1000))).await;
    check(format!("{GOOD}Content-Length: 1001\r\n\r\n"), Err(FetchError::TooLarge(1000))).await;
    check(format!("{GOOD}Content-Length: 18446744073709551615\r\n\r\n"), Err(FetchError::Protocol)).await;
}

#[tokio::test]
async fn an_endless_body_is_cut_off_at_the_bound() {
    let sent = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    let server = serve(move |mut stream| {
        let count = Arc::clone(&count);
        async move {
            read_head(&mut stream).await;
            let _ = stream.write_all(format!("{GOOD}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await;
            while stream.write_all(b"8\r\nxxxxxxxx\r\n").await.is_ok() {
                count.fetch_add(8, std::sync::atomic::Ordering::SeqCst);
            }
        }
    })
    .await;
    assert_eq!(get(&server).await, Err(FetchError::TooLarge(1000)));
}

#[tokio::test]
async fn a_body_that_drips_is_given_up() {
    let server = serve(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(format!("{GOOD}Content-Length: 900\r\n\r\n").as_bytes()).await;
        while stream.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let began = Instant::now();
    assert!(matches!(get(&server).await, Err(FetchError::TooSlow(_))));
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let server = serve(|mut stream| async move {
        read_head(&mut stream).await;
        sleep(Duration::from_secs(60)).await;
        drop(stream);
    })
    .await;
    assert!(matches!(get(&server).await, Err(FetchError::TooSlow(_))));
}

#[tokio::test]
async fn heads_beyond_their_bounds_are_refused() {
    let long = format!("X: {}\r\n", "x".repeat(40_000));
    check(format!("{GOOD}{long}\r\n{{}}"), Err(FetchError::Protocol)).await;
    let many: String = (0..100).map(|at| format!("X-{at}: x\r\n")).collect();
    check(format!("{GOOD}{many}\r\n{{}}"), Err(FetchError::Protocol)).await;
    let endless = serve(|mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(GOOD.as_bytes()).await;
        while stream.write_all(b"X: x\r\n").await.is_ok() {}
    })
    .await;
    assert_eq!(get(&endless).await, Err(FetchError::Protocol));
}

#[tokio::test]
async fn what_is_no_http_is_refused() {
    for answer in [
        "",
        "\u{0}\u{1}",
        "SSH-2.0-OpenSSH_9.6\r\n",
        "<html></html>",
        "HTTP/1.1 200 OK\r\nContent-Type",
        "HTTP/0.9 200 OK\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ] {
        check(answer, Err(FetchError::Protocol)).await;
    }
}

#[tokio::test]
async fn no_error_tells_what_was_fetched() {
    for answer in [
        "HTTP/1.1 500 X\r\nX-Marker: m4rk3r\r\nContent-Length: 6\r\n\r\nm4rk3r".to_owned(),
        "HTTP/1.1 302 m4rk3r\r\nLocation: https://m4rk3r.example/\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\nContent-Type: text/m4rk3r\r\n\r\nm4rk3r".to_owned(),
        format!("{GOOD}\r\n{}", "m4rk3r".repeat(1000)),
        "m4rk3r\r\n\r\n".to_owned(),
    ] {
        let error = get(&saying(answer).await).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("m4rk3r"), "{error:?}");
    }
    let fetched = get(&saying(format!("{GOOD}\r\nm4rk3r")).await).await.unwrap();
    assert!(!format!("{fetched:?}").contains("m4rk3r"));
}

#[tokio::test]
async fn no_more_fetches_from_one_address_than_may_be_are_under_way_and_places_come_back() {
    let server = serve(|mut stream| async move {
        read_head(&mut stream).await;
        sleep(Duration::from_millis(300)).await;
        common::close_after(&mut stream, format!("{GOOD}\r\n{{}}").as_bytes()).await;
    })
    .await;
    let address = format!("127.0.0.1:{}", server.port);
    let client = Arc::new(fetcher(&address, no_roots()));
    let fetch = || {
        let (client, url) = (Arc::clone(&client), format!("http://{address}/").parse().unwrap());
        tokio::spawn(async move { client.get(&url, WANT).await })
    };
    let under_way: Vec<_> = (0..MAX_FROM_ONE_NETWORK + 5).map(|_| fetch()).collect();
    let (mut good, mut busy) = (0, 0);
    for fetch in under_way {
        match fetch.await.unwrap() {
            Ok(_) => good += 1,
            Err(FetchError::Busy) => busy += 1,
            Err(other) => assert_eq!(other, FetchError::Busy),
        }
    }
    assert_eq!((good, busy), (MAX_FROM_ONE_NETWORK, 5));
    assert!(fetch().await.unwrap().is_ok());
}
