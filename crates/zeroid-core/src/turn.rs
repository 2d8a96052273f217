//! One at a time, for futures: the engine brings no runtime, so it waits with what the standard library has.

use std::future::poll_fn;
use std::sync::{Mutex, PoisonError};
use std::task::{Poll, Waker};

/// Something only one future at a time may do. Whoever waits and is dropped is forgotten; whoever has the turn and is
/// dropped gives it back.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    taken: bool,
    wakers: Vec<Waker>,
}

/// The turn, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a>(&'a Turns);

impl Turns {
    /// Wait for the turn.
    pub(crate) async fn take(&self) -> Turn<'_> {
        poll_fn(|context| {
            let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !waiting.taken {
                waiting.taken = true;
                return Poll::Ready(Turn(self));
            }
            let waker = context.waker();
            if !waiting.wakers.iter().any(|known| known.will_wake(waker)) {
                waiting.wakers.push(waker.clone());
            }
            Poll::Pending
        })
        .await
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let wakers = {
            let mut waiting = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.taken = false;
            // All of them: the first may be gone, and the others see for themselves.
            std::mem::take(&mut waiting.wakers)
        };
        wakers.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn never_two_at_a_time_and_everybody_comes_to_it() {
        let (turns, inside, done) =
            (Arc::new(Turns::default()), Arc::default(), Arc::<AtomicUsize>::default());
        let tasks: Vec<_> = (0..64)
            .map(|at| {
                let (turns, inside, done): (_, Arc<AtomicUsize>, _) =
                    (Arc::clone(&turns), Arc::clone(&inside), Arc::clone(&done));
                tokio::spawn(async move {
                    let _turn = turns.take().await;
                    assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                    if at % 3 == 0 {
                        tokio::task::yield_now().await;
                    }
                    inside.fetch_sub(1, Ordering::SeqCst);
                    done.fetch_add(1, Ordering::SeqCst);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(done.load(Ordering::SeqCst), 64);
    }

    #[tokio::test]
    async fn a_turn_that_is_given_up_goes_to_the_next() {
        let turns = Arc::new(Turns::default());
        let first = turns.take().await;
        let wait = |turns: &Arc<Turns>| {
            let turns = Arc::clone(turns);
            tokio::spawn(async move { drop(turns.take().await) })
        };
        let (gone, stays) = (wait(&turns), wait(&turns));
        tokio::task::yield_now().await;
        gone.abort();
        drop(first);
        stays.await.unwrap();
        drop(turns.take().await);
    }
}
