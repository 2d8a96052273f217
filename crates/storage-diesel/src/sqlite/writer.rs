//! Group commit: one thread owns the write connection, and whatever waits shares a transaction.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use zeroid_storage::{Epoch, StoreError};
use zeroid_token_core::KeyId;

use super::shared::Shared;
use super::statement::{BeginWrite, Commit, Release, Rollback, RollbackTo, Savepoint};
use super::verbs::{Batch, Changes, Issue, Job, Ran, Step, UseUp, Work, Writing, apart, first_of, next_of};
use super::watch::FileWatch;
use super::{Conn, epochs, issue, sequence, single};
use crate::error::unavailable;
use crate::uses::Uses;

/// What the writer thread works with.
pub(super) struct Desk {
    conn: Conn,
    shared: Arc<Shared>,
    watch: FileWatch,
    most: usize,
    /// Signing keys that were not cut off at an epoch.
    uncut_kids: (Epoch, HashSet<KeyId>),
    uses: Uses,
}

/// What one transaction writes.
#[derive(Default)]
struct Load {
    issues: Vec<Issue>,
    spends: Vec<UseUp>,
    verbs: Vec<Box<dyn Job>>,
    /// Whether the uses of API keys are written with it.
    settles: bool,
}

impl Load {
    fn add(&mut self, work: Work<Infallible>) {
        match work {
            Work::Issue(issue) => self.issues.push(*issue),
            Work::UseUp(spending) => self.spends.push(*spending),
            Work::Own(nothing) => match nothing {},
            Work::Verb(verb) => self.verbs.push(verb),
            Work::Settle(verb) => {
                self.verbs.push(verb);
                self.settles = true;
            }
        }
    }

    fn len(&self) -> usize {
        self.issues.len() + self.spends.len() + self.verbs.len()
    }
}

impl Desk {
    pub(super) fn new(conn: Conn, shared: Arc<Shared>, watch: FileWatch, most: usize) -> Self {
        let uncut_kids = (Epoch(0), HashSet::new());
        Self { conn, shared, watch, most: most.max(1), uncut_kids, uses: Uses::default() }
    }

    /// Take one work, then everything else that waits or comes while it is written; one transaction; answer after the
    /// commit. No timer but that of the uses of API keys, which delays nobody.
    pub(super) fn run(&mut self, waiting: &Receiver<Work<Infallible>>) {
        while let Ok(first) = first_of(waiting, self.uses.due_in()) {
            let mut load = Load::default();
            match first {
                Some(first) => load.add(first),
                None => load.settles = true,
            }
            self.write(load, waiting);
        }
        if !self.uses.is_empty() {
            self.write(Load { settles: true, ..Load::default() }, waiting);
        }
        let _ = self.conn.batch_execute("PRAGMA wal_checkpoint(TRUNCATE);");
    }

    fn write(&mut self, mut load: Load, waiting: &Receiver<Work<Infallible>>) {
        let written = self.transaction(&mut load, waiting);
        if written.is_err() {
            // It fails when the database has already undone the transaction by itself, which is as well.
            let _ = Rollback.execute(&mut self.conn);
            self.uses.put_off(load.settles || self.uses.are_due());
        }
        Issue::answer(load.issues, &written);
        UseUp::answer(load.spends, &written);
        for verb in load.verbs {
            verb.answer(written.clone());
        }
    }

    /// Write everything and commit. An error means that nothing of it is kept.
    fn transaction(
        &mut self,
        load: &mut Load,
        waiting: &Receiver<Work<Infallible>>,
    ) -> Result<(), StoreError> {
        let mut batch = self.begin()?;
        if self.issue_what_comes(load, waiting, &mut batch).is_err() {
            // One of them cannot be stored, and may have spoilt the transaction for all: each by itself, then.
            let _ = Rollback.execute(&mut self.conn);
            batch = self.begin()?;
            for issue in &mut load.issues {
                apart(&mut self.writing(&mut batch), issue)?;
            }
        }
        load.spends.iter_mut().try_for_each(|spending| spending.run(&mut self.conn))?;
        match (&mut load.verbs[..], load.issues.is_empty() && load.spends.is_empty()) {
            // An error undoes the only verb with the transaction, so that it needs no savepoint.
            ([only], true) => {
                if self.run_one(only.as_mut(), &mut batch) == Ran::Undone {
                    return Rollback.execute(&mut self.conn).map(drop).map_err(unavailable);
                }
            }
            (verbs, _) => {
                for verb in verbs {
                    // A savepoint that is gone means that the database has undone the transaction by itself: whatever
                    // ran before is lost, and nothing more may run outside a transaction.
                    savepoint(&mut self.conn, Step::Begin)?;
                    let ran = self.run_one(verb.as_mut(), &mut batch);
                    savepoint(&mut self.conn, if ran == Ran::Done { Step::Keep } else { Step::Undo })?;
                }
            }
        }
        self.finish(&batch, load.settles)
    }

    /// Store the credentials that wait, and those that come meanwhile; take the verbs among them.
    fn issue_what_comes(
        &mut self,
        load: &mut Load,
        waiting: &Receiver<Work<Infallible>>,
        batch: &mut Batch,
    ) -> Result<(), StoreError> {
        let mut stored = 0;
        loop {
            while load.len() < self.most
                && let Some(work) = next_of(waiting)
            {
                load.add(work);
            }
            let fresh = load.issues.get_mut(stored..).unwrap_or_default();
            if fresh.is_empty() {
                return Ok(());
            }
            stored += fresh.len();
            issue::together(&mut self.writing(batch), fresh)?;
        }
    }

    fn begin(&mut self) -> Result<Batch, StoreError> {
        BeginWrite.execute(&mut self.conn).map_err(unavailable)?;
        let epoch = epochs::epoch(&mut self.conn)?;
        if epoch > self.shared.epoch() {
            // A commit that was thought to have failed, or another process: nobody knows what it changed.
            self.shared.changes.note(epoch, Changes::Facts, &[]);
            self.shared.raise_epoch(epoch);
        }
        // A signing key is cut off together with a change of the keys, which are facts.
        if !self.shared.changes.facts_hold(self.uncut_kids.0) {
            self.uncut_kids.1.clear();
        }
        self.uncut_kids.0 = epoch;
        Ok(Batch::at(epoch))
    }

    fn writing<'a>(&'a mut self, batch: &'a mut Batch) -> Writing<'a> {
        Writing { conn: &mut self.conn, shared: &self.shared, batch, uncut_kids: &mut self.uncut_kids.1 }
    }

    fn run_one(&mut self, job: &mut dyn Job, batch: &mut Batch) -> Ran {
        let ran = job.run(&mut self.writing(batch));
        batch.ended(ran, job.changes());
        ran
    }

    /// What belongs to the transaction as a whole, and its commit.
    fn finish(&mut self, batch: &Batch, settles: bool) -> Result<(), StoreError> {
        let settles = settles || self.uses.are_due();
        if settles {
            let all = self.uses.with(&batch.uses);
            all.iter()
                .try_for_each(|(id, (count, last))| single::count_use(&mut self.conn, *id, *count, *last))?;
        }
        // Outside every savepoint: a verb that is undone must not undo the reservation of numbers others have.
        let reserve = self.shared.to_reserve();
        if let Some(up_to) = reserve {
            sequence::reserve(&mut self.conn, up_to)?;
        }
        let raised = Epoch(batch.epoch.0 + 1);
        let changes = batch.changed != Changes::Nothing;
        if changes {
            epochs::raise(&mut self.conn, raised)?;
        }
        Commit.execute(&mut self.conn).map_err(unavailable)?;
        if settles {
            self.uses.written();
        } else {
            self.uses.wait(&batch.uses);
        }
        self.shared.uses_wait.set(&self.uses);
        if changes {
            self.shared.changes.note(raised, batch.changed, &batch.cuts);
            self.shared.raise_epoch(raised);
        }
        if let Some(up_to) = reserve {
            self.shared.publish(up_to);
        }
        match self.watch.lost() {
            None => Ok(()),
            Some(file) => Err(unavailable(format_args!("{} was removed or replaced", file.display()))),
        }
    }
}

/// One step of the savepoint of a verb.
pub(super) fn savepoint(conn: &mut Conn, step: Step) -> Result<(), StoreError> {
    let done = match step {
        Step::Begin => Savepoint.execute(conn),
        Step::Keep => Release.execute(conn),
        Step::Undo => RollbackTo.execute(conn).and_then(|_| Release.execute(conn)),
    };
    done.map(drop).map_err(unavailable)
}
