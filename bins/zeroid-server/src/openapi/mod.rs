//! The OpenAPI document (3.1): paths and methods from the route table, schemas from `zeroid-wire`.

mod operations;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use zeroid_wire::{reference, schemas};

use crate::router::{Route, Router, Surface};
use operations::{Body, Kind, OPERATIONS, Operation, Query};

/// What any request may be answered, whatever its route: it came too slowly, was too large, too long, of another media
/// type; our fault; the store is away.
const ALWAYS: [u16; 6] = [408, 413, 414, 415, 500, 503];

/// An absolute URI without fragment (RFC 8707 §2).
const ABSOLUTE_URI: &str = r#"^([A-Za-z][A-Za-z0-9+.-]*://[A-Za-z0-9._~:@%-]+([/?][!"$-~]*)?|urn:[!"$-~]+)$"#;

/// The document. Administrative routes are at the root and under `prefix`; in `dev` they need no credential.
pub(crate) fn document(router: &Router, prefix: &str, dev: bool) -> Value {
    let mut paths = Map::new();
    for route in router.routes() {
        let mut item = Map::new();
        for method in route.methods() {
            // A route that is not described is found by the test below; here it is left out.
            if let Some(operation) = find(method.as_str(), route.pattern) {
                item.insert(method.as_str().to_ascii_lowercase(), described(operation, route, dev));
            }
        }
        if route.surface.is_prefixed() && !prefix.is_empty() {
            item.insert("servers".to_owned(), json!([{"url": "/"}, {"url": prefix}]));
        }
        paths.insert(template(route.pattern), Value::Object(item));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "ZeroID",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Identity infrastructure for autonomous agents. Every answer has the header `X-Request-ID`; HEAD is answered wherever GET is.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An access token with the scope `nhi:manage` (for credentials and delegations also `credentials:manage`), or the operator key. A token that is bound to a key comes under the scheme `DPoP`, with a proof (RFC 9449 §7.1).",
                },
                "agent": {"type": "http", "scheme": "bearer", "description": "An agent's own access token."},
            },
        },
    })
}

/// A path as OpenAPI has it: a parameter that takes the rest of the path has no mark of its own there.
fn template(pattern: &str) -> String {
    pattern.replace("{*", "{")
}

fn find(method: &str, pattern: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.method == method && operation.pattern == pattern)
}

fn described(operation: &Operation, route: &Route, dev: bool) -> Value {
    let mut described = json!({
        "operationId": operation_id(operation),
        "summary": operation.summary,
        "tags": [operation.pattern.split('/').nth(1).unwrap_or_default()],
        "parameters": parameters(operation, route),
        "responses": responses(operation, route, dev),
    });
    let mut set = |name: &str, value: Option<Value>| {
        if let (Some(value), Some(members)) = (value, described.as_object_mut()) {
            members.insert(name.to_owned(), value);
        }
    };
    set("requestBody", body(operation.body));
    set("security", security(operation, route, dev));
    described
}

/// `post_agents_registry_id_activate`: what generated clients call it.
fn operation_id(operation: &Operation) -> String {
    let path = operation.pattern.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words = std::iter::once(operation.method).chain(path);
    words.map(str::to_ascii_lowercase).collect::<Vec<_>>().join("_")
}

fn parameters(operation: &Operation, route: &Route) -> Vec<Value> {
    let path = template(operation.pattern);
    let in_path = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let in_path = in_path
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let mut parameters: Vec<Value> = in_path.collect();
    parameters.extend(operation.query.iter().map(in_query));
    if route.surface == Surface::Admin || operation.bearer || operation.pattern == "/oauth2/token" {
        let about = "A proof of the key the access token is bound to, or is to be (RFC 9449).";
        let schema = json!({"type": "string"});
        parameters.push(json!({"name": "DPoP", "in": "header", "description": about, "schema": schema}));
    }
    if operation.cacheable {
        let schema = json!({"type": "string"});
        let about = "The mark of the document the caller has.";
        parameters
            .push(json!({"name": "If-None-Match", "in": "header", "description": about, "schema": schema}));
    }
    parameters
}

fn in_query(query: &Query) -> Value {
    let schema = match query.kind {
        Kind::Text => json!({"type": "string"}),
        Kind::RequiredText | Kind::Demand => json!({"type": "string", "minLength": 1}),
        Kind::DemandedUri => json!({"type": "string", "maxLength": 2048, "pattern": ABSOLUTE_URI}),
        Kind::DemandOf(words) => json!({"type": "string", "enum": words}),
        Kind::Depth => json!({"type": "integer", "minimum": 0, "maximum": 255}),
        Kind::Id => json!({"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}),
        Kind::Number(least) => json!({"type": "integer", "minimum": least}),
        Kind::Words(words) => json!({"type": "string", "enum": words}),
        Kind::List => json!({"type": "array", "items": {"type": "string"}}),
    };
    let required = matches!(query.kind, Kind::RequiredText);
    let may_be_empty = !matches!(
        query.kind,
        Kind::RequiredText | Kind::Demand | Kind::DemandedUri | Kind::DemandOf(_) | Kind::Depth
    );
    let (name, about) = (query.name, query.about);
    // An empty parameter is as good as none, unless one is needed.
    json!({
        "name": name, "in": "query", "required": required, "allowEmptyValue": may_be_empty, "description": about,
        "schema": schema,
    })
}

fn body(body: Body) -> Option<Value> {
    let json_of = |schema: &str| json!({"application/json": {"schema": reference(schema)}});
    match body {
        Body::None => None,
        Body::Json(schema) => Some(json!({"required": true, "content": json_of(schema)})),
        Body::Optional(schema) => Some(json!({"required": false, "content": json_of(schema)})),
        Body::Parameters(schema) => {
            let schema = json!({"schema": reference(schema)});
            let content = json!({"application/x-www-form-urlencoded": schema, "application/json": schema});
            Some(json!({"required": true, "content": content}))
        }
    }
}

fn security(operation: &Operation, route: &Route, dev: bool) -> Option<Value> {
    match route.surface {
        Surface::Admin if dev => Some(json!([{"bearer": []}, {}])),
        Surface::Admin => Some(json!([{"bearer": []}])),
        Surface::Open | Surface::OAuth | Surface::Plain | Surface::Prefixed => {
            operation.bearer.then(|| json!([{"agent": []}]))
        }
    }
}

/// Every status the operation may be answered with.
fn refusals(operation: &Operation, route: &Route, dev: bool) -> BTreeSet<u16> {
    let oauth = is_oauth(operation);
    let mut statuses: BTreeSet<u16> = ALWAYS.into_iter().chain(operation.also.iter().copied()).collect();
    if dev {
        statuses.insert(421);
    }
    if route.surface == Surface::Admin || operation.bearer {
        statuses.extend([400, 401, 403]);
    }
    if !matches!(operation.body, Body::None) {
        statuses.insert(400);
        if !oauth {
            statuses.insert(422);
        }
    }
    if !operation.query.is_empty() && !oauth {
        statuses.insert(422);
    }
    if operation.pattern.contains('{') {
        statuses.insert(404);
    }
    statuses
}

fn is_oauth(operation: &Operation) -> bool {
    operation.pattern.starts_with("/oauth2/")
}

fn responses(operation: &Operation, route: &Route, dev: bool) -> Value {
    let mut responses = Map::new();
    let mut good = json!({"description": reason(operation.status)});
    if let (Some(schema), Some(members)) = (operation.answer, good.as_object_mut()) {
        let mut content = json!({"application/json": {"schema": reference(schema)}});
        if let (Some(media), Some(content)) = (operation.or_text, content.as_object_mut()) {
            content.insert(media.to_owned(), json!({"schema": {"type": "string"}}));
        }
        members.insert("content".to_owned(), content);
    }
    let links = links(operation);
    if let (false, Some(members)) = (links.is_empty(), good.as_object_mut()) {
        members.insert("links".to_owned(), Value::Object(links));
    }
    responses.insert(operation.status.to_string(), good);
    if operation.cacheable {
        responses.insert("304".to_owned(), json!({"description": reason(304)}));
    }
    let (media, schema) = if is_oauth(operation) {
        ("application/json", "OAuthError")
    } else {
        ("application/problem+json", "Problem")
    };
    for status in refusals(operation, route, dev) {
        let content = json!({media: {"schema": reference(schema)}});
        responses.insert(status.to_string(), json!({"description": reason(status), "content": content}));
    }
    Value::Object(responses)
}

/// One for each operation of each pattern the answer leads to.
fn links(operation: &Operation) -> Map<String, Value> {
    let mut links = Map::new();
    for link in operation.links {
        let parameter = link.pattern.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        let name = parameter.map_or("", |(name, _)| name);
        for to in OPERATIONS.iter().filter(|to| to.pattern == link.pattern) {
            let id = operation_id(to);
            let value = format!("$response.body#{}", link.at);
            links.insert(id.clone(), json!({"operationId": id, "parameters": {name: value}}));
        }
    }
    links
}

fn reason(status: u16) -> &'static str {
    hyper::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Answer")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_route_is_described_and_nothing_else() {
        let router = Router::new("/api/v1").unwrap();
        let of_routes: BTreeSet<(String, String)> = router
            .routes()
            .iter()
            .flat_map(|route| route.methods().map(|method| (method.to_string(), route.pattern.to_owned())))
            .collect();
        let described: Vec<(String, String)> =
            OPERATIONS.iter().map(|of| (of.method.to_owned(), of.pattern.to_owned())).collect();
        let unique: BTreeSet<_> = described.iter().cloned().collect();
        assert_eq!(unique.len(), described.len(), "an operation is described twice");
        let missing: Vec<_> = of_routes.difference(&unique).collect();
        assert!(missing.is_empty(), "add these to openapi/operations.rs: {missing:?}");
        let left_over: Vec<_> = unique.difference(&of_routes).collect();
        assert!(left_over.is_empty(), "no route has these: {left_over:?}");
    }

    #[test]
    fn every_schema_that_is_named_exists_and_each_is_used() {
        let router = Router::new("/api/v1").unwrap();
        let text = document(&router, "/api/v1", false).to_string();
        for name in schemas().keys() {
            let used = text.contains(&format!("#/components/schemas/{name}\""));
            assert!(used, "{name} is used nowhere");
        }
        for operation in OPERATIONS {
            let of_body = match operation.body {
                Body::None => None,
                Body::Json(name) | Body::Optional(name) | Body::Parameters(name) => Some(name),
            };
            for name in operation.answer.into_iter().chain(of_body) {
                assert!(schemas().contains_key(name), "{name}");
            }
        }
    }

    #[test]
    fn every_link_leads_somewhere() {
        for operation in OPERATIONS {
            for link in operation.links {
                assert!(OPERATIONS.iter().any(|to| to.pattern == link.pattern), "{}", link.pattern);
                assert_eq!(link.pattern.matches('{').count(), 1, "{}", link.pattern);
            }
        }
    }

    #[test]
    fn ids_of_operations_are_unique() {
        let ids: BTreeSet<String> = OPERATIONS.iter().map(operation_id).collect();
        assert_eq!(ids.len(), OPERATIONS.len());
    }
}
