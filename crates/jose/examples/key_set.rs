//! Check a signature by a key set of somebody else: `cargo run -p zeroid-jose --example key_set`.

use zeroid_jose::{KeySet, KeySetRefusal, SigningKey, parse};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (key, _) = SigningKey::generate()?;
    let published = serde_json::json!({ "keys": [key.public().jwk(key.kid().as_str(), "sig")] });
    let set = KeySet::parse(published.to_string().as_bytes())?;

    let signed = key.sign("JWT", br#"{"iss":"client-1"}"#)?;
    assert_eq!(set.verify(parse(&signed)?)?.get().payload, br#"{"iss":"client-1"}"#);

    // A key the set does not have: a newer set might.
    let (other, _) = SigningKey::generate()?;
    let signed = other.sign("JWT", b"{}")?;
    assert_eq!(set.verify(parse(&signed)?).err(), Some(KeySetRefusal::UnknownKey));
    Ok(())
}
