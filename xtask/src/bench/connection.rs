//! One kept HTTP/1.1 connection, and what an answer holds.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::outcome::{Failure, Outcome};

/// A connection that waits for each answer.
pub(super) struct Connection {
    stream: TcpStream,
    exchange: Exchange,
}

impl Connection {
    pub(super) fn open(address: &str) -> Outcome<Self> {
        Ok(Self { stream: connect(address)?, exchange: Exchange::default() })
    }

    /// Post a form, or get when there is none; gives the body of a successful answer.
    pub(super) fn post(&mut self, path: &str, form: &str) -> Outcome<&str> {
        self.send(path, FORM, form)
    }

    pub(super) fn send(&mut self, path: &str, media: &str, body: &str) -> Outcome<&str> {
        let failed = |error: std::io::Error| Failure::new(format!("{path}: {error}"));
        self.stream.write_all(self.exchange.ask(path, media, "", body)).map_err(failed)?;
        let mut chunk = [0_u8; CHUNK];
        while !self.exchange.is_whole()? {
            let count = self.stream.read(&mut chunk).map_err(failed)?;
            self.exchange.take(chunk.get(..count).unwrap_or_default())?;
        }
        self.exchange.answer()
    }
}

pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// Bytes read at once; more than an answer of ours.
pub(super) const CHUNK: usize = 16 * 1024;

pub(super) fn connect(address: &str) -> Outcome<TcpStream> {
    let failed = |error: std::io::Error| Failure::new(format!("{address}: {error}"));
    let stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    Ok(stream)
}

/// A request and its answer, as bytes; the buffers are kept from one to the next.
#[derive(Default)]
pub(super) struct Exchange {
    request: Vec<u8>,
    answer: Vec<u8>,
    /// Where the body begins and ends, once the head is whole.
    body: Option<(usize, usize)>,
}

impl Exchange {
    /// The bytes of a request; what was answered before is forgotten.
    pub(super) fn ask(&mut self, path: &str, media: &str, headers: &str, body: &str) -> &[u8] {
        self.answer.clear();
        self.body = None;
        self.request.clear();
        let length = body.len().to_string();
        let method = if body.is_empty() { "GET " } else { "POST " };
        let typed =
            [" HTTP/1.1\r\nHost: localhost\r\nContent-Type: ", media, "\r\nContent-Length: ", &length];
        let parts: &[&str] = if body.is_empty() { &[" HTTP/1.1\r\nHost: localhost"] } else { &typed };
        for part in [&[method, path], parts, &["\r\n", headers, "\r\n", body]].concat() {
            self.request.extend_from_slice(part.as_bytes());
        }
        &self.request
    }

    /// Bytes of the answer; none means that the connection was closed.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Outcome {
        if bytes.is_empty() {
            return Err(Failure::new("the connection was closed"));
        }
        self.answer.extend_from_slice(bytes);
        Ok(())
    }

    /// Whether the answer is all there.
    pub(super) fn is_whole(&mut self) -> Outcome<bool> {
        if self.body.is_none() {
            let Some(end) = self.answer.windows(4).position(|four| four == b"\r\n\r\n") else {
                return Ok(false);
            };
            let head = std::str::from_utf8(self.answer.get(..end).unwrap_or_default());
            let head = head.map_err(|error| Failure::new(error.to_string()))?;
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            let length = length.ok_or_else(|| Failure::new(format!("an answer without a length: {head}")))?;
            self.body = Some((end + 4, end + 4 + length));
        }
        Ok(self.body.is_some_and(|(_, end)| self.answer.len() >= end))
    }

    /// The body of a whole, successful answer.
    pub(super) fn answer(&self) -> Outcome<&str> {
        let (from, to) = self.body.unwrap_or_default();
        let body = std::str::from_utf8(self.answer.get(from..to).unwrap_or_default());
        let body = body.map_err(|error| Failure::new(error.to_string()))?;
        if self.answer.starts_with(b"HTTP/1.1 2") {
            return Ok(body);
        }
        let status = self.answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
        Err(Failure::new(format!("{}: {body}", String::from_utf8_lossy(status))))
    }
}

/// The access token of an answer.
pub(super) fn access_token(answer: &str) -> Outcome<String> {
    // Looked for in the text: the load pays for it.
    let token = answer.split_once("\"access_token\":\"").and_then(|(_, rest)| rest.split_once('"'));
    token.map(|(token, _)| token.to_owned()).ok_or_else(|| Failure::new("no access token in the answer"))
}

/// A text member of an answer, by its path.
pub(super) fn member(answer: &str, path: &str) -> Outcome<String> {
    let value: serde_json::Value =
        serde_json::from_str(answer).map_err(|error| Failure::new(error.to_string()))?;
    let text = value.pointer(&format!("/{path}")).and_then(serde_json::Value::as_str);
    text.map(str::to_owned).ok_or_else(|| Failure::new(format!("no `{path}` in the answer")))
}
