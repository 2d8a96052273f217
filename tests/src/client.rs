//! A small HTTP client that shows what a caller would see.

use serde_json::Value;
use ureq::Agent;
use ureq::http::{HeaderMap, Request};

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as text.
    pub body: String,
    /// The body as JSON, or null.
    pub json: Value,
}

impl Answer {
    /// The text at a JSON pointer.
    pub fn text(&self, pointer: &str) -> String {
        let value = self.json.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {self:?}"));
        value.as_str().unwrap_or_else(|| panic!("{pointer} is no text in {self:?}")).to_owned()
    }

    /// The access token of a successful answer.
    pub fn token(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.text("/access_token")
    }

    /// A header, empty when absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A caller of one server; keeps connections alive.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    /// The server's base URL.
    pub base: String,
    bearer: Option<String>,
    tenant: Option<(String, String)>,
}

impl Client {
    /// A caller without credentials.
    pub fn new(base: &str) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(std::time::Duration::from_secs(30)))
            .build();
        Self { agent: config.into(), base: base.to_owned(), bearer: None, tenant: None }
    }

    /// The same caller with a bearer token or an operator key.
    #[must_use]
    pub fn bearer(&self, token: &str) -> Self {
        Self { bearer: Some(token.to_owned()), ..self.clone() }
    }

    /// The same caller naming a tenant.
    #[must_use]
    pub fn tenant(&self, account: &str, project: &str) -> Self {
        Self { tenant: Some((account.to_owned(), project.to_owned())), ..self.clone() }
    }

    /// Send any request; absent when the connection failed before an answer.
    pub fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<Answer, ureq::Error> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.bearer {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some((account, project)) = &self.tenant {
            request = request.header("x-account-id", account).header("x-project-id", project);
        }
        let mut response = self.agent.run(request.body(body).unwrap())?;
        let body = response.body_mut().read_to_string()?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            json: serde_json::from_str(&body).unwrap_or(Value::Null),
            body,
        })
    }

    /// Send any request.
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        self.try_send(method, path, headers, body.into())
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// GET.
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Vec::new())
    }

    /// POST a JSON body.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, &[("content-type", "application/json")], body.to_string())
    }

    /// POST a JSON body; absent when the connection failed before an answer.
    pub fn try_post(&self, path: &str, body: &Value) -> Option<Answer> {
        self.try_send("POST", path, &[("content-type", "application/json")], body.to_string().into_bytes())
            .ok()
    }

    /// POST a form body, already encoded.
    pub fn form(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[("content-type", "application/x-www-form-urlencoded")], body)
    }

    /// PATCH with a JSON body.
    pub fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send("PATCH", path, &[("content-type", "application/json")], body.to_string())
    }

    /// DELETE.
    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], Vec::new())
    }
}
