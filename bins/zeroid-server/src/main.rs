//! The `zeroid-server` binary.

fn main() -> std::process::ExitCode {
    zeroid_server::commands::main()
}
