//! JSON read strictly: no member twice, no deep nesting (RFC 8259 §4 leaves both to us; RFC 7515 §4 forbids
//! repeated header members).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Deepest nesting.
pub const MAX_JSON_DEPTH: u8 = 32;

/// Why a text is no JSON object we take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StrictJsonError(String);

/// Read one JSON object: UTF-8, nothing after it, no member twice at any level, at most 32 levels.
///
/// # Errors
/// [`StrictJsonError`]; no value of the text is repeated in it.
pub fn parse_json_object_strict(bytes: &[u8]) -> Result<Map<String, Value>, StrictJsonError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict { depth: 0 }.deserialize(&mut reader).map_err(describe)?;
    reader.end().map_err(describe)?;
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(StrictJsonError("not a JSON object".to_owned())),
    }
}

fn describe(error: serde_json::Error) -> StrictJsonError {
    use serde_json::error::Category;
    match error.classify() {
        Category::Data => {
            StrictJsonError(error.to_string().split(" at line ").next().unwrap_or_default().to_owned())
        }
        Category::Syntax | Category::Eof | Category::Io => StrictJsonError("not valid JSON".to_owned()),
    }
}

struct Strict {
    depth: u8,
}

impl Strict {
    fn deeper<E: serde::de::Error>(&self) -> Result<Self, E> {
        if self.depth >= MAX_JSON_DEPTH {
            return Err(E::custom(format!("nested deeper than {MAX_JSON_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        let depth = self.deeper()?.depth;
        while let Some(value) = items.next_element_seed(Self { depth })? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        let depth = self.deeper()?.depth;
        while let Some(name) = members.next_key::<String>()? {
            if map.contains_key(&name) {
                return Err(A::Error::custom("a member occurs twice"));
            }
            let value = members.next_value_seed(Self { depth })?;
            map.insert(name, value);
        }
        Ok(Value::Object(map))
    }
}
