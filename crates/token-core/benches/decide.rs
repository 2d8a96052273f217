//! What one decision and one judgement of life cost.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use proptest::collection::vec;
use proptest::strategy::{Just, Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use zeroid_token_core::strategies::{Limits, Proof, Step, Wish, World, WorldPlan};
use zeroid_token_core::{AdditionalClaims, Claims, GrantType, Policy, Profile, ScopeSet, TaskClaims};

/// A chain of this many hops, all alike.
fn chain(hops: usize) -> Option<World> {
    let scopes: ScopeSet = "read write".parse().ok()?;
    let policy = Policy {
        max_delegation_depth: 16,
        allowed_grant_types: [GrantType::ApiKey, GrantType::TokenExchange].into(),
        ..Policy::tenant_default(zeroid_identity_model::PolicyId::from_bytes([1; 16]))
    };
    let limits = Limits {
        allowed_scopes: Some(scopes.clone()),
        policy,
        key_scopes: None,
        key_policy: None,
        client_scopes: None,
        client_policy: None,
        key_ends_after: None,
        has_registered_key: false,
    };
    let wish = Wish {
        scopes: Some(scopes),
        resources: Vec::new(),
        ttl_seconds: None,
        may_act: None,
        proven_key: None,
        task: TaskClaims::default(),
        additional: AdditionalClaims::default(),
    };
    let mut steps = vec![Step::Issue { party: 0, proof: Proof::ApiKey, wish: wish.clone() }];
    for hop in 0..hops {
        let exchange = Step::Exchange {
            subject: hop,
            actor: (hop + 1) % 6,
            proof: Proof::ApiKey,
            wish: wish.clone(),
            meanwhile: None,
        };
        steps.push(exchange);
    }
    let limits = vec(Just(limits), 6).new_tree(&mut TestRunner::deterministic()).ok()?.current();
    let world = World::after(&WorldPlan { limits, profile: Profile::Zeroid, routes: Vec::new(), steps });
    (world.issued.len() == hops + 1).then_some(world)
}

fn decisions(c: &mut Criterion) {
    for hops in [0, 8, 15] {
        let Some(world) = chain(hops) else { continue };
        let wish = Wish {
            scopes: "read".parse().ok(),
            resources: Vec::new(),
            ttl_seconds: None,
            may_act: None,
            proven_key: None,
            task: TaskClaims::default(),
            additional: AdditionalClaims::default(),
        };
        let step = Step::Exchange {
            subject: hops,
            actor: (hops + 1) % 6,
            proof: Proof::ApiKey,
            wish,
            meanwhile: None,
        };
        c.bench_function(&format!("live twice and decide, from {hops} hops"), |b| {
            b.iter_batched(
                || world.clone(),
                |mut world| world.apply(black_box(&step)),
                criterion::BatchSize::SmallInput,
            );
        });
    }
    for hops in [0, 3, 15] {
        let Some(world) = chain(hops) else { continue };
        let Some(leaf) = world.issued.last() else { continue };
        c.bench_function(&format!("live, {} links", hops + 1), |b| b.iter(|| world.is_live(black_box(leaf))));
    }
}

fn claims(c: &mut Criterion) {
    for hops in [0, 3] {
        let Some(world) = chain(hops) else { continue };
        let Some(claims) = world.issued.last().map(|issued| &issued.claims) else { continue };
        c.bench_function(&format!("claims written, {hops} hops"), |b| {
            b.iter(|| serde_json::to_vec(black_box(claims)));
        });
        let Ok(text) = serde_json::to_vec(claims) else { continue };
        c.bench_function(&format!("claims read, {hops} hops"), |b| {
            b.iter(|| serde_json::from_slice::<Claims>(black_box(&text)));
        });
    }
}

criterion_group!(benches, decisions, claims);
criterion_main!(benches);
