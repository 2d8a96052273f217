//! Rates and latencies of each scenario.

use std::time::{Duration, Instant};

use super::agents::{Agents, INTROSPECT, REVOKE, TOKEN, VERIFY, register_many, tokens, tokens_under};
use super::connection::access_token;
use super::limits::{Limit, Limits};
use super::load::{self, Dice, Figures, Request};
use super::open_loop;
use super::options::{Group, Options};
use super::report::Report;
use super::server::{BenchServer, Target, built};
use crate::outcome::{Failure, Outcome};

/// Connections of a closed loop, one request in flight each.
pub(super) const CONNECTIONS: usize = 64;

/// Before anything is measured.
pub(super) const WARM_UP: Duration = Duration::from_secs(1);

/// Agents and live tokens that are chosen from at random: more than a server remembers.
const MANY_KEYS: usize = 1_000;
const MANY_TOKENS: usize = 10_000;

/// So often something is revoked in the scenarios that say so, which outdates whatever a server remembers.
const REVOKED_EVERY: Duration = Duration::from_millis(100);

/// How much is measured.
pub(super) struct Sizes {
    pub(super) time: Duration,
}

impl Sizes {
    pub(super) const QUICK: Self = Self { time: Duration::from_secs(2) };
    pub(super) const FULL: Self = Self { time: Duration::from_secs(8) };
}

/// One server under all scenarios.
pub(super) struct Bench<'b> {
    server: &'b BenchServer,
    agents: Agents,
    report: &'b Report,
    limits: &'b Limits,
    time: Duration,
    runs: usize,
}

/// Measure every scenario on one database.
pub(super) fn run(
    on_postgres: bool,
    limits: &Limits,
    report: &Report,
    sizes: &Sizes,
    options: &Options,
) -> Outcome {
    let server = BenchServer::start(&built("release")?.join("zeroid-server"), on_postgres)?;
    let agents = Agents::register(&server)?;
    let bench = Bench { server: &server, agents, report, limits, time: sizes.time, runs: options.runs };
    Report::head();
    for group in options.groups() {
        match group {
            Group::Documents => bench.documents()?,
            Group::Introspect => bench.introspecting()?,
            Group::Issue => bench.issuing()?,
            Group::Prove => bench.proving()?,
            Group::Delegate => bench.delegating()?,
            Group::Revoke => bench.revoking()?,
            Group::Rounds => bench.rounds()?,
            Group::Alone => bench.unloaded()?,
        }
    }
    report.value("memory after all this", server.memory_mib()?, "MiB")
}

impl<'b> Bench<'b> {
    fn documents(&self) -> Outcome {
        self.closed("health", Limit::Empty, |_| Ok(Request::new("/health", "")))?;
        self.closed("JWKS", Limit::Empty, |_| Ok(Request::new("/.well-known/jwks.json", "")))?;
        Ok(())
    }

    fn introspecting(&self) -> Outcome {
        let empty = Limit::Empty;
        let root = self.server.token(&self.agents.issue)?;
        let live = presented(&self.server.token(&self.agents.hop(&root))?);
        let one = |_: &mut Dice| Ok(Request::new(INTROSPECT, &live));
        let hot = self.closed("introspect, one token, one hop deep", empty, one)?;
        let keys = register_many(self.server, "reader", MANY_KEYS)?;
        let asked: Vec<String> = keys.iter().cycle().take(MANY_TOKENS).cloned().collect();
        let pool: Vec<String> = tokens(self.server, &asked)?.iter().map(|token| presented(token)).collect();
        let any = |dice: &mut Dice| Ok(Request::new(INTROSPECT, dice.pick(&pool)?));
        self.closed("introspect, 10 000 tokens of 1 000 agents", empty, any)?;
        self.amid_revocations("introspect, one token, amid revocations", one)?;
        self.amid_revocations("introspect, 10 000 tokens, amid revocations", any)?;
        let dead = self.server.token(&self.agents.issue)?;
        self.server.post(REVOKE, &presented(&dead))?;
        let dead = presented(&dead);
        self.closed("introspect, revoked", empty, |_| Ok(Request::new(INTROSPECT, &dead)))?;
        self.open("introspect, one token, half of that rate", &hot, || (INTROSPECT, live.as_str()))
    }

    fn issuing(&self) -> Outcome {
        let sign = Limit::Sign;
        let form = self.agents.issue.as_str();
        let issued = self.closed("issue by API key, one key", sign, |_| Ok(Request::new(TOKEN, form)))?;
        let keys = register_many(self.server, "issuer", MANY_KEYS)?;
        self.closed("issue by API key, 1 000 keys", sign, |dice| Ok(Request::new(TOKEN, dice.pick(&keys)?)))?;
        self.open("issue by API key, half of that rate", &issued, || (TOKEN, form))
    }

    /// Tokens that are bound to a key, and requests a proxy asks about.
    fn proving(&self) -> Outcome {
        let form = self.agents.issue.as_str();
        let runs = self.limits.beside(Limit::Both, self.runs, || {
            let proofs = self.agents.proofs(self.at_most(6_000))?;
            each_once_of(self.server, self.time, &proofs, |proof| Request::new(TOKEN, form).under(proof))
        })?;
        self.report.rates("issue by API key, bound by a DPoP proof", &runs, Some(Limit::Both))?;
        let bearer = format!("Authorization: Bearer {}\r\n", self.server.token(form)?);
        let ask = |_: &mut Dice| Ok(Request::new(VERIFY, "").under(bearer.as_str()));
        self.closed("forward-auth, one bearer token", Limit::Empty, ask)?;
        let runs = self.several(|| {
            let bound = tokens_under(self.server, form, &self.agents.proofs(1)?)?;
            let bound = bound.first().ok_or_else(|| Failure::new("no bound token"))?;
            let proofs = self.agents.forwarded(bound, self.at_most(6_000))?;
            each_once_of(self.server, self.time, &proofs, |proof| Request::new(VERIFY, "").under(proof))
        })?;
        self.report.rates("forward-auth, one bound token and its proofs", &runs, None)
    }

    fn delegating(&self) -> Outcome {
        let hop = self.agents.hop(&self.server.token(&self.agents.issue)?);
        let name = "delegate one hop, actor by API key";
        self.closed(name, Limit::Sign, |_| Ok(Request::new(TOKEN, &hop)))?;
        let runs = self.limits.beside(Limit::Both, self.runs, || {
            let root = self.server.token(&self.agents.issue)?;
            let forms = self.agents.hops_by_assertion(&root, self.at_most(12_000))?;
            each_once(self.server, self.time, TOKEN, &forms)
        })?;
        self.report.rates("delegate one hop, actor by assertion", &runs, Some(Limit::Both))
    }

    /// Every token can be revoked once, so they are made before the clock starts.
    fn revoking(&self) -> Outcome {
        let runs = self.several(|| {
            let asked = vec![self.agents.issue.clone(); self.at_most(20_000)];
            let forms: Vec<String> =
                tokens(self.server, &asked)?.iter().map(|token| presented(token)).collect();
            each_once(self.server, self.time, REVOKE, &forms)
        })?;
        self.report.rates("revoke", &runs, None)
    }

    fn rounds(&self) -> Outcome {
        let runs = self.several(|| {
            let began = Instant::now();
            load::run(self.server, CONNECTIONS, |_| {
                let mut round =
                    Round { agents: &self.agents, root: String::new(), leaf: String::new(), step: 0 };
                move |answer: Option<&str>| round.next(answer, began.elapsed() < self.time)
            })
        })?;
        self.report.rates("root, 4 hops, introspect, revoke, introspect", &runs, None)
    }

    /// One connection, nobody else.
    fn unloaded(&self) -> Outcome {
        let form = self.agents.issue.as_str();
        let live = presented(&self.server.token(form)?);
        let alone = |request: &(dyn Fn() -> Request<'b> + Sync)| {
            self.several(|| repeatedly(self.server, 1, self.time, &|_| Ok(request())))
        };
        let (issue, ask) = (form.to_owned(), live);
        let runs = alone(&move || Request::new(TOKEN, issue.clone()))?;
        self.report.rates("one connection: issue by API key", &runs, None)?;
        let runs = alone(&move || Request::new(INTROSPECT, ask.clone()))?;
        self.report.rates("one connection: introspect", &runs, None)
    }

    /// A closed loop over all connections; gives the last run.
    fn closed<'p>(
        &self,
        name: &str,
        of: Limit,
        request: impl Fn(&mut Dice) -> Outcome<Request<'p>> + Sync,
    ) -> Outcome<Figures> {
        repeatedly(self.server, CONNECTIONS, WARM_UP, &request)?;
        let measure = || repeatedly(self.server, CONNECTIONS, self.time, &request);
        let runs = self.limits.beside(of, self.runs, measure)?;
        self.report.rates(name, &runs, Some(of))?;
        runs.last().copied().ok_or_else(|| Failure::new("nothing was measured"))
    }

    /// The same while tokens that nobody asks about are revoked, one every 100 ms.
    fn amid_revocations<'p>(
        &self,
        name: &str,
        request: impl Fn(&mut Dice) -> Outcome<Request<'p>> + Sync,
    ) -> Outcome {
        // With the limit, which is measured around each run.
        let seconds = (self.time.as_secs().max(1) + 2) * self.runs as u64 + 2 + WARM_UP.as_secs();
        let wanted = usize::try_from(seconds * 2 * 1_000).unwrap_or(0) / 100;
        let victims = tokens(self.server, &vec![self.agents.issue.clone(); wanted])?;
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        std::thread::scope(|scope| {
            let revoker = scope.spawn(move || {
                for victim in &victims {
                    let waited = stopped.recv_timeout(REVOKED_EVERY);
                    if waited != Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                        return Ok(());
                    }
                    self.server.post(REVOKE, &presented(victim))?;
                }
                Ok(())
            });
            let measured = self.closed(name, Limit::Empty, request);
            drop(stop);
            revoker.join().unwrap_or_else(|_| Err(Failure::new("the revoker died")))?;
            measured.map(drop)
        })
    }

    /// An open loop at half of the rate that a closed one reached.
    fn open<'p>(
        &self,
        name: &str,
        closed: &Figures,
        request: impl Fn() -> (&'static str, &'p str) + Sync,
    ) -> Outcome {
        let rate = closed.per_second / 2.0;
        let runs = self.several(|| open_loop::run(self.server, CONNECTIONS, rate, self.time, &request))?;
        self.report.rates(name, &runs, None)
    }

    fn several(&self, measure: impl Fn() -> Outcome<Figures>) -> Outcome<Vec<Figures>> {
        (0..self.runs).map(|_| measure()).collect()
    }

    /// What is used up by a run, at this rate a second.
    fn at_most(&self, per_second: usize) -> usize {
        usize::try_from(self.time.as_secs()).unwrap_or(1) * per_second
    }
}

/// Send for a while on every connection.
pub(super) fn repeatedly<'p>(
    target: &impl Target,
    connections: usize,
    time: Duration,
    request: &(impl Fn(&mut Dice) -> Outcome<Request<'p>> + Sync),
) -> Outcome<Figures> {
    let began = Instant::now();
    load::run(target, connections, |worker| {
        let mut dice = Dice::new(worker);
        move |_: Option<&str>| if began.elapsed() < time { request(&mut dice).map(Some) } else { Ok(None) }
    })
}

/// Send each body once, until the time is over or they are used up.
pub(super) fn each_once(
    target: &impl Target,
    time: Duration,
    path: &'static str,
    bodies: &[String],
) -> Outcome<Figures> {
    each_once_of(target, time, bodies, |body| Request::new(path, body))
}

/// Send the request made of each of these once, until the time is over or they are used up.
fn each_once_of<'p>(
    target: &impl Target,
    time: Duration,
    parts: &'p [String],
    request: impl Fn(&'p str) -> Request<'p> + Sync,
) -> Outcome<Figures> {
    let began = Instant::now();
    load::run(target, CONNECTIONS, |worker| {
        let mut left = parts.iter().skip(worker).step_by(CONNECTIONS);
        let request = &request;
        move |_: Option<&str>| {
            let part = if began.elapsed() < time { left.next() } else { None };
            Ok(part.map(|part| request(part)))
        }
    })
}

/// The form that asks about a token, or revokes it.
pub(super) fn presented(token: &str) -> String {
    format!("token={token}")
}

/// A root, four hops below it, and the leaf before and after the root is revoked.
struct Round<'a> {
    agents: &'a Agents,
    root: String,
    leaf: String,
    step: u8,
}

impl Round<'_> {
    fn next<'p>(&mut self, answer: Option<&str>, goes_on: bool) -> Outcome<Option<Request<'p>>> {
        let answer = answer.unwrap_or_default();
        let step = self.step;
        self.step = (step + 1) % 8;
        Ok(Some(match step {
            0 if !goes_on => return judged(answer),
            0 => {
                judged(answer)?;
                Request::new(TOKEN, self.agents.issue.clone()).begins()
            }
            1..=4 => {
                self.leaf = access_token(answer)?;
                if step == 1 {
                    self.root.clone_from(&self.leaf);
                }
                Request::new(TOKEN, self.agents.hop(&self.leaf)).begins()
            }
            5 => {
                self.leaf = access_token(answer)?;
                Request::new(INTROSPECT, presented(&self.leaf)).begins()
            }
            6 if !answer.contains("\"active\":true") => return Err(Failure::new("a leaf is dead too early")),
            6 => Request::new(REVOKE, presented(&self.root)).begins(),
            _ => Request::new(INTROSPECT, presented(&self.leaf)),
        }))
    }
}

/// What a round ends with; nothing before the first.
fn judged<'p>(answer: &str) -> Outcome<Option<Request<'p>>> {
    if answer.is_empty() || answer == "{\"active\":false}" {
        return Ok(None);
    }
    Err(Failure::new("a leaf is alive under a revoked root"))
}
