//! What one token costs: signing it, verifying it, matching its digest.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use zeroid_jose::{MasterKey, SigningKey, match_digest, parse, verify};

fn es256(c: &mut Criterion) {
    let Ok((key, _)) = SigningKey::generate() else { return };
    let Ok(master) = MasterKey::from_bytes([7; 32]) else { return };
    let claims = vec![b' '; 700];
    let Ok(token) = key.sign("at+jwt", &claims) else { return };
    let digest = master.token_digest(&token);
    c.bench_function("sign", |b| b.iter(|| key.sign("at+jwt", black_box(&claims)).is_ok()));
    c.bench_function("parse", |b| b.iter(|| parse(black_box(&token)).is_ok()));
    c.bench_function("verify", |b| {
        b.iter(|| parse(black_box(&token)).is_ok_and(|jws| verify(jws, key.public()).is_ok()));
    });
    c.bench_function("match_digest", |b| {
        b.iter(|| parse(black_box(&token)).is_ok_and(|jws| match_digest(jws, &master, &digest).is_ok()));
    });
}

criterion_group!(benches, es256);
criterion_main!(benches);
