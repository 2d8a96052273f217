//! A client's own public keys: what its assertions are judged by.
//!
//! The one place that knows where they come from. Now that is the set registered with the client; a fetched one would
//! be asked for here.

use serde_json::Value;
use zeroid_jose::{Jwk, PublicKey};

/// Most keys of one client: enough for a rotation of several at once.
const MAX_KEYS: usize = 16;

/// Members that only a private or a symmetric key has (RFC 7518 §6).
const SECRET_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The usable keys of a client.
#[cfg_attr(not(test), expect(dead_code, reason = "asked by client authentication"))]
pub(crate) struct ClientKeys(Vec<(Option<String>, PublicKey)>);

impl ClientKeys {
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

    /// How many there are.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.len()
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
        assert_eq!(keys.len(), 1);
    }
}
