//! Reader threads for the hot path: whatever waits shares each round trip.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use diesel::connection::SimpleConnection;
use tokio::sync::oneshot;
use zeroid_identity_model::CredentialId;
use zeroid_storage::{
    ActorLookup, ClientRecord, CredentialFacts, Epoch, ExchangeFacts, RootFacts, StoreError,
};

use zeroid_token_core::ClientName;

use super::connection::Link;
use super::memo::{Memo, Wanted};
use super::orders::Numbers;
use super::{Conn, changes};
use crate::answers::{Answers, Waiting};
use crate::error::unavailable;

/// Most questions of one batch: the last of them waits for all before it.
const MOST: usize = 128;

/// A question and who waits for its answer.
struct Ask {
    question: Question,
    waiting: Waiting<Result<Heard, StoreError>>,
}

/// A question.
pub(super) enum Question {
    /// What an issuance at a root is decided by.
    Root(ActorLookup),
    /// What an exchange is decided by.
    Exchange(CredentialId, ActorLookup),
    /// A credential and what its life is judged by.
    Credential(CredentialId),
    /// The client that calls itself so.
    Client(ClientName),
    /// Whether there is anybody to ask.
    Presence,
}

/// What is said to it.
pub(super) enum Heard {
    Root(Option<RootFacts>),
    Exchange(ExchangeFacts),
    Credential(Option<Arc<CredentialFacts>>),
    Client(Option<Arc<ClientRecord>>),
    Presence,
}

impl Heard {
    /// The error of an answer to another question.
    pub(super) fn is_no_answer(&self) -> StoreError {
        unavailable("a reader answered another question")
    }
}

impl Question {
    /// Whether it draws a number of the sequence.
    const fn draws(&self) -> bool {
        matches!(self, Self::Root(..) | Self::Exchange(..))
    }
}

/// The reader threads, each with its own queue, connection and memory.
pub(super) struct Readers {
    queues: Vec<SyncSender<Ask>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(super) fn start(links: Vec<Link>, queue: usize) -> std::io::Result<Self> {
        let mut readers = Self { queues: Vec::new(), threads: Vec::new() };
        for (number, link) in links.into_iter().enumerate() {
            let (asks, waiting) = sync_channel(queue);
            let thread = std::thread::Builder::new().name(format!("zeroid-reader-{number}"));
            readers.threads.push(thread.spawn(move || run(link, &waiting))?);
            readers.queues.push(asks);
        }
        Ok(readers)
    }

    /// Ask the reader that remembers what has this byte in its name.
    pub(super) async fn ask(&self, byte: u8, question: Question) -> Result<Heard, StoreError> {
        let (waiting, answered) = oneshot::channel();
        let queue = self.queues.get(usize::from(byte) % self.queues.len().max(1));
        let queue = queue.ok_or_else(|| unavailable("no reader runs"))?;
        queue.try_send(Ask { question, waiting }).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => unavailable("the reader has stopped"),
        })?;
        answered.await.map_err(|_| unavailable("the reader has stopped"))?.answer()
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.queues.clear();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn run(mut link: Link, waiting: &Receiver<Ask>) {
    let mut memo = Memo::default();
    while let Ok(first) = waiting.recv() {
        // Whoever is about to ask goes first: a round trip costs as much for few as for many. Where a processor is idle,
        // this returns at once.
        std::thread::yield_now();
        // All that waits is taken before anything is read: nobody is shown a state older than their question.
        let mut asks = vec![first];
        while asks.len() < MOST
            && let Ok(ask) = waiting.try_recv()
        {
            asks.push(ask);
        }
        let draws = asks.iter().any(|ask| ask.question.draws());
        let wanted = wanted(&asks);
        // Nothing is remembered across connections: another server may have lost what this one said.
        let mut again = false;
        let read = link.retrying(|conn| {
            if std::mem::replace(&mut again, true) {
                memo = Memo::default();
            }
            read(conn, &mut memo, &wanted, draws)
        });
        if read.is_err() {
            memo = Memo::default();
        }
        answer(asks, &memo, read);
    }
}

fn wanted(asks: &[Ask]) -> Wanted {
    let mut wanted = Wanted::default();
    for ask in asks {
        match &ask.question {
            Question::Root(actor) => wanted.actor(actor),
            Question::Exchange(subject, actor) => {
                wanted.credential(*subject);
                wanted.actor(actor);
            }
            Question::Credential(jti) => wanted.credential(*jti),
            Question::Client(name) => wanted.actor(&ActorLookup::Client(name.clone())),
            Question::Presence => {}
        }
    }
    wanted
}

/// Bring the memory to the present and fill it with what is wanted; gives the epoch of all of it, and numbers drawn
/// when that epoch was the current one.
///
/// Most batches want nothing that is not remembered: one round trip asks what happened, and that is all. What is read
/// beside holds at that epoch if nothing happened meanwhile but cut-offs of credentials. Then each credential was read
/// as it was before or as it is after one, never as a mixture; and the memory stays at the epoch before, so that the
/// next batch hears of that cut-off. If anything else happened, all is read once more in one snapshot.
fn read(
    conn: &mut Conn,
    memo: &mut Memo,
    wanted: &Wanted,
    draws: bool,
) -> Result<(Epoch, Numbers), StoreError> {
    let (epoch, numbers) = present(conn, memo, draws)?;
    let Some(lacking) = memo.lacks(wanted) else { return Ok((epoch, numbers)) };
    let done = memo.read(conn, &lacking);
    if done.is_ok() && changes::since(conn, Some(epoch), false)?.cut.is_some() {
        return Ok((epoch, numbers));
    }
    // Whatever was mixed in is of no use, and neither is an error that came of the mixture.
    *memo = Memo::default();
    conn.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").map_err(unavailable)?;
    let (epoch, numbers) = present(conn, memo, draws)?;
    let read = memo.read(conn, wanted);
    conn.batch_execute("COMMIT").map_err(unavailable)?;
    if read.is_err() {
        *memo = Memo::default();
    }
    read.map(|()| (epoch, numbers))
}

/// The epoch the memory was brought to, and then numbers: whatever was cut off at that epoch has lower ones.
fn present(conn: &mut Conn, memo: &mut Memo, draws: bool) -> Result<(Epoch, Numbers), StoreError> {
    let present = changes::since(conn, memo.epoch(), draws)?;
    memo.keep_only(&present);
    Ok((present.epoch, present.block.map(Numbers::of_block).unwrap_or_default()))
}

/// Answer from memory.
fn answer(asks: Vec<Ask>, memo: &Memo, read: Result<(Epoch, Numbers), StoreError>) {
    let mut read = read;
    let mut answers = Answers::none();
    for Ask { question, waiting } in asks {
        let heard = match &mut read {
            Ok((epoch, numbers)) => hear(question, memo, *epoch, numbers),
            Err(why) => Err(why.clone()),
        };
        answers.add(waiting, heard);
    }
    answers.tell();
}

fn hear(question: Question, memo: &Memo, epoch: Epoch, numbers: &mut Numbers) -> Result<Heard, StoreError> {
    Ok(match question {
        Question::Presence => Heard::Presence,
        Question::Credential(jti) => {
            Heard::Credential(memo.credential(jti).map(|known| Arc::clone(&known.facts)))
        }
        Question::Client(name) => Heard::Client(memo.client(&name).cloned()),
        Question::Root(actor) => Heard::Root(match memo.actor(&actor).cloned() {
            Some(actor) => Some(RootFacts { actor, order: numbers.draw()?, epoch }),
            None => None,
        }),
        Question::Exchange(subject, actor) => {
            let known = memo.credential(subject);
            Heard::Exchange(ExchangeFacts {
                subject: known.map(|known| Arc::clone(&known.facts)),
                principal: known.map(|known| Arc::clone(&known.principal)),
                actor: memo.actor(&actor).cloned(),
                order: numbers.draw()?,
                epoch,
            })
        }
    })
}
