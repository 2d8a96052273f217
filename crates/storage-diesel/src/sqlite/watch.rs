//! Whether the file we write is still the file of that name.
//!
//! A file that was removed or replaced takes writes as before, and loses them with the last process that has it open:
//! what is acknowledged must be in the file an operator can see.

use std::path::{Path, PathBuf};

/// The database file and its log, as they were when the store was opened.
#[derive(Debug)]
pub(super) struct FileWatch {
    files: Vec<(PathBuf, Option<(u64, u64)>)>,
}

impl FileWatch {
    pub(super) fn new(path: &Path) -> Self {
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        let files = [path.to_owned(), PathBuf::from(log)];
        Self { files: files.into_iter().map(|file| (file.clone(), identity(&file))).collect() }
    }

    /// The first file that is gone or another one.
    pub(super) fn lost(&self) -> Option<&Path> {
        let lost = self.files.iter().find(|(file, was)| was.is_some() && identity(file) != *was);
        lost.map(|(file, _)| file.as_path())
    }
}

#[cfg(unix)]
fn identity(file: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(file).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Other systems do not let an open file be removed.
#[cfg(not(unix))]
fn identity(_: &Path) -> Option<(u64, u64)> {
    None
}
