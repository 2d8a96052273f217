//! The server's binary: everything is in the library.

use std::process::ExitCode;

/// What one thread makes another one drops (requests, rows, answers), which the system's allocator pays for with locks.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    zeroid_server::commands::main()
}
