//! How a client says who it is: in the header `Authorization`, or in the body (RFC 6749 §2.3, RFC 7523 §2.2).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::oauth::WireError;
use crate::params::{Params, ParamsError, decode};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Longest credentials in a header, in characters: a name of 255 bytes and a secret, each byte encoded as three.
const MAX_BASIC_CHARS: usize = 4096;

/// What a client presented. Holds secrets, so it cannot be printed.
pub enum PresentedClient {
    /// Its name alone, as public clients do (RFC 6749 §3.2.1).
    Name(String),
    /// Its secret, in the header (RFC 6749 §2.3.1).
    Basic {
        /// Its name.
        client_id: String,
        /// Its secret.
        secret: String,
    },
    /// Its secret, in the body (RFC 6749 §2.3.1).
    Post {
        /// Its name.
        client_id: String,
        /// Its secret.
        secret: String,
    },
    /// An assertion it signed (RFC 7523 §2.2).
    Assertion {
        /// Its name, where the request repeats it.
        client_id: Option<String>,
        /// The assertion.
        assertion: String,
    },
}

/// What a client presented, if any did. One request uses one method (RFC 6749 §2.3); a header of another scheme is no
/// client authentication.
///
/// # Errors
/// [`WireError`]: malformed, or more than one method.
pub fn read_client_credentials<'h>(
    headers: impl IntoIterator<Item = &'h [u8]>,
    params: &Params<'_>,
) -> Result<Option<PresentedClient>, WireError> {
    let basic = basic(headers)?;
    let name = params.one("client_id")?.map(str::to_owned);
    let secret = params.one("client_secret")?.map(str::to_owned);
    let assertion = assertion(params)?;
    match (basic, secret, assertion) {
        (Some((client_id, _)), None, None) if name.as_ref().is_some_and(|name| *name != client_id) => {
            Err(bad("client_id", "names another client than the Authorization header"))
        }
        (Some((client_id, secret)), None, None) => Ok(Some(PresentedClient::Basic { client_id, secret })),
        (None, Some(secret), None) => {
            let client_id = name.ok_or(WireError::Client)?;
            Ok(Some(PresentedClient::Post { client_id, secret }))
        }
        (None, None, Some(assertion)) => Ok(Some(PresentedClient::Assertion { client_id: name, assertion })),
        (None, None, None) => Ok(name.map(PresentedClient::Name)),
        (_, _, Some(_)) => Err(WireError::AssertionAndMore),
        (_, _, None) => Err(WireError::TwoMethods),
    }
}

/// Name and secret of a header `Basic` (RFC 7617 §2), each encoded as in a form (RFC 6749 §2.3.1).
fn basic<'h>(headers: impl IntoIterator<Item = &'h [u8]>) -> Result<Option<(String, String)>, WireError> {
    let mut found = None;
    for header in headers {
        let text = std::str::from_utf8(header).map_err(|_| WireError::Authorization)?;
        let (scheme, encoded) = text.split_once(' ').unwrap_or((text, ""));
        if !scheme.eq_ignore_ascii_case("basic") {
            continue;
        }
        let pair = read_pair(encoded.trim()).ok_or(WireError::Authorization)?;
        if found.replace(pair).is_some() {
            return Err(WireError::Authorization);
        }
    }
    Ok(found)
}

fn read_pair(encoded: &str) -> Option<(String, String)> {
    let bytes = STANDARD.decode(Some(encoded).filter(|text| text.len() <= MAX_BASIC_CHARS)?).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, secret) = text.split_once(':')?;
    Some((decode(name)?.into_owned(), decode(secret)?.into_owned()))
}

/// RFC 7521 §4.2: the assertion and its type go together.
fn assertion(params: &Params<'_>) -> Result<Option<String>, WireError> {
    match (params.one("client_assertion")?, params.one("client_assertion_type")?) {
        (None, None) => Ok(None),
        (Some(assertion), Some(JWT_BEARER)) => Ok(Some(assertion.to_owned())),
        (Some(_), None) => Err(ParamsError::Missing("client_assertion_type").into()),
        (None, Some(_)) => Err(ParamsError::Missing("client_assertion").into()),
        (Some(_), Some(_)) => Err(WireError::AssertionType(JWT_BEARER)),
    }
}

fn bad(name: &'static str, why: &str) -> WireError {
    ParamsError::Bad { name, why: why.to_owned() }.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The method that was read with the name and the proof, or the error's code.
    fn read(headers: &[&str], form: &str) -> Result<String, &'static str> {
        let params = Params::from_form(form.as_bytes()).unwrap();
        let presented = read_client_credentials(headers.iter().map(|header| header.as_bytes()), &params);
        presented.map_err(|error| error.oauth().code).map(|client| match client {
            None => "nobody".to_owned(),
            Some(PresentedClient::Name(name)) => format!("name {name}"),
            Some(PresentedClient::Basic { client_id, secret }) => format!("basic {client_id} {secret}"),
            Some(PresentedClient::Post { client_id, secret }) => format!("post {client_id} {secret}"),
            Some(PresentedClient::Assertion { client_id, assertion }) => {
                format!("assertion {} {assertion}", client_id.unwrap_or_default())
            }
        })
    }

    fn header(pair: &str) -> String {
        format!("Basic {}", STANDARD.encode(pair))
    }

    #[test]
    fn one_method_is_read() {
        let good = |headers: &[&str], form: &str, expected: &str| {
            assert_eq!(read(headers, form), Ok(expected.to_owned()), "{headers:?} {form}");
        };
        good(&[], "", "nobody");
        good(&["Bearer x"], "", "nobody");
        good(&["Bearer x", &header("a:b")], "", "basic a b");
        good(&[&header("a:b").replace("Basic", "bAsIc")], "client_id=a", "basic a b");
        good(&[&header("a%3Ab+c:d%3A%25")], "", "basic a:b c d:%");
        good(&[&header("a:b:c")], "", "basic a b:c");
        good(&[&header("a:")], "", "basic a ");
        good(&[], "client_id=a", "name a");
        good(&[], "client_id=a&client_secret=b", "post a b");
        good(&[], "client_id=a&client_secret=", "name a");
        let jwt = format!("client_assertion_type={JWT_BEARER}&client_assertion=x");
        good(&[], &jwt, "assertion  x");
        good(&[], &format!("{jwt}&client_id=a"), "assertion a x");
    }

    #[test]
    fn anything_else_is_refused() {
        let basic = header("a:b");
        for (headers, form) in [
            (vec![basic.as_str()], "client_id=a&client_secret=b"),
            (vec![basic.as_str()], "client_id=other"),
            (vec![basic.as_str(), basic.as_str()], ""),
            (vec!["Basic"], ""),
            (vec!["Basic "], ""),
            (vec!["Basic ???"], ""),
            (vec!["Basic YWI="], ""),
            (vec!["Basic /zo/"], ""),
            (vec!["Basic JTpi"], ""),
            (vec![], "client_assertion=x"),
            (vec![], "client_assertion_type=x"),
            (vec![], "client_id=a&client_id=a"),
        ] {
            assert_eq!(read(&headers, form), Err("invalid_request"), "{headers:?} {form}");
        }
        assert_eq!(read(&[], "client_secret=b"), Err("invalid_client"));
        let long = header(&"x".repeat(4096));
        assert_eq!(read(&[&long], ""), Err("invalid_request"));
    }

    #[test]
    fn rfc7521_section_4_2_1_what_is_wrong_about_an_assertion_is_the_clients() {
        let jwt = format!("client_assertion_type={JWT_BEARER}&client_assertion=x");
        let basic = header("a:b");
        for (headers, form) in [
            (vec![basic.as_str()], jwt.as_str()),
            (vec![basic.as_str()], &format!("client_id=a&client_secret=b&{jwt}")),
            (vec![], &format!("client_secret=b&{jwt}")),
            (
                vec![],
                "client_assertion=x&client_assertion_type=urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
            ),
        ] {
            assert_eq!(read(&headers, form), Err("invalid_client"), "{headers:?} {form}");
        }
    }
}
