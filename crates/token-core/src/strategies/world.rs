//! A little world: parties, credentials and cut-offs, with the store's part played in plain memory.

use std::sync::Arc;

use zeroid_identity_model::{CredentialId, Status, Timestamp};

use super::cast::{Party, beginning, key_end, kid, party, route, unreachable_kid};
use super::{Cut, Proof, Step, Wish, WorldPlan};
use crate::audience::Audience;
use crate::claims::Claims;
use crate::cut_off::{CutOff, CutOffKey, Reason};
use crate::decide::{Plan, decide};
use crate::delegation_route::{DelegationRoute, NoRoute};
use crate::facts::{
    ActorProof, Asked, ClientCaps, Facts, IssuerRules, KeyCaps, NewCredential, Presenter, Route,
};
use crate::lineage::Order;
use crate::live::{LiveFacts, Standing, live};
use crate::proven_key::ProvenKey;
use crate::record::CredentialRecord;
use crate::refusal::Refusal;

/// A credential, with what only the world knows of it.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The record.
    pub record: CredentialRecord,
    /// The claims.
    pub claims: Claims,
    /// The credential it was exchanged from.
    pub parent: Option<usize>,
    /// The party that presents it.
    pub party: usize,
    /// How the party proved itself.
    pub proof: Proof,
    /// The route that stood in for a proof.
    pub route: Option<DelegationRoute>,
    /// What was asked for.
    pub asked: Asked,
    /// When the party, or the key it proved itself by, was to end.
    pub ends: Option<Timestamp>,
    /// How many cut-offs there were when it was stored.
    pub cuts_before: usize,
}

/// Everything that exists after some steps.
#[derive(Clone, Debug)]
pub struct World {
    /// The parties.
    pub parties: Vec<Party>,
    /// The credentials, in the order they were stored.
    pub issued: Vec<Issued>,
    /// The cut-offs, in the order they were made.
    pub cut_offs: Vec<CutOff>,
    /// The same cut-offs as they were asked for.
    pub cuts: Vec<Cut>,
    /// The delegation routes.
    pub routes: Vec<DelegationRoute>,
    /// What the deployment rules.
    pub rules: IssuerRules,
    /// The moment.
    pub now: Timestamp,
    order: u64,
    names: u64,
    signing_key: u64,
}

impl World {
    /// The world a plan leads to.
    pub fn after(plan: &WorldPlan) -> Self {
        let mut world = Self::new(plan);
        for step in &plan.steps {
            world.apply(step);
        }
        world
    }

    /// The world a plan begins with.
    pub fn new(plan: &WorldPlan) -> Self {
        let rules = IssuerRules {
            issuer: "https://id.example".to_owned(),
            profile: plan.profile,
            default_ttl_seconds: 3600,
            delegated_ttl_seconds: 300,
            max_ttl_seconds: 7_776_000,
        };
        let parties: Vec<Party> =
            plan.limits.iter().enumerate().filter_map(|(n, limits)| party(n, limits.clone())).collect();
        let routes = plan.routes.iter().enumerate().filter_map(|(n, plan)| route(n, plan, &parties));
        Self {
            routes: routes.collect(),
            parties,
            issued: Vec::new(),
            cut_offs: Vec::new(),
            cuts: Vec::new(),
            rules,
            now: beginning(),
            order: 0,
            names: 0,
            signing_key: 0,
        }
    }

    /// Every delegated credential with the one it was exchanged from.
    pub fn delegations(&self) -> impl Iterator<Item = (&Issued, &Issued)> {
        self.issued.iter().filter_map(|child| Some((child, self.issued.get(child.parent?)?)))
    }

    /// Whether a credential is alive now, judged as the store and the engine judge it.
    pub fn is_live(&self, issued: &Issued) -> bool {
        live(&issued.record, &self.live_facts(), self.now).is_ok()
    }

    /// Let one thing happen; gives why it was refused, if it was an issuance that was.
    pub fn apply(&mut self, step: &Step) -> Option<Refusal> {
        match step {
            Step::Issue { party, proof, wish } => self.issue(*party, *proof, wish).err(),
            Step::Exchange { subject, actor, proof, wish, meanwhile } => {
                if self.issued.is_empty() {
                    return None;
                }
                let subject = subject % self.issued.len();
                self.exchange(subject, *actor, *proof, wish, *meanwhile).err()
            }
            Step::Follow { subject, wish, meanwhile } => {
                if self.issued.is_empty() {
                    return None;
                }
                self.follow(subject % self.issued.len(), wish, *meanwhile).err()
            }
            Step::Cut(cut) => {
                self.cut(*cut);
                None
            }
            Step::Become(party, to) => {
                let identity = &mut self.parties.get_mut(*party)?.identity;
                if let Ok(status) = identity.status.change_to(*to) {
                    let stopped = status == Status::Deactivated && identity.status != status;
                    identity.status = status;
                    if stopped {
                        self.cut(Cut::Identity(*party));
                    }
                }
                None
            }
            Step::Ends(party, after) => {
                let end = after.map(|after| self.now.plus_seconds(i64::from(after)));
                self.parties.get_mut(*party)?.identity.expires_at = end;
                None
            }
            Step::Pass(seconds) => {
                self.now = self.now.plus_seconds(i64::from(*seconds));
                None
            }
        }
    }

    fn issue(&mut self, party: usize, proof: Proof, wish: &Wish) -> Result<(), Refusal> {
        let Some(proven) = self.parties.get(party).and_then(|party| party.proven_by(proof)) else {
            return Ok(());
        };
        let route = Route::Root { grant: proof.root_grant(), source: proven.source() };
        let (order, asked) = (self.draw(), self.asked(wish));
        let new = self.name(order);
        let plan = self.decide(party, proof, None, route, &asked, new)?;
        self.store(plan, None, (party, proof, None), asked)
    }

    fn exchange(
        &mut self,
        subject: usize,
        actor: usize,
        proof: Proof,
        wish: &Wish,
        meanwhile: Option<Cut>,
    ) -> Result<(), Refusal> {
        let Some(proven) = self.parties.get(actor).and_then(|party| party.proven_by(proof)) else {
            return Ok(());
        };
        self.exchange_by(subject, (actor, proof, proven), wish, meanwhile)
    }

    /// As the engine does: whoever proves nothing is whom the one covering route leads to.
    fn follow(&mut self, subject: usize, wish: &Wish, meanwhile: Option<Cut>) -> Result<(), Refusal> {
        let Some(parent) = self.issued.get(subject) else { return Ok(()) };
        let route = match DelegationRoute::covering(&self.routes, &parent.record, wish.scopes.as_ref()) {
            Ok(route) => route.clone(),
            Err(NoRoute::Refused(refusal)) => return Err(refusal),
            Err(NoRoute::Uncovered | NoRoute::Ambiguous(_)) => return Ok(()),
        };
        let actor = self.parties.iter().position(|party| party.identity.id == route.to);
        let Some(actor) = actor else { return Ok(()) };
        self.exchange_by(subject, (actor, Proof::Route, ActorProof::Route(&route)), wish, meanwhile)
    }

    fn exchange_by(
        &mut self,
        subject: usize,
        (actor, proof, proven): (usize, Proof, ActorProof<'_>),
        wish: &Wish,
        meanwhile: Option<Cut>,
    ) -> Result<(), Refusal> {
        let Some(parent) = self.issued.get(subject) else { return Ok(()) };
        let parent = parent.record.clone();
        let (order, asked) = (self.draw(), self.asked(wish));
        let new = self.name(order);
        let alive = live(&parent, &self.live_facts(), self.now).map_err(Refusal::Subject)?;
        let route = Route::Exchange { parent: alive, proof: proven };
        let plan = self.decide(actor, proof, Some(subject), route, &asked, new)?;
        if let Some(cut) = meanwhile {
            self.cut(cut);
        }
        self.store(plan, Some(subject), (actor, proof, proven.route().cloned()), asked)
    }

    fn decide(
        &self,
        party: usize,
        proof: Proof,
        parent: Option<usize>,
        route: Route<'_>,
        asked: &Asked,
        new: NewCredential,
    ) -> Result<Plan, Refusal> {
        let Some(party) = self.parties.get(party) else { return Err(Refusal::ForeignActor) };
        let root = parent.and_then(|parent| self.issued.get(self.root_of(parent)));
        let principal = root.and_then(|root| self.parties.get(root.party)).unwrap_or(party);
        let limits = &party.limits;
        let client = proof.uses_client().then_some(ClientCaps {
            id: party.client,
            name: party.identity.name.as_str(),
            scopes: limits.client_scopes.as_ref(),
            policy: limits.client_policy.as_ref(),
            ttl_seconds: None,
        });
        let key = proof.uses_key().then_some(KeyCaps {
            id: party.api_key,
            scopes: limits.key_scopes.as_ref(),
            policy: limits.key_policy.as_ref(),
            expires_at: key_end(limits),
        });
        let presenter = Presenter {
            identity: &party.identity,
            allowed_scopes: limits.allowed_scopes.as_ref(),
            policy: &limits.policy,
            key,
            client,
            attestation: None,
            registered_key: limits.has_registered_key.then(|| party.thumbprint.clone()),
        };
        let facts =
            Facts { rules: &self.rules, presenter, principal: &principal.identity, route, asked, new };
        decide(&facts, self.now)
    }

    /// As a store does: only if the whole chain is alive with its own link included.
    fn store(
        &mut self,
        plan: Plan,
        parent: Option<usize>,
        (party, proof, route): (usize, Proof, Option<DelegationRoute>),
        asked: Asked,
    ) -> Result<(), Refusal> {
        live(&plan.record, &self.live_facts(), self.now).map_err(Refusal::Subject)?;
        let cuts_before = self.cuts.len();
        let ends = self.parties.get(party).and_then(|party| {
            let key = key_end(&party.limits).filter(|_| proof.uses_key());
            [party.identity.expires_at, key].into_iter().flatten().min()
        });
        let (record, claims) = (Arc::unwrap_or_clone(plan.record), *plan.claims);
        self.issued.push(Issued { record, claims, parent, party, proof, route, asked, ends, cuts_before });
        Ok(())
    }

    /// The index of the root above a credential, found by walking up.
    pub fn root_of(&self, mut at: usize) -> usize {
        while let Some(parent) = self.issued.get(at).and_then(|issued| issued.parent) {
            at = parent;
        }
        at
    }

    fn cut(&mut self, cut: Cut) {
        let count = self.issued.len();
        let party = |n: usize| self.parties.get(n);
        let key = match cut {
            Cut::Credential(_) if count == 0 => None,
            Cut::Credential(n) => {
                self.issued.get(n % count).map(|issued| CutOffKey::Credential(issued.record.jti()))
            }
            Cut::Identity(n) => party(n).map(|party| CutOffKey::Identity(party.identity.id)),
            Cut::ApiKey(n) => party(n).map(|party| CutOffKey::ApiKey(party.api_key)),
            Cut::Client(n) => party(n).map(|party| CutOffKey::Client(party.client)),
            Cut::Owner(n) => party(n).and_then(|party| party.identity.owner.clone()).map(CutOffKey::Owner),
            Cut::Tenant => Some(CutOffKey::Tenant),
            Cut::SigningKey => kid(self.signing_key).map(CutOffKey::SigningKey),
        };
        let Some(key) = key else { return };
        let order = self.draw();
        if cut == Cut::SigningKey {
            self.signing_key += 1;
        }
        let tenant = self.parties.first().map(|party| party.identity.tenant.clone());
        let up_to = (!key.is_for_ever()).then_some(order);
        let tenant = tenant.filter(|_| !matches!(key, CutOffKey::SigningKey(_)));
        self.cut_offs.push(CutOff { tenant, key, up_to, at: self.now, reason: Reason::new("cut") });
        self.cuts.push(match cut {
            Cut::Credential(n) => Cut::Credential(n % count.max(1)),
            other => other,
        });
    }

    /// What life is judged by now.
    pub fn live_facts(&self) -> LiveFacts {
        let standings = self.parties.iter().map(|party| Standing {
            identity: party.identity.id,
            status: party.identity.status,
            expires_at: party.identity.expires_at,
        });
        LiveFacts { standings: standings.collect(), cut_offs: self.cut_offs.clone() }
    }

    const fn draw(&mut self) -> Order {
        self.order += 1;
        Order(self.order)
    }

    fn name(&mut self, order: Order) -> NewCredential {
        self.names += 1;
        let jti = CredentialId::from_bytes(u128::from(self.names).to_be_bytes());
        NewCredential { jti, kid: kid(self.signing_key).unwrap_or_else(unreachable_kid), order }
    }

    fn asked(&self, wish: &Wish) -> Asked {
        let resources: Vec<String> =
            wish.resources.iter().map(|n| format!("https://r{n}.example/")).collect();
        let named = wish.may_act.as_ref().map(|named| {
            named
                .iter()
                .filter_map(|n| self.parties.get(*n))
                .map(|party| party.identity.spiffe_id.clone())
                .collect()
        });
        let proven = wish.proven_key.and_then(|n| self.parties.get(n)).map(|party| ProvenKey {
            thumbprint: party.thumbprint.clone(),
            jti: format!("proof-{}", self.names),
            iat: beginning().unix_seconds(),
        });
        Asked {
            scopes: wish.scopes.clone(),
            audience: Audience::asked_for(resources).ok(),
            ttl_seconds: wish.ttl_seconds,
            may_act: named,
            proven_key: proven,
            task: wish.task.clone(),
            additional: wish.additional.clone(),
        }
    }
}
