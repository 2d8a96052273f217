//! Rows as the server itself would have written them over the last weeks, made by the database.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use zeroid_jose::MasterKey;
use zeroid_tests::{claims, issue, register};

use crate::database::{Database, Kind};

/// Days the rows are spread over. All of them ended within the time they are kept.
const DAYS: u64 = 28;

/// Rows of one statement.
const CHUNK: u64 = 250_000;

const MICROS_PER_DAY: u64 = 86_400_000_000;

/// Agents that hold the rows, and one whose credential they are all made after.
pub(crate) struct Agents {
    pub(crate) api_key: String,
    identity: String,
    uri: String,
    token: String,
    claims: Value,
    /// The record as it is stored, in hexadecimal.
    body: String,
    issued_at: u64,
    expires_at: u64,
    tenant: String,
}

impl Agents {
    pub(crate) fn register(database: &Database, count: usize) -> Self {
        let client = database.server.client();
        let boss = register(&client, "boss", json!({}));
        for number in 1..count {
            register(&client, &format!("agent-{number}"), json!({}));
        }
        let token = issue(&client, &boss.api_key, "read").token();
        let claims = claims(&token);
        let body = database.one(match database.kind {
            Kind::Postgres { .. } => "SELECT encode(body, 'hex') FROM credentials",
            Kind::Sqlite => "SELECT lower(hex(body)) FROM credentials",
        });
        let number =
            |column: &str| database.one(&format!("SELECT {column} FROM credentials")).parse().unwrap();
        let (issued_at, expires_at) = (number("issued_at"), number("expires_at"));
        let tenant = database.one("SELECT tenant_id FROM credentials");
        let (api_key, identity, uri) = (boss.api_key, boss.id, boss.uri);
        Self { api_key, identity, uri, token, claims, body, issued_at, expires_at, tenant }
    }

    /// Store so many rows, oldest first, as they would have come.
    pub(crate) fn fill(&self, database: &Database, rows: u64) {
        database.run(days().map(|day| make_partition(database, day)));
        let first = today() - DAYS;
        let apart = DAYS * MICROS_PER_DAY / rows.max(1);
        let chunks = (0..rows).step_by(usize::try_from(CHUNK).unwrap());
        let statements = chunks.map(|from| {
            let to = (from + CHUNK).min(rows) - 1;
            let start = first * MICROS_PER_DAY;
            match database.kind {
                Kind::Postgres { .. } => self.postgres(start, apart, from, to),
                Kind::Sqlite => self.sqlite(start, apart, from, to),
            }
        });
        let who = match database.kind {
            Kind::Postgres { .. } => {
                "CREATE TEMPORARY TABLE who AS SELECT row_number() OVER () - 1 AS n, id, encode(id, 'hex') AS hex_id, \
                 '78' || lpad(to_hex(length(spiffe_id)), 2, '0') || encode(convert_to(spiffe_id, 'UTF8'), 'hex') AS uri \
                 FROM identities; ALTER TABLE who ADD PRIMARY KEY (n); ANALYZE who"
            }
            Kind::Sqlite => {
                "CREATE TEMPORARY TABLE who AS SELECT row_number() OVER () - 1 AS n, id, hex(id) AS hex_id, \
                 '78' || printf('%02x', length(spiffe_id)) || hex(spiffe_id) AS uri FROM identities; \
                 CREATE UNIQUE INDEX whose ON who (n)"
            }
        };
        database.run(std::iter::once(who.to_owned()).chain(statements));
        let stored: u64 = database.one("SELECT count(*) FROM credentials").parse().unwrap();
        assert_eq!(stored, rows + 1);
    }

    /// The template in hexadecimal with what differs in each row put in, as an SQL expression.
    fn body(&self, jti: &str, issued: &str, ended: &str) -> String {
        let mut pieces = vec![(true, self.body.clone())];
        for (from, to) in [
            (undashed(member(&self.claims, "jti")), jti),
            (undashed(&self.identity), "who.hex_id"),
            (text(&self.uri), "who.uri"),
            (integer(self.issued_at), issued),
            (integer(self.expires_at), ended),
        ] {
            assert!(self.body.contains(&from), "{from} is not in {}", self.body);
            let split = |(literal, piece): (bool, String)| -> Vec<(bool, String)> {
                if !literal {
                    return vec![(literal, piece)];
                }
                let parts: Vec<_> = piece.split(&from).map(|part| (true, part.to_owned())).collect();
                between(parts, (false, to.to_owned()))
            };
            pieces = pieces.into_iter().flat_map(split).collect();
        }
        let shown = |(literal, piece): (bool, String)| {
            if literal { format!("'{piece}'") } else { format!("({piece})") }
        };
        pieces.into_iter().map(shown).collect::<Vec<_>>().join(" || ")
    }

    fn postgres(&self, start: u64, apart: u64, from: u64, to: u64) -> String {
        let time = |micros: &str| format!("'1b' || lpad(to_hex({micros}), 16, '0')");
        let body = self.body("made.hex", &time("made.at"), &time("made.ended"));
        format!(
            "INSERT INTO credentials SELECT decode(hex, 'hex'), {tenant}, who.id, decode(hex, 'hex'), 0, at, ended,
                decode(sum || sum, 'hex'), decode({body}, 'hex')
             FROM (SELECT i, sum, {start} + i * {apart} AS at,
                (({start} + i * {apart}) / 1000000 + 3600) * 1000000 AS ended,
                lpad(to_hex(({start} + i * {apart}) / 1000), 12, '0') || '7' || substr(sum, 1, 3) || '8' ||
                substr(sum, 4, 15) AS hex
                FROM (SELECT i, md5(i::text) AS sum FROM generate_series({from}::bigint, {to}::bigint) AS i) AS sums
             ) AS made
             JOIN who ON who.n = abs(hashint8(i)) % (SELECT count(*) FROM who)",
            tenant = self.tenant
        )
    }

    fn sqlite(&self, start: u64, apart: u64, from: u64, to: u64) -> String {
        let time = |micros: &str| format!("'1b' || printf('%016x', {micros})");
        let body = self.body("hex", &time("at"), &time("ended"));
        format!(
            "WITH RECURSIVE n(i) AS (SELECT {from} UNION ALL SELECT i + 1 FROM n WHERE i < {to}),
             made AS MATERIALIZED (SELECT {start} + i * {apart} AS at, (({start} + i * {apart}) / 1000000 + 3600) * 1000000
                AS ended, abs(random()) % (SELECT count(*) FROM who) AS whose,
                printf('%012x7%03x8%015x', ({start} + i * {apart}) / 1000, abs(random()) % 4096,
                abs(random()) % 1152921504606846976) AS hex FROM n)
             INSERT INTO credentials SELECT unhex(hex), {tenant}, who.id, unhex(hex), 0, at, ended, randomblob(32), unhex({body})
             FROM made JOIN who ON who.n = made.whose",
            tenant = self.tenant
        )
    }
}

/// Things with one more between each two.
fn between<T: Clone>(things: Vec<T>, one_more: T) -> Vec<T> {
    let mut all: Vec<T> = things.into_iter().flat_map(|thing| [one_more.clone(), thing]).collect();
    all.remove(0);
    all
}

/// Live tokens that were issued over the last weeks: with the digest the server would have recorded.
pub(crate) fn old_tokens(database: &Database, agents: &Agents, count: usize) -> Vec<String> {
    let master = std::fs::read_to_string(database.server.data().join("master.key")).unwrap();
    let master = MasterKey::parse(master.trim()).unwrap();
    if matches!(database.kind, Kind::Postgres { .. }) {
        database.run(days().map(|day| make_partition(database, day)));
    }
    let [head, _, signature] = agents.token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
    let own_jti = member(&agents.claims, "jti");
    let span = DAYS * MICROS_PER_DAY;
    let expires = (today() + 1 + DAYS) * MICROS_PER_DAY;
    let (mut tokens, mut statement) = (Vec::new(), String::new());
    let mut statements = Vec::new();
    for number in 0..count {
        // Not in the order of time: the next one is far from this.
        let scattered = u64::try_from(number).unwrap().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let at = (today() - DAYS) * MICROS_PER_DAY + scattered % span;
        let hex = format!("{:012x}7{:03x}9{:015x}", at / 1000, number % 4096, scattered >> 4);
        let jti = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
        let mut claims: Value =
            serde_json::from_str(&agents.claims.to_string().replace(own_jti, &jti)).unwrap();
        claims["iat"] = json!(at / 1_000_000);
        claims["exp"] = json!(expires / 1_000_000);
        if claims["nbf"].is_number() {
            claims["nbf"] = claims["iat"].clone();
        }
        let token = format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims.to_string()));
        let digest = hexadecimal(master.token_digest(&token).as_bytes());
        let body = agents.body.replace(&undashed(own_jti), &hex);
        let body = body.replace(&integer(agents.issued_at), &integer(at));
        let body = database.bytes(&body.replace(&integer(agents.expires_at), &integer(expires)));
        let (jti, identity) = (database.bytes(&hex), database.bytes(&agents.identity.replace('-', "")));
        let begin = if statement.is_empty() { "INSERT INTO credentials VALUES " } else { ", " };
        let (tenant, digest) = (&agents.tenant, database.bytes(&digest));
        write!(
            statement,
            "{begin}({jti}, {tenant}, {identity}, {jti}, 0, {at}, {expires}, {digest}, {body})"
        )
        .unwrap();
        if number % 500 == 499 || number + 1 == count {
            statements.push(std::mem::take(&mut statement));
        }
        tokens.push(token);
    }
    database.run(statements);
    if matches!(database.kind, Kind::Postgres { .. }) {
        database.run(days().map(|day| {
            let (from, to) = (day * MICROS_PER_DAY, (day + 1) * MICROS_PER_DAY);
            format!(
                "INSERT INTO credential_partitions (name, from_at, to_at) \
                 VALUES ('credentials_past{day}', {from}, {to}) ON CONFLICT DO NOTHING"
            )
        }));
    }
    tokens
}

/// The partition of a past day, as the server would have made it on that day. It is told of it when it is full: what is
/// over and empty would be dropped.
fn make_partition(database: &Database, day: u64) -> String {
    if matches!(database.kind, Kind::Sqlite) {
        return String::new();
    }
    let (from, to) = (day * MICROS_PER_DAY, (day + 1) * MICROS_PER_DAY);
    format!(
        "CREATE TABLE IF NOT EXISTS credentials_past{day} (LIKE credentials INCLUDING DEFAULTS);
         SELECT NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = 'credentials_past{day}'::regclass) AS fresh \\gset
         \\if :fresh
         ALTER TABLE credentials ATTACH PARTITION credentials_past{day}
             FOR VALUES FROM ('\\x{:012x}{:020x}') TO ('\\x{:012x}{:020x}');
         \\endif
         SELECT 1 LIMIT 0",
        from / 1000, 0, to / 1000, 0
    )
}

fn days() -> impl Iterator<Item = u64> {
    today() - DAYS..today()
}

fn today() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    since.as_secs() / 86_400
}

/// A text as CBOR has it, of 24 to 255 bytes.
fn text(text: &str) -> String {
    format!("78{:02x}{}", text.len(), hexadecimal(text.as_bytes()))
}

/// A number as CBOR has it, beyond 32 bits.
fn integer(number: u64) -> String {
    format!("1b{number:016x}")
}

fn member<'c>(claims: &'c Value, name: &str) -> &'c str {
    claims[name].as_str().unwrap()
}

fn undashed(uuid: &str) -> String {
    uuid.replace('-', "")
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
