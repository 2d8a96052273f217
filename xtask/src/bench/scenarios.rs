//! What is measured.

use std::time::{Duration, Instant};

use super::load::{self, Connection, Figures, run_closed};
use super::server::BenchServer;
use crate::outcome::{Failure, Outcome};

/// Connections of a scenario, one request in flight each.
const CONNECTIONS: usize = 64;

/// Leaves asked after the root is gone.
const SAMPLED: usize = 1_000;

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// How much is measured.
pub(crate) struct Sizes {
    seconds: u64,
    descendants: usize,
}

impl Sizes {
    pub(crate) const QUICK: Self = Self { seconds: 2, descendants: 2_000 };
    pub(crate) const FULL: Self = Self { seconds: 8, descendants: 100_000 };
}

/// What one core allows.
pub(crate) struct Raw {
    pub(crate) sign: f64,
    pub(crate) verify: f64,
    pub(crate) digest: f64,
    /// Empty requests a CPU-second of this very server; known once it was measured.
    pub(crate) empty: f64,
}

/// Agents, and the forms they send.
struct Bench<'s> {
    server: &'s BenchServer,
    sizes: &'s Sizes,
    issue: String,
    aide: String,
}

pub(crate) fn run(on_postgres: bool, raw: &Raw, sizes: &Sizes) -> Outcome {
    let began = Instant::now();
    let server = BenchServer::start(on_postgres)?;
    let (boss, aide) = (server.register("boss")?, server.register("aide")?);
    let issue = format!("grant_type=api_key&api_key={boss}&scope=read+write");
    server.token(&issue)?;
    println!("from nothing to the first token {:.0} ms", began.elapsed().as_secs_f64() * 1e3);
    let bench = Bench { server: &server, sizes, issue, aide };
    println!(
        "{:<40}{:>11}{:>11}{:>9}{:>9}{:>9}  of the raw rate",
        "scenario", "per s", "per CPU-s", "p50 us", "p99 us", "p99.9 us"
    );
    bench.reading(raw)?;
    bench.writing(raw)?;
    bench.unloaded()?;
    bench.revoke_a_tree()?;
    println!("memory after all this: {:.0} MiB", server.memory_mib());
    Ok(())
}

impl Bench<'_> {
    fn reading(&self, raw: &Raw) -> Outcome {
        let empty = self.measure(|_| ("/health", String::new()))?;
        report("health (an empty request)", &empty, None);
        let raw = Raw { empty: empty.per_cpu_second, ..*raw };
        let of_empty = |figures: &Figures| Some(("an empty request", figures.per_cpu_second / raw.empty));
        let keys = self.measure(|_| ("/.well-known/jwks.json", String::new()))?;
        report("JWKS", &keys, of_empty(&keys));
        let root = self.server.token(&self.issue)?;
        let live = format!("token={}", self.server.token(&self.hop(&root))?);
        let path = "/oauth2/token/introspect";
        let active = self.measure(|_| (path, live.clone()))?;
        report("introspect, active", &active, of_empty(&active));
        let dead = format!("token={}", self.server.token(&self.issue)?);
        self.server.post("/oauth2/token/revoke", &dead)?;
        let revoked = self.measure(|_| (path, dead.clone()))?;
        report("introspect, revoked", &revoked, of_empty(&revoked));
        report(
            "  the active one, of verifying",
            &active,
            Some(("verifying", active.per_cpu_second / raw.verify)),
        );
        Ok(())
    }

    fn writing(&self, raw: &Raw) -> Outcome {
        let of_sign = |figures: &Figures| Some(("signing", figures.per_cpu_second / raw.sign));
        let issued = self.measure(|_| ("/oauth2/token", self.issue.clone()))?;
        report("issue by API key", &issued, of_sign(&issued));
        let hop = self.hop(&self.server.token(&self.issue)?);
        let hops = self.measure(|_| ("/oauth2/token", hop.clone()))?;
        report("delegate one hop, actor by API key", &hops, of_sign(&hops));
        self.delegate_by_assertion(raw)?;
        let revoked = self.revocations()?;
        report("revoke a leaf", &revoked, None);
        let rounds = self.rounds()?;
        report("root, 4 hops, introspect, revoke, introspect", &rounds, None);
        Ok(())
    }

    /// An assertion is used once, so they are signed before the clock starts.
    fn delegate_by_assertion(&self, raw: &Raw) -> Outcome {
        let signer = load::Signer::new()?;
        let uri = self.server.register_with_key("signer", &signer.public_pem())?;
        let root = self.server.token(&self.issue)?;
        let wanted = usize::try_from(self.sizes.seconds).unwrap_or(1) * 4_000;
        let issuer = format!("http://{}", self.server.address);
        let forms: Outcome<Vec<String>> = (0..wanted)
            .map(|number| {
                let proof = signer.assertion(&uri, &issuer, number)?;
                Ok(format!("grant_type={EXCHANGE}&subject_token={root}&actor_token={proof}&scope=read"))
            })
            .collect();
        let figures = load::run_each(self.server, CONNECTIONS, "/oauth2/token", &forms?)?;
        let both = 1.0 / (1.0 / raw.sign + 1.0 / raw.verify);
        report(
            "delegate one hop, actor by assertion",
            &figures,
            Some(("verifying and signing", figures.per_cpu_second / both)),
        );
        Ok(())
    }

    /// Every token can be revoked once, so they are made before the clock starts.
    fn revocations(&self) -> Outcome<Figures> {
        let wanted = usize::try_from(self.sizes.seconds).unwrap_or(1) * 6_000;
        let tokens = load::repeat(self.server, CONNECTIONS, wanted, 1, &self.issue)?;
        let forms: Vec<String> = tokens.into_iter().map(|token| format!("token={token}")).collect();
        load::run_each(self.server, CONNECTIONS, "/oauth2/token/revoke", &forms)
    }

    fn rounds(&self) -> Outcome<Figures> {
        let time = Duration::from_secs(self.sizes.seconds);
        load::gather(self.server, CONNECTIONS, |_, connection, latencies| {
            let began = Instant::now();
            while began.elapsed() < time {
                let sent = Instant::now();
                let root = load::access_token(&connection.post("/oauth2/token", &self.issue)?)?;
                let mut leaf = root.clone();
                for _ in 0..4 {
                    leaf = load::access_token(&connection.post("/oauth2/token", &self.hop(&leaf))?)?;
                }
                let ask = format!("token={leaf}");
                let before = connection.post("/oauth2/token/introspect", &ask)?;
                connection.post("/oauth2/token/revoke", &format!("token={root}"))?;
                let after = connection.post("/oauth2/token/introspect", &ask)?;
                if !before.contains("\"active\":true") || after != "{\"active\":false}" {
                    return Err(Failure::new("a round ended wrongly"));
                }
                latencies.push(sent.elapsed());
            }
            Ok(())
        })
    }

    /// One connection, nobody else.
    fn unloaded(&self) -> Outcome {
        let time = Duration::from_secs(self.sizes.seconds.min(3));
        let issued = run_closed(self.server, 1, time, &|_| ("/oauth2/token", self.issue.clone()))?;
        report("one connection: issue by API key", &issued, None);
        let live = format!("token={}", self.server.token(&self.issue)?);
        let active = run_closed(self.server, 1, time, &|_| ("/oauth2/token/introspect", live.clone()))?;
        report("one connection: introspect", &active, None);
        Ok(())
    }

    /// A root with many descendants: revoking it is one write, like revoking a leaf.
    fn revoke_a_tree(&self) -> Outcome {
        let descendants = self.sizes.descendants;
        let root = self.server.token(&self.issue)?;
        let (began, every) = (Instant::now(), (descendants / SAMPLED).max(1));
        let sampled = load::repeat(self.server, CONNECTIONS, descendants, every, &self.hop(&root))?;
        println!("{descendants} descendants made in {:.1} s", began.elapsed().as_secs_f64());
        let mut connection = Connection::open(&self.server.address)?;
        let leaf = self.server.token(&self.issue)?;
        let alone = timed(&mut connection, &leaf)?;
        let tree = timed(&mut connection, &root)?;
        println!("revoke a leaf {alone:?}, revoke the root of them all {tree:?}");
        for token in &sampled {
            let answer = connection.post("/oauth2/token/introspect", &format!("token={token}"))?;
            if answer != "{\"active\":false}" {
                return Err(Failure::new("a leaf is alive under a revoked root"));
            }
        }
        println!("{} sampled leaves, all inactive", sampled.len());
        Ok(())
    }

    fn hop(&self, subject: &str) -> String {
        format!("grant_type={EXCHANGE}&subject_token={subject}&api_key={}&scope=read", self.aide)
    }

    fn measure<'p>(&self, request: impl Fn(usize) -> (&'p str, String) + Sync) -> Outcome<Figures> {
        run_closed(self.server, CONNECTIONS, Duration::from_secs(1), &request)?;
        run_closed(self.server, CONNECTIONS, Duration::from_secs(self.sizes.seconds), &request)
    }
}

fn timed(connection: &mut Connection, token: &str) -> Outcome<Duration> {
    let body = format!("token={token}");
    let began = Instant::now();
    connection.post("/oauth2/token/revoke", &body)?;
    Ok(began.elapsed())
}

fn report(name: &str, figures: &Figures, of: Option<(&str, f64)>) {
    let of = of.map_or_else(String::new, |(what, share)| format!("{:.0} % of {what}", share * 100.0));
    println!(
        "{name:<40}{:>11.0}{:>11.0}{:>9.0}{:>9.0}{:>9.0}  {of}",
        figures.per_second,
        figures.per_cpu_second,
        figures.p50_micros,
        figures.p99_micros,
        figures.p999_micros
    );
}
