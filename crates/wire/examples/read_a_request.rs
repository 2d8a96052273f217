//! Read a token request from a form, and say no in the right shape: `cargo run -p zeroid-wire --example read_a_request`.

use zeroid_wire::{Params, TokenRequest, read_token_request};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let params = Params::from_form(b"grant_type=api_key&api_key=zid_sk_x&scope=read+write")?;
    match read_token_request(&params)? {
        TokenRequest::ApiKey { grant, .. } => {
            assert_eq!(grant.asked.scopes.map(|scopes| scopes.to_string()).as_deref(), Some("read write"));
        }
        _ => return Err("the form asks for another grant".into()),
    }
    let twice = Params::from_form(b"grant_type=api_key&grant_type=api_key")?;
    let refused = read_token_request(&twice).err().ok_or("a repeated parameter is refused")?;
    assert_eq!(refused.oauth().code, "invalid_request");
    Ok(())
}
