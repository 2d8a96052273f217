//! A PKCS#11 token of its own for a test: SoftHSM with a folder that goes with the test. It never touches a token that
//! is there.
#![allow(clippy::disallowed_methods, clippy::print_stderr, reason = "a test tool reads the environment")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The variable by which SoftHSM finds its settings: the process that loads the module must have it.
pub const CONFIG_VARIABLE: &str = "SOFTHSM2_CONF";

/// The PIN of every token made here.
pub const PIN: &str = "a-pin-of-tests-1234";

/// A token in a folder of its own.
pub struct SoftHsm {
    folder: TempDir,
    module: PathBuf,
    label: String,
}

impl SoftHsm {
    /// Make a token; absent when SoftHSM is not installed, which is said, and in CI is a failure.
    ///
    /// # Panics
    /// In CI without SoftHSM, and when the token cannot be made.
    #[allow(clippy::panic, reason = "a test that cannot go on panics")]
    pub fn for_test(test: &str, label: &str) -> Option<Self> {
        match Self::make(label) {
            Ok(token) => Some(token),
            Err(Failure::Absent(why)) => {
                assert!(std::env::var_os("CI").is_none(), "{test}: {why}, which CI may not do without");
                eprintln!("skipped {test}: {why}");
                None
            }
            Err(Failure::Broken(why)) => panic!("{test}: {why}"),
        }
    }

    fn make(label: &str) -> Result<Self, Failure> {
        let module = module()?;
        let folder = tempfile::tempdir().map_err(|error| Failure::Broken(error.to_string()))?;
        let token = Self { folder, module, label: label.to_owned() };
        token.set_up()?;
        Ok(token)
    }

    fn set_up(&self) -> Result<(), Failure> {
        let tokens = self.folder.path().join("tokens");
        let broken = |error: std::io::Error| Failure::Broken(error.to_string());
        std::fs::create_dir(&tokens).map_err(broken)?;
        let config = format!("directories.tokendir = {}\nobjectstore.backend = file\n", tokens.display());
        std::fs::write(self.config(), config).map_err(broken)?;
        let args = ["--init-token", "--free", "--label", &self.label, "--so-pin", PIN, "--pin", PIN];
        let made = Command::new("softhsm2-util")
            .args(args)
            .env(CONFIG_VARIABLE, self.config())
            .stdin(Stdio::null())
            .output();
        let made = made.map_err(|error| Failure::Absent(format!("softhsm2-util does not run: {error}")))?;
        if made.status.success() {
            return Ok(());
        }
        Err(Failure::Broken(format!("softhsm2-util: {}", String::from_utf8_lossy(&made.stderr).trim())))
    }

    /// What [`CONFIG_VARIABLE`] must be.
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("softhsm2.conf")
    }

    /// The folder of the token's files.
    pub fn files(&self) -> PathBuf {
        self.folder.path().join("tokens")
    }

    /// The path of the module.
    pub fn module(&self) -> &Path {
        &self.module
    }

    /// The label of the token.
    pub fn label(&self) -> &str {
        &self.label
    }
}

enum Failure {
    Absent(String),
    Broken(String),
}

/// Where distributions put the module.
fn module() -> Result<PathBuf, Failure> {
    let folders = ["/usr/lib/softhsm", "/usr/lib64/softhsm", "/usr/lib/pkcs11", "/usr/local/lib/softhsm"];
    let found =
        folders.iter().map(|folder| Path::new(folder).join("libsofthsm2.so")).find(|path| path.exists());
    found.ok_or_else(|| Failure::Absent("SoftHSM is not installed (Debian: softhsm2)".to_owned()))
}
