//! Threads for what would hold up the async ones: RSA signatures, and keys that live in a module.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use zeroid_core::{NotDone, Offload, Offloaded, Work};

/// How much work may wait for a thread: at a millisecond each this is more than a second's, and whoever comes later is
/// better off coming again.
const MAX_WAITING: usize = 1024;

/// Threads of their own, which end with the last handle on them.
pub(crate) struct Threads {
    queue: SyncSender<Job>,
}

struct Job {
    work: Work,
    done: oneshot::Sender<()>,
}

impl Threads {
    /// Start so many.
    ///
    /// # Errors
    /// When the system gives none.
    pub(crate) fn start(count: usize) -> io::Result<Self> {
        Self::with_room_for(MAX_WAITING, count)
    }

    fn with_room_for(waiting: usize, count: usize) -> io::Result<Self> {
        let (queue, jobs) = sync_channel(waiting);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..count.max(1) {
            let jobs = Arc::clone(&jobs);
            std::thread::Builder::new().name(format!("signing-{number}")).spawn(move || serve(&jobs))?;
        }
        Ok(Self { queue })
    }
}

fn serve(jobs: &Mutex<Receiver<Job>>) {
    loop {
        // One thread at a time waits for the next job, and holds nothing while it works.
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { work, done }) = next else { return };
        // Nobody waits for what was given up before it was begun.
        if !done.is_closed() {
            work();
            let _ = done.send(());
        }
    }
}

impl Offload for Threads {
    fn run(&self, work: Work, within: Duration) -> Offloaded<'_> {
        let (done, answer) = oneshot::channel();
        let sent = self.queue.try_send(Job { work, done });
        Box::pin(async move {
            match sent {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => {
                    return Err(NotDone(format!("{MAX_WAITING} others wait already")));
                }
                Err(TrySendError::Disconnected(_)) => {
                    return Err(NotDone("no thread is left for it".to_owned()));
                }
            }
            match tokio::time::timeout(within, answer).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(_)) => Err(NotDone("the thread that did it ended".to_owned())),
                Err(_) => Err(NotDone(format!("no answer within {} s", within.as_secs()))),
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn work_is_done_on_a_thread_of_its_own() {
        let threads = Threads::start(2).unwrap();
        let (tell, told) = channel();
        let work = Box::new(move || tell.send(std::thread::current().name().map(str::to_owned)).unwrap());
        threads.run(work, LONG).await.unwrap();
        assert!(told.recv().unwrap().unwrap().starts_with("signing-"));
    }

    #[tokio::test]
    async fn a_slow_signer_is_given_up_and_what_nobody_waits_for_is_not_begun() {
        let threads = Threads::with_room_for(2, 1).unwrap();
        let (let_go, hold) = channel::<()>();
        let (tell, told) = channel();
        let stuck = Box::new(move || {
            tell.send(()).unwrap();
            let _ = hold.recv();
        });
        let slow = threads.run(stuck, Duration::from_millis(20));
        told.recv().unwrap();
        assert!(slow.await.unwrap_err().0.contains("no answer within"));
        let begun = Arc::new(AtomicUsize::new(0));
        let counted = || -> Work {
            let begun = Arc::clone(&begun);
            Box::new(move || {
                begun.fetch_add(1, Ordering::SeqCst);
            })
        };
        // The thread is still busy. One gives up while it waits, one waits, one finds no room.
        drop(threads.run(counted(), LONG));
        let waiting = threads.run(counted(), LONG);
        assert!(threads.run(counted(), LONG).await.unwrap_err().0.contains("wait already"));
        let_go.send(()).unwrap();
        waiting.await.unwrap();
        assert_eq!(begun.load(Ordering::SeqCst), 1);
        threads.run(counted(), LONG).await.unwrap();
    }
}
