//! Generators for property tests, and a little world to run sequences of operations in.
//!
//! A law is a statement about every [`World`] that some [`Step`]s lead to:
//!
//! ```
//! use proptest::prelude::*;
//! use zeroid_token_core::strategies::{World, plans};
//!
//! proptest! {
//!     fn a_child_never_outlives_its_parent(plan in plans(1..30)) {
//!         for (child, parent) in World::after(&plan).delegations() {
//!             prop_assert!(child.record.expires_at <= parent.record.expires_at);
//!         }
//!     }
//! }
//! a_child_never_outlives_its_parent();
//! ```

mod cast;
mod world;

use std::ops::Range;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use zeroid_identity_model::{PolicyId, Status};

use crate::additional::AdditionalClaims;
use crate::facts::Profile;
use crate::grant::GrantType;
use crate::policy::Policy;
use crate::scope::{Scope, ScopeSet};
use crate::task::TaskClaims;

pub use cast::Party;
pub use world::{Issued, World};

/// How many parties a world has.
pub const PARTIES: usize = 6;

/// A world's beginning and what happens in it.
#[derive(Clone, Debug)]
pub struct WorldPlan {
    /// What limits each party.
    pub limits: Vec<Limits>,
    /// How chains are told.
    pub profile: Profile,
    /// Which delegation routes there are.
    pub routes: Vec<RoutePlan>,
    /// What happens.
    pub steps: Vec<Step>,
}

/// A delegation route between two parties.
#[derive(Clone, Debug)]
pub struct RoutePlan {
    /// Who presents the subject token.
    pub from: usize,
    /// Who will present what is made of it.
    pub to: usize,
    /// Its scopes.
    pub scopes: ScopeSet,
    /// Its cap on lifetimes.
    pub max_ttl_seconds: u32,
}

/// What limits a party: its list, its policy, its key's list and policy.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The identity's list.
    pub allowed_scopes: Option<ScopeSet>,
    /// The identity's policy.
    pub policy: Policy,
    /// The key's list.
    pub key_scopes: Option<ScopeSet>,
    /// The key's own policy.
    pub key_policy: Option<Policy>,
    /// The client's list.
    pub client_scopes: Option<ScopeSet>,
    /// The client's own policy.
    pub client_policy: Option<Policy>,
    /// When its API key ends, in seconds from the world's beginning.
    pub key_ends_after: Option<u32>,
    /// Whether it has a registered key.
    pub has_registered_key: bool,
}

/// How an actor proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Its signed assertion.
    Assertion,
    /// A client bound to it.
    Client,
    /// Its API key.
    ApiKey,
    /// Its API key, in a request in which its client authenticates.
    KeyAndClient,
    /// Its signed assertion, in a request in which its client authenticates.
    AssertionAndClient,
    /// Not at all: a delegation route stands in. Nobody asks for a root by it.
    Route,
}

impl Proof {
    /// Whether the API key is used.
    pub fn uses_key(self) -> bool {
        matches!(self, Self::ApiKey | Self::KeyAndClient)
    }

    /// Whether the client authenticates.
    pub fn uses_client(self) -> bool {
        matches!(self, Self::Client | Self::KeyAndClient | Self::AssertionAndClient)
    }

    /// Whether it is a signed assertion.
    pub const fn is_assertion(self) -> bool {
        matches!(self, Self::Assertion | Self::AssertionAndClient)
    }

    /// The grant of a root that is asked for by it.
    pub const fn root_grant(self) -> GrantType {
        match self {
            Self::Assertion | Self::AssertionAndClient => GrantType::JwtBearer,
            Self::Client => GrantType::ClientCredentials,
            Self::ApiKey | Self::KeyAndClient => GrantType::ApiKey,
            Self::Route => GrantType::TokenExchange,
        }
    }
}

/// What is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The n-th credential, modulo how many there are.
    Credential(usize),
    /// What a party held so far.
    Identity(usize),
    /// What a party's API key minted so far.
    ApiKey(usize),
    /// What a party's client was issued so far.
    Client(usize),
    /// What the owner of all even or all odd parties answers for.
    Owner(usize),
    /// The whole tenant so far.
    Tenant,
    /// The signing key in use; another follows it.
    SigningKey,
}

/// What a request asks for, by small numbers.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Scopes.
    pub scopes: Option<ScopeSet>,
    /// Resources, as numbers.
    pub resources: Vec<u8>,
    /// A lifetime.
    pub ttl_seconds: Option<u32>,
    /// Parties that may act.
    pub may_act: Option<Vec<usize>>,
    /// The party whose key the request proves to hold.
    pub proven_key: Option<usize>,
    /// What it is for.
    pub task: TaskClaims,
    /// What else is to be told of it.
    pub additional: AdditionalClaims,
}

/// Claims of a caller's own, out of a handful, some of which are reserved; often none.
pub fn additional_claims() -> impl Strategy<Value = AdditionalClaims> {
    let names =
        prop_oneof![30 => select(vec!["a", "b", "c", "d"]), 1 => select(vec!["sub", "SCOPE", "labels"])];
    let values = select(vec![Value::from("x"), Value::from(7), Value::Null, Value::from(vec![true])]);
    let members = btree_map(names.prop_map(str::to_owned), values, 1..4)
        .prop_map(|members| AdditionalClaims::asked_for(members.into_iter().collect()).unwrap_or_default());
    prop_oneof![5 => Just(AdditionalClaims::default()), 1 => members]
}

/// What a credential is for; mostly nothing is said.
pub fn tasks() -> impl Strategy<Value = TaskClaims> {
    let text = || option::weighted(0.12, (0..2_u8).prop_map(|n| format!("n{n}")));
    let tools = option::weighted(0.15, vec((0..4_u8).prop_map(|n| format!("tool{n}")), 0..4));
    (text(), text(), text(), tools, text(), text()).prop_map(
        |(session_id, task_id, task_type, allowed_tools, workspace, environment)| TaskClaims {
            session_id,
            task_id,
            task_type,
            allowed_tools,
            workspace,
            environment,
        },
    )
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub enum Step {
    /// A party asks for a root credential.
    Issue {
        /// Who.
        party: usize,
        /// How it proves itself.
        proof: Proof,
        /// For what.
        wish: Wish,
    },
    /// A party exchanges a credential.
    Exchange {
        /// Which credential, modulo how many there are.
        subject: usize,
        /// Who acts.
        actor: usize,
        /// How it proves itself.
        proof: Proof,
        /// For what.
        wish: Wish,
        /// What is cut off between the reading of the facts and the storing of the outcome.
        meanwhile: Option<Cut>,
    },
    /// Somebody exchanges a credential and proves nothing: the one route that covers the request says who acts.
    Follow {
        /// Which credential, modulo how many there are.
        subject: usize,
        /// For what.
        wish: Wish,
        /// What is cut off between the reading of the facts and the storing of the outcome.
        meanwhile: Option<Cut>,
    },
    /// Something is cut off.
    Cut(Cut),
    /// A party's status changes, if its life cycle allows it.
    Become(usize, Status),
    /// The end of a party's authority is set so many seconds ahead, or taken away.
    Ends(usize, Option<u16>),
    /// Time passes, in seconds.
    Pass(u16),
}

/// A scope out of a handful, management scopes among them.
pub fn scopes() -> impl Strategy<Value = Scope> {
    select(vec!["a", "b", "c", "d", "e", Scope::NHI_MANAGE, Scope::CREDENTIALS_MANAGE])
        .prop_filter_map("a scope", |text| text.parse().ok())
}

/// A set of up to seven scopes out of a handful; often most of them, so that something is left after narrowing.
pub fn scope_sets() -> impl Strategy<Value = ScopeSet> {
    prop_oneof![1 => vec(scopes(), 0..4), 4 => vec(scopes(), 5..12)]
        .prop_filter_map("a set", |scopes| ScopeSet::of(scopes).ok())
}

/// A policy that permits most of what the laws are about.
pub fn policies() -> impl Strategy<Value = Policy> {
    let grants = btree_set(select(vec![GrantType::ApiKey, GrantType::TokenExchange]), 1..3);
    let grants = prop_oneof![
        9 => Just(GrantType::ALL.iter().copied().collect()),
        1 => grants
    ];
    let lists =
        (option::weighted(0.3, scope_sets()), scope_sets(), option::weighted(0.08, vec(0..PARTIES, 3..6)));
    let labels = btree_set(select(vec!["team", "tier", "no such label"]).prop_map(str::to_owned), 0..4);
    (lists, 30..7200_u32, 0..40_u8, (grants, labels), any::<[u8; 16]>()).prop_map(
        |(
            (allowed_scopes, delegable_scopes, may_act),
            max_ttl_seconds,
            depth,
            (allowed_grant_types, token_labels),
            id,
        )| {
            Policy {
                allowed_scopes,
                delegable_scopes,
                max_ttl_seconds,
                max_delegation_depth: depth.min(16),
                allowed_grant_types,
                token_labels,
                may_act: may_act.map(|named| named.into_iter().filter_map(cast::uri).collect()),
                ..Policy::tenant_default(PolicyId::from_bytes(id))
            }
        },
    )
}

/// What limits a party.
pub fn limits() -> impl Strategy<Value = Limits> {
    let list = |weight| option::weighted(weight, scope_sets());
    let lists = (list(0.3), list(0.2), list(0.2));
    let own_policies = (option::weighted(0.2, policies()), option::weighted(0.2, policies()));
    let ends = option::weighted(0.1, 30..3000_u32);
    (lists, policies(), own_policies, ends, any::<bool>()).prop_map(
        |(lists, policy, (key_policy, client_policy), key_ends_after, has_registered_key)| Limits {
            allowed_scopes: lists.0,
            policy,
            key_scopes: lists.1,
            key_policy,
            client_scopes: lists.2,
            client_policy,
            key_ends_after,
            has_registered_key,
        },
    )
}

/// What a request asks for.
pub fn wishes() -> impl Strategy<Value = Wish> {
    (
        option::weighted(0.9, scope_sets()),
        prop_oneof![7 => Just(Vec::new()), 1 => vec(0..3_u8, 1..3)],
        option::weighted(0.1, 1..4000_u32),
        option::weighted(0.08, vec(0..PARTIES, 3..6)),
        option::weighted(0.15, 0..PARTIES),
        prop_oneof![3 => Just(TaskClaims::default()), 1 => tasks()],
        additional_claims(),
    )
        .prop_map(|(scopes, resources, ttl_seconds, may_act, proven_key, task, additional)| Wish {
            scopes,
            resources,
            ttl_seconds,
            may_act,
            proven_key,
            task,
            additional,
        })
}

/// A delegation route, often of most scopes; rarely of a lifetime that decides.
pub fn routes() -> impl Strategy<Value = RoutePlan> {
    let ends = (0..PARTIES, 0..PARTIES).prop_filter("it leads somewhere", |(from, to)| from != to);
    let ttl = prop_oneof![3 => Just(300), 1 => 20..300_u32];
    (ends, vec(scopes(), 3..16), ttl).prop_filter_map("a route", |((from, to), scopes, max_ttl_seconds)| {
        Some(RoutePlan { from, to, scopes: ScopeSet::of(scopes).ok()?, max_ttl_seconds })
    })
}

/// Something to cut off.
pub fn cuts() -> impl Strategy<Value = Cut> {
    prop_oneof![
        12 => any::<usize>().prop_map(Cut::Credential),
        1 => (0..PARTIES).prop_map(Cut::Identity),
        1 => (0..PARTIES).prop_map(Cut::ApiKey),
        1 => (0..PARTIES).prop_map(Cut::Client),
        1 => (0..2_usize).prop_map(Cut::Owner),
        1 => Just(Cut::Tenant),
        1 => Just(Cut::SigningKey),
    ]
}

/// One thing that happens; mostly exchanges.
pub fn steps() -> impl Strategy<Value = Step> {
    let proof = || {
        select(vec![
            Proof::Assertion,
            Proof::ApiKey,
            Proof::Client,
            Proof::KeyAndClient,
            Proof::AssertionAndClient,
        ])
    };
    let exchange = (any::<usize>(), 0..PARTIES, proof(), wishes(), option::weighted(0.08, cuts()));
    let statuses = prop_oneof![5 => Just(Status::Active), 1 => select(Status::ALL)];
    let few = vec(scopes(), 0..4).prop_filter_map("a set", |scopes| ScopeSet::of(scopes).ok());
    let follow = (any::<usize>(), wishes(), few, option::weighted(0.08, cuts()));
    prop_oneof![
        9 => follow.prop_map(|(subject, wish, scopes, meanwhile)| {
            // One that asks for little is covered more often.
            Step::Follow { subject, wish: Wish { scopes: Some(scopes), ..wish }, meanwhile }
        }),
        4 => (0..PARTIES, proof(), wishes()).prop_map(|(party, proof, wish)| Step::Issue { party, proof, wish }),
        24 => exchange.prop_map(|(subject, actor, proof, wish, meanwhile)| {
            Step::Exchange { subject, actor, proof, wish, meanwhile }
        }),
        1 => cuts().prop_map(Step::Cut),
        2 => (0..PARTIES, statuses).prop_map(|(party, status)| Step::Become(party, status)),
        1 => (0..PARTIES, option::weighted(0.6, 0..400_u16)).prop_map(|(party, after)| Step::Ends(party, after)),
        // 300 is what a delegated credential lives, so that the very moment of its end is met.
        1 => prop_oneof![3 => 0..90_u16, 1 => Just(300)].prop_map(Step::Pass),
    ]
}

/// A whole world: its parties and this many steps.
pub fn plans(count: Range<usize>) -> impl Strategy<Value = WorldPlan> {
    let profile = select(vec![Profile::Zeroid, Profile::Rfc8693]);
    (vec(limits(), PARTIES), profile, vec(routes(), 0..18), vec(steps(), count))
        .prop_map(|(limits, profile, routes, steps)| WorldPlan { limits, profile, routes, steps })
}
