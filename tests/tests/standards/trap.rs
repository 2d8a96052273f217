//! A listener that nobody should ever reach.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts who connects to it.
pub(crate) struct Trap {
    /// Host and port.
    pub(crate) address: String,
    caught: Arc<AtomicUsize>,
}

impl Trap {
    pub(crate) fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let caught = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&caught);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                count.fetch_add(1, Ordering::SeqCst);
                drop(stream);
            }
        });
        Self { address, caught }
    }

    #[track_caller]
    pub(crate) fn is_untouched(&self) {
        // A connection is counted once it is accepted: one of our own shows that whatever came before it was counted.
        drop(std::net::TcpStream::connect(&self.address).unwrap());
        for _ in 0..200 {
            if self.caught.load(Ordering::SeqCst) > 0 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        assert_eq!(self.caught.swap(0, Ordering::SeqCst), 1, "somebody went where a header pointed");
    }
}
