//! `perf record` beside a load, and the call chains it took.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::outcome::{Failure, Outcome};
use crate::process;

/// Samples a second of each core: enough for 1 % of a request, and no multiple of a timer of the system.
const PER_SECOND: &str = "1999";

/// A recording that goes on.
pub(super) struct Recording {
    perf: Child,
    file: PathBuf,
}

/// One moment: the names of the program and of the functions that ran, the innermost first.
pub(super) struct Sample<'t> {
    pub(super) program: &'t str,
    pub(super) frames: Vec<Frame<'t>>,
}

/// A function, and the file it is in.
pub(super) struct Frame<'t> {
    pub(super) symbol: &'t str,
    pub(super) object: &'t str,
}

/// # Errors
/// When perf is not there, with what to install.
pub(super) fn check() -> Outcome {
    let found = Command::new("perf").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    match found {
        Ok(status) if status.success() => Ok(()),
        _ => Err(Failure::new("perf is not installed (Debian: linux-perf)")),
    }
}

impl Recording {
    /// Begin to sample these processes and those they start.
    pub(super) fn start(processes: &[u32]) -> Outcome<Self> {
        let file = std::env::temp_dir().join(format!("zeroid-bench-{}.perf", std::process::id()));
        let ids: Vec<String> = processes.iter().map(u32::to_string).collect();
        let mut command = Command::new("perf");
        command.args(["record", "--quiet", "-e", "cpu-clock", "-F", PER_SECOND, "--call-graph", "fp"]);
        command.arg("-p").arg(ids.join(",")).arg("-o").arg(&file).stdout(Stdio::null());
        let perf = command.spawn().map_err(|error| Failure::new(format!("perf did not start: {error}")))?;
        Ok(Self { perf, file })
    }

    /// Stop, and give what was recorded as text.
    pub(super) fn stop(mut self) -> Outcome<String> {
        zeroid_test_postgres::signal("INT", &[self.perf.id()]).map_err(Failure::new)?;
        self.perf.wait().map_err(|error| Failure::new(error.to_string()))?;
        let mut script = Command::new("perf");
        script.args(["script", "--no-inline", "-F", "comm,pid,ip,sym,dso", "-i"]).arg(&self.file);
        process::capture(script.stderr(Stdio::null()))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        let _ = self.perf.kill();
        let _ = self.perf.wait();
        let _ = std::fs::remove_file(&self.file);
    }
}

/// The samples of such a text: a line with the program, then a line for each function, then an empty one.
pub(super) fn samples(text: &str) -> impl Iterator<Item = Sample<'_>> {
    text.split("\n\n").filter_map(|block| {
        let mut lines = block.lines().filter(|line| !line.is_empty());
        let program = lines.next()?.trim().rsplit_once(char::is_whitespace)?.0.trim();
        Some(Sample { program, frames: lines.filter_map(frame).collect() })
    })
}

/// `    7f01 symbol with spaces (/a/file)`.
fn frame(line: &str) -> Option<Frame<'_>> {
    let (_, rest) = line.trim().split_once(' ')?;
    let (symbol, object) = rest.rsplit_once(" (")?;
    Some(Frame { symbol: symbol.trim(), object: object.trim_end_matches(')') })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn a_call_chain_is_read_from_the_inside() {
        let text = "zeroid writer   77 \n\t  55aa <T as a::B>::c (d) ([kernel.kallsyms])\n\t 7f core::x (/bin/z)\n\n\
                    postgres 8 \n\t 7f [unknown] (/bin/p)\n\n";
        let read: Vec<Sample<'_>> = samples(text).collect();
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].program, read[0].frames.len()), ("zeroid writer", 2));
        assert_eq!(read[0].frames[0].symbol, "<T as a::B>::c (d)");
        assert_eq!(read[0].frames[0].object, "[kernel.kallsyms]");
        assert_eq!(read[1].frames[0].symbol, "[unknown]");
    }
}
