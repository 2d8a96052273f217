//! Every list and count, beside the in-memory reference: the same records, the same answers.

use serde_json::json;
use zeroid_identity_model::{IdentityId, IdentityType, Kind, Status, Timestamp, TrustLevel};
use zeroid_storage::{
    ActorLookup, ApiKeyFilter, ApiKeyStateFilter, CredentialFilter, IdentityFilter, MemoryStore, OwnerFilter,
    Page, Revoked, Store, StoreError,
};
use zeroid_token_core::{CutOffKey, Lineage, Reason};

use crate::support::{Agent, Folder, LATER, NOW, api_key, identity, issuance, policy, tenant};

const ALL: Page = Page { limit: 1000, offset: 0 };
const WINDOW: Page = Page { limit: 7, offset: 3 };

/// The same records in both; the agents that can issue are returned.
async fn fill(stores: [&dyn Store; 2]) -> Vec<Agent> {
    let (ours, theirs) = (tenant("ours"), tenant("theirs"));
    let (policy, foreign) = (policy(&ours), policy(&theirs));
    let types = [IdentityType::Agent, IdentityType::Application, IdentityType::Service];
    let statuses = [
        Status::Active,
        Status::Suspended,
        Status::Deactivated,
        Status::Expired,
        Status::Pending,
        Status::Discovered,
    ];
    let levels = [TrustLevel::Unverified, TrustLevel::VerifiedThirdParty, TrustLevel::FirstParty];
    let names = ["Billing 100%", "billing_bot", "BILLINGxBOT", "naïve \\ path", "ops"];
    let mut agents = Vec::new();
    for number in 0..60_usize {
        let (of, policy) = if number % 5 == 4 { (&theirs, &foreign) } else { (&ours, &policy) };
        let mut record = identity(of, &format!("Ext-{number}_x"), policy.policy.id);
        let one = &mut record.identity;
        one.name = names[number % names.len()].to_owned();
        one.kind = Kind::new(types[number % types.len()], None).unwrap();
        one.status = statuses[number % statuses.len()];
        one.trust_level = levels[number / 2 % levels.len()];
        one.owner = (number % 4 != 0).then(|| format!("owner-{}@acme.example", number % 3).parse().unwrap());
        one.created_by = if number % 7 == 0 { String::new() } else { format!("creator-{}", number % 2) };
        one.created_at = Timestamp::from_micros(NOW.as_micros() + i64::try_from(number / 3).unwrap());
        one.labels = match number % 4 {
            0 => json!({"team": "billing", "odd.name": "$.x", "": "empty"}),
            1 => json!({"team": 7, "nested": {"team": "billing"}}),
            2 => json!({"team": "ops", "a\"b": "quote"}),
            _ => json!([]),
        };
        let mut key = api_key(&record);
        key.created_at = record.identity.created_at;
        key.expires_at = (number % 3 == 0).then_some(if number % 2 == 0 { NOW } else { LATER });
        key.revoked = (number % 11 == 0).then(|| Revoked { at: NOW, reason: Reason::new("why") });
        let mut second = api_key(&record);
        second.prefix = "zid_sk_wxyz".to_owned();
        for store in stores {
            store.default_policy(policy.clone()).await.unwrap();
            store.register(record.clone(), Some(key.clone())).await.unwrap();
            if number % 2 == 0 {
                store.create_api_key(second.clone()).await.unwrap();
            }
        }
        agents.push(Agent { record, key });
    }
    agents
}

fn filters(id: IdentityId) -> Vec<IdentityFilter> {
    let none = IdentityFilter::default;
    let search = |text: &str| IdentityFilter { search: Some(text.to_owned()), ..none() };
    let label = |name: &str, value: &str| IdentityFilter {
        label: Some((name.to_owned(), value.to_owned())),
        ..none()
    };
    let owner = "owner-1@acme.example".parse().unwrap();
    vec![
        none(),
        IdentityFilter { identity_types: vec![IdentityType::Agent, IdentityType::Service], ..none() },
        IdentityFilter { statuses: vec![Status::Discovered], ..none() },
        IdentityFilter { statuses: vec![Status::Active, Status::Expired, Status::Pending], ..none() },
        IdentityFilter { trust_levels: vec![TrustLevel::FirstParty], ..none() },
        IdentityFilter { is_active: Some(true), ..none() },
        IdentityFilter { is_active: Some(false), ..none() },
        IdentityFilter { is_active: Some(true), statuses: vec![Status::Suspended], ..none() },
        IdentityFilter { owner: Some(OwnerFilter::Nobody), ..none() },
        IdentityFilter { owner: Some(OwnerFilter::Is(owner)), is_active: Some(true), ..none() },
        label("team", "billing"),
        label("team", "7"),
        label("odd.name", "$.x"),
        label("odd", "$.x"),
        label("a\"b", "quote"),
        label("", "empty"),
        label("0", "x"),
        search("billing"),
        search("BILLING_"),
        search("%"),
        search("_bot"),
        search("\\"),
        search("ext-1"),
        search("naïve"),
        search("' OR 1=1 --"),
        search(""),
        search(&id.to_string()),
        search(&id.to_string().to_ascii_uppercase()),
    ]
}

#[tokio::test]
async fn lists_of_identities_and_keys_are_those_of_the_reference() {
    let folder = Folder::new();
    let (memory, sqlite) = (MemoryStore::new(), folder.open());
    let agents = fill([&memory, &sqlite]).await;
    let (stores, mut found): ([&dyn Store; 2], u64) = ([&memory, &sqlite], 0);
    for of in ["ours", "theirs", "nobody"].map(tenant) {
        for filter in filters(agents[0].id()) {
            for page in [ALL, WINDOW, Page { limit: 5, offset: 10_000 }, Page { limit: 0, offset: 0 }] {
                let expected = stores[0].identities(&of, &filter, page).await.unwrap();
                let listed = stores[1].identities(&of, &filter, page).await.unwrap();
                assert_eq!(listed, expected, "{filter:?} {page:?}");
                found += expected.total;
            }
        }
        assert_eq!(stores[1].facets(&of).await, stores[0].facets(&of).await);
        let states = [ApiKeyStateFilter::Active, ApiKeyStateFilter::Expired, ApiKeyStateFilter::Revoked];
        for state in states.into_iter().map(Some).chain([None]) {
            for identity in [None, Some(agents[0].id()), Some(agents[4].id())] {
                let filter = ApiKeyFilter { identity, state };
                for (page, now) in [(ALL, NOW), (WINDOW, NOW), (ALL, LATER)] {
                    let expected = stores[0].api_keys(&of, &filter, page, now).await.unwrap();
                    assert_eq!(stores[1].api_keys(&of, &filter, page, now).await.unwrap(), expected);
                    found += expected.total;
                }
            }
        }
        let ids: Vec<IdentityId> = agents.iter().map(Agent::id).collect();
        let expected = stores[0].newest_key_prefixes(&of, &ids).await;
        assert_eq!(stores[1].newest_key_prefixes(&of, &ids).await, expected);
        assert_eq!(stores[1].policies(&of, ALL).await, stores[0].policies(&of, ALL).await);
    }
    assert!(found > 1000, "only {found} compared: that was no comparison");
}

#[tokio::test]
async fn lists_of_credentials_are_those_of_the_reference() {
    let folder = Folder::new();
    let (memory, sqlite) = (MemoryStore::new(), folder.open());
    let stores: [&dyn Store; 2] = [&memory, &sqlite];
    let mut agents = fill(stores).await;
    agents.retain(|agent| {
        *agent.tenant() == tenant("ours")
            && agent.record.identity.status.may_act()
            && agent.key.revoked.is_none()
    });
    let mut roots = Vec::new();
    for (number, agent) in agents.iter().enumerate() {
        let mut lineage: Option<Lineage> = None;
        for hop in 0..4 {
            let presenter = &agents[(number + hop) % agents.len()];
            let facts = presenter.facts(&sqlite).await;
            presenter_order(&memory, presenter).await;
            let mut link = presenter.link(facts.order);
            link.issued_at = NOW.plus_seconds(i64::try_from(number % 3).unwrap());
            let next = match &lineage {
                None => Lineage::root_of(link),
                Some(lineage) => lineage.extended(link).unwrap(),
            };
            for store in stores {
                store.issue(issuance(next.clone(), presenter.guards(), facts.epoch)).await.unwrap();
            }
            lineage = Some(next);
        }
        let lineage = lineage.unwrap();
        roots.push(lineage.root().jti);
        let second = lineage.links().nth(1).unwrap().jti;
        if number % 2 == 0 {
            let (key, reason) = (CutOffKey::Credential(second), Reason::new("why"));
            for store in stores {
                store.cut_off(agent.tenant(), &key, &reason, NOW).await.unwrap();
            }
        }
        for link in lineage.links() {
            let jti = link.jti;
            for of in ["ours", "theirs"].map(tenant) {
                let expected = stores[0].credential(&of, jti).await.unwrap();
                assert_eq!(stores[1].credential(&of, jti).await.unwrap(), expected);
                let (expected, chain) = (stores[0].chain(&of, jti).await, stores[1].chain(&of, jti).await);
                assert_eq!(format!("{chain:?}"), format!("{expected:?}"));
            }
        }
    }
    assert!(roots.len() > 3);
    let of_agents = agents.iter().map(|agent| CredentialFilter::Identity(agent.id()));
    for filter in of_agents.chain(roots.into_iter().map(CredentialFilter::Mission)) {
        for of in ["ours", "theirs", "nobody"].map(tenant) {
            for page in [ALL, Page { limit: 2, offset: 1 }] {
                let expected = stores[0].credentials(&of, filter, page).await.unwrap();
                assert_eq!(stores[1].credentials(&of, filter, page).await.unwrap(), expected);
            }
        }
    }
    for agent in &agents {
        let deepest = stores[0].deepest_delegation(agent.tenant(), agent.id()).await;
        assert_eq!(stores[1].deepest_delegation(agent.tenant(), agent.id()).await, deepest);
    }
}

/// Draw in the reference, too, so that both sequences stand at the same number.
async fn presenter_order(memory: &dyn Store, presenter: &Agent) {
    assert!(memory.root_facts(&ActorLookup::ApiKey(presenter.key.hash)).await.unwrap().is_some());
}

#[tokio::test]
async fn refusals_are_those_of_the_reference() {
    let folder = Folder::new();
    let (memory, sqlite) = (MemoryStore::new(), folder.open());
    let stores: [&dyn Store; 2] = [&memory, &sqlite];
    let agents = fill(stores).await;
    let (agent, foreign) = (&agents[0], &agents[4]);
    let (ours, theirs, reason) = (tenant("ours"), tenant("theirs"), Reason::new("why"));
    let unknown_policy = zeroid_identity_model::PolicyId::from_bytes([9; 16]);
    let mut answers: Vec<Vec<String>> = Vec::new();
    for store in stores {
        let mut said = Vec::new();
        let mut say = |answer: Result<(), StoreError>| said.push(format!("{answer:?}"));
        say(store.register(agent.record.clone(), None).await);
        say(store.register(identity(&ours, "new", foreign.record.policy_id), None).await);
        say(store.register(identity(&ours, "new", unknown_policy), None).await);
        let mut key = api_key(&agent.record);
        key.policy_id = Some(foreign.record.policy_id);
        say(store.create_api_key(key.clone()).await);
        (key.policy_id, key.identity) = (None, foreign.id());
        say(store.create_api_key(key).await);
        for (of, id) in [(&theirs, agent.key.id), (&ours, agents[11].key.id)] {
            say(store.revoke_api_key(of, id, &reason, NOW).await.map(drop));
        }
        for cut in [
            CutOffKey::Credential(zeroid_identity_model::CredentialId::from_bytes([1; 16])),
            CutOffKey::Identity(foreign.id()),
            CutOffKey::ApiKey(foreign.key.id),
            CutOffKey::SigningKey(crate::support::kid("key-1")),
            CutOffKey::Tenant,
            CutOffKey::Owner("nobody@acme.example".parse().unwrap()),
        ] {
            say(store.cut_off(&ours, &cut, &reason, NOW).await.map(drop));
        }
        let mut fresh = policy(&ours);
        fresh.is_default = false;
        say(store.create_policy(fresh.clone()).await);
        let stored = store.policy(&ours, agent.record.policy_id).await.unwrap().unwrap();
        say(store.change_policy(stored.clone()).await);
        let mut elsewhere = stored.clone();
        elsewhere.tenant = theirs.clone();
        say(store.change_policy(elsewhere).await);
        say(store.delete_policy(&ours, stored.policy.id).await);
        say(store.delete_policy(&theirs, stored.policy.id).await);
        say(store.change_identity(change(agent, 1)).await);
        say(store.change_identity(change(agent, 3)).await);
        say(store.change_identity(change(agent, 2)).await);
        answers.push(said);
    }
    assert_eq!(answers[1], answers[0]);
}

fn change(agent: &Agent, version: u64) -> zeroid_storage::IdentityChange {
    let mut record = agent.record.clone();
    record.version = version;
    let reason = Some(Reason::new("why"));
    zeroid_storage::IdentityChange {
        record,
        cut_off: reason.clone(),
        revoke_keys: reason,
        new_key: None,
        asked_with: None,
        now: NOW,
    }
}
