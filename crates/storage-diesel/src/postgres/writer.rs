//! Group commit: one thread owns the write connection, and whatever waits shares a transaction.
//!
//! Replicas are ordered by one lock of the database. A transaction that changes facts holds it alone; transactions that
//! only issue hold it together. So an issuance that finds the epoch its facts were read at has the present facts, and
//! no revocation is acknowledged between its check and its commit.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use zeroid_storage::{Epoch, Spend, StoreError};
use zeroid_token_core::{KeyId, Source};

use super::connection::{Link, after};
use super::cut::Cut;
use super::shared::Shared;
use super::together::{self, Together};
use super::verbs::{Issue, Job, UseUp, Work, first_of, next_of};
use crate::error::unavailable;
use crate::uses::{self, Counted, Uses};

/// The lock that orders transactions.
pub(super) const ORDER_LOCK: i64 = 0x7a69_645f_6f72_6472;

/// What the writer thread works with.
pub(super) struct Desk {
    pub(super) link: Link,
    pub(super) shared: Arc<Shared>,
    most: usize,
    /// Signing keys that were not cut off at an epoch.
    pub(super) uncut_kids: (Epoch, HashSet<KeyId>),
    pub(super) uses: Uses,
}

/// What one transaction writes.
#[derive(Default)]
pub(super) struct Load {
    pub(super) issues: Vec<Issue>,
    pub(super) verbs: Vec<Box<dyn Job>>,
    pub(super) cuts: Vec<Cut>,
    pub(super) spends: Vec<UseUp>,
    /// Whether the uses of API keys are written with it.
    pub(super) settles: bool,
}

impl Load {
    fn add(&mut self, work: Work<Box<Cut>>) {
        match work {
            Work::Issue(issue) => self.issues.push(*issue),
            Work::Own(cut) => self.cuts.push(*cut),
            Work::UseUp(spending) => self.spends.push(*spending),
            Work::Verb(verb) => self.verbs.push(verb),
            Work::Settle(verb) => {
                self.verbs.push(verb);
                self.settles = true;
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.issues.len() + self.verbs.len() + self.cuts.len() + self.spends.len()
    }

    fn answer(self, committed: &Result<(), StoreError>) {
        Issue::answer(self.issues, committed);
        for verb in self.verbs {
            verb.answer(committed.clone());
        }
        Cut::answer(self.cuts, committed);
        UseUp::answer(self.spends, committed);
    }
}

impl Desk {
    pub(super) fn new(link: Link, shared: Arc<Shared>, most: usize) -> Self {
        Self {
            link,
            shared,
            most: most.max(1),
            uncut_kids: (Epoch(0), HashSet::new()),
            uses: Uses::default(),
        }
    }

    /// Take one work, then everything else that waits; one transaction; answer after the commit. No timer but that of
    /// the uses of API keys, which delays nobody.
    pub(super) fn run(&mut self, waiting: &Receiver<Work<Box<Cut>>>) {
        while let Ok(mut next) = first_of(waiting, self.uses.due_in()) {
            let mut load = Load { settles: self.uses.are_due(), ..Load::default() };
            while let Some(work) = next {
                load.add(work);
                next = if load.len() < self.most { next_of(waiting) } else { None };
            }
            self.write(load);
        }
        self.write(Load { settles: true, ..Load::default() });
    }

    /// What can be written by one statement is; the rest, and what that statement would not write, shares a transaction.
    fn write(&mut self, mut load: Load) {
        let mut rest =
            Load { verbs: std::mem::take(&mut load.verbs), settles: load.settles, ..Load::default() };
        let plain = self.plain(&mut load, &mut rest);
        let mut apart = false;
        if !plain.is_empty() || load.len() > 0 || (load.settles && !self.uses.is_empty()) {
            let written = self.together(&plain, &mut load);
            load.issues = plain.into_iter().map(|(_, issue)| issue).collect();
            match written {
                Ok(true) => {
                    load.issues.iter_mut().for_each(|issue| issue.outcome = Some(Ok(())));
                    load.answer(&Ok(()));
                }
                // An error is told by a server that is there, and has undone it.
                Ok(false) | Err(_) if self.link.is_open() => {
                    apart = written.is_err();
                    rest.issues.append(&mut load.issues);
                    rest.cuts = load.cuts;
                    rest.spends.append(&mut load.spends);
                }
                Ok(false) => load.answer(&Err(unavailable("the connection is lost"))),
                Err(why) => load.answer(&Err(why)),
            }
        }
        if rest.len() > 0 {
            let written = self.transaction(&mut rest, apart);
            if written.is_err() {
                self.link.rollback();
                self.uses.put_off(rest.settles);
            }
            rest.answer(&written);
        }
    }

    /// Those that one statement can store, each with its tenant's number; the others are for the rest. Of what uses up the
    /// same thing one is plain.
    fn plain(&self, load: &mut Load, rest: &mut Load) -> Vec<(i64, Issue)> {
        let issues = std::mem::take(&mut load.issues);
        let mut plain = Vec::with_capacity(issues.len());
        let mut spent = HashSet::new();
        let mut is_fresh = |spend: &Spend| spent.insert((spend.hash, spend.scope.clone()));
        for issue in issues {
            let is_first = issue.issuance.spends.iter().all(&mut is_fresh);
            match self.shared.tenant(issue.issuance.record.tenant()) {
                Some(tenant) if is_first && is_plain(&issue) => plain.push((tenant, issue)),
                _ => rest.issues.push(issue),
            }
        }
        // Too late for the statement is for the rest, which says so.
        let is_plain = |one: &UseUp| !one.patience.is_over() && is_fresh(&one.spend);
        let (first, again) = std::mem::take(&mut load.spends).into_iter().partition(is_plain);
        (load.spends, rest.spends) = (first, again);
        plain
    }

    /// One statement, which is the whole transaction. False, when it would not have been right to write it.
    fn together(&mut self, plain: &[(i64, Issue)], load: &mut Load) -> Result<bool, StoreError> {
        let clock = self.link.awake().inspect_err(|_| self.uses.put_off(load.settles))?;
        let oldest = plain.iter().map(|(_, issue)| issue.issuance.epoch).min();
        let mut together = Together::default();
        let cuts = load.cuts.iter().map(|cut| cut.patience.rest()).filter(|rest| !rest.is_zero());
        let spends = load.spends.iter().map(|spending| spending.patience.rest());
        if let Some(rest) = cuts.chain(spends).min() {
            together.ends_by(after(clock, rest));
        }
        let mut unknown: HashSet<KeyId> = HashSet::new();
        if let Some(oldest) = oldest {
            // Known of an epoch no older, it is known now: the statement writes nothing if such a thing changed since.
            if self.uncut_kids.0 < oldest {
                self.uncut_kids = (oldest, HashSet::new());
            }
            together.issue(plain, oldest);
            for (_, issue) in plain {
                let kid = &issue.issuance.record.lineage.own().kid;
                if !self.uncut_kids.1.contains(kid) {
                    unknown.insert(kid.clone());
                }
            }
            together.signed_by(&unknown);
        }
        let fresh = used_by(plain);
        if load.settles {
            together.count(&self.uses.with(&fresh));
        }
        let conn = self.link.conn()?;
        let written = together::write(conn, together, &mut load.cuts, &mut load.spends)
            .inspect_err(|_| self.undone(load.settles));
        let Some(written) = written? else { return Ok(false) };
        self.link.heard(written.clock);
        if oldest.is_some() {
            self.uncut_kids.0 = written.epoch;
            self.uncut_kids.1.extend(unknown);
        }
        self.counted(&fresh, load.settles);
        Ok(true)
    }

    /// A commit failed. If the connection is lost nobody knows whether it counted: then uses are not counted again.
    pub(super) fn undone(&mut self, settles: bool) {
        self.link.rollback();
        if settles && !self.link.is_open() {
            self.uses.written();
        }
        self.uses.put_off(settles);
    }

    /// A transaction that used these keys was committed.
    pub(super) fn counted(&mut self, fresh: &Counted, settled: bool) {
        if settled {
            self.uses.written();
        } else {
            self.uses.wait(fresh);
        }
        self.shared.uses_wait.set(&self.uses);
    }
}

/// Uses of API keys by what is stored.
fn used_by(plain: &[(i64, Issue)]) -> Counted {
    let mut counted = Counted::new();
    for (_, Issue { issuance, .. }) in plain {
        if let Source::ApiKey(id) = issuance.record.lineage.own().source {
            uses::count(&mut counted, id, issuance.now);
        }
    }
    counted
}

/// Whether all there is to look at beside its facts is the key that signed it, and what it uses up.
fn is_plain(issue: &Issue) -> bool {
    issue.issuance.now < issue.issuance.record.expires_at
}
