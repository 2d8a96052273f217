//! PostgreSQL's own programs: where they are, and as whom they run.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A user that may run a server: PostgreSQL refuses root.
#[derive(Clone, Copy)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// The folder of `initdb` and `postgres`: the newest Debian has, else that of the search path.
pub(crate) fn folder() -> Result<PathBuf, String> {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
        .collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = || std::env::split_paths(&path).find(|folder| folder.join("initdb").exists());
    found.pop().or_else(on_path).ok_or_else(|| "PostgreSQL is not installed (Debian: postgresql)".to_owned())
}

/// Whom to run as, when this process is root.
pub(crate) fn unprivileged() -> Result<Option<User>, String> {
    let me = std::fs::metadata("/proc/self").map_err(|error| format!("/proc/self: {error}"))?;
    if me.uid() != 0 {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
    let of = |wanted: &str| {
        let mut fields = users.lines().find(|line| line.starts_with(wanted))?.split(':').skip(2);
        Some(User { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    };
    let found = of("postgres:").or_else(|| of("nobody:"));
    found.map(Some).ok_or_else(|| "neither `postgres` nor `nobody` is a user here".to_owned())
}

/// A command of that user.
pub(crate) fn command(program: &Path, user: Option<User>) -> Command {
    let mut command = Command::new(program);
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    command.stdin(Stdio::null()).current_dir("/");
    command
}

/// Run to the end; what it printed is the error.
pub(crate) fn run(command: &mut Command) -> Result<String, String> {
    let what = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{what}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{what}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

/// Send a signal, named without `SIG`, to processes of ours.
///
/// # Errors
/// What the shell says of those that did not get it.
pub fn signal(name: &str, ids: &[u32]) -> Result<(), String> {
    signal_as(None, name, ids)
}

/// The same as that user. The shell sends it: the program `kill` is not on every machine.
pub(crate) fn signal_as(user: Option<User>, name: &str, ids: &[u32]) -> Result<(), String> {
    let mut kill = command(Path::new("/bin/sh"), user);
    kill.args(["-c", "kill -s \"$@\"", "sh", name]).args(ids.iter().map(u32::to_string));
    run(&mut kill).map(drop)
}

/// A session in a database, given by its URL, that takes statements from its standard input.
///
/// # Errors
/// Why it did not start.
pub fn psql(url: &str) -> Result<Child, String> {
    let mut session = Command::new(folder()?.join("psql"));
    session.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url]);
    session.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|error| format!("psql: {error}"))
}

/// Run SQL in a database, given by its URL; gives what it printed.
///
/// # Errors
/// What the server says.
pub fn sql(url: &str, text: &str) -> Result<String, String> {
    let psql = folder()?.join("psql");
    run(Command::new(psql).args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", text]))
}

/// Make a database on the server of this URL, and give its URL.
pub(crate) fn create_database(server: &str, name: &str) -> Result<String, String> {
    let server = server.trim_end_matches('/');
    sql(&format!("{server}/postgres"), &format!("CREATE DATABASE {name}"))?;
    Ok(format!("{server}/{name}"))
}

/// The parent of a process.
pub(crate) fn parent(id: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}
