//! The one outbound client: whatever this service fetches from an address that somebody else chose goes through here.
//!
//! A [`FetchUrl`] is read strictly, its host is resolved once, every resolved address is judged ([`AddressKind`]),
//! and the connection goes to an address that was judged. There are no redirects, no proxies and no cookies; TLS is
//! verified, and bytes, time and the number of fetches under way are bounded. It knows nothing of what is fetched:
//! a caller says which media types it takes and how many bytes.
//!
//! ```
//! use std::net::IpAddr;
//! use zeroid_fetch::{AddressKind, FetchUrl};
//!
//! let url: FetchUrl = "https://keys.example/jwks.json".parse().unwrap();
//! assert_eq!((url.host().to_string().as_str(), url.port()), ("keys.example", 443));
//!
//! // Spellings by which other clients come to a private address are no URLs here.
//! assert!("https://0x7f.1/".parse::<FetchUrl>().is_err());
//! assert!("https://user@keys.example/".parse::<FetchUrl>().is_err());
//!
//! let metadata: IpAddr = "169.254.169.254".parse().unwrap();
//! assert_eq!(AddressKind::of(metadata), AddressKind::Metadata);
//! ```

mod address;
mod url;

mod allowed;
mod error;
mod resolve;
mod roots;

mod places;

mod connect;
mod fetcher;
mod response;

pub use address::AddressKind;
pub use allowed::{Allowed, AllowedError, MAX_ALLOWED};
pub use error::{FetchError, TlsFault};
pub use fetcher::{FetchOptions, Fetcher};
pub use places::{MAX_FROM_ONE_NETWORK, MAX_UNDER_WAY};
pub use resolve::{Resolve, Resolved, SystemResolver};
pub use response::{Fetched, Freshness, Want};
pub use roots::{Roots, RootsError};
pub use url::{FetchUrl, Host, MAX_URL_BYTES, UrlError};
