//! The one decision behind every grant.

use std::sync::Arc;

use zeroid_identity_model::{SpiffeId, Timestamp};

use crate::additional::AdditionalClaims;
use crate::audience::Audience;
use crate::ceiling::Side;
use crate::claims::Claims;
use crate::delegation_route::MAX_ROUTE_TTL_SECONDS;
use crate::facts::{ActorProof, Facts, Route};
use crate::grant::GrantType;
use crate::key_id::Thumbprint;
use crate::lineage::{Lineage, Link, MAX_DEPTH, Source};
use crate::live::Live;
use crate::policy::Policy;
use crate::record::{CredentialRecord, DecidedBy};
use crate::refusal::{Refusal, ScopeRefused};
use crate::scope::{Scope, ScopeSet};
use crate::task::TaskClaims;

/// What will be stored and signed.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The record to store.
    pub record: Arc<CredentialRecord>,
    /// The claims to sign.
    pub claims: Box<Claims>,
}

/// Decide one issuance: at a root, by delegation, or by narrowing one's own token.
///
/// Authority never grows, lifetimes and depth are capped, restrictions are inherited and the principal never
/// changes, by any route. The order of checks is part of the contract: who, how deep, which policy, which
/// scopes, for whom, how long.
///
/// # Errors
/// [`Refusal`] with the first rule that was broken.
pub fn decide(facts: &Facts<'_>, now: Timestamp) -> Result<Plan, Refusal> {
    facts.presenter.identity.may_act(now)?;
    let parent = Parent::of(facts);
    if let Some(parent) = &parent {
        parent.check_actor(facts)?;
    }
    let lineage = lineage(facts, parent.as_ref(), now)?;
    let depth_cap = depth_cap(facts, parent.as_ref(), &lineage)?;
    let grant_type = parent.as_ref().map_or_else(|| root_grant(facts), |_| GrantType::TokenExchange);
    facts.presenter.policies().try_for_each(|policy| check_policy(policy, grant_type, facts, now))?;
    let usable = usable(facts, parent.as_ref())?;
    let delegable = delegable(facts, parent.as_ref(), &usable);
    let audience = audience(facts, parent.as_ref())?;
    let confirmation = confirmation(facts, parent.as_ref())?;
    let may_act = may_act(facts, parent.as_ref());
    let task = task(facts, parent.as_ref())?;
    let additional = additional(facts, parent.as_ref())?;
    let expires_at = expiry(facts, parent.as_ref(), now)?;
    let decided_by =
        facts.presenter.policies().map(|policy| DecidedBy { policy: policy.id, version: policy.version });
    let record = CredentialRecord {
        lineage,
        grant_type,
        client_id: facts.presenter.client.as_ref().map(|client| client.name.to_owned()),
        expires_at,
        usable,
        delegable,
        requested: facts.asked.scopes.clone(),
        max_delegation_depth: depth_cap,
        audience,
        confirmation,
        may_act,
        task,
        additional,
        decided_by: decided_by.collect(),
    };
    let (presenter, labels) = (&facts.presenter, facts.presenter.token_labels());
    let claims = Claims::of(&record, presenter.identity, facts.principal, labels, facts.rules);
    Ok(Plan { record: Arc::new(record), claims: Box::new(claims) })
}

/// The subject token of an exchange, and whether its own presenter is narrowing it.
struct Parent<'a> {
    record: &'a CredentialRecord,
    proof: ActorProof<'a>,
    narrowing: bool,
}

impl<'a> Parent<'a> {
    fn of(facts: &Facts<'a>) -> Option<Self> {
        let Route::Exchange { parent, proof } = facts.route else { return None };
        let record = Live::record(parent);
        Some(Self { record, proof, narrowing: record.identity() == facts.presenter.identity.id })
    }

    fn check_actor(&self, facts: &Facts<'_>) -> Result<(), Refusal> {
        let actor = facts.presenter.identity;
        if actor.tenant != *self.record.tenant() {
            return Err(Refusal::ForeignActor);
        }
        if self.proof.route().is_some_and(|route| !route.leads(self.record, actor.id)) {
            return Err(Refusal::OffRoute);
        }
        let named = self.record.may_act.as_ref().is_none_or(|named| named.contains(&actor.spiffe_id));
        if self.narrowing || named { Ok(()) } else { Err(Refusal::NotNamedByMayAct) }
    }
}

fn root_grant(facts: &Facts<'_>) -> GrantType {
    match facts.route {
        Route::Root { grant, .. } => grant,
        Route::Exchange { .. } => GrantType::TokenExchange,
    }
}

fn lineage(facts: &Facts<'_>, parent: Option<&Parent<'_>>, now: Timestamp) -> Result<Lineage, Refusal> {
    let identity = facts.presenter.identity;
    let source = match (&facts.route, parent) {
        (_, Some(parent)) if parent.narrowing && parent.proof == ActorProof::Assertion => Source::Presented,
        (Route::Exchange { proof, .. }, _) => proof.source(),
        (Route::Root { source, .. }, _) => *source,
    };
    let link = Link {
        jti: facts.new.jti,
        tenant: identity.tenant.clone(),
        identity: identity.id,
        subject: identity.spiffe_id.clone(),
        owner: identity.owner.clone(),
        source,
        beside: facts.presenter.used().filter(|used| *used != source).collect(),
        family: None,
        kid: facts.new.kid.clone(),
        issued_at: now,
        order: facts.new.order,
    };
    match parent {
        None => Ok(Lineage::root_of(link)),
        Some(parent) => Ok(parent.record.lineage.extended(link)?),
    }
}

/// The cap is the minimum over the policies of every identity on the chain (house rule X4).
fn depth_cap(facts: &Facts<'_>, parent: Option<&Parent<'_>>, lineage: &Lineage) -> Result<u8, Refusal> {
    let own = facts.presenter.policies().map(|policy| policy.max_delegation_depth).min().unwrap_or(0);
    let cap = own.min(MAX_DEPTH).min(parent.map_or(MAX_DEPTH, |parent| parent.record.max_delegation_depth));
    let depth = lineage.depth();
    if depth > cap { Err(Refusal::ChainTooDeep { depth, cap }) } else { Ok(cap) }
}

fn check_policy(policy: &Policy, grant: GrantType, facts: &Facts<'_>, now: Timestamp) -> Result<(), Refusal> {
    if !policy.is_active {
        return Err(Refusal::PolicyInactive);
    }
    if policy.expires_at.is_some_and(|end| now >= end) {
        return Err(Refusal::PolicyExpired);
    }
    if !policy.allowed_grant_types.contains(&grant) {
        return Err(Refusal::GrantNotAllowed(grant));
    }
    if let Some(required) =
        policy.required_trust_level.filter(|level| facts.presenter.identity.trust_level < *level)
    {
        return Err(Refusal::TrustTooLow { required });
    }
    match policy.required_attestation {
        Some(required) if facts.presenter.attestation < Some(required) => {
            Err(Refusal::NotAttested { required })
        }
        _ => Ok(()),
    }
}

/// Requested ∩ held ∩ ceiling (house rules X3, X13).
fn usable(facts: &Facts<'_>, parent: Option<&Parent<'_>>) -> Result<ScopeSet, Refusal> {
    let ceiling = facts.presenter.ceiling();
    let asked = facts.asked.scopes.as_ref().filter(|scopes| !scopes.is_empty());
    let Some(asked) = asked else {
        return if parent.is_some() { Err(Refusal::ScopeMissing) } else { Ok(ceiling.listed()) };
    };
    let held = parent.map(|parent| parent.record.held());
    let route = parent.and_then(|parent| parent.proof.route());
    let judge = |scope: &Scope| -> Result<(), Side> {
        if held.as_ref().is_some_and(|held| !held.contains(scope)) {
            return Err(Side::Parent);
        }
        // No list of the ceiling: that a route names a management scope grants none (house rule P3).
        if route.is_some_and(|route| !route.scopes.contains(scope)) {
            return Err(Side::Route);
        }
        ceiling.admits(scope)
    };
    let granted = asked.filtered(|scope| judge(scope).is_ok());
    if !granted.is_empty() {
        return Ok(granted);
    }
    let refused = asked
        .iter()
        .filter_map(|scope| judge(scope).err().map(|side| ScopeRefused { scope: scope.clone(), side }));
    Err(Refusal::NothingLeft(refused.collect()))
}

/// What may be passed on without being used: the policy's list, within what the parent holds (house rule X5).
fn delegable(facts: &Facts<'_>, parent: Option<&Parent<'_>>, usable: &ScopeSet) -> ScopeSet {
    let own = facts.presenter.delegable();
    let within = parent.map(|parent| parent.record.held());
    own.filtered(|scope| !usable.contains(scope) && within.as_ref().is_none_or(|held| held.contains(scope)))
}

/// What was asked for, within what the parent is bound to (RFC 8707 §2); a bound parent's own otherwise.
fn audience(facts: &Facts<'_>, parent: Option<&Parent<'_>>) -> Result<Audience, Refusal> {
    match (&facts.asked.audience, parent.map(|parent| &parent.record.audience)) {
        (Some(asked), Some(held)) => match held.first_outside(asked) {
            Some(outside) => Err(Refusal::Target(outside.to_owned())),
            None => Ok(asked.clone()),
        },
        (Some(asked), None) => Ok(asked.clone()),
        (None, Some(held)) => Ok(held.clone()),
        (None, None) => Ok(Audience::of_issuer(&facts.rules.issuer)),
    }
}

/// Sender binding is tightened or kept, never lost (house rules X7, X12).
fn confirmation(facts: &Facts<'_>, parent: Option<&Parent<'_>>) -> Result<Option<Thumbprint>, Refusal> {
    let proven = facts.asked.proven_key.as_ref().map(|proven| &proven.thumbprint);
    let bound = parent.and_then(|parent| Some((parent.record.confirmation.as_ref()?, parent.proof)));
    let Some((key, proof)) = bound else { return Ok(proven.cloned()) };
    if proven == Some(key) {
        return Ok(proven.cloned());
    }
    // Without a proof by the bound key, the actor must have proven itself by a key of its own, and the child
    // is bound to that.
    match proof {
        ActorProof::Assertion | ActorProof::Client(_) => {
            let own = proven.or(facts.presenter.registered_key.as_ref());
            own.cloned().map(Some).ok_or(Refusal::SenderProofMissing)
        }
        ActorProof::ApiKey(_) | ActorProof::Route(_) => Err(Refusal::SenderProofMissing),
    }
}

/// Everyone who limits it must agree (house rule X14).
fn may_act(facts: &Facts<'_>, parent: Option<&Parent<'_>>) -> Option<Vec<SpiffeId>> {
    let inherited = parent.and_then(|parent| parent.record.may_act.as_ref());
    let policies = facts.presenter.policies().filter_map(|policy| policy.may_act.as_ref());
    let mut lists = inherited.into_iter().chain(policies).chain(facts.asked.may_act.as_ref());
    let first = lists.next()?.clone();
    Some(lists.fold(first, |kept, list| kept.into_iter().filter(|id| list.contains(id)).collect()))
}

/// What is said of the task is inherited; tools can only be left out (house rule C11).
fn task(facts: &Facts<'_>, parent: Option<&Parent<'_>>) -> Result<TaskClaims, Refusal> {
    let asked = &facts.asked.task;
    match parent {
        None => Ok(asked.clone()),
        Some(parent) if parent.proof.route().is_some() => parent.record.task.inherited_by(&asked.unproven()),
        Some(parent) => parent.record.task.inherited_by(asked),
    }
}

/// Whatever else is said is inherited as it is. Who proved nothing adds nothing (house rule C8).
fn additional(facts: &Facts<'_>, parent: Option<&Parent<'_>>) -> Result<AdditionalClaims, Refusal> {
    let asked = &facts.asked.additional;
    let proven = parent.is_none_or(|parent| parent.proof.route().is_none());
    let none = AdditionalClaims::default();
    let held = parent.map_or(&none, |parent| &parent.record.additional);
    if held.is_empty() && asked.is_empty() {
        return Ok(none);
    }
    Ok(held.inherited_by(if proven { asked } else { &none })?)
}

/// The smallest of every bound (house rule P1), in whole seconds.
fn expiry(facts: &Facts<'_>, parent: Option<&Parent<'_>>, now: Timestamp) -> Result<Timestamp, Refusal> {
    let rules = facts.rules;
    let max =
        facts.presenter.policies().map(|policy| policy.max_ttl_seconds).fold(rules.max_ttl_seconds, u32::min);
    let route = parent.and_then(|parent| parent.proof.route());
    let max = route.map_or(max, |route| max.min(route.max_ttl_seconds).min(MAX_ROUTE_TTL_SECONDS));
    let default = if parent.is_some() { rules.delegated_ttl_seconds } else { rules.default_ttl_seconds };
    let client = facts.presenter.client.as_ref();
    let default = match client.and_then(|client| client.ttl_seconds) {
        // A client's own lifetime is meant for its roots; what is delegated lives no longer for it.
        Some(own) if parent.is_some() => own.min(default),
        Some(own) => own,
        None => default,
    };
    let ttl = match facts.asked.ttl_seconds {
        Some(asked) if asked > max => return Err(Refusal::TtlAboveMaximum { asked, max }),
        Some(asked) => asked,
        None => default.min(max),
    };
    let key = facts.presenter.key.as_ref();
    let bounds = [
        parent.map(|parent| parent.record.expires_at),
        facts.presenter.identity.expires_at,
        key.and_then(|key| key.expires_at),
    ];
    let wanted = now.floor_to_second().plus_seconds(i64::from(ttl));
    let end = bounds.into_iter().flatten().fold(wanted, Timestamp::min).floor_to_second();
    if end <= now { Err(Refusal::CredentialExpired) } else { Ok(end) }
}
