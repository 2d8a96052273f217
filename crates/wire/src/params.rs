//! The parameters of an OAuth request, from a form or from JSON (RFC 6749 §3.2, appendix B).

use std::borrow::Cow;

use serde_json::{Map, Value};
use zeroid_token_core::parse_json_object_strict;

/// Most parameters of one request.
pub const MAX_PARAMS: usize = 100;

/// The names that may occur more than once (RFC 8707 §2, RFC 8693 §2.1, house rule C11).
const REPEATABLE: [&str; 4] = ["resource", "audience", "allowed_tools", "may_act"];

/// Why a body holds no parameters we take. Values are never repeated in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParamsError {
    /// The body is no form.
    #[error("the body is not application/x-www-form-urlencoded in UTF-8")]
    NotForm,
    /// The body is no JSON object.
    #[error("the body is not acceptable JSON: {0}")]
    NotJson(String),
    /// More parameters than the bound.
    #[error("more than {MAX_PARAMS} parameters")]
    TooMany,
    /// A parameter occurs twice.
    #[error("parameter `{0}` occurs more than once")]
    Repeated(&'static str),
    /// A parameter is missing.
    #[error("parameter `{0}` is missing")]
    Missing(&'static str),
    /// A parameter is no text.
    #[error("parameter `{0}` must be text")]
    NotText(&'static str),
    /// A parameter has a value we do not take.
    #[error("parameter `{name}` {why}")]
    Bad {
        /// Which.
        name: &'static str,
        /// Why not.
        why: String,
    },
}

/// The parameters of one request, read from its body. An empty value is as good as none; unknown names are ignored.
#[derive(Clone, Default)]
pub struct Params<'b>(Vec<(Cow<'b, str>, Given<'b>)>);

/// A name and a value of a form or a query string.
pub type Pair<'b> = (Cow<'b, str>, Cow<'b, str>);

/// A value as it was given.
#[derive(Clone)]
enum Given<'b> {
    Text(Cow<'b, str>),
    Json(Value),
}

impl Given<'_> {
    /// The text of one value; `null` and an empty text are none.
    fn text(&self, name: &'static str) -> Result<Option<&str>, ParamsError> {
        match self {
            Self::Text(text) => Ok(Some(&**text).filter(|text| !text.is_empty())),
            Self::Json(value) => json_text(value, name),
        }
    }
}

fn json_text<'v>(value: &'v Value, name: &'static str) -> Result<Option<&'v str>, ParamsError> {
    match value {
        Value::String(text) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Value::Null => Ok(None),
        _ => Err(ParamsError::NotText(name)),
    }
}

impl<'b> Params<'b> {
    /// Read a form body.
    ///
    /// # Errors
    /// [`ParamsError`].
    pub fn from_form(body: &'b [u8]) -> Result<Self, ParamsError> {
        let pairs = Self::pairs(body)?;
        Ok(Self(pairs.into_iter().map(|(name, value)| (name, Given::Text(value))).collect()))
    }

    /// The names and values of a form or a query string, in order.
    ///
    /// # Errors
    /// [`ParamsError::NotForm`], [`ParamsError::TooMany`].
    pub fn pairs(encoded: &'b [u8]) -> Result<Vec<Pair<'b>>, ParamsError> {
        let text = std::str::from_utf8(encoded).map_err(|_| ParamsError::NotForm)?;
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            if pairs.len() == MAX_PARAMS {
                return Err(ParamsError::TooMany);
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or(ParamsError::NotForm)?;
            pairs.push((name, decode(value).ok_or(ParamsError::NotForm)?));
        }
        Ok(pairs)
    }

    /// Read a JSON body: one object, no member twice.
    ///
    /// # Errors
    /// [`ParamsError`].
    pub fn from_json(body: &[u8]) -> Result<Self, ParamsError> {
        let members =
            parse_json_object_strict(body).map_err(|error| ParamsError::NotJson(error.to_string()))?;
        if members.len() > MAX_PARAMS {
            return Err(ParamsError::TooMany);
        }
        Ok(Self(members.into_iter().map(|(name, value)| (Cow::Owned(name), Given::Json(value))).collect()))
    }

    /// The one value of a parameter.
    ///
    /// # Errors
    /// [`ParamsError::Repeated`], [`ParamsError::NotText`].
    pub fn one(&self, name: &'static str) -> Result<Option<&str>, ParamsError> {
        let mut values = self.0.iter().filter(|(given, _)| given == name).map(|(_, value)| value);
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(ParamsError::Repeated(name));
        }
        value.text(name)
    }

    /// The one value of a parameter that must be there.
    ///
    /// # Errors
    /// As [`Params::one`], and [`ParamsError::Missing`].
    pub fn required(&self, name: &'static str) -> Result<&str, ParamsError> {
        self.one(name)?.ok_or(ParamsError::Missing(name))
    }

    /// The JSON object of a parameter: an object in JSON, the text of one in a form. `null` and an empty text are none.
    ///
    /// # Errors
    /// [`ParamsError::Repeated`], and [`ParamsError::Bad`] when it is none, or has a member twice.
    pub fn object(&self, name: &'static str) -> Result<Option<Cow<'_, Map<String, Value>>>, ParamsError> {
        let mut values = self.0.iter().filter(|(given, _)| given == name).map(|(_, value)| value);
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(ParamsError::Repeated(name));
        }
        let bad = |why: String| ParamsError::Bad { name, why };
        match value {
            Given::Json(Value::Null) => Ok(None),
            Given::Json(Value::Object(members)) => Ok(Some(Cow::Borrowed(members))),
            Given::Json(_) => Err(bad("must be a JSON object".to_owned())),
            Given::Text(text) if text.is_empty() => Ok(None),
            Given::Text(text) => {
                let read = parse_json_object_strict(text.as_bytes());
                let members =
                    read.map_err(|error| bad(format!("must be the text of a JSON object: {error}")))?;
                Ok(Some(Cow::Owned(members)))
            }
        }
    }

    /// Every value of a parameter that may occur more than once: repeated in a form, an array in JSON.
    ///
    /// # Errors
    /// [`ParamsError::NotText`].
    pub fn several(&self, name: &'static str) -> Result<Vec<String>, ParamsError> {
        debug_assert!(REPEATABLE.contains(&name));
        let mut found = Vec::new();
        for (_, value) in self.0.iter().filter(|(given, _)| given == name) {
            if let Given::Json(Value::Array(values)) = value {
                for value in values {
                    found.extend(json_text(value, name)?.map(str::to_owned));
                }
            } else {
                found.extend(value.text(name)?.map(str::to_owned));
            }
        }
        Ok(found)
    }

    /// The same, absent when nothing was given: an empty JSON array is a list.
    ///
    /// # Errors
    /// As [`Params::several`].
    pub fn list(&self, name: &'static str) -> Result<Option<Vec<String>>, ParamsError> {
        let found = self.several(name)?;
        let is_list = |given: &Given<'_>| matches!(given, Given::Json(Value::Array(_)));
        let listed = self.0.iter().any(|(given, value)| given == name && is_list(value));
        Ok((listed || !found.is_empty()).then_some(found))
    }
}

/// Percent-decoding with `+` as a space (WHATWG URL, application/x-www-form-urlencoded); strict.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| matches!(byte, b'+' | b'%')) {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
                u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms() {
        let params = Params::from_form(b"a=1&b=x+y%2Bz&empty=&resource=r1&resource=r2&c").unwrap();
        assert_eq!(params.one("a"), Ok(Some("1")));
        assert_eq!(params.one("b"), Ok(Some("x y+z")));
        assert_eq!(params.one("empty"), Ok(None));
        assert_eq!(params.one("c"), Ok(None));
        assert_eq!(params.several("resource"), Ok(vec!["r1".to_owned(), "r2".to_owned()]));
        assert_eq!(params.one("resource"), Err(ParamsError::Repeated("resource")));
        assert_eq!(params.required("zz"), Err(ParamsError::Missing("zz")));
        for bad in [b"a=%".as_slice(), b"a=%2", b"a=%zz", b"a=%ff", b"\xff=1"] {
            assert!(matches!(Params::from_form(bad), Err(ParamsError::NotForm)), "{bad:?}");
        }
        let many = "a=1&".repeat(101);
        assert!(matches!(Params::from_form(many.as_bytes()), Err(ParamsError::TooMany)));
    }

    #[test]
    fn json_bodies() {
        let params = Params::from_json(br#"{"a":"1","n":null,"x":7,"resource":["r1","r2"],"e":""}"#).unwrap();
        assert_eq!(params.one("a"), Ok(Some("1")));
        assert_eq!(params.one("n"), Ok(None));
        assert_eq!(params.one("e"), Ok(None));
        assert_eq!(params.one("x"), Err(ParamsError::NotText("x")));
        assert_eq!(params.several("resource").unwrap().len(), 2);
        for bad in ["", "null", "[]", "{\"a\":1", "{\"a\":\"1\",\"a\":\"2\"}", "{} x", "{'a':1}"] {
            assert!(matches!(Params::from_json(bad.as_bytes()), Err(ParamsError::NotJson(_))), "{bad}");
        }
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(40), "]".repeat(40));
        assert!(matches!(Params::from_json(deep.as_bytes()), Err(ParamsError::NotJson(_))));
    }

    #[test]
    fn objects() {
        let form = |text: &'static [u8]| {
            Params::from_form(text).unwrap().object("o").map(|found| found.map(Cow::into_owned))
        };
        let json = |text: &'static [u8]| {
            Params::from_json(text).unwrap().object("o").map(|found| found.map(Cow::into_owned))
        };
        let one = Some(serde_json::json!({"a": [1]}).as_object().unwrap().clone());
        assert_eq!(form(b"o=%7B%22a%22%3A%5B1%5D%7D"), Ok(one.clone()));
        assert_eq!(json(br#"{"o":{"a":[1]}}"#), Ok(one));
        assert_eq!((form(b"o="), form(b"p=1"), json(br#"{"o":null}"#)), (Ok(None), Ok(None), Ok(None)));
        assert_eq!(form(b"o=%7B%7D&o=%7B%7D"), Err(ParamsError::Repeated("o")));
        for bad in [b"o=x".as_slice(), b"o=%5B%5D", b"o=null", b"o=%7B%7Dx", b"o=%7B%22a%22:1,%22a%22:2%7D"] {
            assert!(matches!(form(bad), Err(ParamsError::Bad { name: "o", .. })), "{bad:?}");
        }
        for bad in [br#"{"o":"{}"}"#.as_slice(), br#"{"o":[]}"#, br#"{"o":7}"#] {
            assert!(matches!(json(bad), Err(ParamsError::Bad { name: "o", .. })), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Params::from_form(&body);
            let _ = Params::from_json(&body);
        }

        #[test]
        fn every_text_survives_encoding(text in ".{0,40}") {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let form = format!("a={encoded}");
            let params = Params::from_form(form.as_bytes()).unwrap();
            prop_assert_eq!(params.one("a").unwrap(), Some(text.as_str()).filter(|text| !text.is_empty()));
        }
    }
}
