//! What one statement cannot write: verbs, and what must be judged again or stand alone, in one transaction of several.

use std::collections::HashSet;

use diesel::connection::SimpleConnection;
use zeroid_storage::{Epoch, StoreError};

use super::together::{self, Together};
use super::verbs::job::late;
use super::verbs::{Batch, Changes, Issue, Job, Ran, Step, UseUp, Writing, apart};
use super::writer::{Desk, Load, ORDER_LOCK};
use super::{Conn, epochs, issue};
use crate::error::unavailable;

impl Desk {
    /// Write everything and commit. An error means that nothing of it is known to be kept.
    pub(super) fn transaction(&mut self, load: &mut Load, mut issue_apart: bool) -> Result<(), StoreError> {
        let changes =
            !load.cuts.is_empty() || load.verbs.iter().any(|verb| verb.changes() != Changes::Nothing);
        let verbs = !load.verbs.is_empty();
        let mut batch = Batch::at(self.begin(changes, verbs)?);
        let alone = load.len() == 1;
        if !issue_apart
            && !load.issues.is_empty()
            && self.issue_together(&mut load.issues, &mut batch).is_err()
        {
            // One of them cannot be stored, and has spoilt the transaction for all: each by itself, then.
            self.link.rollback();
            batch = Batch::at(self.begin(changes, verbs)?);
            issue_apart = true;
        }
        if issue_apart {
            self.issue_apart(&mut load.issues, &mut batch)?;
        }
        self.use_up(&mut load.spends)?;
        for verb in &mut load.verbs {
            self.run_one(verb.as_mut(), &mut batch, alone)?;
        }
        self.finish(&batch, load)
    }

    /// Begin a transaction in the order of all replicas; gives the epoch it begins with. What verbs ask is planned
    /// for the tables as they are.
    fn begin(&mut self, changes: bool, verbs: bool) -> Result<Epoch, StoreError> {
        let plans = if verbs { "SET LOCAL plan_cache_mode = force_custom_plan; " } else { "" };
        let shared = if changes { "" } else { "_shared" };
        let begin = format!("BEGIN; {plans}SELECT pg_advisory_xact_lock{shared}({ORDER_LOCK})");
        let epoch = self.link.retrying(|conn| {
            conn.batch_execute(&begin).map_err(unavailable)?;
            // A statement of its own: its snapshot is taken when the lock is held.
            epochs::epoch(conn)
        })?;
        if self.uncut_kids.0 != epoch {
            self.uncut_kids = (epoch, HashSet::new());
        }
        Ok(epoch)
    }

    fn issue_together(&mut self, issues: &mut [Issue], batch: &mut Batch) -> Result<(), StoreError> {
        let conn = self.link.conn()?;
        let mut writing =
            Writing { conn, shared: &self.shared, batch: &mut *batch, uncut_kids: &mut self.uncut_kids.1 };
        issue::together(&mut writing, issues)
    }

    fn issue_apart(&mut self, issues: &mut [Issue], batch: &mut Batch) -> Result<(), StoreError> {
        for issue in issues {
            let conn = self.link.conn()?;
            let mut writing = Writing {
                conn,
                shared: &self.shared,
                batch: &mut *batch,
                uncut_kids: &mut self.uncut_kids.1,
            };
            apart(&mut writing, issue)?;
        }
        Ok(())
    }

    /// Use up what is good once, in the order of all replicas, each in a savepoint: one may wait for another replica, and
    /// fail, alone.
    fn use_up(&mut self, spends: &mut [UseUp]) -> Result<(), StoreError> {
        spends.sort_by(|a, b| (a.spend.hash.0, &a.spend.scope).cmp(&(b.spend.hash.0, &b.spend.scope)));
        for spending in spends {
            let conn = self.link.conn()?;
            savepoint(conn, Step::Begin)?;
            if let Err(why) = spending.run(conn) {
                spending.outcome = Some(Err(why));
            }
            if spending.patience.is_over() {
                spending.outcome = Some(Err(late()));
            }
            let done = matches!(spending.outcome, Some(Ok(())));
            savepoint(conn, if done { Step::Keep } else { Step::Undo })?;
        }
        Ok(())
    }

    fn run_one(&mut self, job: &mut dyn Job, batch: &mut Batch, alone: bool) -> Result<(), StoreError> {
        let conn = self.link.conn()?;
        // An error undoes a verb that is alone with the transaction, so that it needs no savepoint.
        if !alone {
            savepoint(conn, Step::Begin)?;
        }
        let ran = job.run(&mut Writing {
            conn,
            shared: &self.shared,
            batch: &mut *batch,
            uncut_kids: &mut self.uncut_kids.1,
        });
        batch.ended(ran, job.changes());
        match (ran, alone) {
            (Ran::Done, true) => Ok(()),
            (Ran::Done, false) => savepoint(conn, Step::Keep),
            (Ran::Undone, false) => savepoint(conn, Step::Undo),
            (Ran::Undone, true) => conn.batch_execute("ROLLBACK; BEGIN").map_err(unavailable),
        }
    }

    /// What belongs to the transaction as a whole, and its commit.
    fn finish(&mut self, batch: &Batch, load: &mut Load) -> Result<(), StoreError> {
        let conn = self.link.conn()?;
        if batch.changed != Changes::Nothing {
            epochs::raise(conn, Epoch(batch.epoch.0 + 1))?;
        }
        if load.settles {
            let all = self.uses.with(&batch.uses);
            let mut together = Together::default();
            together.count(&all);
            if !all.is_empty() {
                together::write(conn, together, &mut [], &mut [])?;
            }
        }
        // Cut-offs of credentials raise the epoch once more: theirs must be one that says nothing but them.
        for cut in &mut load.cuts {
            savepoint(conn, Step::Begin)?;
            let written = together::write(conn, Together::default(), std::slice::from_mut(cut), &mut []);
            match written {
                Ok(_) => cut.be_in_time(),
                Err(why) => cut.outcome = Some(Err(why)),
            }
            let done = matches!(cut.outcome, Some(Ok(_)));
            savepoint(conn, if done { Step::Keep } else { Step::Undo })?;
        }
        conn.batch_execute("COMMIT").map_err(unavailable).inspect_err(|_| self.undone(load.settles))?;
        self.counted(&batch.uses, load.settles);
        Ok(())
    }
}

/// One step of the savepoint of a verb.
pub(super) fn savepoint(conn: &mut Conn, step: Step) -> Result<(), StoreError> {
    let sql = match step {
        Step::Begin => "SAVEPOINT verb",
        Step::Keep => "RELEASE verb",
        Step::Undo => "ROLLBACK TO verb",
    };
    conn.batch_execute(sql).map_err(unavailable)
}
