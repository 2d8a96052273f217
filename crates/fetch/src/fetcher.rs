//! The client.

use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Empty;
use hyper::Request;
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::crypto::ring::default_provider;
use tokio::time::timeout;

use crate::allowed::Allowed;
use crate::connect::{Stream, connect};
use crate::error::{FetchError, TlsFault};
use crate::places::Places;
use crate::resolve::{Resolve, SystemResolver};
use crate::response::{Fetched, Want, read};
use crate::roots::Roots;
use crate::url::{FetchUrl, Host};

/// How long a whole fetch may take unless told otherwise: somebody waits for the answer that hangs on it, at most 10 s.
const TOTAL_WITHIN: Duration = Duration::from_secs(5);

/// How long a name may take to resolve.
const RESOLVE_WITHIN: Duration = Duration::from_secs(2);

/// Most header fields of an answer, and most bytes of its head. hyper takes no less than 8 KiB.
const MAX_HEADERS: usize = 64;
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// What a client is made of.
pub struct FetchOptions {
    /// What may be reached although it is not on the internet.
    pub allowed: Allowed,
    /// Whose certificates are trusted.
    pub roots: Roots,
    /// What turns names into addresses.
    pub resolver: Arc<dyn Resolve>,
    /// How long a whole fetch may take.
    pub within: Duration,
}

impl FetchOptions {
    /// The system's resolver, 5 s, and what else is given.
    pub fn new(roots: Roots, allowed: Allowed) -> Self {
        Self { allowed, roots, resolver: Arc::new(SystemResolver::default()), within: TOTAL_WITHIN }
    }
}

/// The client. One is shared by all that fetch, so that its bounds hold for all together.
pub struct Fetcher {
    allowed: Allowed,
    resolver: Arc<dyn Resolve>,
    tls: Arc<ClientConfig>,
    within: Duration,
    places: Places,
}

impl Fetcher {
    /// A client: TLS 1.2 or 1.3, by ring.
    ///
    /// # Errors
    /// [`FetchError::Tls`] when the provider has no version of TLS in common with us, which does not happen.
    pub fn new(options: FetchOptions) -> Result<Self, FetchError> {
        let mut tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| FetchError::Tls(TlsFault::Handshake))?
            .with_root_certificates(Arc::clone(&options.roots.0))
            .with_no_client_auth();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            allowed: options.allowed,
            resolver: options.resolver,
            tls: Arc::new(tls),
            within: options.within,
            places: Places::new(),
        })
    }

    /// Whether a URL could be fetched, by its looks: its scheme, and its host when that is an address. Asks nobody.
    ///
    /// # Errors
    /// [`FetchError::Insecure`], [`FetchError::Forbidden`].
    pub fn check(&self, url: &FetchUrl) -> Result<(), FetchError> {
        if !url.is_https() && !self.allowed.names(url) {
            return Err(FetchError::Insecure);
        }
        match url.host() {
            Host::Address(address) if !self.allowed.may_reach(url, *address) => Err(FetchError::Forbidden),
            _ => Ok(()),
        }
    }

    /// GET a URL. The host is resolved once; when any of its addresses may not be fetched from, none is.
    ///
    /// # Errors
    /// [`FetchError`] names the reason. Dropping the future ends the fetch.
    pub async fn get(&self, url: &FetchUrl, want: Want<'_>) -> Result<Fetched, FetchError> {
        self.check(url)?;
        let _place = self.places.any()?;
        let fetch = async {
            let addresses = self.addresses(url).await?;
            let first = addresses.first().copied().ok_or(FetchError::Unresolved)?;
            let _place = self.places.in_network_of(first)?;
            let stream = connect(url, &addresses, &self.tls).await?;
            ask(stream, url, want).await
        };
        timeout(self.within, fetch).await.unwrap_or(Err(FetchError::TooSlow(self.within)))
    }

    /// The addresses of the host, all of them judged.
    async fn addresses(&self, url: &FetchUrl) -> Result<Vec<IpAddr>, FetchError> {
        let addresses = match url.host() {
            Host::Address(address) => vec![*address],
            Host::Name(name) => {
                let resolved = timeout(RESOLVE_WITHIN, self.resolver.resolve(name)).await;
                resolved.unwrap_or(Err(FetchError::Unresolved))?
            }
        };
        if addresses.iter().all(|address| self.allowed.may_reach(url, *address)) {
            Ok(addresses)
        } else {
            Err(FetchError::Forbidden)
        }
    }
}

async fn ask(stream: Stream, url: &FetchUrl, want: Want<'_>) -> Result<Fetched, FetchError> {
    let (mut sender, connection) = http1::Builder::new()
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| FetchError::Protocol)?;
    let request = Request::get(url.target())
        .header(HOST, url.authority())
        .header(ACCEPT, want.media_types.join(", "))
        .header(ACCEPT_ENCODING, "identity")
        .header(USER_AGENT, concat!("zeroid/", env!("CARGO_PKG_VERSION")))
        .body(Empty::<Bytes>::new())
        .map_err(|_| FetchError::Protocol)?;
    let mut exchange = pin!(async move {
        let response = sender.send_request(request).await.map_err(|_| FetchError::Protocol)?;
        read(response, want).await
    });
    // The connection moves the bytes; when it has ended, what it brought may still have to be read.
    tokio::select! {
        fetched = &mut exchange => fetched,
        _ = connection => exchange.await,
    }
}
