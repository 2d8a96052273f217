//! A connection to an address that was judged.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::error::{FetchError, TlsFault};
use crate::url::{FetchUrl, Host};

/// How long one address may take to accept a connection.
const CONNECT_WITHIN: Duration = Duration::from_millis(1500);

/// How many addresses of a host are tried.
const MAX_TRIED: usize = 3;

/// Bytes both ways, with or without TLS.
pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// Connect to the first of these addresses that answers.
pub(crate) async fn connect(
    url: &FetchUrl,
    addresses: &[IpAddr],
    tls: &Arc<ClientConfig>,
) -> Result<Stream, FetchError> {
    for address in addresses.iter().take(MAX_TRIED) {
        let to = SocketAddr::new(*address, url.port());
        if let Ok(Ok(stream)) = timeout(CONNECT_WITHIN, TcpStream::connect(to)).await {
            return if url.is_https() { secure(stream, url, tls).await } else { Ok(Stream::Plain(stream)) };
        }
    }
    Err(FetchError::Unreachable)
}

/// The certificate must be for the host of the URL, not for the address.
async fn secure(stream: TcpStream, url: &FetchUrl, tls: &Arc<ClientConfig>) -> Result<Stream, FetchError> {
    let name = match url.host() {
        Host::Name(name) => ServerName::try_from(name.clone()).map_err(|_| FetchError::Unresolved)?,
        Host::Address(address) => ServerName::IpAddress((*address).into()),
    };
    let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
    stream.map(|stream| Stream::Tls(Box::new(stream))).map_err(|error| FetchError::Tls(fault(&error)))
}

fn fault(error: &io::Error) -> TlsFault {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => TlsFault::Certificate,
        _ => TlsFault::Handshake,
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
