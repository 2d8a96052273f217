//! Something between a client and its server that fails in ways a network does.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the proxy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Passing {
    /// Everything passes.
    All,
    /// What the client sends is lost; the connection stays.
    Nothing,
    /// The connection breaks after the server was sent a commit and before its answer.
    NoAnswerToCommit,
}

/// A proxy on a free loopback port. It passes everything until it is told otherwise.
pub struct Proxy {
    port: u16,
    passing: Arc<AtomicU8>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

/// What a client sends when it commits: the word, or the lock that orders transactions, which a statement that is a whole
/// transaction names first.
const COMMITS: [&[u8]; 2] = [b"COMMIT", b"zid_ordr"];

/// How long the server is given to commit before the connection breaks.
const TIME_TO_COMMIT: Duration = Duration::from_millis(300);

impl Proxy {
    /// Start in front of a server on this machine.
    ///
    /// # Errors
    /// Why there is no port.
    pub fn start(server: u16) -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let port = listener.local_addr().map_err(|error| error.to_string())?.port();
        let (passing, open) = (Arc::new(AtomicU8::new(Passing::All as u8)), Arc::default());
        let proxy = Self { port, passing: Arc::clone(&passing), open: Arc::clone(&open) };
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(upstream) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let both = [client.try_clone(), upstream.try_clone()];
                open.lock().unwrap_or_else(PoisonError::into_inner).extend(both.into_iter().flatten());
                carry(client, upstream, &passing);
            }
        });
        Ok(proxy)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on do this.
    pub fn pass(&self, what: Passing) {
        self.passing.store(what as u8, Ordering::SeqCst);
    }

    /// Break every connection there is.
    pub fn cut(&self) {
        for connection in self.open.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

fn carry(client: TcpStream, upstream: TcpStream, passing: &Arc<AtomicU8>) {
    let (Ok(from_client), Ok(from_server)) = (client.try_clone(), upstream.try_clone()) else { return };
    let passing = Arc::clone(passing);
    std::thread::spawn(move || {
        let (mut from, mut to) = (from_client, upstream);
        let mut bytes = vec![0_u8; 65_536];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            let sent = bytes.get(..count).unwrap_or_default();
            let now = passing.load(Ordering::SeqCst);
            if now == Passing::Nothing as u8 {
                continue;
            }
            let says = |word: &[u8]| sent.windows(word.len()).any(|part| part == word);
            let commits = COMMITS.into_iter().any(says);
            let breaks = now == Passing::NoAnswerToCommit as u8 && commits;
            if breaks {
                // First so that no answer gets through.
                let _ = from.shutdown(Shutdown::Both);
            }
            if to.write_all(sent).is_err() {
                break;
            }
            if breaks {
                std::thread::sleep(TIME_TO_COMMIT);
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
    std::thread::spawn(move || {
        let (mut from, mut to) = (from_server, client);
        let mut bytes = vec![0_u8; 65_536];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            if to.write_all(bytes.get(..count).unwrap_or_default()).is_err() {
                // The server still has to do what it was sent.
                std::thread::sleep(TIME_TO_COMMIT);
                break;
            }
        }
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
}
