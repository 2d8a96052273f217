//! What one core allows: signatures, verifications and digests a CPU-second of this machine.
//! `cargo run --release -p zeroid-jose --example rates [sign | verify | digest [MILLISECONDS]]`
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it measures, and prints what it measured"
)]

use std::time::{Duration, Instant};

use zeroid_jose::{MasterKey, SigningKey, match_digest, parse, verify};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (key, _) = SigningKey::generate()?;
    let master = MasterKey::from_bytes([7; 32])?;
    let claims = vec![b' '; 700];
    let token = key.sign("at+jwt", &claims)?;
    let digest = master.token_digest(&token);
    let mut arguments = std::env::args().skip(1);
    let asked = arguments.next();
    let time = Duration::from_millis(arguments.next().map_or(Ok(2100), |time| time.parse())?);
    let wanted = |name: &str| asked.as_deref().is_none_or(|asked| asked == name);
    if wanted("sign") {
        println!("sign {:.0}", rate(time, || key.sign("at+jwt", &claims).is_ok()));
    }
    if wanted("verify") {
        let good = || parse(&token).is_ok_and(|jws| verify(jws, key.public()).is_ok());
        println!("verify {:.0}", rate(time, good));
    }
    if wanted("digest") {
        let good = || parse(&token).is_ok_and(|jws| match_digest(jws, &master, &digest).is_ok());
        println!("digest {:.0}", rate(time, good));
    }
    Ok(())
}

/// How often a CPU-second; the best of three runs in this time, since neighbours only ever take time.
fn rate(time: Duration, mut work: impl FnMut() -> bool) -> f64 {
    let mut best = 0.0_f64;
    for _ in 0..3 {
        let (began, cpu, mut count) = (Instant::now(), cpu_seconds(), 0_u32);
        while began.elapsed() < time / 3 {
            for _ in 0..50 {
                assert!(work(), "the work succeeds");
            }
            count += 50;
        }
        let elapsed = began.elapsed().as_secs_f64();
        let used = cpu.zip(cpu_seconds()).map_or(elapsed, |(before, after)| after - before);
        best = best.max(f64::from(count) / used);
    }
    best
}

/// What this process has used, where the system tells: elsewhere the time that passed stands for it.
fn cpu_seconds() -> Option<f64> {
    let told = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    Some(told.split_whitespace().next()?.parse::<f64>().ok()? / 1e9)
}
