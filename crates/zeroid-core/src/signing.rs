//! How the deployment signs, and signing itself where it takes long.

use std::sync::Arc;
use std::time::Duration;

use zeroid_jose::{KeyPlace, KeyRingError, RotateError, SignError, Signer, SigningAlgorithm, SigningKey};

use crate::engine::Engine;
use crate::error::Fault;
use crate::offload::{Inline, Offload, offload};

/// How long a signature may take before the caller is told to come again.
const SIGN_WITHIN: Duration = Duration::from_secs(5);

/// How long a change of keys may take: it may have to make RSA keys, and a module takes its time for that.
pub(crate) const CHANGE_WITHIN: Duration = Duration::from_secs(25);

/// How tokens are signed; the default is ES256 by keys of this process.
///
/// A change takes effect by rotation: keys that exist go on as they are, and new ones are made by these settings.
pub struct Signing {
    /// The algorithm of new keys.
    pub algorithm: SigningAlgorithm,
    /// Where new keys are made.
    pub place: KeyPlace,
    /// Who holds the keys that are not here; needed as long as one of them is active.
    pub signer: Option<Arc<dyn Signer>>,
    /// Where signing runs when it takes long: RSA, and keys elsewhere.
    pub offload: Arc<dyn Offload>,
}

impl Default for Signing {
    fn default() -> Self {
        Self {
            algorithm: SigningAlgorithm::default(),
            place: KeyPlace::default(),
            signer: None,
            offload: Arc::new(Inline),
        }
    }
}

impl Engine {
    /// Sign in passing what takes no time, and anything else where nobody waits for it.
    pub(crate) async fn sign_claims(
        &self,
        signer: &Arc<SigningKey>,
        typ: &'static str,
        claims: Vec<u8>,
    ) -> Result<String, Fault> {
        if signer.signs_in_passing() {
            return Ok(signer.sign(typ, &claims)?);
        }
        Box::pin(self.sign_aside(signer, typ, claims)).await
    }

    async fn sign_aside(
        &self,
        signer: &Arc<SigningKey>,
        typ: &'static str,
        claims: Vec<u8>,
    ) -> Result<String, Fault> {
        let signer = Arc::clone(signer);
        let signed = offload(&*self.offload, SIGN_WITHIN, move || signer.sign(typ, &claims)).await?;
        Ok(signed?)
    }
}

impl From<SignError> for Fault {
    fn from(error: SignError) -> Self {
        match error {
            SignError::Elsewhere { .. } | SignError::NotItsSignature { .. } => {
                Self::Signing(error.to_string())
            }
            SignError::Generate | SignError::NoRsaGenerator | SignError::Load(_) | SignError::Sign => {
                Self::Keys(error.to_string())
            }
        }
    }
}

impl From<KeyRingError> for Fault {
    fn from(error: KeyRingError) -> Self {
        match error {
            KeyRingError::Sign(error) => error.into(),
            KeyRingError::Elsewhere(_) => Self::Signing(error.to_string()),
            _ => Self::Keys(error.to_string()),
        }
    }
}

impl From<RotateError> for Fault {
    fn from(error: RotateError) -> Self {
        match error {
            RotateError::Keys(error) => error.into(),
            _ => Self::Keys(error.to_string()),
        }
    }
}
