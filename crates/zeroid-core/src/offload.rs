//! Work that would hold up an async thread runs where the embedder says.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::error::Fault;

/// Work to be run once.
pub type Work = Box<dyn FnOnce() + Send>;

/// Resolves when the work is done, or will not be waited for any longer.
pub type Offloaded<'a> = Pin<Box<dyn Future<Output = Result<(), NotDone>> + Send + 'a>>;

/// Where work runs that takes long: an RSA signature, a key elsewhere. The engine starts no task and no thread itself.
pub trait Offload: Send + Sync {
    /// Run the work where nobody else waits. Give up when there is no room for it, or when it has not ended within the
    /// time; work that was begun then goes on to its end, and nobody looks at what comes of it.
    fn run(&self, work: Work, within: Duration) -> Offloaded<'_>;
}

/// The work was not done, or not in time: one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotDone(pub String);

/// Runs it on the spot, for programs that have no threads to spare: whoever else is on this thread waits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Inline;

impl Offload for Inline {
    fn run(&self, work: Work, _: Duration) -> Offloaded<'_> {
        work();
        Box::pin(ready(Ok(())))
    }
}

/// Run work elsewhere and give what came of it.
pub(crate) async fn offload<T: Send + 'static>(
    to: &dyn Offload,
    within: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    let slot = Arc::new(Mutex::new(None));
    let inside = Arc::clone(&slot);
    let work = Box::new(move || {
        let result = work();
        *inside.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    });
    to.run(work, within).await.map_err(|why| Fault::Signing(why.0))?;
    let result = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    result.ok_or_else(|| Fault::Signing("it was not run".to_owned()))
}
