//! Administrative request bodies: closed JSON objects, read member by member, every mistake named.

use serde_json::{Map, Value};
use zeroid_identity_model::Timestamp;
use zeroid_token_core::{Scope, ScopeSet, parse_json_object_strict};

/// One mistake and its place. A submitted value is never repeated, except ids that the caller must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// What is wrong.
    pub message: String,
    /// Where, such as `body.external_id`.
    pub location: String,
    /// An id of ours that the caller needs.
    pub value: Option<String>,
}

impl Issue {
    /// A mistake at a place.
    pub fn at(location: impl Into<String>, message: impl ToString) -> Self {
        Self { message: message.to_string(), location: location.into(), value: None }
    }
}

/// Why a body was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// There is none, and one is needed.
    Empty,
    /// It is no JSON object we take: not JSON, a member twice, nested too deeply.
    NotJson(String),
    /// It is JSON, and not what is asked for.
    Schema(Vec<Issue>),
    /// It is what is asked for, and breaks a rule.
    Rule(Issue),
}

/// Read the object of a body. An empty body is an empty object where nothing is required.
///
/// # Errors
/// [`BodyError::NotJson`].
pub fn read_object(bytes: &[u8]) -> Result<Map<String, Value>, BodyError> {
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    match parse_json_object_strict(bytes) {
        Ok(members) => Ok(members),
        Err(error) if error.to_string() == "not a JSON object" => {
            Err(BodyError::Schema(vec![Issue::at("body", "expected a JSON object")]))
        }
        Err(error) => Err(BodyError::NotJson(error.to_string())),
    }
}

/// Takes members out of an object and remembers what is wrong with them.
pub(crate) struct Reader {
    members: Map<String, Value>,
    issues: Vec<Issue>,
    rule: Option<Issue>,
    was_empty: bool,
}

impl Reader {
    pub(crate) fn new(bytes: &[u8]) -> Result<Self, BodyError> {
        let mut members = read_object(bytes)?;
        members.remove("$schema");
        Ok(Self { members, issues: Vec::new(), rule: None, was_empty: bytes.is_empty() })
    }

    /// The end: nothing must be left, and nothing must have been wrong.
    pub(crate) fn finish<T>(mut self, value: T) -> Result<T, BodyError> {
        let unknown: Vec<String> = self.members.keys().take(16).map(|name| printable(name)).collect();
        for name in unknown {
            self.issues.push(Issue::at(format!("body.{name}"), "unexpected property"));
        }
        if !self.issues.is_empty() {
            return Err(if self.was_empty { BodyError::Empty } else { BodyError::Schema(self.issues) });
        }
        match self.rule {
            Some(issue) => Err(BodyError::Rule(issue)),
            None => Ok(value),
        }
    }

    pub(crate) fn wrong(&mut self, name: &str, message: impl ToString) {
        self.issues.push(Issue::at(format!("body.{name}"), message));
    }

    /// A value of the right type that breaks a rule.
    pub(crate) fn breaks(&mut self, name: &str, message: impl ToString) {
        self.rule.get_or_insert_with(|| Issue::at(format!("body.{name}"), message));
    }

    /// A member that is there and not null.
    fn take(&mut self, name: &str) -> Option<Value> {
        note(name);
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// Whether a member was given, be it null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) if text.contains('\0') => {
                self.wrong(name, "must not contain NUL");
                None
            }
            Value::String(text) => Some(text),
            _ => {
                self.wrong(name, "expected text");
                None
            }
        }
    }

    pub(crate) fn required_text(&mut self, name: &str) -> String {
        note(name);
        if self.members.get(name).is_none_or(Value::is_null) {
            self.members.remove(name);
            self.wrong(name, "is required");
            return String::new();
        }
        let text = self.text(name).unwrap_or_default();
        if text.is_empty() && !self.issues.iter().any(|issue| issue.location == format!("body.{name}")) {
            self.wrong(name, "must not be empty");
        }
        text
    }

    /// A member that must be there; its value is read by whoever takes it.
    pub(crate) fn required(&mut self, name: &str) {
        if self.members.get(name).is_none_or(|value| value.is_null() || value.as_str() == Some("")) {
            self.members.remove(name);
            self.wrong(name, "is required");
        }
    }

    /// A text that must parse; a failure breaks a rule (400).
    pub(crate) fn parsed<T: std::str::FromStr<Err: ToString>>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name).filter(|text| !text.is_empty())?;
        text.parse().map_err(|error: T::Err| self.breaks(name, error)).ok()
    }

    /// A word of a closed vocabulary; another word is no member of the schema (422).
    pub(crate) fn word<T: std::str::FromStr<Err: ToString>>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        text.parse().map_err(|error: T::Err| self.wrong(name, error)).ok()
    }

    pub(crate) fn json(&mut self, name: &str) -> Option<Value> {
        note(name);
        self.members.remove(name)
    }

    pub(crate) fn flag(&mut self, name: &str) -> Option<bool> {
        match self.take(name)? {
            Value::Bool(value) => Some(value),
            _ => {
                self.wrong(name, "expected true or false");
                None
            }
        }
    }

    pub(crate) fn integer(&mut self, name: &str) -> Option<i64> {
        let value = self.take(name)?;
        let number = value.as_i64();
        if number.is_none() {
            self.wrong(name, "expected an integer");
        }
        number
    }

    pub(crate) fn time(&mut self, name: &str) -> Option<Timestamp> {
        let text = self.text(name)?;
        text.parse().map_err(|error| self.wrong(name, error)).ok()
    }

    pub(crate) fn texts(&mut self, name: &str) -> Option<Vec<String>> {
        let Value::Array(items) = self.take(name)? else {
            self.wrong(name, "expected a list of texts");
            return None;
        };
        let mut texts = Vec::with_capacity(items.len().min(256));
        for (at, item) in items.into_iter().enumerate() {
            match item {
                Value::String(text) => texts.push(text),
                _ => {
                    self.issues.push(Issue::at(format!("body.{name}[{at}]"), "expected text"));
                    return None;
                }
            }
        }
        Some(texts)
    }

    /// A list whose items must parse; a failure breaks a rule (400).
    pub(crate) fn list<T: std::str::FromStr<Err: ToString>>(&mut self, name: &str) -> Option<Vec<T>> {
        let texts = self.texts(name)?;
        let mut values = Vec::with_capacity(texts.len());
        for (at, text) in texts.iter().enumerate() {
            match text.parse() {
                Ok(value) => values.push(value),
                Err(error) => {
                    self.breaks(&format!("{name}[{at}]"), T::Err::to_string(&error));
                    return None;
                }
            }
        }
        Some(values)
    }

    pub(crate) fn scopes(&mut self, name: &str) -> Option<ScopeSet> {
        let scopes = self.list::<Scope>(name)?;
        ScopeSet::of(scopes).map_err(|error| self.breaks(name, error)).ok()
    }

    /// A change of a list of scopes: a list replaces the list; `scopes_restricted: false` lifts it.
    pub(crate) fn scopes_patch(&mut self, name: &str) -> Option<Option<ScopeSet>> {
        let list = self.scopes(name);
        match (self.flag("scopes_restricted"), list) {
            (Some(false), None) => Some(None),
            (Some(false), Some(list)) if list.is_empty() => Some(None),
            (Some(false), Some(_)) => {
                self.breaks("scopes_restricted", format!("contradicts {name}"));
                None
            }
            (_, list) => list.map(Some),
        }
    }

    /// A change of something that can be lifted: `""` lifts it, null and absent leave it.
    pub(crate) fn liftable<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        note(name);
        if self.members.get(name).and_then(Value::as_str) == Some("") {
            self.members.remove(name);
            return Some(None);
        }
        read(self).map(Some)
    }
}

/// A member's name as it may be shown.
fn printable(name: &str) -> String {
    name.chars().take(64).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(not(test))]
const fn note(_: &str) {}

#[cfg(test)]
thread_local! {
    static ASKED: std::cell::RefCell<std::collections::BTreeSet<String>> = const { std::cell::RefCell::new(std::collections::BTreeSet::new()) };
}

#[cfg(test)]
fn note(name: &str) {
    ASKED.with_borrow_mut(|asked| {
        asked.insert(name.to_owned());
    });
}

/// The members that a reader asks for, whether they are there or not.
#[cfg(test)]
pub(crate) fn asked_members(read: impl FnOnce()) -> std::collections::BTreeSet<String> {
    ASKED.take();
    read();
    ASKED.take()
}
