//! The data folder and the master key in it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use zeroid_jose::{MasterKey, SystemRandom};

use crate::settings::Settings;

const MASTER_KEY_FILE: &str = "master.key";

/// A folder that is ready to be opened.
pub(super) struct Folder {
    pub(super) master: MasterKey,
    /// Whether there was no database yet.
    pub(super) is_new: bool,
}

/// Make the folder and the master key where they are missing.
pub(super) fn prepare(settings: &Settings) -> Result<Folder, String> {
    let folder = &settings.data_dir;
    if !folder.exists() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| at(folder, error))?;
    }
    let is_new = !settings.database.exists()?;
    let master = match given(settings)? {
        Some(master) => master,
        None => {
            let path = folder.join(MASTER_KEY_FILE);
            match path.exists() {
                true => read(&path)?,
                false if is_new => create(&path)?,
                false => {
                    return Err(format!(
                        "{} is missing, and {} was made with it; restore it or set ZEROID_MASTER_KEY",
                        path.display(),
                        settings.database
                    ));
                }
            }
        }
    };
    Ok(Folder { master, is_new })
}

/// A folder that must have been made before.
pub(super) fn existing(settings: &Settings) -> Result<Folder, String> {
    if !settings.database.exists()? {
        return Err(format!("{} holds no deployment yet; run `zeroid-server init` first", settings.database));
    }
    prepare(settings)
}

/// The master key of the settings, if they give one.
fn given(settings: &Settings) -> Result<Option<MasterKey>, String> {
    let given = (&settings.master_key, &settings.master_key_file, &settings.master_key_command);
    match given {
        (None, None, None) => Ok(None),
        (Some(text), None, None) => {
            MasterKey::parse(text.expose()).map(Some).map_err(|error| error.to_string())
        }
        (None, Some(path), None) => read(path).map(Some),
        (None, None, Some(command)) => printed_by(command).map(Some),
        _ => Err("master_key, master_key_file and master_key_command exclude each other".to_owned()),
    }
}

/// The master key a command prints; what it says on standard error goes to the operator.
fn printed_by(command: &str) -> Result<MasterKey, String> {
    let run =
        Command::new("/bin/sh").args(["-c", command]).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = run.map_err(|error| format!("master_key_command: {error}"))?;
    if !output.status.success() {
        return Err(format!("master_key_command failed: {}", output.status));
    }
    let text = String::from_utf8(output.stdout).map_err(|_| "master_key_command: not text")?;
    MasterKey::parse(text.trim()).map_err(|error| format!("master_key_command: {error}"))
}

fn read(path: &Path) -> Result<MasterKey, String> {
    let mode = fs::metadata(path).map_err(|error| at(path, error))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(format!("{} can be read by others; run chmod 600 on it", path.display()));
    }
    let text = fs::read_to_string(path).map_err(|error| at(path, error))?;
    MasterKey::parse(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Written and flushed before anything is made under it.
fn create(path: &Path) -> Result<MasterKey, String> {
    let master = MasterKey::generate(&SystemRandom::new()).map_err(|error| error.to_string())?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| at(path, error))?;
    let written = file.write_all(format!("{}\n", master.to_text().expose()).as_bytes());
    written.and_then(|()| file.sync_all()).map_err(|error| at(path, error))?;
    Ok(master)
}

fn at(path: &Path, error: std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
