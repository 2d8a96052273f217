//! PostgreSQL: one writer thread and a few readers for each replica; the database orders them all.

mod bulk;
mod changes;
mod collision;
mod columns;
mod connection;
mod cut;
mod epochs;
mod issue;
mod memo;
mod orders;
mod reader;
mod shared;
mod together;
mod transaction;
mod upkeep;
mod url;
mod writer;

#[path = "../queries/mod.rs"]
mod queries;
#[path = "../verbs/mod.rs"]
mod verbs;

use std::sync::Arc;
use std::thread::ScopedJoinHandle;

use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool};
use zeroid_identity_model::{CredentialId, Tenant, Timestamp};
use zeroid_storage::{
    ActorLookup, ClientRecord, CredentialFacts, Epoch, ExchangeFacts, Issuance, RootFacts, Spend, StoreError,
    Swept,
};
use zeroid_token_core::{ClientName, CredentialRecord, CutOff, CutOffKey, Reason};

use crate::error::{OpenError, unavailable};
use crate::rows::CredentialRow;
use connection::{Link, Target};
use orders::Orders;
use reader::{Heard, Question, Readers};
use shared::Shared;
use transaction::savepoint;
use verbs::Writer;
use writer::Desk;

pub(crate) type Conn = PgConnection;
pub(crate) type Dialect = Pg;
use PostgresStore as ThisStore;

/// How a store on PostgreSQL is opened.
#[derive(Clone)]
pub struct PostgresOptions {
    /// The URL of the database, with everything libpq takes in one.
    pub url: String,
    /// Threads for the reads of the hot path. Each has a connection of its own.
    pub readers: usize,
    /// Connections for the other reads.
    pub pool: u32,
    /// Most verbs that may wait to be written; one more is told that the store is busy.
    pub queue: usize,
    /// Most verbs of one transaction.
    pub batch: usize,
}

impl PostgresOptions {
    /// The defaults: two readers, four connections beside, 4096 waiting, 256 a transaction.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), readers: 2, pool: 4, queue: 4096, batch: 256 }
    }

    /// Host and database, without user, password and settings: what messages may say.
    pub fn place(&self) -> String {
        url::place(&self.url)
    }

    /// A host on another machine that the URL names without saying, by `sslmode`, whether it must prove who it is.
    pub fn unverified_host(&self) -> Option<String> {
        url::unverified_host(&self.url)
    }

    /// Whether the server is on this machine.
    pub fn is_local(&self) -> bool {
        url::remote_host(&self.url).is_none()
    }

    /// Whether the server must prove who it is (`sslmode=verify-full` or `verify-ca`).
    pub fn is_verified(&self) -> bool {
        url::is_verified(&self.url)
    }
}

impl std::fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresOptions").field("database", &self.place()).finish_non_exhaustive()
    }
}

/// A store in a PostgreSQL database, which any number of processes may share.
///
/// Writes share transactions (group commit) and are answered after the commit. A revocation that was answered is seen
/// by every process with its next read.
pub struct PostgresStore {
    writer: Writer<Box<cut::Cut>>,
    readers: Readers,
    pool: connection::Pool,
    shared: Arc<Shared>,
    target: Target,
}

impl std::fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Connect, migrate, and start the writer and the readers.
    ///
    /// # Errors
    /// [`OpenError`]: not reachable, written by a newer version, or not migratable.
    pub fn open(options: &PostgresOptions) -> Result<Self, OpenError> {
        let target = Target::new(&options.url);
        connection::migrate(&target)?;
        let shared = Arc::new(Shared::default());
        // All at once: each connection is a process to start and a password to prove.
        let connect = || Link::open(target.clone());
        let (writing, reading, pool) = std::thread::scope(|scope| {
            let reading: Vec<_> = (0..options.readers.max(1)).map(|_| scope.spawn(connect)).collect();
            let writing = scope.spawn(connect);
            let pool = target.pool(options.pool.max(1));
            let join = |link: ScopedJoinHandle<'_, _>| {
                link.join().unwrap_or_else(|_| Err(target.unopened("a thread that connects died")))
            };
            (join(writing), reading.into_iter().map(join).collect::<Result<Vec<_>, _>>(), pool)
        });
        let io = |why: std::io::Error| target.unopened(&why.to_string());
        let mut desk = Desk::new(writing?, Arc::clone(&shared), options.batch);
        let writer = Writer::start(options.queue, move |waiting| desk.run(waiting)).map_err(io)?;
        let readers = Readers::start(reading?, options.queue).map_err(io)?;
        Ok(Self { writer, readers, pool: pool?, shared, target })
    }

    /// Apply the migrations a database lacks; gives their names.
    ///
    /// # Errors
    /// As [`PostgresStore::open`].
    pub fn migrate(url: &str) -> Result<Vec<String>, OpenError> {
        connection::migrate(&Target::new(url))
    }

    /// The names of the migrations a database lacks.
    ///
    /// # Errors
    /// As [`PostgresStore::open`].
    pub fn pending_migrations(url: &str) -> Result<Vec<String>, OpenError> {
        connection::pending(&Target::new(url))
    }

    /// Whether a database was ever used by this product.
    ///
    /// # Errors
    /// As [`PostgresStore::open`].
    pub fn is_made(url: &str) -> Result<bool, OpenError> {
        connection::is_made(&Target::new(url))
    }

    async fn client_named(&self, name: &ClientName) -> Result<Option<Arc<ClientRecord>>, StoreError> {
        match self.readers.ask(byte_of(name.as_str()), Question::Client(name.clone())).await? {
            Heard::Client(client) => Ok(client),
            other => Err(other.is_no_answer()),
        }
    }

    async fn facts_of_root(&self, actor: &ActorLookup) -> Result<Option<RootFacts>, StoreError> {
        // Who asks again is answered by the reader that remembers it.
        let byte = match actor {
            ActorLookup::ApiKey(hash) => hash.0[31],
            ActorLookup::Spiffe(uri) => byte_of(uri.as_str()),
            ActorLookup::Client(name) => byte_of(name.as_str()),
        };
        match self.readers.ask(byte, Question::Root(actor.clone())).await? {
            Heard::Root(facts) => Ok(facts),
            other => Err(other.is_no_answer()),
        }
    }

    async fn facts_of_exchange(
        &self,
        subject: CredentialId,
        actor: ActorLookup,
    ) -> Result<ExchangeFacts, StoreError> {
        let byte = subject.as_bytes()[15];
        match self.readers.ask(byte, Question::Exchange(subject, actor)).await? {
            Heard::Exchange(facts) => Ok(facts),
            other => Err(other.is_no_answer()),
        }
    }

    async fn facts_of_credential(
        &self,
        jti: CredentialId,
    ) -> Result<Option<Arc<CredentialFacts>>, StoreError> {
        match self.readers.ask(jti.as_bytes()[15], Question::Credential(jti)).await? {
            Heard::Credential(facts) => Ok(facts),
            other => Err(other.is_no_answer()),
        }
    }

    async fn store_credential(&self, issuance: Issuance, row: CredentialRow) -> Result<(), StoreError> {
        // Whoever issues reads the facts again when one has changed: the way out of a collision, too.
        self.writer.issue(issuance, row).await.map_err(collision::as_stale)
    }

    /// Cut off a key. The cut-offs of credentials that wait are written together.
    async fn store_cut_off(
        &self,
        tenant: &Tenant,
        key: &CutOffKey,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<CutOff, StoreError> {
        if let CutOffKey::Credential(jti) = key {
            let id = self.tenant_id(tenant).await?.ok_or(StoreError::NotFound)?;
            let row = cut::Row::new((id, tenant), *jti, reason, now)?;
            return collision::retrying(|| self.writer.cut_off(row.clone())).await;
        }
        let (tenant, key, reason) = (tenant.clone(), key.clone(), reason.clone());
        let cut = move |writing: &mut verbs::Writing<'_>| verbs::cut_off(writing, &tenant, key, &reason, now);
        self.write(verbs::Changes::CutOffs, cut).await
    }

    /// The clock all replicas go by.
    async fn own_clock(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read(moment).await.map(Some)
    }

    /// What was counted here of the uses of API keys is what is read next.
    async fn settle_uses(&self) -> Result<(), StoreError> {
        if self.shared.uses_wait.is_set() { self.writer.settle().await } else { Ok(()) }
    }

    /// Whether the hot path can read.
    async fn can_read(&self) -> Result<(), StoreError> {
        self.readers.ask(0, Question::Presence).await.map(drop)
    }

    async fn use_up(&self, spend: Spend) -> Result<(), StoreError> {
        collision::retrying(|| self.writer.use_up(spend.clone())).await
    }

    /// Write one verb; answered after the commit.
    async fn write<T: Send + 'static>(
        &self,
        changes: verbs::Changes,
        verb: impl FnOnce(&mut verbs::Writing<'_>) -> Result<T, StoreError> + Clone + Send + 'static,
    ) -> Result<T, StoreError> {
        collision::retrying(|| self.writer.write(changes, verb.clone())).await
    }

    /// Forget used-up things at their time, and credentials that ended before a moment.
    async fn forget(&self, now: Timestamp, forget_before: Timestamp) -> Result<Swept, StoreError> {
        let target = self.target.clone();
        let sweep = move || upkeep::sweep(&mut target.connect().map_err(unavailable)?, now, forget_before);
        tokio::task::spawn_blocking(sweep).await.map_err(unavailable)?
    }

    /// Read on a pooled connection, away from the async threads.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let pool = self.pool.clone();
        let read = move || {
            let mut conn = pool.get().map_err(unavailable)?;
            let mut outcome = Err(unavailable("nothing was read"));
            let mut snapshot = conn.build_transaction().repeatable_read().read_only();
            snapshot
                .run(|conn| {
                    outcome = work(conn);
                    Ok(())
                })
                .map_err(|error: diesel::result::Error| unavailable(error))?;
            outcome
        };
        tokio::task::spawn_blocking(read).await.map_err(unavailable)?
    }
}

/// A byte that a text always gives, and different ones seldom share.
fn byte_of(text: &str) -> u8 {
    text.bytes().fold(0, |sum, byte| sum ^ byte)
}

/// Whether what a credential was judged by at one epoch is what it is at a later one.
fn is_unchanged(_: &Shared, since: Epoch, now: Epoch, _: &CredentialRecord) -> bool {
    since == now
}

/// The server's clock.
fn moment(conn: &mut Conn) -> Result<Timestamp, StoreError> {
    let micros = diesel::dsl::sql::<BigInt>("(extract(epoch FROM clock_timestamp()) * 1000000)::bigint");
    diesel::select(micros).get_result(conn).map(Timestamp::from_micros).map_err(unavailable)
}

/// A condition on an identity, in this dialect.
pub(crate) type Condition =
    Box<dyn diesel::BoxableExpression<crate::schema::identities::table, Dialect, SqlType = Bool>>;

/// Whether name or external id is like a pattern, whatever the case.
pub(crate) fn is_named_like(pattern: String) -> Condition {
    use crate::schema::identities::{external_id, name};
    Box::new(name.ilike(pattern.clone()).escape('\\').or(external_id.ilike(pattern).escape('\\')))
}

/// Whether a top-level label has a string value; how JSON is asked is the dialect's affair.
pub(crate) fn has_label(name: &str, value: &str) -> Condition {
    use diesel::sql_types::Text;
    // `json`, not `jsonb`: a label elsewhere in the object may hold what `jsonb` refuses.
    let has = diesel::dsl::sql::<Bool>(
        "EXISTS (SELECT 1 FROM json_each_text(identities.labels::json) AS label (name, text) WHERE label.name = ",
    );
    Box::new(
        has.bind::<Text, _>(name.to_owned())
            .sql(" AND json_typeof(identities.labels::json -> label.name) = 'string' AND label.text = ")
            .bind::<Text, _>(value.to_owned())
            .sql(")"),
    )
}
