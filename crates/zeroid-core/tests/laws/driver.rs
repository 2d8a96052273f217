//! The steps of the laws, as requests to an engine.

use std::sync::Arc;

use zeroid_core::{
    ApiKeyGrant, ClientCredentialsGrant, ClientProof, ExchangeGrant, IdentityPatch, Introspection, Issued,
    JwtBearerGrant, NewDelegationRoute, TokenError,
};
use zeroid_identity_model::{SpiffeId, Timestamp};
use zeroid_jose::Secret;
use zeroid_storage::{CredentialFilter, Page, Store};
use zeroid_token_core::strategies::{Cut, Proof, Step, Wish, WorldPlan};
use zeroid_token_core::{
    Asked, Audience, CredentialRecord, CutOffKey, DelegationRoute, ProvenKey, Reason, ScopeSet, Thumbprint,
};

use crate::parties::Party;
use crate::support::{World, assertion};

/// A credential that was issued, with what limited it then.
pub(crate) struct Held {
    pub(crate) issued: Issued,
    pub(crate) parent: Option<usize>,
    pub(crate) party: usize,
    pub(crate) proof: Proof,
    pub(crate) asked: Asked,
    /// Every list of scopes that counts.
    pub(crate) lists: Vec<ScopeSet>,
    /// Every list of what may be passed on.
    pub(crate) delegable: Vec<ScopeSet>,
    /// The shortest of the longest lifetimes, in seconds.
    pub(crate) longest: i64,
    /// The smallest cap on depth.
    pub(crate) deepest: u8,
    /// When its party, or the key it used, was to end.
    pub(crate) ends: Option<Timestamp>,
    /// Whether its party proved itself by a key of its own.
    pub(crate) by_own_key: bool,
    /// Whether something covers it itself.
    pub(crate) cut: bool,
}

/// An engine, the parties of a plan, and what was issued.
pub(crate) struct Driver {
    world: World,
    store: Arc<dyn Store>,
    parties: Vec<Party>,
    pub(crate) uris: Vec<SpiffeId>,
    pub(crate) thumbprints: Vec<Thumbprint>,
    pub(crate) held: Vec<Held>,
    routes: Vec<DelegationRoute>,
    proofs: u64,
}

impl Driver {
    pub(crate) async fn new(store: Arc<dyn Store>, plan: &WorldPlan) -> Self {
        let world = World::on(Arc::clone(&store), |settings| settings.rules.profile = plan.profile).await;
        let mut driver = Self {
            world,
            store,
            parties: vec![],
            uris: vec![],
            thumbprints: vec![],
            held: vec![],
            routes: vec![],
            proofs: 0,
        };
        for (number, limits) in plan.limits.iter().enumerate() {
            let party = Party::register(&driver.world, number, limits.clone()).await;
            driver.uris.push(party.uri.clone());
            driver.thumbprints.push(party.key.public().thumbprint());
            driver.parties.push(party);
        }
        for route in &plan.routes {
            let new = NewDelegationRoute {
                from: driver.parties[route.from].id,
                to: driver.parties[route.to].id,
                scopes: route.scopes.clone(),
                max_ttl_seconds: Some(route.max_ttl_seconds),
                description: String::new(),
                created_by: String::new(),
            };
            let made = driver.world.engine.create_delegation_route(&driver.world.tenant, new).await.unwrap();
            driver.routes.push(made.route);
        }
        driver
    }

    /// Let one thing happen. What is refused is refused; what is issued is remembered.
    pub(crate) async fn apply(&mut self, step: &Step) {
        match step {
            Step::Issue { party, proof, wish } => {
                let asked = self.asked(wish);
                let issued = self.root(*party, *proof, asked.clone()).await;
                self.remember(issued, None, *party, *proof, asked);
            }
            Step::Exchange { subject, actor, proof, wish, meanwhile } => {
                if self.held.is_empty() {
                    return;
                }
                let (subject, asked) = (subject % self.held.len(), self.asked(wish));
                let token = self.held[subject].issued.access_token.clone();
                let exchange = self.exchange(token, *actor, *proof, asked.clone());
                // At the same time, in whichever order it comes about.
                let cutting = async {
                    match meanwhile {
                        Some(cut) => self.cut(*cut).await,
                        None => None,
                    }
                };
                let (issued, key) = tokio::join!(exchange, cutting);
                self.mark(key);
                self.remember(issued, Some(subject), *actor, *proof, asked);
            }
            Step::Follow { subject, wish, meanwhile } => {
                if self.held.is_empty() {
                    return;
                }
                let (subject, asked) = (subject % self.held.len(), self.asked(wish));
                let grant = ExchangeGrant {
                    subject_token: self.held[subject].issued.access_token.clone(),
                    actor_token: None,
                    api_key: None,
                    client: None,
                    asked: asked.clone(),
                    typ: None,
                };
                let cutting = async {
                    match meanwhile {
                        Some(cut) => self.cut(*cut).await,
                        None => None,
                    }
                };
                let (issued, key) = tokio::join!(self.world.engine.exchange(grant), cutting);
                self.mark(key);
                // The route says who presents it.
                let presents =
                    |party: &Party| issued.as_ref().is_ok_and(|issued| issued.record.identity() == party.id);
                let actor = self.parties.iter().position(presents).unwrap_or_default();
                self.remember(issued, Some(subject), actor, Proof::Route, asked);
            }
            Step::Cut(cut) => {
                let key = self.cut(*cut).await;
                self.mark(key);
            }
            Step::Become(party, status) => {
                let patch = IdentityPatch { status: Some(*status), ..IdentityPatch::default() };
                // The life cycle forbids some.
                let _ = self
                    .world
                    .engine
                    .patch_identity(&self.world.tenant, self.parties[*party].id, patch)
                    .await;
            }
            Step::Ends(party, after) => {
                let end = after.map(|after| self.world.engine.now().plus_seconds(i64::from(after)));
                let patch = IdentityPatch { expires_at: Some(end), ..IdentityPatch::default() };
                let id = self.parties[*party].id;
                if let Ok(changed) = self.world.engine.patch_identity(&self.world.tenant, id, patch).await {
                    self.parties[*party].ends = changed.identity.expires_at;
                }
            }
            Step::Pass(seconds) => self.world.pass(i64::from(*seconds)),
        }
    }

    fn asked(&mut self, wish: &Wish) -> Asked {
        let resources = wish.resources.iter().map(|n| format!("https://r{n}.example/")).collect();
        let named = wish.may_act.as_ref();
        self.proofs += 1;
        let proven_key = wish.proven_key.map(|n| ProvenKey {
            thumbprint: self.thumbprints[n].clone(),
            jti: format!("proof-{}", self.proofs),
            iat: self.world.engine.now().unix_seconds(),
        });
        Asked {
            scopes: wish.scopes.clone(),
            audience: Audience::asked_for(resources).ok(),
            ttl_seconds: wish.ttl_seconds,
            may_act: named.map(|named| named.iter().map(|n| self.uris[*n].clone()).collect()),
            proven_key,
            task: wish.task.clone(),
            additional: wish.additional.clone(),
        }
    }

    async fn root(&self, party: usize, proof: Proof, asked: Asked) -> Result<Issued, TokenError> {
        let (engine, typ) = (&self.world.engine, None);
        let client = self.client(party, proof);
        match proof {
            Proof::ApiKey | Proof::KeyAndClient => {
                let api_key = self.parties[party].api_key.1.clone();
                engine.api_key_grant(ApiKeyGrant { api_key, client, asked, typ }).await
            }
            Proof::Assertion | Proof::AssertionAndClient => {
                let assertion = self.assertion(party);
                engine.jwt_bearer_grant(JwtBearerGrant { assertion, client, asked, typ }).await
            }
            Proof::Client => {
                let grant = ClientCredentialsGrant { client, account: None, project: None, asked, typ };
                engine.client_credentials_grant(grant).await
            }
            Proof::Route => panic!("nobody asks for a root by a route"),
        }
    }

    async fn exchange(
        &self,
        subject_token: Secret,
        actor: usize,
        proof: Proof,
        asked: Asked,
    ) -> Result<Issued, TokenError> {
        let grant = ExchangeGrant {
            subject_token,
            actor_token: proof.is_assertion().then(|| self.assertion(actor)),
            api_key: proof.uses_key().then(|| self.parties[actor].api_key.1.clone()),
            client: self.client(actor, proof),
            asked,
            typ: None,
        };
        self.world.engine.exchange(grant).await
    }

    fn client(&self, party: usize, proof: Proof) -> Option<ClientProof> {
        let (_, name, secret) = &self.parties[party].client;
        proof.uses_client().then(|| ClientProof::Post { client_id: name.clone(), secret: secret.clone() })
    }

    fn assertion(&self, party: usize) -> Secret {
        let party = &self.parties[party];
        Secret::new(assertion(&party.key, party.uri.as_str(), self.world.engine.now(), |_| {}))
    }

    async fn cut(&self, cut: Cut) -> Option<CutOffKey> {
        let key = match cut {
            Cut::Credential(_) if self.held.is_empty() => return None,
            Cut::Credential(n) => CutOffKey::Credential(self.held[n % self.held.len()].issued.record.jti()),
            Cut::Identity(n) => CutOffKey::Identity(self.parties[n].id),
            Cut::ApiKey(n) => CutOffKey::ApiKey(self.parties[n].api_key.0),
            Cut::Client(n) => CutOffKey::Client(self.parties[n].client.0),
            Cut::Owner(n) => CutOffKey::Owner(format!("owner-{}", n % 2).parse().unwrap()),
            Cut::Tenant => CutOffKey::Tenant,
            // Signing keys have a verb and tests of their own.
            Cut::SigningKey => return None,
        };
        let now = self.world.engine.now();
        self.store.cut_off(&self.world.tenant, &key, &Reason::new("test"), now).await.unwrap();
        Some(key)
    }

    /// What was issued before a cut-off and is named by it is dead. (What was issued at the same time may come before.)
    fn mark(&mut self, key: Option<CutOffKey>) {
        let Some(key) = key else { return };
        for held in &mut self.held {
            let own = held.issued.record.lineage.own();
            let party = &self.parties[held.party];
            held.cut |= match &key {
                CutOffKey::Credential(jti) => own.jti == *jti,
                CutOffKey::Identity(id) => own.identity == *id,
                CutOffKey::ApiKey(id) => held.proof.uses_key() && party.api_key.0 == *id,
                CutOffKey::Client(id) => held.proof.uses_client() && party.client.0 == *id,
                CutOffKey::Owner(owner) => own.owner.as_ref() == Some(owner),
                CutOffKey::Tenant => true,
                other => panic!("{other:?} is never cut here"),
            };
        }
    }

    fn remember(
        &mut self,
        issued: Result<Issued, TokenError>,
        parent: Option<usize>,
        number: usize,
        proof: Proof,
        asked: Asked,
    ) {
        let issued = match issued {
            Ok(issued) => issued,
            Err(TokenError::Fault(fault)) => panic!("a fault: {fault}"),
            Err(_) => return,
        };
        let party = &self.parties[number];
        let limits = &party.limits;
        let (by_key, by_client) = (proof.uses_key(), proof.uses_client());
        let key_policy = limits.key_policy.as_ref().filter(|_| by_key);
        let client_policy = limits.client_policy.as_ref().filter(|_| by_client);
        let policies: Vec<_> =
            std::iter::once(&limits.policy).chain(key_policy).chain(client_policy).collect();
        let own_lists = [
            limits.key_scopes.clone().filter(|_| by_key),
            limits.client_scopes.clone().filter(|_| by_client),
        ];
        let route = issued.record.route();
        let route = route.map(|id| self.routes.iter().find(|route| route.id == id).unwrap());
        let of_policies = policies.iter().filter_map(|policy| policy.allowed_scopes.clone());
        let lists =
            own_lists.iter().flatten().cloned().chain(limits.allowed_scopes.clone()).chain(of_policies);
        let lists = lists.chain(route.map(|route| route.scopes.clone()));
        let longest = policies.iter().map(|policy| policy.max_ttl_seconds);
        let longest = longest.chain(route.map(|route| route.max_ttl_seconds)).min().unwrap();
        let passed_on = policies.iter().map(|policy| policy.delegable_scopes.clone());
        let ends = [party.ends, party.key_ends.filter(|_| by_key)].into_iter().flatten().min();
        self.held.push(Held {
            parent,
            party: number,
            proof,
            asked,
            lists: lists.collect(),
            delegable: passed_on.chain(own_lists.into_iter().flatten()).collect(),
            longest: i64::from(longest),
            deepest: policies.iter().map(|policy| policy.max_delegation_depth).min().unwrap(),
            ends,
            by_own_key: !matches!(proof, Proof::ApiKey | Proof::Route),
            cut: false,
            issued,
        });
    }

    pub(crate) fn parent(&self, held: &Held) -> Option<&Held> {
        held.parent.map(|parent| &self.held[parent])
    }

    pub(crate) async fn stored(&self, held: &Held) -> CredentialRecord {
        let found = self.store.credential(&self.world.tenant, held.issued.record.jti()).await.unwrap();
        found.expect("what was answered is stored").record
    }

    pub(crate) async fn is_active(&self, held: &Held) -> bool {
        let told = self.world.engine.introspect(held.issued.access_token.expose()).await.unwrap();
        matches!(told, Introspection::Active(_))
    }

    /// A refusal stores nothing.
    pub(crate) async fn stores_nothing_else(&self) {
        for (number, party) in self.parties.iter().enumerate() {
            let filter = CredentialFilter::Identity(party.id);
            let page = Page { limit: 1, offset: 0 };
            let listed = self.store.credentials(&self.world.tenant, filter, page).await.unwrap();
            let known = self.held.iter().filter(|held| held.party == number).count();
            assert_eq!(listed.total, u64::try_from(known).unwrap(), "credentials of p{number}");
        }
    }
}
