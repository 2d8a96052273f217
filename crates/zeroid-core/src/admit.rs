//! Whether a request may pass a proxy: its access token is alive, came as it must, and has what is demanded.

use std::sync::Arc;

use zeroid_storage::CredentialFacts;
use zeroid_token_core::{Requirements, Unmet};

use crate::engine::Engine;
use crate::error::Fault;
use crate::requests::{ActiveToken, BearerRefused, Presentation, PresentationRefused};

/// Why a request may not pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// The token was not accepted as it was presented.
    #[error(transparent)]
    Presented(#[from] PresentationRefused),
    /// It is good, and not enough.
    #[error(transparent)]
    Unmet(#[from] Unmet),
}

impl Engine {
    /// Who presents this access token, if it is alive, comes as it must, and meets what is demanded. Never more is
    /// admitted than introspection calls active: both ask for the same facts.
    ///
    /// # Errors
    /// Our fault, which is no verdict.
    pub async fn admit(
        &self,
        presented: &Presentation<'_>,
        demanded: &Requirements,
    ) -> Result<Result<Box<ActiveToken>, NotAdmitted>, Fault> {
        let (Presentation::Bearer(token) | Presentation::Dpop { token, .. }) = presented;
        let refused = |why: PresentationRefused| Ok(Err(why.into()));
        let Some(live) = self.live_token(token).await? else {
            return refused(BearerRefused::InvalidToken.into());
        };
        let proven = match presented {
            Presentation::Bearer(_) if live.facts.record.confirmation.is_some() => {
                return refused(BearerRefused::SenderConstrained.into());
            }
            Presentation::Bearer(_) => None,
            Presentation::Dpop { token, proof, request } => {
                match self.proof_of(&live, token, proof, request) {
                    Ok(proven) => Some(proven),
                    Err(why) => return refused(why),
                }
            }
        };
        let facts: Arc<CredentialFacts> = Arc::clone(&live.facts);
        let active = self.active(live);
        if let Err(unmet) = demanded.check(&facts.record, active.claims.presenter_trust()) {
            return Ok(Err(unmet.into()));
        }
        // Last of all: what does not pass uses no proof up.
        if let Some(proven) = proven
            && let Err(why) = self.use_up(&proven).await?
        {
            return refused(why);
        }
        Ok(Ok(Box::new(active)))
    }
}
