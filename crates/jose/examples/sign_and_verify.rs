//! Make a key, sign claims, verify them: `cargo run -p zeroid-jose --example sign_and_verify`.

use zeroid_jose::{SigningKey, parse, verify};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (key, _) = SigningKey::generate()?;
    let token = key.sign("at+jwt", br#"{"sub":"spiffe://acme.example/acct/proj/agent/refunds"}"#)?;

    let verified = verify(parse(&token)?, key.public())?;
    assert!(verified.get().payload.starts_with(b"{\"sub\""));

    let (other, _) = SigningKey::generate()?;
    assert!(verify(parse(&token)?, other.public()).is_err());
    Ok(())
}
