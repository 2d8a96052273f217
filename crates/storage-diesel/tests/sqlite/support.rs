//! A throwaway store, and records to put into it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use serde_json::json;
use zeroid_identity_model::{
    ApiKeyId, CredentialId, ExternalId, Identity, IdentityId, IdentityType, Kind, PolicyId, SpiffeId, Status,
    Tenant, Timestamp, TrustLevel,
};
use zeroid_storage::{
    ActorLookup, ApiKeyRecord, CredentialDigest, CredentialStore, Environment, Epoch, Guard, IdentityRecord,
    IdentityStore, Issuance, PolicyRecord, PolicyStore, RootFacts, SecretHash, ServerStore,
};
use zeroid_storage_diesel::{SqliteOptions, SqliteStore};
use zeroid_token_core::{
    Audience, CredentialRecord, GrantType, KeyId, Lineage, Link, Order, Policy, ScopeSet, Source,
};

pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_790_000_000_000_000);
pub(crate) const LATER: Timestamp = Timestamp::from_micros(1_790_000_001_000_000);

/// A folder that goes away with the test, and the database in it.
pub(crate) struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("zeroid.db")
    }

    pub(crate) fn open(&self) -> SqliteStore {
        SqliteStore::open(SqliteOptions::new(self.file())).unwrap()
    }

    /// A connection of our own, beside the store's.
    pub(crate) fn connect(&self) -> SqliteConnection {
        connect(&self.file())
    }
}

pub(crate) fn connect(file: &Path) -> SqliteConnection {
    let mut conn = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    conn.batch_execute("PRAGMA foreign_keys = ON;").unwrap();
    conn
}

/// Keeps the writer from writing until it is dropped, so that verbs gather in one transaction.
pub(crate) struct Hold(SqliteConnection);

impl Hold {
    pub(crate) fn writes_to(folder: &Folder) -> Self {
        let mut conn = folder.connect();
        conn.batch_execute("BEGIN IMMEDIATE;").unwrap();
        Self(conn)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.batch_execute("ROLLBACK;").unwrap();
    }
}

/// Run these verbs in one transaction: the writer waits to begin it until they all wait.
pub(crate) async fn in_one_transaction<T>(
    folder: &Folder,
    store: &SqliteStore,
    verbs: impl Future<Output = T>,
) -> T {
    let hold = Hold::writes_to(folder);
    let late = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        verbs.await
    };
    let release = async {
        tokio::time::sleep(Duration::from_millis(450)).await;
        drop(hold);
    };
    // What began it has the fate of the transaction, as they have.
    let (_, verbs, ()) = tokio::join!(store.ready(), late, release);
    verbs
}

pub(crate) fn bytes() -> [u8; 16] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let process = u64::from(std::process::id());
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&process.to_be_bytes());
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    bytes
}

pub(crate) fn hash() -> SecretHash {
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(&bytes());
    SecretHash(hash)
}

pub(crate) fn tenant(project: &str) -> Tenant {
    Tenant::new("acme", project).unwrap()
}

pub(crate) fn policy(tenant: &Tenant) -> PolicyRecord {
    PolicyRecord {
        tenant: tenant.clone(),
        policy: Policy::tenant_default(PolicyId::from_bytes(bytes())),
        description: String::new(),
        is_default: true,
        created_at: NOW,
        updated_at: NOW,
    }
}

pub(crate) fn identity(tenant: &Tenant, name: &str, policy_id: PolicyId) -> IdentityRecord {
    let external_id: ExternalId = name.parse().unwrap();
    let domain = "id.example".parse().unwrap();
    let spiffe_id = SpiffeId::of_workload(&domain, tenant, IdentityType::Agent, &external_id).unwrap();
    IdentityRecord {
        identity: Identity {
            id: IdentityId::from_bytes(bytes()),
            tenant: tenant.clone(),
            external_id,
            spiffe_id,
            name: name.to_owned(),
            kind: Kind::for_registration(IdentityType::Agent, None).unwrap(),
            trust_level: TrustLevel::Unverified,
            status: Status::Active,
            owner: Some("dev@acme.example".parse().unwrap()),
            expires_at: None,
            public_key_pem: None,
            framework: String::new(),
            version: String::new(),
            publisher: String::new(),
            description: String::new(),
            capabilities: json!([]),
            labels: json!({"team": "billing"}),
            metadata: json!({}),
            created_at: NOW,
            created_by: "dev".to_owned(),
            updated_at: NOW,
            modified_by: "dev".to_owned(),
        },
        allowed_scopes: None,
        policy_id,
        version: 1,
    }
}

pub(crate) fn api_key(identity: &IdentityRecord) -> ApiKeyRecord {
    ApiKeyRecord {
        id: ApiKeyId::from_bytes(bytes()),
        tenant: identity.identity.tenant.clone(),
        identity: identity.identity.id,
        name: "first".to_owned(),
        description: String::new(),
        prefix: "zid_sk_abcd".to_owned(),
        hash: hash(),
        hash_key_version: 1,
        scopes: None,
        policy_id: None,
        environment: Environment::Live,
        metadata: json!({}),
        created_at: NOW,
        created_by: "dev".to_owned(),
        updated_at: NOW,
        expires_at: None,
        revoked: None,
        usage_count: 0,
        last_used_at: None,
    }
}

/// A registered identity with a key, in a tenant with a policy.
#[derive(Clone)]
pub(crate) struct Agent {
    pub(crate) record: IdentityRecord,
    pub(crate) key: ApiKeyRecord,
}

impl Agent {
    pub(crate) async fn of(store: &SqliteStore, project: &str, name: &str) -> Self {
        let tenant = tenant(project);
        let policy = store.default_policy(policy(&tenant)).await.unwrap();
        let record = identity(&tenant, name, policy.policy.id);
        let key = api_key(&record);
        store.register(record.clone(), Some(key.clone())).await.unwrap();
        Self { record, key }
    }

    pub(crate) fn id(&self) -> IdentityId {
        self.record.identity.id
    }

    pub(crate) fn tenant(&self) -> &Tenant {
        &self.record.identity.tenant
    }

    pub(crate) async fn facts(&self, store: &SqliteStore) -> RootFacts {
        store.root_facts(&ActorLookup::ApiKey(self.key.hash)).await.unwrap().unwrap()
    }

    /// A root credential of this agent, ready to be issued.
    pub(crate) async fn root(&self, store: &SqliteStore) -> Issuance {
        let facts = self.facts(store).await;
        issuance(Lineage::root_of(self.link(facts.order)), self.guards(), facts.epoch)
    }

    /// A credential of this agent below another one, decided by facts that are read now.
    pub(crate) async fn child(&self, store: &SqliteStore, parent: &CredentialRecord) -> Issuance {
        let lookup = zeroid_storage::ActorLookup::ApiKey(self.key.hash);
        let facts = store.exchange_facts(parent.jti(), &lookup).await.unwrap();
        let lineage = parent.lineage.extended(self.link(facts.order)).unwrap();
        issuance(lineage, self.guards(), facts.epoch)
    }

    pub(crate) fn guards(&self) -> Vec<Guard> {
        vec![Guard::Identity(self.id(), self.record.version), Guard::ApiKey(self.key.id)]
    }

    pub(crate) fn link(&self, order: Order) -> Link {
        Link {
            jti: CredentialId::from_bytes(bytes()),
            tenant: self.tenant().clone(),
            identity: self.id(),
            subject: self.record.identity.spiffe_id.clone(),
            owner: self.record.identity.owner.clone(),
            source: Source::ApiKey(self.key.id),
            beside: Vec::new(),
            family: None,
            kid: kid("key-1"),
            issued_at: NOW,
            order,
        }
    }
}

pub(crate) fn kid(name: &str) -> KeyId {
    name.parse().unwrap()
}

pub(crate) fn issuance(lineage: Lineage, guards: Vec<Guard>, epoch: Epoch) -> Issuance {
    let record = CredentialRecord {
        lineage,
        grant_type: GrantType::ApiKey,
        client_id: None,
        expires_at: NOW.plus_seconds(3600),
        usable: ScopeSet::nothing(),
        delegable: ScopeSet::nothing(),
        requested: None,
        max_delegation_depth: 5,
        audience: Audience::of_issuer("https://id.example"),
        confirmation: None,
        may_act: None,
        task: zeroid_token_core::TaskClaims::default(),
        additional: zeroid_token_core::AdditionalClaims::default(),
        decided_by: Vec::new(),
    };
    Issuance {
        record: record.into(),
        digest: CredentialDigest([7; 32]),
        guards,
        epoch,
        spends: Vec::new(),
        now: NOW,
    }
}
