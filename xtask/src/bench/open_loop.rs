//! An open loop: requests are due at a constant rate, whether or not the server keeps up.
//!
//! A thread for each connection: it sleeps until its request is due more exactly than an event loop, whose clock ticks
//! in milliseconds. At half of the full rate what the threads cost does no harm.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::load::Figures;
use super::server::{Target, own_cpu_seconds};
use crate::outcome::{Failure, Outcome};

/// Send at a rate. A latency counts from the moment its request was due, so that waiting for a connection is part of
/// it; what was due and found no connection before the end is counted.
pub(super) fn run<'p>(
    target: &impl Target,
    connections: usize,
    per_second: f64,
    time: Duration,
    request: &(impl Fn() -> (&'static str, &'p str) + Sync),
) -> Outcome<Figures> {
    let next = AtomicU64::new(0);
    let due_in_all = (per_second * time.as_secs_f64()) as u64;
    let open = |_| Connection::open(target.address());
    let opened = (0..connections).map(open).collect::<Outcome<Vec<_>>>()?;
    let (began, cpu, own) = (Instant::now(), target.cpu_seconds(), own_cpu_seconds());
    let send = |mut connection: Connection| {
        let mut latencies = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let due = began + Duration::from_secs_f64(number as f64 / per_second);
            if number >= due_in_all || began.elapsed() >= time {
                return Ok(latencies);
            }
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            let (path, body) = request();
            connection.post(path, body)?;
            latencies.push(due.elapsed());
        }
    };
    let runs: Vec<Outcome<Vec<Duration>>> = std::thread::scope(|scope| {
        let send = &send;
        let threads: Vec<_> =
            opened.into_iter().map(|connection| scope.spawn(move || send(connection))).collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, _>| thread.join();
        threads
            .into_iter()
            .map(|thread| join(thread).unwrap_or_else(|_| Err(Failure::new("a thread of the load died"))))
            .collect()
    });
    let elapsed = began.elapsed().as_secs_f64();
    let (cpu, own) = (target.cpu_seconds() - cpu, own_cpu_seconds() - own);
    let mut latencies = Vec::new();
    for run in runs {
        latencies.extend(run?);
    }
    let not_started = due_in_all.saturating_sub(latencies.len() as u64);
    Ok(Figures { not_started, ..Figures::of(latencies, elapsed, cpu, own) })
}
