//! Connections: how they are set up, kept, and made again.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::{Pg, PgConnection};
use diesel::prelude::*;
use diesel::r2d2::ConnectionManager;
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use zeroid_identity_model::Timestamp;
use zeroid_storage::StoreError;

use super::{collision, url};
use crate::error::{OpenError, unavailable};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// Every connection: nothing waits for more than 5 s, a transaction whose owner is gone ends, and a commit is on disk
/// when it is answered, whatever the server's default. No statement is compiled: that would take longer than to run it.
/// Each is planned for the sizes of now: a plan that was made while the tables were small reads all of them, ever after.
const SETUP: &str = "SET statement_timeout = '5s';
SET lock_timeout = '5s';
SET idle_in_transaction_session_timeout = '10s';
SET client_min_messages = 'warning';
SET jit = off;
SET default_transaction_isolation = 'read committed';
SET plan_cache_mode = force_custom_plan;
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local');";

/// Connections of the hot path: few statements, all of them look-ups by a key, whose plan does not depend on what is
/// asked. Planning the look-up of a credential anew, as is chosen otherwise for a table of many partitions, costs
/// several times the look-up. A plan outlives the sizes it was made for, so a table that was small then must not be read
/// as a whole ever after.
const HOT: &str = "SET plan_cache_mode = force_generic_plan;
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off";

/// How long a plan is kept. Whether or not the server looked at its tables meanwhile, they are planned for as they are.
const PLANNED_FOR: Duration = Duration::from_secs(60);

/// One migrator at a time: replicas may start together.
const MIGRATION_LOCK: i64 = 0x7a69_645f_6d69_6772;

/// How long a read waits for a connection of the pool before it is told that the store is unavailable.
const POOL_WAIT: Duration = Duration::from_secs(5);

/// How long the attempts may take together: one that took this long is the last.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long to wait before each attempt to reach the database.
const ATTEMPTS: [Duration; 3] = [Duration::ZERO, Duration::from_millis(50), Duration::from_millis(250)];

/// How long a connection may rest before it is asked whether it is still there. Whoever rests has time to ask.
const RESTED: Duration = Duration::from_millis(50);

pub(super) type Pool = r2d2::Pool<ConnectionManager<PgConnection>>;

/// Where the database is.
#[derive(Clone)]
pub(super) struct Target {
    url: String,
}

impl Target {
    /// A server that does not answer is given up after 5 s, unless the URL says otherwise.
    pub(super) fn new(url: &str) -> Self {
        let mut url = url.trim_end_matches(['?', '&']).to_owned();
        for setting in [
            "connect_timeout=5",
            "tcp_user_timeout=10000",
            "keepalives_idle=30",
            "application_name=zeroid-server",
        ] {
            let name = setting.split('=').next().unwrap_or_default();
            if !url::has(&url, name) {
                url.push(if url.contains('?') { '&' } else { '?' });
                url.push_str(setting);
            }
        }
        Self { url }
    }

    /// The URL without user, password and settings, for messages.
    pub(super) fn shown(&self) -> PathBuf {
        PathBuf::from(url::place(&self.url))
    }

    /// Why it could not be opened.
    pub(super) fn unopened(&self, why: &str) -> OpenError {
        OpenError::Io { path: self.shown(), why: why.to_owned() }
    }

    /// Connect and set up.
    pub(super) fn connect(&self) -> Result<PgConnection, String> {
        let mut conn = PgConnection::establish(&self.url)
            .map_err(|error| url::redacted(&self.url, &error.to_string()))?;
        conn.batch_execute(SETUP).map_err(|error| error.to_string())?;
        Ok(conn)
    }

    /// Connect for the hot path.
    fn connect_hot(&self) -> Result<PgConnection, String> {
        let mut conn = self.connect()?;
        conn.batch_execute(HOT).map_err(|error| error.to_string())?;
        Ok(conn)
    }

    /// A pool for the reads that are not hot.
    pub(super) fn pool(&self, size: u32) -> Result<Pool, OpenError> {
        #[derive(Debug)]
        struct Setup;
        impl r2d2::CustomizeConnection<PgConnection, diesel::r2d2::Error> for Setup {
            fn on_acquire(&self, conn: &mut PgConnection) -> Result<(), diesel::r2d2::Error> {
                conn.batch_execute(SETUP).map_err(diesel::r2d2::Error::QueryError)
            }
        }
        r2d2::Pool::builder()
            .max_size(size)
            .min_idle(Some(1))
            .connection_timeout(POOL_WAIT)
            .connection_customizer(Box::new(Setup))
            .build(ConnectionManager::new(&self.url))
            .map_err(|error| OpenError::Io {
                path: self.shown(),
                why: url::redacted(&self.url, &error.to_string()),
            })
    }
}

/// One connection that is made again when it breaks.
pub(super) struct Link {
    target: Target,
    conn: Option<PgConnection>,
    planned: Instant,
    /// When it last was known to be there, and what the server's clock was just before.
    seen: Option<(Instant, Timestamp)>,
}

impl Link {
    pub(super) fn open(target: Target) -> Result<Self, OpenError> {
        let conn = target.connect_hot().map_err(|why| OpenError::Io { path: target.shown(), why })?;
        Ok(Self { target, conn: Some(conn), planned: now(), seen: None })
    }

    /// Do something that may be done again, on this connection or on a new one: a server that was restarted, or
    /// another that took over, is found within the attempts. What a server that is there refuses, for instance because
    /// a lock was not to be had in time, is not asked of it again.
    pub(super) fn retrying<T>(
        &mut self,
        mut work: impl FnMut(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.plan_anew();
        let mut last = unavailable("no attempt was made");
        let began = now();
        for pause in ATTEMPTS {
            if now().duration_since(began) >= PATIENCE {
                break;
            }
            wait(pause);
            let conn = match &mut self.conn {
                Some(conn) => conn,
                none => match self.target.connect_hot() {
                    Ok(conn) => none.insert(conn),
                    Err(why) => {
                        last = unavailable(why);
                        continue;
                    }
                },
            };
            match work(conn) {
                Ok(done) => return Ok(done),
                Err(why) => last = why,
            }
            self.rollback();
            if self.conn.is_some() && !collision::is_collision(&last) {
                break;
            }
        }
        Err(last)
    }

    /// Make sure that there is a connection before something is done that must not be done twice. One that was at work
    /// a moment ago is not asked.
    ///
    /// Gives a moment by the server's clock that is now, or a little earlier.
    pub(super) fn awake(&mut self) -> Result<Timestamp, StoreError> {
        self.plan_anew();
        if self.conn.is_some()
            && let Some((seen, clock)) = self.seen
            && now().duration_since(seen) <= RESTED
        {
            return Ok(after(clock, now().duration_since(seen)));
        }
        let clock = self.retrying(super::moment)?;
        self.heard(clock);
        Ok(clock)
    }

    /// Forget the plans of a while ago. A connection that is lost is found by whoever uses it next.
    fn plan_anew(&mut self) {
        if now().duration_since(self.planned) >= PLANNED_FOR
            && let Some(conn) = &mut self.conn
        {
            self.planned = now();
            let _ = conn.batch_execute("DISCARD PLANS");
        }
    }

    /// The server was there, and this was its clock.
    pub(super) fn heard(&mut self, clock: Timestamp) {
        self.seen = Some((now(), clock));
    }

    /// Whether there is a connection.
    pub(super) const fn is_open(&self) -> bool {
        self.conn.is_some()
    }

    /// The connection, if there is one.
    pub(super) fn conn(&mut self) -> Result<&mut PgConnection, StoreError> {
        self.conn.as_mut().ok_or_else(|| unavailable("the connection is lost"))
    }

    /// End whatever transaction is open; a connection that cannot is given up.
    pub(super) fn rollback(&mut self) {
        if self.conn.as_mut().is_some_and(|conn| conn.batch_execute("ROLLBACK").is_err()) {
            self.conn = None;
        }
    }
}

/// A moment a while after another.
pub(super) fn after(moment: Timestamp, passed: Duration) -> Timestamp {
    let micros = i64::try_from(passed.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(moment.as_micros().saturating_add(micros))
}

#[allow(clippy::disallowed_methods, reason = "nothing tells when a server is back")]
fn wait(pause: Duration) {
    if !pause.is_zero() {
        std::thread::sleep(pause);
    }
}

#[allow(clippy::disallowed_methods, reason = "how long somebody has waited is no fact of the domain")]
fn now() -> Instant {
    Instant::now()
}

/// Apply what is missing, unless a newer version was here.
pub(super) fn migrate(target: &Target) -> Result<Vec<String>, OpenError> {
    let failed = |why: String| OpenError::Migration { path: target.shown(), why };
    let mut conn = target.connect().map_err(|why| OpenError::Io { path: target.shown(), why })?;
    // Whoever migrates may take long, and the others wait for it.
    let lock =
        format!("SET statement_timeout = 0; SET lock_timeout = 0; SELECT pg_advisory_lock({MIGRATION_LOCK})");
    conn.batch_execute(&lock).map_err(|error| failed(error.to_string()))?;
    pending_on(&mut conn, target)?;
    let ran = conn.run_pending_migrations(MIGRATIONS).map_err(|error| failed(error.to_string()))?;
    let ran = ran.iter().map(ToString::to_string).collect();
    // What could not be made now is made by a sweep; until then the default partition takes its place.
    let _ = super::upkeep::prepare(&mut conn);
    Ok(ran)
}

/// The migrations a database lacks, unless a newer version was here.
pub(super) fn pending(target: &Target) -> Result<Vec<String>, OpenError> {
    let mut conn = target.connect().map_err(|why| OpenError::Io { path: target.shown(), why })?;
    pending_on(&mut conn, target)
}

/// Whether any migration was applied.
pub(super) fn is_made(target: &Target) -> Result<bool, OpenError> {
    let mut conn = target.connect().map_err(|why| OpenError::Io { path: target.shown(), why })?;
    let table =
        diesel::dsl::sql::<diesel::sql_types::Bool>("to_regclass('__diesel_schema_migrations') IS NOT NULL");
    let failed =
        |error: diesel::result::Error| OpenError::Migration { path: target.shown(), why: error.to_string() };
    diesel::select(table).get_result(&mut conn).map_err(failed)
}

fn pending_on(conn: &mut PgConnection, target: &Target) -> Result<Vec<String>, OpenError> {
    let failed = |why: String| OpenError::Migration { path: target.shown(), why };
    let applied = conn.applied_migrations().map_err(|error| failed(error.to_string()))?;
    let applied: Vec<String> = applied.iter().map(ToString::to_string).collect();
    let known = MigrationSource::<Pg>::migrations(&MIGRATIONS).map_err(|error| failed(error.to_string()))?;
    let known: Vec<(String, String)> = known
        .iter()
        .map(|migration| (migration.name().version().to_string(), migration.name().to_string()))
        .collect();
    if let Some(newer) = applied.iter().find(|version| !known.iter().any(|(known, _)| known == *version)) {
        return Err(OpenError::Newer { path: target.shown(), migration: newer.clone() });
    }
    Ok(known.into_iter().filter(|(version, _)| !applied.contains(version)).map(|(_, name)| name).collect())
}
