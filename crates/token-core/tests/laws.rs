//! The six laws of delegation, over random sequences of every operation, against a model that walks the tree.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;
use zeroid_identity_model::{Owner, Status};
use zeroid_token_core::strategies::{Cut, Issued, Proof, Step, World, WorldPlan, plans};
use zeroid_token_core::{
    Act, AdditionalClaims, Claims, GrantType, Policy, Profile, Refusal, Scope, TaskClaims, live,
};

/// Who presented each credential from the root to this one, found by walking up.
fn ancestors(world: &World, at: usize) -> Vec<usize> {
    let mut chain = vec![at];
    while let Some(parent) = world.issued[*chain.last().unwrap()].parent {
        chain.push(parent);
    }
    chain
}

/// The parties of a chain, current one first, one entry a hop.
fn presenters(world: &World, at: usize) -> Vec<usize> {
    let mut parties: Vec<usize> = ancestors(world, at).iter().map(|n| world.issued[*n].party).collect();
    parties.dedup();
    parties
}

fn policies<'w>(world: &'w World, issued: &Issued) -> Vec<&'w Policy> {
    let limits = &world.parties[issued.party].limits;
    let key = limits.key_policy.as_ref().filter(|_| issued.proof.uses_key());
    let client = limits.client_policy.as_ref().filter(|_| issued.proof.uses_client());
    std::iter::once(&limits.policy).chain(key).chain(client).collect()
}

/// The model knows nothing of lineage or orders: a cut marks what exists, and death is found by walking up.
fn dead_by_the_model(world: &World, at: usize) -> bool {
    let chain = ancestors(world, at);
    let expired = world.now >= world.issued[at].record.expires_at;
    expired || chain.iter().any(|n| dead_itself(world, *n))
}

fn dead_itself(world: &World, at: usize) -> bool {
    let issued = &world.issued[at];
    let cut = world.cuts.iter().enumerate().any(|(when, cut)| {
        let existed = issued.cuts_before <= when;
        match *cut {
            Cut::Credential(n) => n == at,
            Cut::SigningKey => {
                existed && world.cuts[issued.cuts_before..when].iter().all(|cut| *cut != Cut::SigningKey)
            }
            Cut::Identity(n) => existed && issued.party == n,
            Cut::Owner(n) => existed && issued.party % 2 == n % 2,
            Cut::ApiKey(n) => existed && issued.party == n && issued.proof.uses_key(),
            Cut::Client(n) => existed && issued.party == n && issued.proof.uses_client(),
            Cut::Tenant => existed,
        }
    });
    let identity = &world.parties[issued.party].identity;
    cut || !identity.status.may_act() || identity.expires_at.is_some_and(|end| world.now >= end)
}

fn check(
    plan: &WorldPlan,
    law: impl Fn(&World, usize) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let mut world = World::new(plan);
    for step in &plan.steps {
        world.apply(step);
        for at in 0..world.issued.len() {
            law(&world, at)?;
        }
    }
    Ok(())
}

fn nested(act: Option<&Act>) -> Vec<String> {
    let mut told = Vec::new();
    let mut level = act;
    while let Some(act) = level {
        told.push(act.sub.clone());
        level = act.act.as_deref();
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn law_1_authority_never_grows(plan in plans(1..60)) {
        check(&plan, |world, at| {
            let issued = &world.issued[at];
            let (record, limits) = (&issued.record, &world.parties[issued.party].limits);
            if let Some(parent) = issued.parent {
                let held = world.issued[parent].record.held();
                prop_assert!(record.held().is_subset(&held), "{} of {held}", record.held());
                prop_assert!(record.usable.is_subset(issued.asked.scopes.as_ref().unwrap()));
            }
            if let Some(route) = &issued.route {
                prop_assert!(record.usable.is_subset(&route.scopes), "{} by {route:?}", record.usable);
            }
            if let Some(asked) = issued.asked.scopes.as_ref().filter(|asked| !asked.is_empty()) {
                prop_assert!(record.usable.is_subset(asked));
            }
            let (by_key, by_client) = (issued.proof.uses_key(), issued.proof.uses_client());
            let of = |policy: &'_ Option<Policy>| policy.as_ref().and_then(|policy| policy.allowed_scopes.clone());
            let mut lists = vec![limits.allowed_scopes.clone(), limits.policy.allowed_scopes.clone()];
            lists.extend([limits.key_scopes.clone(), of(&limits.key_policy)].into_iter().filter(|_| by_key));
            lists.extend([limits.client_scopes.clone(), of(&limits.client_policy)].into_iter().filter(|_| by_client));
            let lists: Vec<_> = lists.into_iter().flatten().collect();
            for list in &lists {
                prop_assert!(record.usable.is_subset(list), "{} of {list}", record.usable);
            }
            let managed = record.usable.iter().any(Scope::is_management);
            prop_assert!(!managed || !lists.is_empty(), "a management scope that nobody listed");
            prop_assert!(record.delegable.is_subset(&limits.policy.delegable_scopes));
            for policy in policies(world, issued) {
                prop_assert!(record.delegable.is_subset(&policy.delegable_scopes));
            }
            let key_list = limits.key_scopes.as_ref().filter(|_| by_key);
            let client_list = limits.client_scopes.as_ref().filter(|_| by_client);
            for list in key_list.into_iter().chain(client_list) {
                prop_assert!(record.delegable.is_subset(list));
            }
            Ok(())
        })?;
    }

    #[test]
    fn law_2_lifetime_and_depth_are_capped(plan in plans(1..60)) {
        check(&plan, |world, at| {
            let issued = &world.issued[at];
            let record = &issued.record;
            let depth = presenters(world, at).len() - 1;
            prop_assert_eq!(usize::from(record.delegation_depth()), depth);
            let chain = ancestors(world, at);
            let all: Vec<_> = chain.iter().flat_map(|n| policies(world, &world.issued[*n])).collect();
            let cap = all.iter().map(|policy| policy.max_delegation_depth).min().unwrap().min(16);
            prop_assert!(depth <= usize::from(cap), "{depth} deep under a cap of {cap}");
            prop_assert_eq!(record.max_delegation_depth, cap);
            if let Some(parent) = issued.parent {
                let parent = &world.issued[parent];
                prop_assert!(record.expires_at <= parent.record.expires_at);
                let hop = usize::from(parent.party != issued.party);
                prop_assert_eq!(usize::from(parent.record.delegation_depth()) + hop, depth);
            }
            let longest = policies(world, issued).iter().map(|policy| policy.max_ttl_seconds).min().unwrap();
            let lived = record.expires_at.unix_seconds() - record.issued_at().unix_seconds();
            prop_assert!(lived <= i64::from(longest));
            let by_route = issued.route.as_ref().map_or(i64::MAX, |route| i64::from(route.max_ttl_seconds.min(300)));
            prop_assert!(lived <= by_route, "{lived} s by {:?}", issued.route);
            prop_assert!(issued.ends.is_none_or(|end| record.expires_at <= end), "it outlives its presenter or key");
            Ok(())
        })?;
    }

    #[test]
    fn law_3_restrictions_are_inherited(plan in plans(1..60)) {
        check(&plan, |world, at| {
            let issued = &world.issued[at];
            let record = &issued.record;
            let policies = policies(world, issued);
            for list in policies.iter().filter_map(|policy| policy.may_act.as_ref()).chain(&issued.asked.may_act) {
                let named = record.may_act.as_ref();
                prop_assert!(named.is_some_and(|named| named.iter().all(|id| list.contains(id))), "may_act is wider");
            }
            if let Some(asked) = &issued.asked.audience {
                prop_assert_eq!(record.audience.values(), asked.values());
                prop_assert!(record.audience.is_binding());
            }
            if let Some(wanted) = &issued.asked.task.allowed_tools {
                let named = record.task.allowed_tools.as_ref();
                prop_assert!(named.is_some_and(|named| named.iter().all(|tool| wanted.contains(tool))), "more tools than asked for");
            }
            let Some(parent) = issued.parent else {
                prop_assert_eq!(&record.task, &issued.asked.task);
                prop_assert_eq!(&record.additional, &issued.asked.additional);
                prop_assert_eq!(record.confirmation.as_ref(), issued.asked.proven_key.as_ref().map(|key| &key.thumbprint));
                return Ok(());
            };
            let parent = &world.issued[parent];
            let (held, kept) = (&parent.record.task, &record.task);
            if let Some(tools) = &held.allowed_tools {
                let still = kept.allowed_tools.as_ref();
                prop_assert!(still.is_some_and(|still| still.iter().all(|tool| tools.contains(tool))), "a tool was added");
            }
            let texts = |of: &TaskClaims| [&of.session_id, &of.task_id, &of.task_type, &of.workspace, &of.environment].map(Clone::clone);
            for (held, kept) in texts(held).iter().zip(texts(kept)) {
                prop_assert!(held.is_none() || *held == kept, "{held:?} became {kept:?}");
                prop_assert!(issued.route.is_none() || *held == kept, "{kept:?} by nobody's word");
            }
            let none = AdditionalClaims::default();
            let by_word = if issued.route.is_some() { &none } else { &issued.asked.additional };
            let members = |of: &AdditionalClaims| of.members().clone();
            // Equal names have equal values, or there would be no child.
            let (mut held, own) = (members(&parent.record.additional), members(by_word));
            prop_assert!(own.iter().all(|(name, value)| held.get(name).is_none_or(|held| held == value)));
            held.extend(own);
            prop_assert_eq!(members(&record.additional), held, "what is said besides");
            if let Some(bound) = &parent.record.confirmation {
                let key = record.confirmation.as_ref();
                prop_assert!(key.is_some(), "sender binding was lost");
                let proven = issued.asked.proven_key.as_ref().map(|key| &key.thumbprint);
                let own = &world.parties[issued.party].thumbprint;
                let proves = issued.proof.is_assertion() || issued.proof == Proof::Client;
                let by_own_key = proves && (key == proven || key == Some(own));
                prop_assert!((key == Some(bound) && proven == Some(bound)) || by_own_key);
            }
            if parent.record.audience.is_binding() {
                prop_assert!(record.audience.is_binding(), "resource binding was lost");
                let held = parent.record.audience.values();
                prop_assert!(record.audience.values().iter().all(|value| held.contains(value)));
            }
            if let Some(named) = &parent.record.may_act {
                let still = record.may_act.as_ref();
                prop_assert!(still.is_some_and(|still| still.iter().all(|id| named.contains(id))), "may_act was lost");
                let actor = &world.parties[issued.party].identity.spiffe_id;
                prop_assert!(issued.party == parent.party || named.contains(actor), "an actor may_act does not name");
            }
            Ok(())
        })?;
    }

    #[test]
    fn law_4_nothing_lives_under_a_dead_link(plan in plans(1..60)) {
        check(&plan, |world, at| {
            let dead = dead_by_the_model(world, at);
            prop_assert_eq!(!world.is_live(&world.issued[at]), dead, "credential {} after {:?}", at, world.cuts);
            Ok(())
        })?;
    }

    #[test]
    fn law_4_what_the_registry_does_not_tell_is_dead(plan in plans(1..60)) {
        let world = World::after(&plan);
        for issued in world.issued.iter().filter(|issued| world.is_live(issued)) {
            for link in issued.record.lineage.links() {
                let mut facts = world.live_facts();
                facts.standings.retain(|standing| standing.identity != link.identity);
                prop_assert!(live(&issued.record, &facts, world.now).is_err(), "alive by an unknown identity");
            }
        }
    }

    #[test]
    fn law_5_the_principal_never_changes(plan in plans(1..60)) {
        check(&plan, |world, at| {
            let record = &world.issued[at].record;
            let root = &world.issued[world.root_of(at)];
            prop_assert_eq!(record.lineage.root(), root.record.lineage.own());
            prop_assert_eq!(record.mission_id(), root.record.jti());
            if let Some(parent) = world.issued[at].parent {
                let above: Vec<_> = world.issued[parent].record.lineage.links().collect();
                let mine: Vec<_> = record.lineage.links().collect();
                prop_assert_eq!(&mine[..mine.len() - 1], &above[..], "a lineage is its parent's and one link");
            }
            Ok(())
        })?;
    }

    #[test]
    fn law_6_claims_tell_the_records_story(plan in plans(1..60)) {
        check(&plan, |world, at| {
            let issued = &world.issued[at];
            let (claims, record) = (&issued.claims, &issued.record);
            let uri = |n: &usize| world.parties[*n].identity.spiffe_id.to_string();
            let chain: Vec<String> = presenters(world, at).iter().map(uri).collect();
            let told = nested(claims.act.as_ref());
            match world.rules.profile {
                Profile::Zeroid => {
                    prop_assert_eq!(&claims.sub, &chain[0]);
                    prop_assert_eq!(&told[..], &chain[1..]);
                    prop_assert!(claims.principal_type.is_none());
                }
                Profile::Rfc8693 => {
                    prop_assert_eq!(&claims.sub, chain.last().unwrap());
                    prop_assert_eq!(&told[..], &chain[..chain.len() - 1]);
                    prop_assert_eq!(claims.principal_type.as_deref(), Some("workload"));
                }
            }
            prop_assert_eq!(usize::from(claims.delegation_depth), chain.len() - 1);
            prop_assert_eq!(claims.max_delegation_depth, record.max_delegation_depth);
            prop_assert_eq!(&claims.scopes, &record.usable);
            prop_assert_eq!(&claims.scope, &record.usable.to_string());
            prop_assert_eq!(&claims.aud[..], record.audience.values());
            prop_assert_eq!(claims.exp, record.expires_at.unix_seconds());
            prop_assert_eq!(claims.jti, record.jti());
            prop_assert_eq!(claims.mission_id, world.issued[world.root_of(at)].record.jti());
            prop_assert_eq!(&claims.iss, &world.rules.issuer);
            prop_assert_eq!(claims.iat, record.issued_at().unix_seconds());
            let by_client = issued.proof.uses_client();
            let client = if by_client { &world.parties[issued.party].identity.name } else { &chain[0] };
            prop_assert_eq!(&claims.client_id, client);
            prop_assert_eq!(&claims.account_id, record.tenant().account.as_str());
            prop_assert_eq!(&claims.project_id, record.tenant().project.as_str());
            let exchanged = issued.parent.is_some();
            let grant = if exchanged { GrantType::TokenExchange } else { issued.proof.root_grant() };
            prop_assert_eq!((record.grant_type, claims.grant_type.as_str()), (grant, grant.as_str()));
            let presenter = &world.parties[issued.party].identity;
            let subject = match world.rules.profile {
                Profile::Zeroid => presenter,
                Profile::Rfc8693 => &world.parties[world.issued[world.root_of(at)].party].identity,
            };
            prop_assert_eq!(claims.identity_id, subject.id);
            prop_assert_eq!(&claims.external_id, subject.external_id.as_str());
            prop_assert_eq!(claims.identity_type, subject.kind.identity_type());
            prop_assert_eq!((claims.trust_level, claims.status), (subject.trust_level, Status::Active));
            prop_assert_eq!(&claims.name, &subject.name);
            prop_assert_eq!(claims.owner.as_deref(), subject.owner.as_ref().map(Owner::as_str));
            prop_assert_eq!(&claims.owner_user_id, &claims.owner);
            let outermost = claims.act.as_ref().filter(|_| world.rules.profile == Profile::Rfc8693);
            if let Some(actor) = outermost {
                prop_assert_eq!(actor.external_id.as_deref(), Some(presenter.external_id.as_str()));
                prop_assert_eq!(actor.identity_type, Some(presenter.kind.identity_type()));
                prop_assert_eq!(actor.trust_level, Some(presenter.trust_level));
            }
            let named = claims.may_act.as_ref().map(|named| named.iter().map(|entry| entry.sub.clone()).collect());
            let kept = record.may_act.as_ref().map(|named| named.iter().map(ToString::to_string).collect::<Vec<_>>());
            prop_assert_eq!(named, kept);
            prop_assert_eq!(&record.requested, &issued.asked.scopes);
            let decided: Vec<_> = record.decided_by.iter().map(|by| (by.policy, by.version)).collect();
            let asked_of: Vec<_> = policies(world, issued).iter().map(|policy| (policy.id, policy.version)).collect();
            prop_assert_eq!(decided, asked_of);
            let listed = |name: &&&str| policies(world, issued).iter().all(|policy| policy.token_labels.contains(**name));
            let shown: BTreeMap<_, _> = ["team", "tier"].iter().filter(listed).map(|name| (*name, &presenter.labels[*name])).collect();
            let labels = claims.labels.iter().flatten().map(|(name, value)| (name.as_str(), value)).collect();
            prop_assert_eq!(shown, labels, "labels of who presents it, by every policy's leave");
            prop_assert_eq!(&claims.task, &record.task);
            let written = serde_json::to_value(claims).unwrap();
            let alone = serde_json::to_value(Claims { additional: AdditionalClaims::default(), ..claims.clone() }).unwrap();
            let (mut all, said) = (alone.as_object().unwrap().clone(), record.additional.members().clone());
            prop_assert!(said.keys().all(|name| !all.contains_key(name)), "a word against ours: {said:?}");
            all.extend(said);
            prop_assert_eq!(written.as_object().unwrap(), &all, "what is ours, and what is theirs beside it");
            prop_assert_eq!(&serde_json::from_value::<Claims>(written).unwrap(), claims);
            prop_assert_eq!(record.route(), issued.route.as_ref().map(|route| route.id));
            prop_assert_eq!(claims.actor_proof.as_deref(), (issued.proof == Proof::Route).then_some("policy"));
            if let (Some(route), Some(parent)) = (&issued.route, issued.parent) {
                let ends = (world.issued[parent].record.identity(), record.identity());
                prop_assert_eq!((route.from, route.to), ends, "it leads from the presenter to the actor");
                prop_assert!(issued.asked.scopes.as_ref().is_some_and(|asked| asked.is_subset(&route.scopes)));
            }
            prop_assert_eq!(claims.cnf.as_ref().map(|cnf| &cnf.jkt), record.confirmation.as_ref());
            Ok(())
        })?;
    }
}

proptest! {
    /// Law 4, from the other side: a cut-off with a bound covers nothing that begins after it.
    #[test]
    fn law_4_a_new_beginning_is_never_dead_on_arrival(plan in plans(1..60)) {
        let mut world = World::new(&plan);
        for step in &plan.steps {
            let refused = world.apply(step);
            let begins = matches!(step, Step::Issue { .. });
            prop_assert!(!(begins && matches!(refused, Some(Refusal::Subject(_)))), "{:?}", refused);
        }
    }
}

#[test]
fn the_sequences_reach_deep_chains_and_every_kind_of_step() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut deepest, mut delegated, mut dead, mut narrowed) = (0, 0, 0, 0);
    let (mut inherited, mut routed) = ([0; 5], 0);
    let mut ways: BTreeMap<String, usize> = BTreeMap::new();
    let mut cut = HashSet::new();
    for _ in 0..200 {
        let plan = plans(40..60).new_tree(&mut runner).unwrap().current();
        let world = World::after(&plan);
        for (at, issued) in world.issued.iter().enumerate() {
            deepest = deepest.max(issued.record.delegation_depth());
            *ways.entry(format!("{} by {:?}", issued.record.grant_type, issued.proof)).or_default() += 1;
            delegated += usize::from(issued.parent.is_some());
            routed += usize::from(issued.route.is_some());
            let parent = issued.parent.map(|parent| &world.issued[parent].record);
            let restricted = parent.map(|held| {
                [
                    held.confirmation.is_some(),
                    held.audience.is_binding(),
                    held.may_act.is_some(),
                    held.task.allowed_tools.is_some(),
                    !held.additional.is_empty(),
                ]
            });
            for (count, there) in inherited.iter_mut().zip(restricted.into_iter().flatten()) {
                *count += usize::from(there);
            }
            dead += usize::from(dead_by_the_model(&world, at));
            narrowed +=
                usize::from(issued.parent.is_some_and(|parent| world.issued[parent].party == issued.party));
        }
        cut.extend(world.cut_offs.iter().map(|cut| std::mem::discriminant(&cut.key)));
    }
    assert!(
        deepest >= 3 && delegated > 200 && dead > 100 && narrowed > 20,
        "{deepest} {delegated} {dead} {narrowed}"
    );
    // Four grants, one of them by five proofs and by a route; a client may stand beside two of the others.
    assert!(ways.len() == 11 && ways.values().all(|count| *count > 20), "{ways:?}");
    assert!(inherited.iter().all(|count| *count > 50), "{inherited:?} children of restricted parents");
    assert!(routed > 50, "{routed} by a route");
    assert_eq!(cut.len(), 7, "kinds of keys that were cut off");
}
