//! The cut-off of a credential on its way through the writer.
//!
//! It has no bound, so it needs no number of the sequence, and all of it is known beforehand but whether the tenant has
//! the credential and whether it was cut off before: any number of them are written by one statement.

use tokio::sync::oneshot;
use zeroid_identity_model::{CredentialId, Tenant, Timestamp};
use zeroid_storage::StoreError;
use zeroid_token_core::{CutOff, CutOffKey, Reason};

use super::verbs::job::{Patience, late};
use super::verbs::queue::stopped;
use super::verbs::{Work, Writer};
use crate::answers::{Answers, Told, Waiting};
use crate::cut_key;
use crate::error::unavailable;
use crate::rows::{from_json, to_json};

/// What is written.
#[derive(Clone)]
pub(super) struct Row {
    pub(super) jti: CredentialId,
    pub(super) tenant_id: i64,
    pub(super) key: Vec<u8>,
    pub(super) body: String,
    cut: CutOff,
}

impl Row {
    pub(super) fn new(
        tenant: (i64, &Tenant),
        jti: CredentialId,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let (tenant_id, tenant) = tenant;
        let key = CutOffKey::Credential(jti);
        let cut = CutOff { tenant: Some(tenant.clone()), key, up_to: None, at: now, reason: reason.clone() };
        let (key, body) = (cut_key::encode(tenant_id, &cut.key), to_json("cut-off", &cut)?);
        Ok(Self { jti, tenant_id, key, body, cut })
    }

    pub(super) const fn at(&self) -> Timestamp {
        self.cut.at
    }

    /// What the database's word on it means: absent, there is no such credential; empty, it was added; otherwise it was
    /// there, and is this.
    pub(super) fn outcome(&self, said: Option<&str>) -> Result<CutOff, StoreError> {
        match said {
            None => Err(StoreError::NotFound),
            Some("") => Ok(self.cut.clone()),
            Some(first) => from_json("cut-off", first),
        }
    }
}

impl Writer<Box<Cut>> {
    /// Cut off a credential; answered after the commit.
    pub(super) async fn cut_off(&self, row: Row) -> Result<CutOff, StoreError> {
        let (cut, answered) = Cut::new(row);
        self.hand_over(Work::Own(Box::new(cut)))?;
        answered.await.map_err(|_| stopped())?.answer()
    }
}

/// The cut-off of a credential, and who waits for it.
pub(super) struct Cut {
    pub(super) row: Row,
    pub(super) outcome: Option<Result<CutOff, StoreError>>,
    pub(super) patience: Patience,
    waiting: Waiting<Result<CutOff, StoreError>>,
}

impl Cut {
    pub(super) fn new(row: Row) -> (Self, oneshot::Receiver<Told<Result<CutOff, StoreError>>>) {
        let (waiting, answered) = oneshot::channel();
        (Self { row, outcome: None, patience: Patience::new(), waiting }, answered)
    }

    /// Refuse what comes too late.
    pub(super) fn be_in_time(&mut self) {
        if self.patience.is_over() {
            self.outcome = Some(Err(late()));
        }
    }

    /// Answer them all, once the fate of the transaction is known.
    pub(super) fn answer(cuts: Vec<Self>, committed: &Result<(), StoreError>) {
        let not_run = || Err(unavailable("nothing was cut off"));
        let mut answers = Answers::none();
        for Self { outcome, waiting, .. } in cuts {
            answers.add(waiting, committed.clone().and_then(|()| outcome.unwrap_or_else(not_run)));
        }
        answers.tell();
    }
}
