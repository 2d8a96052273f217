//! The URI of a request as a DPoP proof names it.

use std::fmt;
use std::str::FromStr;

/// Longest URI that is read, in bytes: what a request line may have.
const MAX_URI_BYTES: usize = 8192;

/// An `http` or `https` URI without query and fragment, in the one form in which two of them are compared
/// (RFC 9449 §4.3 (9)).
///
/// Scheme and host in lower case, no default port, a path that is never empty, percent-encoding in upper case and only
/// where it is needed (RFC 3986 §6.2.2 and §6.2.3). Dot segments are no reading of ours: whoever routes by a path has
/// resolved them, and nobody signs one that has them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TargetUri(String);

/// The text is no URI a request can be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no absolute http or https URI without user information")]
pub struct TargetUriError;

impl TargetUri {
    /// The text that is compared.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TargetUri {
    type Err = TargetUriError;

    fn from_str(text: &str) -> Result<Self, TargetUriError> {
        let plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        if text.len() > MAX_URI_BYTES || !plain {
            return Err(TargetUriError);
        }
        let (scheme, rest) = text.split_once("://").ok_or(TargetUriError)?;
        let scheme = scheme.to_ascii_lowercase();
        let default_port = match scheme.as_str() {
            "http" => "80",
            "https" => "443",
            _ => return Err(TargetUriError),
        };
        let rest = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let (host, port) = host_and_port(authority)?;
        let mut normal = format!("{scheme}://{}", host.to_ascii_lowercase());
        if !port.is_empty() && port != default_port {
            normal.push(':');
            normal.push_str(port);
        }
        push_path(&mut normal, if path.is_empty() { "/" } else { path })?;
        Ok(Self(normal))
    }
}

impl fmt::Display for TargetUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn host_and_port(authority: &str) -> Result<(&str, &str), TargetUriError> {
    // The colons of an IPv6 address are within its brackets.
    let (host, port) = match authority.rfind(']') {
        Some(end) => {
            let (host, after) = authority.split_at(end + 1);
            (host, after.strip_prefix(':').or(after.is_empty().then_some("")).ok_or(TargetUriError)?)
        }
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let good = !host.is_empty() && !host.contains('@') && port.bytes().all(|byte| byte.is_ascii_digit());
    if good { Ok((host, port)) } else { Err(TargetUriError) }
}

/// RFC 3986 §6.2.2.1 and §6.2.2.2: what needs no encoding is decoded, and hexadecimal digits are in upper case.
fn push_path(normal: &mut String, path: &str) -> Result<(), TargetUriError> {
    let mut rest = path;
    while let Some((plain, encoded)) = rest.split_once('%') {
        normal.push_str(plain);
        let (digits, after) = encoded.split_at_checked(2).ok_or(TargetUriError)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(TargetUriError);
        }
        let byte = u8::from_str_radix(digits, 16).map_err(|_| TargetUriError)?;
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            normal.push(char::from(byte));
        } else {
            normal.push('%');
            normal.push_str(&digits.to_ascii_uppercase());
        }
        rest = after;
    }
    normal.push_str(rest);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let read: Result<TargetUri, _> = text.parse();
        assert_eq!(read.ok().as_ref().map(TargetUri::as_str), expected, "{text}");
    }

    #[test]
    fn rfc3986_section_6_2_2_and_6_2_3() {
        let token = Some("https://id.example/oauth2/token");
        for same in [
            "https://id.example/oauth2/token",
            "HTTPS://ID.Example:443/oauth2/token",
            "https://id.example:/oauth2/token?a=b#c",
            "https://id.example/oauth2/token#?",
            "https://id.example/%6fauth2/%74oken",
        ] {
            check(same, token);
        }
        check("https://id.example", Some("https://id.example/"));
        check("https://id.example?x", Some("https://id.example/"));
        check("http://id.example:80/", Some("http://id.example/"));
        check("http://id.example:443/", Some("http://id.example:443/"));
        check("http://[::1]:8899/A", Some("http://[::1]:8899/A"));
        check("http://[::1]/", Some("http://[::1]/"));
        check("https://id.example/a%2fb", Some("https://id.example/a%2Fb"));
        check("https://id.example/OAuth2", Some("https://id.example/OAuth2"));
        check("https://id.example/a/../b", Some("https://id.example/a/../b"));
        check("https://id.example//a/", Some("https://id.example//a/"));
    }

    #[test]
    fn what_is_no_target_of_a_request() {
        for wrong in [
            "",
            "/oauth2/token",
            "id.example/oauth2/token",
            "https://",
            "https:///token",
            "https://:443/",
            "https://user@id.example/",
            "https://id.example@evil.example/",
            "https://id.example:8a/",
            "https://[::1]x/",
            "ftp://id.example/",
            "https://id.example/%",
            "https://id.example/%4",
            "https://id.example/%zz",
            "https://id.example/%+1",
            "https://id.example/a b",
            "https://id.example\\@evil.example/",
            "https://id.example/\u{e4}",
            "https://id.example/\n",
        ] {
            check(wrong, None);
        }
        check(&format!("https://id.example/{}", "x".repeat(MAX_URI_BYTES)), None);
    }

    proptest! {
        #[test]
        fn the_form_is_its_own_form(text in "https?://[a-zA-Z.]{1,8}(:[0-9]{0,4})?(/[a-zA-Z0-9%~+]{0,6}){0,3}[?#]?[a-z]{0,3}") {
            if let Ok(once) = text.parse::<TargetUri>() {
                prop_assert_eq!(once.as_str().parse::<TargetUri>().unwrap(), once);
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in any::<String>()) {
            let _ = text.parse::<TargetUri>();
        }
    }
}
