//! The same requests to both servers, by turns: whatever else the machine does, it does to both.

use std::time::Instant;

use crate::caller::Caller;
use crate::database::Database;
use crate::fill::Agents;

/// Callers at a time.
const CALLERS: usize = 4;

/// How often both are measured, and with how many requests of each kind.
#[derive(Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) count: usize,
    pub(crate) requests: usize,
}

impl Rounds {
    pub(crate) const FULL: Self = Self { count: 15, requests: 1200 };

    /// Old tokens that are needed, if each is asked about once.
    pub(crate) fn tokens(self) -> usize {
        self.count * self.requests
    }
}

/// The time of a request, in microseconds: the middle of all rounds on the empty and on the full table, and the middle
/// of the ratios of each round.
#[derive(Debug)]
pub(crate) struct Figures {
    pub(crate) micros: [f64; 2],
    pub(crate) ratio: f64,
}

const KINDS: [&str; 4] = ["issue", "introspect, fresh", "introspect, old", "revoke"];

pub(crate) fn compare(
    sides: &[(Database, Agents, Vec<String>); 2],
    rounds: Rounds,
) -> Vec<(&'static str, Figures)> {
    let mut times: [[Vec<f64>; 2]; 4] = Default::default();
    for round in 0..=rounds.count {
        // The first one warms up, with tokens of the second.
        let part = round.max(1) - 1;
        for turn in 0..2 {
            // Who is first changes, too.
            let side = (round + turn) % 2;
            let (database, agents, old) = &sides[side];
            let old = &old[part * rounds.requests..(part + 1) * rounds.requests];
            let taken = measure(database, &agents.api_key, old, rounds.requests);
            if round > 0 {
                (0..4).for_each(|kind| times[kind][side].push(taken[kind]));
            }
        }
    }
    let figures = times.map(|[empty, full]| {
        let ratios = empty.iter().zip(&full).map(|(empty, full)| full / empty).collect();
        Figures { micros: [middle(empty), middle(full)], ratio: middle(ratios) }
    });
    KINDS.into_iter().zip(figures).collect()
}

fn measure(database: &Database, api_key: &str, old: &[String], requests: usize) -> [f64; 4] {
    let base = &database.server.base;
    let form = format!("grant_type=api_key&api_key={api_key}&scope=read");
    let nothing = vec![String::new(); requests];
    let (issued, tokens) = timed(base, &nothing, |caller, _| caller.token(&form));
    let form_of = |token: &String| format!("token={token}");
    let fresh: Vec<String> = tokens.iter().map(form_of).collect();
    let old: Vec<String> = old.iter().map(form_of).collect();
    let (fresh_read, active) = timed(base, &fresh, |caller, form| caller.introspect(form));
    assert!(active.iter().all(|active| *active), "a fresh token is not active");
    let (old_read, active) = timed(base, &old, |caller, form| caller.introspect(form));
    assert!(active.iter().all(|active| *active), "an old token is not active: {}", database.server.printed());
    let (revoked, _) = timed(base, &fresh, |caller, form| caller.post("/oauth2/token/revoke", form));
    [issued, fresh_read, old_read, revoked]
}

/// Do something with each of these, by a few callers at a time; gives the microseconds each took of the whole.
fn timed<T: Send>(
    base: &str,
    things: &[String],
    ask: impl Fn(&mut Caller, &str) -> T + Sync,
) -> (f64, Vec<T>) {
    let mut callers: Vec<Caller> = (0..CALLERS).map(|_| Caller::of(base)).collect();
    let began = Instant::now();
    let answers: Vec<T> = std::thread::scope(|scope| {
        let share = things.len().div_ceil(CALLERS);
        let working: Vec<_> = things
            .chunks(share)
            .zip(&mut callers)
            .map(|(things, caller)| {
                let ask = &ask;
                scope.spawn(move || things.iter().map(|thing| ask(caller, thing)).collect::<Vec<T>>())
            })
            .collect();
        working.into_iter().flat_map(|working| working.join().unwrap()).collect()
    });
    (began.elapsed().as_secs_f64() * 1e6 / things.len() as f64, answers)
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
