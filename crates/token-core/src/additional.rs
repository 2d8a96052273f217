//! Claims of a caller's own: anything it wants to be told of a credential, within bounds, and nothing that is ours to
//! say (house rules C8, C11).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::reserved::is_reserved;

/// Most claims, inherited ones included.
pub const MAX_ADDITIONAL_CLAIMS: usize = 16;

/// Longest name, in bytes.
pub const MAX_ADDITIONAL_NAME_BYTES: usize = 64;

/// Deepest value: a list of lists is two deep, a text or a number not at all.
pub const MAX_ADDITIONAL_DEPTH: usize = 4;

/// Longest all of them may be together, written as JSON without spaces, in bytes: a quarter of the longest token.
pub const MAX_ADDITIONAL_BYTES: usize = 2048;

/// Claims of a caller's own, by name. Written by serde as a JSON object.
///
/// They say nothing to us: no rule looks at them. Those a caller brings come through [`AdditionalClaims::asked_for`];
/// serde reads back what we wrote, and whoever issues by that checks it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AdditionalClaims(Map<String, Value>);

/// Additional claims that are not acceptable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdditionalClaimsError {
    /// The server's own to say.
    #[error("`{0}` cannot be an additional claim")]
    Reserved(String),
    /// The parent says something else.
    #[error("`{0}` is inherited from the subject token and cannot be changed")]
    Changed(String),
    /// More claims than the bound.
    #[error("at most {MAX_ADDITIONAL_CLAIMS} claims allowed, inherited ones included")]
    TooMany,
    /// A name that is empty, too long, or has other characters than those of a name.
    #[error(
        "a name must be 1 to {MAX_ADDITIONAL_NAME_BYTES} printable ASCII characters without quotes and backslashes"
    )]
    Name,
    /// A value that nests too deeply.
    #[error("`{0}` is nested deeper than {MAX_ADDITIONAL_DEPTH} levels")]
    Depth(String),
    /// A number that would be another one after it was written and read.
    #[error("`{0}` has a number that is not kept exactly: write it as text")]
    Number(String),
    /// Longer than the bound.
    #[error("at most {MAX_ADDITIONAL_BYTES} bytes of JSON allowed, inherited claims included")]
    TooLong,
}

impl AdditionalClaims {
    /// What a caller asks for, within its bounds. Whose names they are is judged when it is known who asks.
    ///
    /// # Errors
    /// [`AdditionalClaimsError`], never of a name that is reserved.
    pub fn asked_for(claims: Map<String, Value>) -> Result<Self, AdditionalClaimsError> {
        for (name, value) in &claims {
            if !is_name(name) {
                return Err(AdditionalClaimsError::Name);
            }
            if depth(value) > MAX_ADDITIONAL_DEPTH {
                return Err(AdditionalClaimsError::Depth(name.clone()));
            }
            if !is_kept(value) {
                return Err(AdditionalClaimsError::Number(name.clone()));
            }
        }
        let claims = Self(claims);
        claims.check_size()?;
        Ok(claims)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each by its name.
    pub const fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// That none of them is the server's own to say. What an older release took may be reserved by a newer one, so that
    /// what is read back is asked, too.
    ///
    /// # Errors
    /// [`AdditionalClaimsError::Reserved`].
    pub fn check_names(&self) -> Result<(), AdditionalClaimsError> {
        match self.0.keys().find(|name| is_reserved(name)) {
            Some(name) => Err(AdditionalClaimsError::Reserved(name.clone())),
            None => Ok(()),
        }
    }

    /// What a child has that asks for `asked`: everything of its parent's as it is, and what the parent says nothing of.
    ///
    /// # Errors
    /// [`AdditionalClaimsError`]: something inherited would change, a name is reserved, or together they are too many.
    pub fn inherited_by(&self, asked: &Self) -> Result<Self, AdditionalClaimsError> {
        asked.check_names()?;
        let mut all = self.clone();
        for (name, value) in &asked.0 {
            match all.0.get(name) {
                Some(held) if held != value => return Err(AdditionalClaimsError::Changed(name.clone())),
                Some(_) => {}
                None => drop(all.0.insert(name.clone(), value.clone())),
            }
        }
        all.check_names()?;
        all.check_size()?;
        Ok(all)
    }

    fn check_size(&self) -> Result<(), AdditionalClaimsError> {
        if self.0.len() > MAX_ADDITIONAL_CLAIMS {
            return Err(AdditionalClaimsError::TooMany);
        }
        let written = serde_json::to_vec(&self.0).map_err(|_| AdditionalClaimsError::TooLong)?;
        if written.len() > MAX_ADDITIONAL_BYTES { Err(AdditionalClaimsError::TooLong) } else { Ok(()) }
    }
}

/// ASCII alone: other letters are folded into ASCII ones by some readers.
fn is_name(name: &str) -> bool {
    let printable = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    (1..=MAX_ADDITIONAL_NAME_BYTES).contains(&name.len()) && name.bytes().all(printable)
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Whether it is the same after it was written and read, which it is at every hop.
fn is_kept(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(is_kept),
        Value::Object(members) => members.values().all(is_kept),
        Value::Number(number) => {
            serde_json::from_str::<Value>(&number.to_string()).is_ok_and(|read| read == *value)
        }
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn asked(claims: Value) -> Result<AdditionalClaims, AdditionalClaimsError> {
        let Value::Object(claims) = claims else { panic!("an object") };
        AdditionalClaims::asked_for(claims)
    }

    #[track_caller]
    fn check(claims: Value, expected: Result<(), AdditionalClaimsError>) {
        assert_eq!(asked(claims).map(|_| ()), expected);
    }

    #[test]
    fn bounds() {
        use AdditionalClaimsError as Error;
        check(json!({}), Ok(()));
        check(
            json!({"department": "billing", "cost": 7, "https://acme.example/tier": {"a": [null, true]}}),
            Ok(()),
        );
        let many = |count: usize| Value::Object((0..count).map(|n| (format!("n{n}"), json!(n))).collect());
        check(many(MAX_ADDITIONAL_CLAIMS), Ok(()));
        check(many(MAX_ADDITIONAL_CLAIMS + 1), Err(Error::TooMany));
        check(json!({"n".repeat(MAX_ADDITIONAL_NAME_BYTES): 1}), Ok(()));
        for name in [String::new(), "n".repeat(65), "a b".to_owned(), "a\"".to_owned(), "a\\".to_owned()] {
            check(json!({name: 1}), Err(Error::Name));
        }
        // The long s and the Kelvin sign are folded to `s` and `k` by some readers of JSON.
        for name in ["ſub", "sub\0", "a\u{7f}", "\u{212a}"] {
            check(json!({name: 1}), Err(Error::Name));
        }
        check(json!({"a": [[[[1]]]]}), Ok(()));
        check(json!({"a": {"b": {"c": {"d": {"e": {}}}}}}), Err(Error::Depth("a".to_owned())));
        check(json!({"a": [[[[[]]]]]}), Err(Error::Depth("a".to_owned())));
        // `{"a":""}` is eight bytes.
        check(json!({"a": "x".repeat(MAX_ADDITIONAL_BYTES - 8)}), Ok(()));
        check(json!({"a": "x".repeat(MAX_ADDITIONAL_BYTES - 7)}), Err(Error::TooLong));
        check(json!({"a": 0.1, "b": 1e300, "c": -0.0, "d": u64::MAX, "e": i64::MIN}), Ok(()));
    }

    #[test]
    fn a_child_keeps_all_and_adds_within_the_bounds() {
        use AdditionalClaimsError as Error;
        let parent = asked(json!({"a": 1, "b": {"c": [2]}})).unwrap();
        let child = |claims| parent.inherited_by(&asked(claims).unwrap());
        assert_eq!(child(json!({})).unwrap(), parent);
        assert_eq!(child(json!({"a": 1})).unwrap(), parent);
        assert_eq!(child(json!({"d": 3})).unwrap(), asked(json!({"a": 1, "b": {"c": [2]}, "d": 3})).unwrap());
        for changed in [json!({"a": 2}), json!({"a": null}), json!({"a": "1"})] {
            assert_eq!(child(changed), Err(Error::Changed("a".to_owned())));
        }
        assert_eq!(child(json!({"b": {"c": []}})), Err(Error::Changed("b".to_owned())));
        assert_eq!(child(json!({"Jti": 1})), Err(Error::Reserved("Jti".to_owned())));
        let many = Value::Object((0..15).map(|n| (format!("n{n}"), json!(n))).collect());
        assert_eq!(child(many), Err(Error::TooMany));
        assert_eq!(child(json!({"z": "x".repeat(2030)})), Err(Error::TooLong));
        // What an older release took is not handed on once it is reserved.
        let old: AdditionalClaims = serde_json::from_value(json!({"links": []})).unwrap();
        assert_eq!(old.inherited_by(&AdditionalClaims::default()), Err(Error::Reserved("links".to_owned())));
    }

    proptest! {
        #[test]
        fn numbers_are_the_same_at_every_hop(number in any::<f64>(), digits in "-?[0-9]{1,25}(\\.[0-9]{1,25})?(e-?[0-9]{1,3})?") {
            for text in [number.to_string(), digits] {
                let Ok(value) = serde_json::from_str::<Value>(&text) else { continue };
                if let Ok(claims) = asked(json!({"n": value})) {
                    let written = serde_json::to_string(&claims).unwrap();
                    let read: AdditionalClaims = serde_json::from_str(&written).unwrap();
                    prop_assert_eq!(&read, &claims);
                    prop_assert_eq!(serde_json::to_string(&read).unwrap(), written);
                }
            }
        }
    }
}
