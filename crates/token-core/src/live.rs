//! Whether a credential is alive: a function of the standing of its chain and the cut-offs in force.

use zeroid_identity_model::{Expired, IdentityId, MayNotAct, Status, Timestamp};

use crate::cut_off::CutOff;
use crate::record::CredentialRecord;

/// Whether an identity may act, as the registry says now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The identity.
    pub identity: IdentityId,
    /// Its status now.
    pub status: Status,
    /// When its authority ends by itself.
    pub expires_at: Option<Timestamp>,
}

/// What a judgement of life needs: the standing of every identity of the lineage, and every cut-off that
/// names any of its links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LiveFacts {
    /// One entry for each identity of the lineage.
    pub standings: Vec<Standing>,
    /// The cut-offs that name one of its keys, whether or not they cover it.
    pub cut_offs: Vec<CutOff>,
}

/// A credential somebody judged alive, at a moment, by facts read together.
#[derive(Clone, Copy, Debug)]
pub struct Live<'a>(&'a CredentialRecord);

impl<'a> Live<'a> {
    /// The record.
    pub const fn record(self) -> &'a CredentialRecord {
        self.0
    }
}

/// Why a credential is dead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Dead {
    /// Its own time ran out.
    #[error("credential_expired")]
    Expired,
    /// An identity of its chain may not act.
    #[error("an identity of the chain may not act: {why}")]
    Identity {
        /// Which.
        identity: IdentityId,
        /// Why not.
        why: MayNotAct,
    },
    /// The registry said nothing about an identity of its chain; what is unknown is refused.
    #[error("an identity of the chain is not registered")]
    Unknown {
        /// Which.
        identity: IdentityId,
    },
    /// A link of its lineage was cut off.
    #[error("revoked")]
    CutOff(Box<CutOff>),
}

/// Judge whether the credential is alive at `now`.
///
/// Its time has not run out, every identity of its lineage may act now, and no cut-off covers any link of
/// its lineage. That it is authentic is not judged here.
///
/// # Errors
/// [`Dead`] with the first reason found; cut-offs come first, since they are for good.
pub fn live<'a>(record: &'a CredentialRecord, facts: &LiveFacts, now: Timestamp) -> Result<Live<'a>, Dead> {
    if let Some(cut) = covering(record, &facts.cut_offs) {
        return Err(Dead::CutOff(Box::new(cut.clone())));
    }
    if now >= record.expires_at {
        return Err(Dead::Expired);
    }
    for link in record.lineage.links() {
        let identity = link.identity;
        let standing = facts.standings.iter().find(|standing| standing.identity == identity);
        let standing = standing.ok_or(Dead::Unknown { identity })?;
        if !standing.status.may_act() {
            return Err(Dead::Identity { identity, why: MayNotAct::Status(standing.status) });
        }
        if standing.expires_at.is_some_and(|end| now >= end) {
            return Err(Dead::Identity { identity, why: MayNotAct::Expired(Expired) });
        }
    }
    Ok(Live(record))
}

/// The cut-off that covers the credential; the earliest when several do.
pub(crate) fn covering<'c>(record: &CredentialRecord, cut_offs: &'c [CutOff]) -> Option<&'c CutOff> {
    cut_offs.iter().filter(|cut| cut.covers_any(&record.lineage)).min_by_key(|cut| cut.at)
}

impl CredentialRecord {
    /// The cut-off among these that revoked the credential; the earliest when several did.
    pub fn revoked_by<'c>(&self, cut_offs: &'c [CutOff]) -> Option<&'c CutOff> {
        covering(self, cut_offs)
    }
}
