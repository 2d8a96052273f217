//! Fetching for the engine, through the one client.

use zeroid_core::{FetchKeys, FetchedKeys, FetchingKeys, NotFetched};
use zeroid_fetch::{Allowed, FetchError, FetchOptions, FetchUrl, Fetcher, Freshness, Roots, UrlError, Want};
use zeroid_jose::MAX_KEY_SET_BYTES;

/// The client, as the engine's port.
pub(crate) struct Fetching(Fetcher);

/// RFC 7517 §8.5.2, and what most serve it as.
const KEY_SET: Want<'_> =
    Want { media_types: &["application/jwk-set+json", "application/json"], max_bytes: MAX_KEY_SET_BYTES };

impl Fetching {
    /// A client that trusts the authorities of this system.
    pub(crate) fn new(allowed: Allowed) -> Result<Self, String> {
        let roots = Roots::of_system();
        if roots.is_empty() {
            tracing::warn!("no certificate authorities on this system: nothing can be fetched by https");
        }
        Fetcher::new(FetchOptions::new(roots, allowed)).map(Self).map_err(|error| error.to_string())
    }
}

impl FetchKeys for Fetching {
    fn check(&self, url: &str) -> Result<(), String> {
        let url: FetchUrl = url.parse().map_err(|error: UrlError| error.to_string())?;
        self.0.check(&url).map_err(|error| error.to_string())
    }

    fn fetch<'a>(&'a self, url: &'a str) -> FetchingKeys<'a> {
        Box::pin(async move {
            let url: FetchUrl =
                url.parse().map_err(|error: UrlError| NotFetched::Failed(error.to_string()))?;
            match self.0.get(&url, KEY_SET).await {
                Ok(fetched) => Ok(FetchedKeys {
                    body: fetched.body.to_vec(),
                    good_for_seconds: match fetched.freshness {
                        Freshness::Unsaid => None,
                        Freshness::Seconds(seconds) => Some(seconds),
                        Freshness::Once => Some(0),
                    },
                }),
                Err(FetchError::Busy) => Err(NotFetched::Busy),
                Err(error) => {
                    tracing::info!(host = %url.host(), port = url.port(), %error, "a key set was not fetched");
                    Err(NotFetched::Failed(error.to_string()))
                }
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::Arc;

    use zeroid_core::KeySets;
    use zeroid_identity_model::Timestamp;
    use zeroid_jose::{SigningKey, parse};

    use super::*;

    #[tokio::test]
    async fn a_signature_is_checked_by_keys_that_were_fetched() {
        let (key, _) = SigningKey::generate().unwrap();
        let keys = serde_json::json!({ "keys": [key.public().jwk(key.kid().as_str(), "sig")] }).to_string();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 2048]).unwrap();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/jwk-set+json\r\nConnection: close\r\n";
            stream
                .write_all(format!("{head}Content-Length: {}\r\n\r\n{keys}", keys.len()).as_bytes())
                .unwrap();
        });
        let url = format!("http://{address}/jwks.json");
        let closed = Fetching::new(Allowed::default()).unwrap();
        assert!(closed.check(&url).unwrap_err().contains("https"));
        assert!(closed.check("https://u@a.example/").is_err());
        closed.check("https://a.example/jwks.json").unwrap();

        let open = Fetching::new(address.to_string().parse().unwrap()).unwrap();
        open.check(&url).unwrap();
        let sets = KeySets::new(Arc::new(open));
        let signed = key.sign("JWT", b"{}").unwrap();
        let now = Timestamp::from_unix_seconds(1_790_000_000);
        sets.verify(&url, parse(&signed).unwrap(), now).await.unwrap();
        server.join().unwrap();
    }
}
