//! Servers that answer as a test says.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing)]

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use zeroid_fetch::{FetchError, FetchOptions, Fetcher, Resolve, Resolved, Roots};

/// The head of a good answer, without its end.
pub const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

/// A server on loopback and the number of connections it took.
pub struct Server {
    pub port: u16,
    pub connections: Arc<AtomicUsize>,
}

impl Server {
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Read a request's head; what follows is up to the test.
pub async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let (mut head, mut byte) = (Vec::new(), [0_u8; 1]);
    while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).await.is_ok() {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// Answer every connection with these bytes, and then as the test goes on.
pub async fn serve<F, T>(answer: F) -> Server
where
    F: Fn(tokio::net::TcpStream) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(answer(stream));
        }
    });
    Server { port, connections }
}

/// A server that sends a text and closes.
pub async fn saying(text: impl Into<String>) -> Server {
    let text: Arc<str> = text.into().into();
    serve(move |mut stream| {
        let text = Arc::clone(&text);
        async move {
            read_head(&mut stream).await;
            close_after(&mut stream, text.as_bytes()).await;
        }
    })
    .await
}

pub async fn close_after(stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) {
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
}

/// No authority is trusted; plain http on loopback needs none.
pub fn no_roots() -> Roots {
    let made = rcgen::generate_simple_self_signed(vec!["nobody.example".to_owned()]).unwrap();
    Roots::from_pem(&made.cert.pem()).unwrap()
}

/// A client that may reach these.
pub fn fetcher(allowed: &str, roots: Roots) -> Fetcher {
    Fetcher::new(options(allowed, roots)).unwrap()
}

pub fn options(allowed: &str, roots: Roots) -> FetchOptions {
    let mut options = FetchOptions::new(roots, allowed.parse().unwrap());
    options.within = Duration::from_millis(1500);
    options
}

/// A resolver that gives one answer after another, the last one for ever.
pub struct Scripted {
    pub answers: Vec<Vec<IpAddr>>,
    pub asked: AtomicUsize,
}

impl Scripted {
    pub fn new(answers: &[&[&str]]) -> Arc<Self> {
        let read = |answer: &&[&str]| answer.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self { answers: answers.iter().map(read).collect(), asked: AtomicUsize::new(0) })
    }
}

impl Resolve for Scripted {
    fn resolve(&self, _: &str) -> Resolved<'_> {
        let at = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        let answer = self.answers[at].clone();
        Box::pin(async move { if answer.is_empty() { Err(FetchError::Unresolved) } else { Ok(answer) } })
    }
}
