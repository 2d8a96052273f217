//! Two callers, each a process of its own, that send at the same moment.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use zeroid_tests::Answer;

use crate::once::Request;

/// How long before it is to send a caller is told of it: it reads, sleeps and wakes up meanwhile.
const NOTICE: Duration = Duration::from_millis(2);

/// A process that sends what it is told to.
pub(crate) struct Caller {
    child: Child,
    tell: ChildStdin,
    hear: BufReader<ChildStdout>,
}

/// What came back to a caller, and between which moments it waited for it, in microseconds.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) answer: Answer,
    pub(crate) began: u64,
    pub(crate) ended: u64,
}

impl Caller {
    /// A process that is connected to the server at this base URL.
    pub(crate) fn of(base: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zeroid-test-caller"));
        let mut child = command.arg(base).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let tell = child.stdin.take().unwrap();
        let hear = BufReader::new(child.stdout.take().unwrap());
        let mut caller = Self { child, tell, hear };
        assert_eq!(caller.line(), "ready");
        caller
    }

    /// Its number among the processes of the machine.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Send one request, now.
    pub(crate) fn send(&mut self, request: &Request) -> Answer {
        self.tell(request, 0);
        self.hear().answer
    }

    fn tell(&mut self, request: &Request, at: u64) {
        let line = json!({"at": at, "body": request.body, "proof": request.proof});
        writeln!(self.tell, "{line}").unwrap();
    }

    fn hear(&mut self) -> Heard {
        let came: Value = serde_json::from_str(&self.line()).unwrap();
        let body = came["body"].as_str().unwrap().to_owned();
        let answer = Answer {
            status: came["status"].as_u64().unwrap().try_into().unwrap(),
            headers: Default::default(),
            json: serde_json::from_str(&body).unwrap_or_default(),
            body,
        };
        Heard { answer, began: came["began"].as_u64().unwrap(), ended: came["ended"].as_u64().unwrap() }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.hear.read_line(&mut line).unwrap();
        assert!(read > 0, "the process of a caller ended");
        line.trim_end().to_owned()
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Both send at one moment, and both are heard.
pub(crate) fn at_once(callers: &mut [Caller; 2], requests: &[Request; 2]) -> [Heard; 2] {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + NOTICE;
    let at = u64::try_from(at.as_micros()).unwrap();
    for (caller, request) in callers.iter_mut().zip(requests) {
        caller.tell(request, at);
    }
    callers.each_mut().map(Caller::hear)
}
