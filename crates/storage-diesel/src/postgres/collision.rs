//! Transactions that PostgreSQL gave up because of others (SQLSTATE 40001 and 40P01): nothing of them was kept, and done
//! again they may well succeed.

use std::future::Future;
use std::time::Duration;

use zeroid_storage::StoreError;

/// How long to wait before each further attempt; the waits grow so that those that collided part.
const PAUSES: [Duration; 3] =
    [Duration::from_millis(10), Duration::from_millis(50), Duration::from_millis(250)];

/// How PostgreSQL and its kin begin what they say then; the client library hands on no SQLSTATE. A server that speaks
/// another language is answered 503, which is right as well.
const SAID: [&str; 3] = ["could not serialize access", "deadlock detected", "restart transaction"];

/// Whether a verb failed in this way. A commit whose answer was lost has not: it may have been kept, and is never
/// repeated.
pub(super) fn is_collision(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(why) if SAID.iter().any(|said| why.starts_with(said)))
}

/// Do it again, within bounds, while it collides.
pub(super) async fn retrying<T, W: Future<Output = Result<T, StoreError>>>(
    work: impl Fn() -> W,
) -> Result<T, StoreError> {
    for pause in PAUSES {
        match work().await {
            Err(error) if is_collision(&error) => wait(pause).await,
            done => return done,
        }
    }
    work().await
}

/// A collision, as what makes the caller read and decide again.
pub(super) fn as_stale(error: StoreError) -> StoreError {
    if is_collision(&error) { StoreError::Stale } else { error }
}

#[allow(clippy::disallowed_methods, reason = "whom it collided with must be done first")]
async fn wait(pause: Duration) {
    tokio::time::sleep(pause).await;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn failing(times: u32, why: &str) -> (Result<u32, StoreError>, u32) {
        let tried = Cell::new(0);
        let work = || {
            tried.set(tried.get() + 1);
            let done = if tried.get() > times { Ok(7) } else { Err(StoreError::Unavailable(why.to_owned())) };
            std::future::ready(done)
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        (runtime.block_on(retrying(work)), tried.get())
    }

    #[test]
    fn collisions_are_tried_again_within_bounds_and_nothing_else_is() {
        assert_eq!(failing(3, "deadlock detected"), (Ok(7), 4));
        let (answer, tried) = failing(9, "could not serialize access due to concurrent update");
        assert!(answer.is_err_and(|error| is_collision(&error)));
        assert_eq!(tried, 4);
        let (answer, tried) = failing(1, "server closed the connection unexpectedly");
        assert!(answer.is_err());
        assert_eq!(tried, 1);
    }
}
