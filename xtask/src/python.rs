//! A Python that has the SDK and a client library of another house, for the end-to-end tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{capture, run};

/// What the tests drive, unmodified from PyPI: the SDK, and an OAuth client that knows nothing of this server.
const PACKAGES: [(&str, &str); 2] = [("highflame", "0.10.0"), ("authlib", "1.9.10")];

/// The variable by which the tests find that Python.
pub(crate) const VARIABLE: &str = "ZEROID_TEST_PYTHON";

/// A Python with the packages: the one the environment names, else a virtual environment in the build folder,
/// made now if it is not there yet.
///
/// # Errors
/// What is missing, as one line.
pub(crate) fn with_sdk(target: &Path) -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        let named = PathBuf::from(named);
        return match lacking(&named) {
            None => Ok(named),
            Some(lacking) => Err(format!("{VARIABLE} names a Python without {lacking}")),
        };
    }
    let folder = target.join("venv");
    let python = folder.join("bin").join("python");
    if lacking(&python).is_none() {
        return Ok(python);
    }
    let system = ["python3", "python"].into_iter().find(|name| runs(name));
    let system = system.ok_or_else(|| "there is no python3".to_owned())?;
    let wanted = PACKAGES.map(|(name, version)| format!("{name}=={version}"));
    println!("making a virtual environment with {}", wanted.join(" and "));
    // What is left of an interrupted attempt is cleared.
    let made = run(Command::new(system).args(["-m", "venv", "--clear"]).arg(&folder));
    made.map_err(|_| format!("`{system} -m venv` failed; on Debian it needs the package python3-venv"))?;
    let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(Command::new(&python).args(quiet).args(&wanted))
        .map_err(|_| format!("pip could not install {}", wanted.join(" and ")))?;
    match lacking(&python) {
        None => Ok(python),
        Some(lacking) => {
            Err(format!("pip installed {}, yet Python does not find {lacking}", wanted.join(" and ")))
        }
    }
}

fn runs(python: &str) -> bool {
    capture(Command::new(python).arg("--version")).is_ok()
}

/// The first package that this Python does not have, or cannot import, in the version wanted.
fn lacking(python: &Path) -> Option<String> {
    let has = |(name, version): &(&str, &str)| {
        let script = format!("import {name}, importlib.metadata as m; print(m.version('{name}'))");
        capture(Command::new(python).args(["-c", &script])).is_ok_and(|printed| printed.trim() == *version)
    };
    PACKAGES.iter().find(|package| !has(package)).map(|(name, version)| format!("{name} {version}"))
}
