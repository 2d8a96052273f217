//! Answers to those who waited for one transaction together.
//!
//! Waking a task from a foreign thread is dear: a lock, and often a call of the kernel, for each. So one of those who
//! wait is woken, and answers the others from where tasks are woken cheaply.

use tokio::sync::oneshot;

/// Who waits for an answer.
pub(crate) type Waiting<T> = oneshot::Sender<Told<T>>;

/// An answer, and those of the others. Whoever takes it, or drops it unread, answers them.
pub(crate) struct Told<T> {
    answer: T,
    rest: Answers<T>,
}

impl<T> Told<T> {
    /// The answer, once everybody else has theirs.
    pub(crate) fn answer(self) -> T {
        drop(self.rest);
        self.answer
    }
}

/// Answers that nobody was told yet. When they are dropped, everybody is told.
pub(crate) struct Answers<T>(Vec<(Waiting<T>, T)>);

impl<T> Answers<T> {
    pub(crate) const fn none() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn add(&mut self, waiting: Waiting<T>, answer: T) {
        self.0.push((waiting, answer));
    }

    /// Tell one of them, who tells the others. A caller that went away is not missed.
    pub(crate) fn tell(mut self) {
        while let Some((waiting, answer)) = self.0.pop() {
            let rest = Self(std::mem::take(&mut self.0));
            match waiting.send(Told { answer, rest }) {
                Ok(()) => return,
                Err(mut unheard) => self.0 = std::mem::take(&mut unheard.rest.0),
            }
        }
    }
}

impl<T> Drop for Answers<T> {
    fn drop(&mut self) {
        for (waiting, answer) in self.0.drain(..) {
            drop(waiting.send(Told { answer, rest: Self::none() }));
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn waiting(count: u8) -> (Answers<u8>, Vec<oneshot::Receiver<Told<u8>>>) {
        let mut answers = Answers::none();
        let receivers = (0..count).map(|number| {
            let (waiting, told) = oneshot::channel();
            answers.add(waiting, number);
            told
        });
        let receivers = receivers.collect();
        (answers, receivers)
    }

    async fn all(told: Vec<oneshot::Receiver<Told<u8>>>) -> Vec<u8> {
        let mut heard = Vec::new();
        for told in told {
            heard.push(told.await.unwrap().answer());
        }
        heard
    }

    #[tokio::test]
    async fn everybody_is_told_by_the_first() {
        let (answers, mut told) = waiting(5);
        answers.tell();
        let last = told.pop().unwrap();
        assert!(told[0].try_recv().is_err(), "nobody else yet");
        assert_eq!(last.await.unwrap().answer(), 4);
        assert_eq!(all(told).await, [0, 1, 2, 3]);
    }

    #[tokio::test]
    async fn those_who_went_away_keep_nobody_waiting() {
        // Before they were told, after it, and all of them.
        for gone in [&[4_usize][..], &[4, 3, 0], &[0, 1, 2, 3, 4]] {
            for late in [false, true] {
                let (answers, told) = waiting(5);
                let mut told: Vec<_> = told.into_iter().map(Some).collect();
                let mut answers = Some(answers);
                if late {
                    answers.take().unwrap().tell();
                }
                for &at in gone {
                    told[at] = None;
                }
                if let Some(answers) = answers {
                    answers.tell();
                }
                let left: Vec<u8> = (0..5).filter(|at| !gone.contains(&usize::from(*at))).collect();
                assert_eq!(
                    all(told.into_iter().flatten().rev().collect()).await,
                    left.into_iter().rev().collect::<Vec<_>>()
                );
            }
        }
    }
}
