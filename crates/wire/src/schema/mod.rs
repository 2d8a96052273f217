//! JSON Schemas (2020-12) of everything that goes over the wire, for the OpenAPI document.
//!
//! Bodies are read member by member ([`crate::body`]) and answers written by hand, so the schemas stand beside them
//! by hand too: a test asks every reader which members it takes, and the end-to-end test of the document holds what the
//! server answers against them.

mod answers;
mod bodies;
mod clients;
mod delegation_routes;
mod words;

use serde_json::{Map, Value, json};

/// Every schema by its name, as `components.schemas` has them (OpenAPI 3.1 §4.8.7).
pub fn schemas() -> Map<String, Value> {
    everything().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

fn everything() -> impl Iterator<Item = (&'static str, Value)> {
    answers::all().into_iter().chain(bodies::all()).chain(clients::all()).chain(delegation_routes::all())
}

/// A reference to a schema of this document.
pub fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

type Named = Vec<(&'static str, Value)>;

/// An object with these members and no others.
fn closed(required: &[&str], properties: Value) -> Value {
    json!({"type": "object", "required": required, "properties": properties, "additionalProperties": false})
}

/// A list of something.
fn list_of(item: Value) -> Value {
    json!({"type": "array", "items": item})
}

/// A page of a list: the items under a name, and how many there are in all.
fn page_of(name: &str, item: &str, more: &[&str]) -> Value {
    let mut properties = Map::new();
    properties.insert(name.to_owned(), list_of(reference(item)));
    for count in ["total"].iter().chain(more) {
        properties.insert((*count).to_owned(), json!({"type": "integer", "minimum": 0}));
    }
    let required: Vec<&str> = [name, "total"].into_iter().chain(more.iter().copied()).collect();
    closed(&required, Value::Object(properties))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(to)) = members.get("$ref") {
                    found.insert(to.strip_prefix("#/components/schemas/").unwrap().to_owned());
                }
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_no_name_is_given_twice() {
        let schemas = schemas();
        let mut found = BTreeSet::new();
        schemas.values().for_each(|schema| references(schema, &mut found));
        for name in found {
            assert!(schemas.contains_key(&name), "{name}");
        }
        assert_eq!(schemas.len(), everything().count());
    }

    #[test]
    fn what_is_required_is_described() {
        for (name, schema) in schemas() {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            for member in required {
                let member = member.as_str().unwrap();
                assert!(schema["properties"].get(member).is_some(), "{name}.{member}");
            }
        }
    }
}
