//! From a host name to its addresses, once.

use std::future::Future;
use std::net::{IpAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::error::FetchError;

/// Resolves to every address of a name.
pub type Resolved<'a> = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, FetchError>> + Send + 'a>>;

/// Whatever turns host names into addresses. What it answers is judged by the caller, and used for one connection.
pub trait Resolve: Send + Sync {
    /// Every address of the name. [`FetchError::Unresolved`] when there is none.
    fn resolve(&self, name: &str) -> Resolved<'_>;
}

/// Most look-ups at a time. The system's resolver holds a thread and cannot be told to stop.
const MAX_LOOKUPS: usize = 32;

/// The resolver of this system.
#[derive(Debug)]
pub struct SystemResolver {
    places: Arc<Semaphore>,
}

impl Default for SystemResolver {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(MAX_LOOKUPS)) }
    }
}

impl Resolve for SystemResolver {
    fn resolve(&self, name: &str) -> Resolved<'_> {
        let name = name.to_owned();
        Box::pin(async move {
            let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| FetchError::Busy)?;
            let lookup = tokio::task::spawn_blocking(move || {
                // Held until the look-up ends, also when nobody waits for it any longer.
                let _place = place;
                let found = (name.as_str(), 0_u16).to_socket_addrs();
                found.map(|found| found.map(|address| address.ip()).collect::<Vec<_>>())
            });
            match lookup.await {
                Ok(Ok(addresses)) if !addresses.is_empty() => Ok(addresses),
                _ => Err(FetchError::Unresolved),
            }
        })
    }
}
