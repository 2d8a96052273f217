//! Which addresses are connected to, and whose certificates are taken.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods, reason = "tests of bounds in time")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use zeroid_fetch::{FetchError, Fetched, Fetcher, MAX_UNDER_WAY, Resolve, Resolved, Roots, TlsFault, Want};

use common::{GOOD, Scripted, Server, fetcher, no_roots, options, read_head, saying, serve};

const WANT: Want<'_> = Want { media_types: &["application/json"], max_bytes: 1000 };

#[tokio::test]
async fn what_is_not_on_the_internet_is_not_connected_to() {
    let server = saying(format!("{GOOD}\r\n{{}}")).await;
    let client = fetcher("", no_roots());
    for host in [
        "127.0.0.1",
        "[::1]",
        "localhost",
        "0.0.0.0",
        "169.254.169.254",
        "10.0.0.1",
        "[::ffff:127.0.0.1]",
        "[fd00:ec2::254]",
    ] {
        let url = format!("https://{host}:{}/", server.port).parse().unwrap();
        assert_eq!(client.get(&url, WANT).await, Err(FetchError::Forbidden), "{host}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn plain_http_needs_an_entry() {
    let server = saying(format!("{GOOD}\r\n{{}}")).await;
    let url = format!("http://127.0.0.1:{}/", server.port).parse().unwrap();
    let other = format!("127.0.0.1:{}", server.port.wrapping_add(1).max(1));
    for allowed in ["", &other, "localhost:80"] {
        assert_eq!(fetcher(allowed, no_roots()).get(&url, WANT).await, Err(FetchError::Insecure));
    }
    assert_eq!(server.connections(), 0);
    let allowed = format!("127.0.0.1:{}", server.port);
    assert!(fetcher(&allowed, no_roots()).get(&url, WANT).await.is_ok());
}

/// A client whose resolver follows a script, and that may reach `name.example` on this machine.
fn scripted(port: u16, answers: &[&[&str]]) -> (Fetcher, Arc<Scripted>) {
    let resolver = Scripted::new(answers);
    let mut options = options(&format!("name.example:{port}"), no_roots());
    options.resolver = Arc::clone(&resolver) as Arc<dyn Resolve>;
    (Fetcher::new(options).unwrap(), resolver)
}

async fn by_name(server: &Server, answers: &[&[&str]]) -> Result<Fetched, FetchError> {
    let url = format!("http://name.example:{}/", server.port).parse().unwrap();
    scripted(server.port, answers).0.get(&url, WANT).await
}

#[tokio::test]
async fn one_bad_address_among_good_ones_refuses_all() {
    let server = saying(format!("{GOOD}\r\n{{}}")).await;
    for bad in ["169.254.169.254", "0.0.0.0", "::ffff:127.0.0.1", "224.0.0.1", "10.0.0.1", "8.8.8.8"] {
        // The entry lets loopback be reached by plain http; all else stays what it is.
        assert_eq!(by_name(&server, &[&["127.0.0.1", bad]]).await, Err(FetchError::Forbidden), "{bad}");
        assert_eq!(by_name(&server, &[&[bad, "127.0.0.1"]]).await, Err(FetchError::Forbidden), "{bad}");
    }
    assert_eq!(server.connections(), 0);
    assert!(by_name(&server, &[&["127.0.0.1"]]).await.is_ok());
    assert_eq!(by_name(&server, &[&[]]).await, Err(FetchError::Unresolved));
}

#[tokio::test]
async fn a_name_is_resolved_once_so_that_the_second_answer_comes_too_late() {
    let server = saying(format!("{GOOD}\r\n{{}}")).await;
    let elsewhere = saying(format!("{GOOD}\r\nelsewhere")).await;
    let (client, resolver) = scripted(server.port, &[&["127.0.0.1"], &["169.254.169.254"]]);
    let url = format!("http://name.example:{}/", server.port).parse().unwrap();
    assert!(client.get(&url, WANT).await.is_ok());
    assert_eq!(resolver.asked.load(Ordering::SeqCst), 1);
    assert_eq!(client.get(&url, WANT).await, Err(FetchError::Forbidden));
    assert_eq!((server.connections(), elsewhere.connections()), (1, 0));
}

#[tokio::test]
async fn an_address_that_does_not_answer_is_left_for_the_next() {
    let server = saying(format!("{GOOD}\r\n{{}}")).await;
    // Nothing listens on 127.0.0.9.
    assert!(by_name(&server, &[&["127.0.0.9", "127.0.0.1"]]).await.is_ok());
    let many = ["127.0.0.9", "127.0.0.8", "127.0.0.7", "127.0.0.1"];
    assert_eq!(by_name(&server, &[&many]).await, Err(FetchError::Unreachable));
}

struct Stuck;

impl Resolve for Stuck {
    fn resolve(&self, _: &str) -> Resolved<'_> {
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn a_resolver_that_does_not_answer_is_given_up() {
    let mut options = options("", no_roots());
    options.resolver = Arc::new(Stuck);
    let client = Fetcher::new(options).unwrap();
    let began = Instant::now();
    let refused = client.get(&"https://name.example/".parse().unwrap(), WANT).await;
    assert!(matches!(refused, Err(FetchError::TooSlow(_) | FetchError::Unresolved)), "{refused:?}");
    assert!(began.elapsed() < Duration::from_secs(4));
}

/// An authority and a server with a certificate for these names, signed by it.
async fn tls_server(authority: &CertifiedIssuer<'_, KeyPair>, names: &[&str], days: (i32, i32)) -> Server {
    let mut params =
        CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.not_before = rcgen::date_time_ymd(days.0, 1, 1);
    params.not_after = rcgen::date_time_ymd(days.1, 1, 1);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            read_head(&mut stream).await;
            common::close_after(&mut stream, format!("{GOOD}Content-Length: 2\r\n\r\n{{}}").as_bytes()).await;
        }
    })
    .await
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

async fn get_tls(server: &Server, host: &str, roots: Roots) -> Result<Fetched, FetchError> {
    let mut options = options(&format!("{host}:{}", server.port), roots);
    options.resolver = Scripted::new(&[&["127.0.0.1"]]);
    let url = format!("https://{host}:{}/", server.port).parse().unwrap();
    Fetcher::new(options).unwrap().get(&url, WANT).await
}

#[tokio::test]
async fn a_certificate_must_be_for_the_host_in_force_and_of_a_trusted_authority() {
    let ours = authority();
    let roots = Roots::from_pem(&ours.pem()).unwrap();
    let refused = Err(FetchError::Tls(TlsFault::Certificate));

    let good = tls_server(&ours, &["name.example", "127.0.0.1"], (2020, 4000)).await;
    assert!(get_tls(&good, "name.example", roots.clone()).await.is_ok());
    assert!(get_tls(&good, "127.0.0.1", roots.clone()).await.is_ok());
    assert_eq!(get_tls(&good, "other.example", roots.clone()).await, refused);
    assert_eq!(get_tls(&good, "name.example", no_roots()).await, refused);

    let ended = tls_server(&ours, &["name.example"], (2020, 2021)).await;
    assert_eq!(get_tls(&ended, "name.example", roots.clone()).await, refused);
    let forged = tls_server(&authority(), &["name.example"], (2020, 4000)).await;
    assert_eq!(get_tls(&forged, "name.example", roots.clone()).await, refused);

    let plain =
        serve(|mut stream| async move { common::close_after(&mut stream, GOOD.as_bytes()).await }).await;
    assert_eq!(get_tls(&plain, "name.example", roots).await, Err(FetchError::Tls(TlsFault::Handshake)));
}

#[test]
fn roots_are_certificates() {
    assert!(Roots::from_pem("").is_err());
    assert!(Roots::from_pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err());
    assert!(!Roots::from_pem(&authority().pem()).unwrap().is_empty());
}

/// A resolver with an address of its own for every name, and a server behind each that never answers.
#[tokio::test]
async fn many_slow_hosts_take_no_more_places_than_there_are() {
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let hosts: Vec<String> = (1..=MAX_UNDER_WAY + 8).map(|at| format!("127.0.0.{at}:{port}")).collect();
    let client = Arc::new(fetcher(&hosts.join(","), no_roots()));
    let fetches: Vec<_> = hosts
        .iter()
        .map(|host| {
            let (client, url) = (Arc::clone(&client), format!("http://{host}/").parse().unwrap());
            tokio::spawn(async move { client.get(&url, WANT).await })
        })
        .collect();
    let (mut slow, mut busy) = (0, 0);
    for fetch in fetches {
        match fetch.await.unwrap() {
            Err(FetchError::TooSlow(_)) => slow += 1,
            other => {
                assert_eq!(other, Err(FetchError::Busy));
                busy += 1;
            }
        }
    }
    assert_eq!((slow, busy), (MAX_UNDER_WAY, 8));
}
