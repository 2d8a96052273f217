//! What a registered client may be: its members, their bounds, and what goes together.

use zeroid_storage::ClientRecord;
use zeroid_token_core::limits::MAX_TTL_SECONDS;
use zeroid_token_core::{Audience, ClientAuthMethod, ClientTerms, GrantType};

use crate::api_keys::{MAX_TEXT_BYTES, check_json};
use crate::client_keys::registered_keys;
use crate::error::AdminError;

/// Most redirect URIs, and most contacts, of one client.
const MAX_LIST: usize = 32;

/// Longest redirect URI, in bytes.
const MAX_URI_BYTES: usize = 2048;

/// Longest lifetime of a client's refresh tokens, in seconds: a year.
const MAX_REFRESH_TTL_SECONDS: u32 = 31_536_000;

/// Put a value in a place, if there is one.
pub(crate) fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// What a client is registered for, out of the two members that say it.
pub(crate) fn auth_method(
    confidential: Option<bool>,
    method: Option<ClientAuthMethod>,
) -> Result<Option<ClientAuthMethod>, AdminError> {
    let contradicts = |why: &str| Err(AdminError::invalid("confidential", why));
    match (confidential, method) {
        (Some(true), Some(ClientAuthMethod::None)) => contradicts("contradicts the method none"),
        (Some(false), Some(method)) if method != ClientAuthMethod::None => {
            contradicts("contradicts the method: a public client has none")
        }
        (_, Some(method)) => Ok(Some(method)),
        (Some(true), None) => Ok(None),
        (Some(false) | None, None) => Ok(Some(ClientAuthMethod::None)),
    }
}

/// Say of a client what the terms say.
pub(crate) fn apply(record: &mut ClientRecord, terms: ClientTerms) -> Result<(), AdminError> {
    set(&mut record.description, terms.description);
    if let Some(identity) = terms.identity {
        if record.identity.is_some_and(|bound| bound != identity) {
            let why = "is bound for good; register another client for another identity";
            return Err(AdminError::invalid("identity_id", why));
        }
        record.identity = Some(identity);
    }
    if let Some(mut grants) = terms.grant_types.filter(|grants| !grants.is_empty()) {
        grants.sort_unstable();
        grants.dedup();
        record.grant_types = grants;
    }
    set(&mut record.redirect_uris, terms.redirect_uris);
    let or_default = |seconds: u32| Some(seconds).filter(|seconds| *seconds > 0);
    set(&mut record.access_token_ttl_seconds, terms.access_token_ttl_seconds.map(or_default));
    set(&mut record.refresh_token_ttl_seconds, terms.refresh_token_ttl_seconds.map(or_default));
    match (terms.jwks, terms.jwks_uri) {
        (None, None) => {}
        (Some(_), Some(_)) => {
            return Err(AdminError::invalid("jwks_uri", "goes without jwks: give one of them"));
        }
        (jwks, jwks_uri) => (record.jwks, record.jwks_uri) = (jwks, jwks_uri),
    }
    if let Some(resources) = terms.resources {
        let known = Some(resources).filter(|resources| !resources.is_empty());
        let known = known.map(Audience::asked_for).transpose();
        record.resources = known.map_err(|why| AdminError::invalid("resources", why))?;
    }
    set(&mut record.dpop_bound_access_tokens, terms.dpop_bound_access_tokens);
    set(&mut record.software_id, terms.software_id);
    set(&mut record.software_version, terms.software_version);
    set(&mut record.contacts, terms.contacts);
    set(&mut record.metadata, terms.metadata);
    Ok(())
}

/// Check a client that is about to be stored.
pub(crate) fn check(record: &ClientRecord) -> Result<(), AdminError> {
    if record.name.trim().is_empty() {
        return Err(AdminError::invalid("name", "must not be empty"));
    }
    let texts = [
        ("name", &record.name),
        ("description", &record.description),
        ("software_id", &record.software_id),
        ("software_version", &record.software_version),
    ];
    for (field, text) in texts {
        check_length(field, text, MAX_TEXT_BYTES)?;
    }
    for (field, list) in [("redirect_uris", &record.redirect_uris), ("contacts", &record.contacts)] {
        if list.len() > MAX_LIST {
            return Err(AdminError::invalid(field, format!("at most {MAX_LIST} allowed")));
        }
        list.iter().try_for_each(|text| check_length(field, text, MAX_URI_BYTES))?;
    }
    check_json("metadata", &record.metadata)?;
    if !record.redirect_uris.iter().all(|uri| is_redirect_uri(uri)) {
        let why = "each must be an https URI, one of a loopback address or one of a scheme of the app's own, without a fragment";
        return Err(AdminError::invalid("redirect_uris", why));
    }
    for (field, ttl, most) in [
        ("access_token_ttl", record.access_token_ttl_seconds, MAX_TTL_SECONDS),
        ("refresh_token_ttl", record.refresh_token_ttl_seconds, MAX_REFRESH_TTL_SECONDS),
    ] {
        if ttl.is_some_and(|seconds| seconds > most) {
            return Err(AdminError::invalid(field, format!("at most {most} seconds allowed")));
        }
    }
    if let Some(jwks) = &record.jwks {
        check_json("jwks", jwks)?;
        registered_keys(jwks).map_err(|why| AdminError::invalid("jwks", why))?;
    } else if record.jwks_uri.is_none() && record.auth_method == Some(ClientAuthMethod::PrivateKeyJwt) {
        return Err(AdminError::invalid(
            "jwks",
            "or jwks_uri is needed by private_key_jwt: the client's public keys",
        ));
    }
    // RFC 6749 §4.4: this grant is for confidential clients alone.
    if !record.is_confidential() && record.grant_types.contains(&GrantType::ClientCredentials) {
        return Err(AdminError::invalid("grant_types", "client_credentials is for confidential clients"));
    }
    Ok(())
}

fn check_length(field: &'static str, text: &str, most: usize) -> Result<(), AdminError> {
    if text.len() > most {
        return Err(AdminError::invalid(field, format!("at most {most} bytes allowed")));
    }
    Ok(())
}

/// RFC 6749 §3.1.2, RFC 8252 §7: absolute, without a fragment; `https`, `http` to a loopback address, or a scheme that
/// is a reversed domain name, so that `javascript` and `data` are none.
fn is_redirect_uri(uri: &str) -> bool {
    let plain = uri.bytes().all(|byte| byte.is_ascii_graphic()) && !uri.contains('#');
    let Some((scheme, rest)) = uri.split_once(':').filter(|_| plain) else { return false };
    let host = rest.strip_prefix("//").unwrap_or_default();
    let host = host.split(['/', '?']).next().unwrap_or_default();
    match scheme.to_ascii_lowercase().as_str() {
        "https" => !host.is_empty() && !host.contains('@'),
        "http" => {
            let name = if host.starts_with('[') { host } else { host.split(':').next().unwrap_or_default() };
            matches!(name, "127.0.0.1" | "localhost") || name == "[::1]" || name.starts_with("[::1]:")
        }
        own => {
            own.contains('.')
                && own.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_uris() {
        for good in [
            "https://app.example/callback?x=1",
            "http://127.0.0.1:8080/cb",
            "http://localhost/cb",
            "http://[::1]:9/cb",
            "com.example.app:/callback",
        ] {
            assert!(is_redirect_uri(good), "{good}");
        }
        for bad in [
            "",
            "callback",
            "javascript:alert(1)",
            "data:text/html,x",
            "http://app.example/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://127.0.0.1@evil.example/cb",
            "https://app.example/cb#x",
            "https://user@app.example/cb",
            "https:///cb",
            "https://app.example/c b",
        ] {
            assert!(!is_redirect_uri(bad), "{bad}");
        }
    }
}
