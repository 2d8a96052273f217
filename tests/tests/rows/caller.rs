//! A caller that costs little itself: one kept connection, one request at a time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

pub(crate) struct Caller {
    stream: BufReader<TcpStream>,
}

impl Caller {
    pub(crate) fn of(base: &str) -> Self {
        let stream = TcpStream::connect(base.trim_start_matches("http://")).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Post a form; gives the answer's body, which came with 200.
    pub(crate) fn post(&mut self, path: &str, form: &str) -> Vec<u8> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{form}",
            form.len()
        );
        self.stream.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut status, mut length, mut line) = (String::new(), 0, String::new());
        loop {
            line.clear();
            assert!(self.stream.read_line(&mut line).unwrap() > 0, "the server went away");
            let text = line.trim();
            match text.split_once(':') {
                _ if text.is_empty() => break,
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().unwrap();
                }
                None => text.clone_into(&mut status),
                Some(_) => {}
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        assert!(status.contains(" 200"), "{path}: {status} {}", String::from_utf8_lossy(&body));
        body
    }

    pub(crate) fn token(&mut self, form: &str) -> String {
        let answer: Value = serde_json::from_slice(&self.post("/oauth2/token", form)).unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    /// Whether a token is active.
    pub(crate) fn introspect(&mut self, form: &str) -> bool {
        let answer: Value = serde_json::from_slice(&self.post("/oauth2/token/introspect", form)).unwrap();
        answer["active"] == true
    }
}
