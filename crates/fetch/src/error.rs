//! Why nothing was fetched.

use std::time::Duration;

/// Why nothing was fetched. No variant carries a byte of what the other side sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// Plain `http`, where it is not allowed.
    #[error("only https is fetched")]
    Insecure,
    /// An address of the host may not be fetched from. Which one, and of what kind, is nobody's business outside.
    #[error("the host leads to an address that may not be fetched from")]
    Forbidden,
    /// As many fetches as may be are under way, in all or from that network.
    #[error("too many fetches are under way")]
    Busy,
    /// The name has no address, or could not be resolved.
    #[error("the host name could not be resolved")]
    Unresolved,
    /// No address took the connection.
    #[error("no connection could be made")]
    Unreachable,
    /// TLS failed.
    #[error("{0}")]
    Tls(TlsFault),
    /// The other side does not speak HTTP/1.1 as it should, has a head beyond the bounds, or went away.
    #[error("the answer is no good HTTP")]
    Protocol,
    /// The other side pointed elsewhere.
    #[error("the answer is a redirect, and none is followed")]
    Redirect,
    /// Another status than 200.
    #[error("the answer has status {0}")]
    Status(u16),
    /// Another media type than was wanted.
    #[error("the answer is of another media type")]
    MediaType,
    /// A content coding, which was not asked for.
    #[error("the answer is compressed, which was not asked for")]
    Encoded,
    /// More bytes than were wanted.
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
    /// It took too long.
    #[error("no answer within {} ms", .0.as_millis())]
    TooSlow(Duration),
}

/// What went wrong with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// The certificate is not for this host, not in force, or not by an authority we trust.
    #[error("the certificate of the host is not trusted")]
    Certificate,
    /// Anything else.
    #[error("the TLS handshake failed")]
    Handshake,
}
