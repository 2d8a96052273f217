//! A closed loop over many connections: each sends as soon as it has its answer.
//!
//! It runs on the cores of the server, so it must cost little: a few threads, each waiting for all of its connections
//! at once.

use std::borrow::Cow;
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};

use super::connection::{CHUNK, Exchange, FORM, connect};
use super::server::{Target, own_cpu_seconds};
use crate::outcome::{Failure, Outcome};

/// Threads that send; more would only take turns with the server's.
const THREADS: usize = 1;

/// Longest wait for any answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a connection sends next.
pub(super) struct Request<'p> {
    path: &'static str,
    media: &'static str,
    body: Cow<'p, str>,
    /// More header lines, each with its end.
    headers: Cow<'p, str>,
    ends: bool,
}

impl<'p> Request<'p> {
    /// A form that is posted; a get, when it is empty.
    pub(super) fn new(path: &'static str, body: impl Into<Cow<'p, str>>) -> Self {
        Self { path, media: FORM, body: body.into(), headers: Cow::Borrowed(""), ends: true }
    }

    /// JSON that is posted.
    pub(super) fn json(path: &'static str, body: impl Into<Cow<'p, str>>) -> Self {
        Self { media: "application/json", ..Self::new(path, body) }
    }

    /// The same with more header lines, each with its end.
    pub(super) fn under(self, headers: impl Into<Cow<'p, str>>) -> Self {
        Self { headers: headers.into(), ..self }
    }

    /// The same, with others to follow before the clock stops.
    pub(super) fn begins(self) -> Self {
        Self { ends: false, ..self }
    }
}

/// What a load gave and cost.
#[derive(Clone, Copy, Default)]
pub(super) struct Figures {
    pub(super) per_second: f64,
    /// Of the server with its database.
    pub(super) per_cpu_second: f64,
    /// What the load itself cost the same cores.
    pub(super) load_micros: f64,
    pub(super) p50_micros: f64,
    pub(super) p99_micros: f64,
    pub(super) p999_micros: f64,
    /// Due in an open loop, and not begun when the time was over.
    pub(super) not_started: u64,
    /// The rate a CPU-second that the machine allowed meanwhile; nothing, where none was measured.
    pub(super) limit: f64,
}

impl Figures {
    /// Of the latencies of some time.
    pub(super) fn of(mut latencies: Vec<Duration>, elapsed: f64, cpu: f64, load_cpu: f64) -> Self {
        latencies.sort_unstable();
        let count = latencies.len() as f64;
        let at = |share: f64| {
            let place = (count * share) as usize;
            latencies
                .get(place.min(latencies.len().saturating_sub(1)))
                .map_or(0.0, |time| time.as_secs_f64() * 1e6)
        };
        Self {
            per_second: count / elapsed,
            per_cpu_second: count / cpu.max(0.01),
            load_micros: load_cpu * 1e6 / count.max(1.0),
            p50_micros: at(0.5),
            p99_micros: at(0.99),
            p999_micros: at(0.999),
            not_started: 0,
            limit: 0.0,
        }
    }
}

/// Follow a script on every connection until it has no next request. A script is given the last answer.
pub(super) fn run<'p, S>(
    target: &impl Target,
    connections: usize,
    script: impl Fn(usize) -> S + Sync,
) -> Outcome<Figures>
where
    S: FnMut(Option<&str>) -> Outcome<Option<Request<'p>>>,
{
    let (began, cpu, own) = (Instant::now(), target.cpu_seconds(), own_cpu_seconds());
    let runs: Vec<Outcome<Vec<Duration>>> = std::thread::scope(|scope| {
        let script = &script;
        let threads: Vec<_> = (0..THREADS.min(connections))
            .map(|thread| {
                let mine = (thread..connections).step_by(THREADS);
                scope.spawn(move || follow(target.address(), mine.map(script).collect()))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err(Failure::new("a thread of the load died"))))
            .collect()
    });
    let elapsed = began.elapsed().as_secs_f64();
    let (cpu, own) = (target.cpu_seconds() - cpu, own_cpu_seconds() - own);
    let mut latencies = Vec::new();
    for run in runs {
        latencies.extend(run?);
    }
    Ok(Figures::of(latencies, elapsed, cpu, own))
}

struct Sender<S> {
    stream: mio::net::TcpStream,
    exchange: Exchange,
    script: S,
    began: Option<Instant>,
    ends: bool,
}

fn follow<'p, S>(address: &str, scripts: Vec<S>) -> Outcome<Vec<Duration>>
where
    S: FnMut(Option<&str>) -> Outcome<Option<Request<'p>>>,
{
    let failed = |error: std::io::Error| Failure::new(error.to_string());
    let mut poll = Poll::new().map_err(failed)?;
    let mut senders = Vec::with_capacity(scripts.len());
    for (at, script) in scripts.into_iter().enumerate() {
        let stream = connect(address)?;
        stream.set_nonblocking(true).map_err(failed)?;
        let mut stream = mio::net::TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(at), Interest::READABLE).map_err(failed)?;
        senders.push(Sender { stream, exchange: Exchange::default(), script, began: None, ends: true });
    }
    let mut open = 0;
    for sender in &mut senders {
        open += usize::from(sender.next(false)?);
    }
    let (mut events, mut latencies) = (Events::with_capacity(senders.len()), Vec::with_capacity(1 << 20));
    let mut chunk = vec![0_u8; CHUNK];
    while open > 0 {
        match poll.poll(&mut events, Some(PATIENCE)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled.map_err(failed)?,
        }
        if events.is_empty() {
            return Err(Failure::new("no answer for 30 s"));
        }
        for event in &events {
            let Some(sender) = senders.get_mut(event.token().0) else { continue };
            if !sender.receive(&mut chunk)? {
                continue;
            }
            if sender.ends {
                latencies.extend(sender.began.take().map(|began| began.elapsed()));
            }
            if !sender.next(true)? {
                open -= 1;
            }
        }
    }
    Ok(latencies)
}

impl<'p, S: FnMut(Option<&str>) -> Outcome<Option<Request<'p>>>> Sender<S> {
    /// Send the next request; says whether there was one.
    fn next(&mut self, answered: bool) -> Outcome<bool> {
        let last = if answered { Some(self.exchange.answer()?) } else { None };
        let Some(Request { path, media, body, headers, ends }) = (self.script)(last)? else {
            return Ok(false);
        };
        self.ends = ends;
        let bytes = self.exchange.ask(path, media, &headers, &body);
        self.began.get_or_insert_with(Instant::now);
        // One small request is under way: it always fits into the socket's buffer.
        self.stream.write_all(bytes).map_err(|error| Failure::new(format!("{path}: {error}")))?;
        Ok(true)
    }

    /// Read what is there; says whether the answer is whole.
    fn receive(&mut self, chunk: &mut [u8]) -> Outcome<bool> {
        loop {
            match self.stream.read(chunk) {
                Ok(count) => {
                    self.exchange.take(chunk.get(..count).unwrap_or_default())?;
                    let whole = self.exchange.is_whole()?;
                    if whole || count < chunk.len() {
                        return Ok(whole);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(Failure::new(error.to_string())),
            }
        }
    }
}

/// Numbers that look random, the same in every run (xorshift).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: usize) -> Self {
        Self((seed as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    /// One of these.
    pub(super) fn pick<'t, T>(&mut self, of: &'t [T]) -> Outcome<&'t T> {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let place = (self.0 >> 16) % of.len().max(1) as u64;
        of.get(usize::try_from(place).unwrap_or(0)).ok_or_else(|| Failure::new("nothing to choose from"))
    }
}
