//! A client's own public keys: what its assertions are judged by.
//!
//! The one place that knows where they come from: the set registered with the client, or the one at the URL it is
//! registered with.

use serde_json::Value;
use zeroid_identity_model::Timestamp;
use zeroid_jose::KeySet;
use zeroid_storage::{ClientRecord, Spend};
use zeroid_token_core::{ClientName, ClientTerms};

use crate::assertion::Assertion;
use crate::engine::Engine;
use crate::error::{AdminError, Fault};
use crate::key_sets::ByUrlRefusal;

impl Engine {
    /// A URL of keys must be one that could be fetched, by its looks: nobody is asked for it now.
    pub(crate) fn check_keys_url(&self, terms: &ClientTerms) -> Result<(), AdminError> {
        let Some(url) = &terms.jwks_uri else { return Ok(()) };
        self.key_sets().check_url(url).map_err(|why| AdminError::invalid("jwks_uri", why))
    }

    /// What the assertion of a registered client uses up; absent when it is signed by none of the client's keys, and
    /// when those cannot be had.
    pub(crate) async fn signed_by_client(
        &self,
        client: &ClientRecord,
        assertion: Assertion<'_, ClientName>,
        now: Timestamp,
    ) -> Result<Option<Spend>, Fault> {
        let Some(url) = &client.jwks_uri else {
            // A set that was taken once and reads no more has no keys.
            let keys = client.jwks.as_ref().and_then(|jwks| registered_keys(jwks).ok()).unwrap_or_default();
            return Ok(assertion.authenticate_by(&keys, &self.master));
        };
        match assertion.authenticate_at(self.key_sets(), url, now, &self.master).await {
            Ok(spend) => Ok(spend),
            Err(refusal) if refusal.is_passing() => Err(Fault::Fetching),
            Err(ByUrlRefusal::Unavailable(_) | ByUrlRefusal::Refused(_)) => Ok(None),
        }
    }
}

/// Read the set somebody registers for a client; one key at least must be of use to us.
///
/// # Errors
/// What is wrong with it, one line.
pub(crate) fn registered_keys(jwks: &Value) -> Result<KeySet, String> {
    let members = jwks.as_object().ok_or("must be a JWK Set: an object with the list `keys`")?;
    let keys = KeySet::from_members(members).map_err(|error| error.to_string())?;
    if keys.is_empty() {
        return Err("holds no key we can verify signatures with: EC P-256, RSA or Ed25519".to_owned());
    }
    Ok(keys)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use serde_json::json;
    use zeroid_jose::SigningKey;

    use super::*;

    #[test]
    fn sets_are_read_strictly_where_it_matters() {
        let (key, _) = SigningKey::generate().unwrap();
        let good = json!(key.public().jwk("k1", "sig"));
        let mut private = good.clone();
        private["d"] = json!("AA");
        let mut for_encryption = good.clone();
        for_encryption["use"] = json!("enc");
        let unknown = json!({"kty": "OKP", "crv": "X25519", "x": "AA"});
        for bad in [
            json!(null),
            json!([]),
            json!({"keys": {}}),
            json!({"keys": []}),
            json!({"keys": [unknown]}),
            json!({"keys": [for_encryption]}),
            json!({"keys": [good, private]}),
            json!({"keys": [good, {"kty": "oct", "k": "AA"}]}),
            json!({"keys": vec![good.clone(); 33]}),
        ] {
            assert!(registered_keys(&bad).is_err(), "{bad}");
        }
        assert_eq!(registered_keys(&json!({"keys": [unknown, good, for_encryption]})).unwrap().len(), 1);
    }
}
