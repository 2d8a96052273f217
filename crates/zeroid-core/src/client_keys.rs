//! A client's own public keys: what its assertions are judged by.
//!
//! The one place that knows where they come from: the set registered with the client, or the one at the URL it is
//! registered with.

use serde_json::Value;
use zeroid_identity_model::Timestamp;
use zeroid_jose::{Jwk, PublicKey};
use zeroid_storage::{ClientRecord, Spend};
use zeroid_token_core::ClientName;

use crate::assertion::Assertion;
use crate::clients::ClientTerms;
use crate::engine::Engine;
use crate::error::{AdminError, Fault};
use crate::key_sets::ByUrlRefusal;

/// Most keys of one client: enough for a rotation of several at once.
const MAX_KEYS: usize = 16;

/// Members that only a private or a symmetric key has (RFC 7518 §6).
const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

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
            let keys = ClientKeys::of(client);
            let (kid, alg) = assertion.names_key();
            let candidates = keys.candidates(kid, alg);
            return Ok(assertion.clone().authenticate(candidates, &self.master));
        };
        match assertion.authenticate_at(self.key_sets(), url, now, &self.master).await {
            Ok(spend) => Ok(spend),
            Err(refusal) if refusal.is_passing() => Err(Fault::Fetching),
            Err(ByUrlRefusal::Unavailable(_) | ByUrlRefusal::Refused(_)) => Ok(None),
        }
    }
}

/// The usable keys of a client.
pub(crate) struct ClientKeys(Vec<(Option<String>, PublicKey)>);

impl ClientKeys {
    /// The keys of a registered client. None are found in a set that was taken once and reads no more.
    pub(crate) fn of(client: &ClientRecord) -> Self {
        client.jwks.as_ref().and_then(|jwks| Self::of_set(jwks).ok()).unwrap_or(Self(Vec::new()))
    }

    /// Read a JWK Set somebody hands in (RFC 7517 §5). Keys of a kind we know nothing of, and keys that are not for
    /// signatures, are left out; one at least must be left.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn of_set(jwks: &Value) -> Result<Self, String> {
        let keys = jwks.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or("must be a JWK Set: an object with the list `keys`")?;
        if keys.len() > MAX_KEYS {
            return Err(format!("at most {MAX_KEYS} keys allowed"));
        }
        let mut usable = Vec::with_capacity(keys.len());
        for (at, key) in keys.iter().enumerate() {
            if SECRET_MEMBERS.iter().any(|member| key.get(member).is_some()) {
                return Err(format!("keys[{at}] has a private or symmetric part: give the public key alone"));
            }
            let Ok(jwk) = serde_json::from_value::<Jwk>(key.clone()) else { continue };
            let signs = jwk.usage.as_deref().is_none_or(|usage| usage == "sig");
            if let (true, Ok(public)) = (signs, PublicKey::from_jwk(&jwk)) {
                usable.push((jwk.kid, public));
            }
        }
        if usable.is_empty() {
            return Err("holds no key we can verify signatures with: EC P-256, RSA or Ed25519".to_owned());
        }
        Ok(Self(usable))
    }

    /// The keys that may have signed what names this key and this algorithm.
    pub(crate) fn candidates(&self, kid: Option<&str>, alg: &str) -> impl Iterator<Item = &PublicKey> {
        let wanted = kid.map(str::to_owned);
        let alg = alg.to_owned();
        self.0.iter().filter_map(move |(named, key)| {
            let may = wanted.is_none() || named.is_none() || *named == wanted;
            (may && key.algorithm().as_str() == alg).then_some(key)
        })
    }
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
            json!({"keys": vec![good.clone(); 17]}),
        ] {
            assert!(ClientKeys::of_set(&bad).is_err(), "{bad}");
        }
        let keys = ClientKeys::of_set(&json!({"keys": [unknown, good, for_encryption]})).unwrap();
        assert_eq!(keys.candidates(Some("k1"), "ES256").count(), 1);
        assert_eq!(keys.candidates(None, "ES256").count(), 1);
        assert_eq!(keys.candidates(Some("k2"), "ES256").count(), 0);
        assert_eq!(keys.candidates(Some("k1"), "RS256").count(), 0);
        assert_eq!(keys.candidates(None, "none").count(), 0);
    }
}
