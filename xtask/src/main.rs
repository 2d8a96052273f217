//! Developer commands: `cargo xtask` lists them.
//!
//! To add one: a module with `run(args)`, and a row in [`COMMANDS`].
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "developer commands read the clock and the environment, and speak to a terminal"
)]

mod bench;
mod check;
mod node;
mod outcome;
mod process;
mod python;
mod soak;
mod test;
mod tidy;
mod workspace;

use std::process::ExitCode;

use crate::outcome::{Failure, Outcome};

/// One developer command.
struct Command {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Outcome,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "bench",
        about: "the server under load beside the limits of the machine; `attribute` says what costs what",
        run: bench::run,
    },
    Command { name: "check", about: "all that CI checks, in its order", run: check::run },
    Command {
        name: "soak",
        about: "the tests that CI cuts short, at full size and in release; replays, rounds or rows, and a count",
        run: soak::run,
    },
    Command {
        name: "test",
        about: "every test, those with the Python SDK included; arguments go to cargo test",
        run: test::run,
    },
    Command { name: "tidy", about: "arrows between crates, fences, sources, documents", run: tidy::run },
];

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let Some(name) = args.next() else {
        print_commands();
        return ExitCode::SUCCESS;
    };
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        eprintln!("no command `{name}`");
        print_commands();
        return ExitCode::from(2);
    };
    match (command.run)(&args.collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { what, code }) => {
            eprintln!("{what}");
            ExitCode::from(code)
        }
    }
}

fn print_commands() {
    println!("cargo xtask <command>");
    for command in COMMANDS {
        println!("  {:<6} {}", command.name, command.about);
    }
}
