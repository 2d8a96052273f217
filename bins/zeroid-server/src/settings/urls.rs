//! The URLs a deployment is known by.

use zeroid_jose::TargetUri;

use super::SettingsError;

/// The issuer is compared byte for byte by everyone, so only its plain form is taken (RFC 8414 §2).
pub(super) fn check_issuer(issuer: &str, dev: bool) -> Result<(), SettingsError> {
    let refuse = |why: &str| Err(SettingsError(format!("issuer {why}")));
    let (scheme, rest) = issuer.split_once("://").unwrap_or_default();
    let host = rest.split('/').next().unwrap_or_default();
    let plain = issuer.bytes().all(|byte| byte.is_ascii_graphic()) && !issuer.contains(['?', '#', '@']);
    if host.is_empty() || !plain || issuer.ends_with('/') {
        return refuse(
            "must be a URL such as https://id.example, without query, fragment, user and final slash",
        );
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let local = matches!(name, "localhost" | "[::1]") || name.starts_with("127.");
    match scheme {
        "https" => Ok(()),
        "http" if dev || local => Ok(()),
        _ => refuse("must be https, except on a loopback address"),
    }
}

/// What a DPoP proof is compared with must be a URL itself.
pub(super) fn public_urls(given: &str) -> Result<Vec<String>, SettingsError> {
    let urls = given.split(',').map(str::trim).filter(|url| !url.is_empty());
    urls.map(|url| match url.parse::<TargetUri>() {
        Ok(_) if !url.contains(['?', '#']) => Ok(url.trim_end_matches('/').to_owned()),
        _ => Err(SettingsError(format!("public_urls: `{url}` must be a URL such as https://id.example"))),
    })
    .collect()
}
