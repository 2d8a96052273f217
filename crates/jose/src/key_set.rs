//! Key sets of others (RFC 7517 §5): read within bounds, and used to check what they sign.

use serde_json::{Map, Value};
use zeroid_token_core::{StrictJsonError, Unverified, Verified, parse_json_object_strict};

use crate::jwk::Jwk;
use crate::jws::{Compact, JwsError};
use crate::public_key::PublicKey;

/// Longest key set, in bytes: some seventy RSA keys, or two with long certificate chains.
pub const MAX_KEY_SET_BYTES: usize = 64 * 1024;

/// Most keys of a set, those we do not know among them.
pub const MAX_KEYS: usize = 32;

/// Longest `kid`, in bytes.
pub const MAX_KID_BYTES: usize = 256;

/// How many keys are tried when the header does not say which one it is: each try costs a signature check.
pub const MAX_TRIED_KEYS: usize = 4;

/// What only the private half of a key has, or a key that is secret as a whole (RFC 7518 §6.2.2, §6.3.2, §6.4); `priv`
/// is what the newer kind `AKP` calls it.
const PRIVATE_MEMBERS: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

/// The keys of somebody else: P-256, RSA of 2048 to 4096 bits, Ed25519.
///
/// Keys of other kinds, for other algorithms or for other uses than signatures are left out when a set is read, as
/// RFC 7517 §5 says; a set with a private key in it is refused, because whoever can read it can sign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeySet(Vec<Listed>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Listed {
    kid: Option<String>,
    key: PublicKey,
}

/// Why bytes are no key set we take. No byte of it is repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Longer than the bound.
    #[error("key set is longer than {MAX_KEY_SET_BYTES} bytes")]
    TooLong,
    /// No JSON object we take.
    #[error("key set is not acceptable JSON: {0}")]
    Json(StrictJsonError),
    /// No list of objects `keys`.
    #[error("key set has no list `keys` of objects")]
    NoList,
    /// More keys than the bound.
    #[error("key set has more than {MAX_KEYS} keys")]
    TooMany,
    /// A private or secret key.
    #[error("key set has a private key, which must be replaced")]
    Private,
}

/// Why a set did not authenticate something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeySetRefusal {
    /// No key of that id and algorithm. A newer set may have one.
    #[error("no key of the set is the one it names")]
    UnknownKey,
    /// The header names no key, and too many could be meant.
    #[error("its header must name a key: more than {MAX_TRIED_KEYS} could be meant")]
    Ambiguous,
    /// The signature is not by a key of the set that could be meant.
    #[error(transparent)]
    Jws(#[from] JwsError),
}

impl KeySet {
    /// Read a JSON text.
    ///
    /// # Errors
    /// [`KeySetError`]; the length is checked first.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeySetError> {
        if bytes.len() > MAX_KEY_SET_BYTES {
            return Err(KeySetError::TooLong);
        }
        Self::from_members(&parse_json_object_strict(bytes).map_err(KeySetError::Json)?)
    }

    /// Read a set that is JSON already, such as the member `jwks` of a client; its length was bounded by whoever read it.
    ///
    /// # Errors
    /// [`KeySetError`].
    pub fn from_members(members: &Map<String, Value>) -> Result<Self, KeySetError> {
        let keys = members.get("keys").and_then(Value::as_array).ok_or(KeySetError::NoList)?;
        if keys.len() > MAX_KEYS {
            return Err(KeySetError::TooMany);
        }
        let mut set = Vec::new();
        for key in keys {
            let members = key.as_object().ok_or(KeySetError::NoList)?;
            if PRIVATE_MEMBERS.iter().any(|name| members.contains_key(*name)) {
                return Err(KeySetError::Private);
            }
            set.extend(read(members));
        }
        Ok(Self(set))
    }

    /// How many keys of it can be used.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no key of it can be used.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys and their ids.
    pub fn keys(&self) -> impl Iterator<Item = (Option<&str>, &PublicKey)> {
        self.0.iter().map(|listed| (listed.kid.as_deref(), &listed.key))
    }

    /// Authenticate something by the key its header names; by one of the few that could be meant, when it names none, or
    /// one that only keys without an id could be. Each key is used for its own algorithm alone.
    ///
    /// # Errors
    /// [`KeySetRefusal`]; only [`KeySetRefusal::UnknownKey`] could be otherwise with a newer set.
    pub fn verify<'a>(&self, jws: Unverified<Compact<'a>>) -> Result<Verified<Compact<'a>>, KeySetRefusal> {
        let header = &jws.peek().header;
        let fitting: Vec<&Listed> =
            self.0.iter().filter(|listed| listed.key.algorithm().as_str() == header.alg).collect();
        let of_id = |kid: Option<&String>| -> Vec<&Listed> {
            fitting.iter().filter(|listed| listed.kid.as_ref() == kid).copied().collect()
        };
        let named = header.kid.as_ref().map(|kid| of_id(Some(kid))).unwrap_or_default();
        let surely = !named.is_empty();
        let meant = match &header.kid {
            _ if surely => named,
            Some(_) => of_id(None),
            None => fitting,
        };
        if meant.is_empty() {
            return Err(KeySetRefusal::UnknownKey);
        }
        if meant.len() > MAX_TRIED_KEYS {
            return Err(KeySetRefusal::Ambiguous);
        }
        let unchecked = jws.into_unchecked();
        if meant.iter().any(|listed| unchecked.is_signed_by(&listed.key)) {
            return Ok(Verified::assert_signature_checked(unchecked));
        }
        // Where no id says which key is meant, a new key looks like a bad signature.
        Err(if surely { JwsError::Signature.into() } else { KeySetRefusal::UnknownKey })
    }
}

/// One key, unless it is of a kind, an algorithm or a use we know nothing of, or not what it says it is.
fn read(members: &Map<String, Value>) -> Option<Listed> {
    let jwk: Jwk = serde_json::from_value(Value::Object(members.clone())).ok()?;
    if jwk.usage.as_deref().is_some_and(|usage| usage != "sig") {
        return None;
    }
    if let Some(operations) = members.get("key_ops") {
        operations.as_array()?.iter().find(|operation| operation.as_str() == Some("verify"))?;
    }
    if jwk.kid.as_ref().is_some_and(|kid| kid.is_empty() || kid.len() > MAX_KID_BYTES) {
        return None;
    }
    let key = PublicKey::from_jwk(&jwk).ok()?;
    Some(Listed { kid: jwk.kid, key })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
    use serde_json::json;
    use zeroize::Zeroizing;

    use super::*;
    use crate::algorithm::SigningAlgorithm;
    use crate::jws::parse;
    use crate::signing::SigningKey;

    /// A key pair whose headers a test writes itself.
    struct Pair {
        public: PublicKey,
        pkcs8: Zeroizing<Vec<u8>>,
    }

    fn pair(algorithm: SigningAlgorithm) -> Pair {
        let (key, pkcs8) = SigningKey::generate_for(algorithm).unwrap();
        Pair { public: key.public().clone(), pkcs8 }
    }

    fn p256() -> Pair {
        pair(SigningAlgorithm::Es256)
    }

    fn signed(pair: &Pair, kid: Option<&str>) -> String {
        let alg = pair.public.algorithm().as_str();
        let header = kid.map_or_else(|| json!({ "alg": alg }), |kid| json!({ "alg": alg, "kid": kid }));
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let input = format!("{}.{}", encode(header.to_string().as_bytes()), encode(b"{\"sub\":\"x\"}"));
        let random = SystemRandom::new();
        let signature = match pair.public.algorithm() {
            SigningAlgorithm::Es256 => {
                let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &pair.pkcs8, &random);
                encode(key.unwrap().sign(&random, input.as_bytes()).unwrap().as_ref())
            }
            _ => encode(Ed25519KeyPair::from_pkcs8(&pair.pkcs8).unwrap().sign(input.as_bytes()).as_ref()),
        };
        format!("{input}.{signature}")
    }

    fn jwk(pair: &Pair, kid: &str) -> Value {
        serde_json::to_value(pair.public.jwk(kid, "sig")).unwrap()
    }

    fn set(keys: &[Value]) -> Result<KeySet, KeySetError> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    fn with(mut jwk: Value, name: &str, value: Value) -> Value {
        jwk.as_object_mut().unwrap().insert(name.to_owned(), value);
        jwk
    }

    #[test]
    fn what_is_not_known_is_left_out_and_the_rest_is_used() {
        let good = jwk(&p256(), "good");
        for other in [
            json!({ "kty": "EC", "crv": "P-384", "x": "AA", "y": "AA" }),
            json!({ "kty": "EC", "crv": "P-256", "x": "AA", "y": "AA" }),
            json!({ "kty": "RSA", "n": "AQAB", "e": "AQAB" }),
            json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA" }),
            json!({ "kid": "no kind" }),
            json!({ "kty": 7 }),
            with(good.clone(), "use", json!("enc")),
            with(good.clone(), "key_ops", json!(["sign"])),
            with(good.clone(), "key_ops", json!("verify")),
            with(good.clone(), "alg", json!("ES384")),
            with(good.clone(), "kid", json!("")),
            with(good.clone(), "kid", json!("k".repeat(MAX_KID_BYTES + 1))),
            with(good.clone(), "kid", json!(7)),
        ] {
            let set = set(&[other.clone(), good.clone()]).unwrap();
            assert_eq!(set.keys().map(|(kid, _)| kid).collect::<Vec<_>>(), [Some("good")], "{other}");
        }
        for more in [("key_ops", json!(["verify", "sign"])), ("x5t", json!("AA")), ("x5c", json!(["AA"]))] {
            assert_eq!(set(&[with(good.clone(), more.0, more.1)]).unwrap().len(), 1);
        }
        assert!(set(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_private_key_refuses_the_set() {
        for name in PRIVATE_MEMBERS {
            let private = with(jwk(&p256(), "a"), name, json!("AA"));
            assert_eq!(set(&[jwk(&p256(), "b"), private]), Err(KeySetError::Private), "{name}");
        }
        assert_eq!(set(&[json!({ "kty": "oct", "k": "AA" })]), Err(KeySetError::Private));
    }

    #[test]
    fn bounds_are_kept() {
        let many: Vec<Value> =
            (0..=MAX_KEYS).map(|at| json!({ "kty": "x", "kid": at.to_string() })).collect();
        assert_eq!(set(&many), Err(KeySetError::TooMany));
        assert!(set(many.get(1..).unwrap()).is_ok());
        assert_eq!(KeySet::parse(&[b' '; MAX_KEY_SET_BYTES + 1]), Err(KeySetError::TooLong));
        for text in
            ["", "[]", "{", "{\"keys\":[],\"keys\":[]}", "{\"keys\":[{\"kty\":\"EC\",\"kty\":\"EC\"}]}"]
        {
            assert!(matches!(KeySet::parse(text.as_bytes()), Err(KeySetError::Json(_))), "{text}");
        }
        for text in ["{}", "{\"keys\":{}}", "{\"keys\":[7]}", "{\"keys\":null}"] {
            assert_eq!(KeySet::parse(text.as_bytes()), Err(KeySetError::NoList), "{text}");
        }
    }

    fn check(set: &KeySet, compact: &str, expected: Result<(), KeySetRefusal>) {
        assert_eq!(set.verify(parse(compact).unwrap()).map(|_| ()), expected, "{compact}");
    }

    #[test]
    fn the_key_named_is_the_key_used() {
        let (a, b, ed) = (p256(), p256(), pair(SigningAlgorithm::EdDsa));
        let set = set(&[jwk(&a, "a"), jwk(&b, "b"), jwk(&ed, "e")]).unwrap();
        check(&set, &signed(&a, Some("a")), Ok(()));
        check(&set, &signed(&ed, Some("e")), Ok(()));
        check(&set, &signed(&a, Some("b")), Err(JwsError::Signature.into()));
        check(&set, &signed(&a, Some("c")), Err(KeySetRefusal::UnknownKey));
        // The id of a key of another algorithm: that is no key for this signature.
        check(&set, &signed(&a, Some("e")), Err(KeySetRefusal::UnknownKey));
        check(&set, &signed(&b, None), Ok(()));
        check(&set, &signed(&p256(), None), Err(KeySetRefusal::UnknownKey));
    }

    #[test]
    fn a_key_without_an_id_may_be_what_a_name_means() {
        let (a, b) = (p256(), p256());
        let mut bare = jwk(&a, "a");
        bare.as_object_mut().unwrap().remove("kid");
        let set = set(&[bare, jwk(&b, "b")]).unwrap();
        check(&set, &signed(&a, Some("a")), Ok(()));
        check(&set, &signed(&a, None), Ok(()));
        check(&set, &signed(&p256(), Some("a")), Err(KeySetRefusal::UnknownKey));
        // A name that some key has means that key.
        check(&set, &signed(&a, Some("b")), Err(JwsError::Signature.into()));
    }

    #[test]
    fn a_header_that_names_no_key_among_many_is_refused() {
        let keys: Vec<Pair> = (0..=MAX_TRIED_KEYS).map(|_| p256()).collect();
        let jwks: Vec<Value> = keys.iter().enumerate().map(|(at, key)| jwk(key, &at.to_string())).collect();
        let first = keys.first().unwrap();
        check(&set(&jwks).unwrap(), &signed(first, None), Err(KeySetRefusal::Ambiguous));
        check(&set(&jwks).unwrap(), &signed(first, Some("0")), Ok(()));
        check(&set(jwks.get(..MAX_TRIED_KEYS).unwrap()).unwrap(), &signed(first, None), Ok(()));
    }

    #[test]
    fn a_changed_byte_is_noticed() {
        let key = p256();
        let set = set(&[jwk(&key, "a")]).unwrap();
        let good = signed(&key, Some("a"));
        for at in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            let byte = bytes.get_mut(at).unwrap();
            *byte = if *byte == b'A' { b'B' } else { b'A' };
            let text = String::from_utf8(bytes).unwrap();
            assert!(!parse(&text).is_ok_and(|jws| set.verify(jws).is_ok()), "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reading(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = KeySet::parse(&bytes);
        }
    }
}
