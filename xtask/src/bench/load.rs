//! A load of plain HTTP/1.1 over kept connections, cheap enough to leave the cores to the server.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use zeroid_jose::SigningKey;

use super::server::BenchServer;
use crate::outcome::{Failure, Outcome};

/// What a scenario gave.
pub(crate) struct Figures {
    pub(crate) per_second: f64,
    pub(crate) per_cpu_second: f64,
    pub(crate) p50_micros: f64,
    pub(crate) p99_micros: f64,
    pub(crate) p999_micros: f64,
}

/// One kept connection.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: &str) -> Outcome<Self> {
        let stream =
            TcpStream::connect(address).map_err(|error| Failure::new(format!("{address}: {error}")))?;
        stream.set_nodelay(true).map_err(|error| Failure::new(error.to_string()))?;
        Ok(Self { stream, buffer: Vec::with_capacity(16 * 1024) })
    }

    /// Post a form, or get when there is none; gives the body of a successful answer.
    pub(crate) fn post(&mut self, path: &str, form: &str) -> Outcome<String> {
        self.send(path, "application/x-www-form-urlencoded", form)
    }

    pub(crate) fn send(&mut self, path: &str, media: &str, body: &str) -> Outcome<String> {
        let method = if body.is_empty() { "GET" } else { "POST" };
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.exchange(head.as_bytes()).map_err(|error| Failure::new(format!("{path}: {error}")))
    }

    fn exchange(&mut self, request: &[u8]) -> std::io::Result<String> {
        self.stream.write_all(request)?;
        self.buffer.clear();
        let mut chunk = [0_u8; 16 * 1024];
        let end = loop {
            let count = self.stream.read(&mut chunk)?;
            if count == 0 {
                return Err(std::io::Error::other("the connection was closed"));
            }
            self.buffer.extend_from_slice(chunk.get(..count).unwrap_or_default());
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let head = String::from_utf8_lossy(self.buffer.get(..end).unwrap_or_default()).to_ascii_lowercase();
        let length =
            head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
        let total = end + length.unwrap_or(0);
        while self.buffer.len() < total {
            let count = self.stream.read(&mut chunk)?;
            self.buffer.extend_from_slice(chunk.get(..count).unwrap_or_default());
        }
        let body = String::from_utf8_lossy(self.buffer.get(end..).unwrap_or_default()).into_owned();
        if head.starts_with("http/1.1 2") {
            Ok(body)
        } else {
            Err(std::io::Error::other(format!("{head}{body}")))
        }
    }
}

/// Send for a while on every connection.
pub(crate) fn run_closed<'p>(
    server: &BenchServer,
    connections: usize,
    time: Duration,
    request: &(impl Fn(usize) -> (&'p str, String) + Sync),
) -> Outcome<Figures> {
    gather(server, connections, |worker, connection, latencies| {
        let began = Instant::now();
        while began.elapsed() < time {
            let (path, body) = request(worker);
            let sent = Instant::now();
            connection.post(path, &body)?;
            latencies.push(sent.elapsed());
        }
        Ok(())
    })
}

/// Send each body once, spread over the connections.
pub(crate) fn run_each(
    server: &BenchServer,
    connections: usize,
    path: &str,
    bodies: &[String],
) -> Outcome<Figures> {
    let next = AtomicUsize::new(0);
    gather(server, connections, |_, connection, latencies| {
        while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
            let sent = Instant::now();
            connection.post(path, body)?;
            latencies.push(sent.elapsed());
        }
        Ok(())
    })
}

/// Ask for a token many times; gives every n-th.
pub(crate) fn repeat(
    server: &BenchServer,
    connections: usize,
    times: usize,
    every: usize,
    form: &str,
) -> Outcome<Vec<String>> {
    let (next, kept) = (AtomicUsize::new(0), std::sync::Mutex::new(Vec::new()));
    gather(server, connections, |_, connection, _| {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= times {
                return Ok(());
            }
            let answer = connection.post("/oauth2/token", form)?;
            if number % every == 0 {
                let token = access_token(&answer)?;
                kept.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(token);
            }
        }
    })?;
    Ok(kept.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

pub(crate) fn gather(
    server: &BenchServer,
    connections: usize,
    work: impl Fn(usize, &mut Connection, &mut Vec<Duration>) -> Outcome + Sync,
) -> Outcome<Figures> {
    let (began, cpu) = (Instant::now(), server.cpu_seconds());
    let runs: Vec<Outcome<Vec<Duration>>> = std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..connections)
            .map(|worker| {
                scope.spawn(move || {
                    let mut connection = Connection::open(&server.address)?;
                    let mut latencies = Vec::with_capacity(100_000);
                    work(worker, &mut connection, &mut latencies)?;
                    Ok(latencies)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(Failure::new("a worker died"))))
            .collect()
    });
    let (elapsed, cpu) = (began.elapsed().as_secs_f64(), server.cpu_seconds() - cpu);
    let mut latencies = Vec::new();
    for run in runs {
        latencies.extend(run?);
    }
    latencies.sort_unstable();
    let count = latencies.len() as f64;
    let at = |share: f64| {
        let place = (count * share) as usize;
        latencies
            .get(place.min(latencies.len().saturating_sub(1)))
            .map_or(0.0, |time| time.as_secs_f64() * 1e6)
    };
    Ok(Figures {
        per_second: count / elapsed,
        per_cpu_second: count / cpu.max(0.01),
        p50_micros: at(0.5),
        p99_micros: at(0.99),
        p999_micros: at(0.999),
    })
}

/// The access token of an answer.
pub(crate) fn access_token(answer: &str) -> Outcome<String> {
    member(answer, "access_token")
}

/// A text member of an answer.
pub(crate) fn member(answer: &str, name: &str) -> Outcome<String> {
    let value: serde_json::Value =
        serde_json::from_str(answer).map_err(|error| Failure::new(error.to_string()))?;
    let text = value.pointer(&format!("/{name}")).and_then(serde_json::Value::as_str);
    text.map(str::to_owned).ok_or_else(|| Failure::new(format!("no `{name}` in the answer")))
}

/// An agent that signs its own assertions.
pub(crate) struct Signer(SigningKey);

impl Signer {
    pub(crate) fn new() -> Outcome<Self> {
        SigningKey::generate().map(|(key, _)| Self(key)).map_err(|error| Failure::new(error.to_string()))
    }

    pub(crate) fn public_pem(&self) -> String {
        self.0.public().to_pem()
    }

    pub(crate) fn assertion(&self, uri: &str, issuer: &str, number: usize) -> Outcome<String> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let at = now.map_err(|error| Failure::new(error.to_string()))?.as_secs();
        let claims = serde_json::json!({"iss": uri, "sub": uri, "aud": issuer, "jti": format!("bench-{number}"),
            "iat": at, "exp": at + 290});
        self.0.sign("JWT", claims.to_string().as_bytes()).map_err(|error| Failure::new(error.to_string()))
    }
}
