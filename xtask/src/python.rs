//! A Python that has the SDK, a client library of another house and schemathesis, for the end-to-end tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{capture, run};

/// What the tests drive and are driven by, unmodified from PyPI: the SDK, an OAuth client that knows nothing of this
/// server, and what holds the server against its OpenAPI document.
const PACKAGES: [(&str, &str); 3] =
    [("highflame", "0.10.0"), ("authlib", "1.9.10"), ("schemathesis", "4.32.5")];

/// The variable by which the tests find that Python.
pub(crate) const VARIABLE: &str = "ZEROID_TEST_PYTHON";

/// A Python with the packages: the one the environment names, else a virtual environment in the build folder,
/// made now if it is not there yet.
///
/// # Errors
/// What is missing, as one line.
pub(crate) fn with_packages(target: &Path) -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        let named = PathBuf::from(named);
        return match missing(&named).first() {
            None => Ok(named),
            Some(wanted) => Err(format!("{VARIABLE} names a Python without {wanted}")),
        };
    }
    let folder = target.join("venv");
    let python = folder.join("bin").join("python");
    if missing(&python).is_empty() {
        return Ok(python);
    }
    let system = ["python3", "python"].into_iter().find(|name| runs(name));
    let system = system.ok_or_else(|| "there is no python3".to_owned())?;
    let wanted: Vec<String> = PACKAGES.iter().map(wanted).collect();
    println!("making a virtual environment with {}", wanted.join(" and "));
    // What is left of an interrupted attempt is cleared.
    let made = run(Command::new(system).args(["-m", "venv", "--clear"]).arg(&folder));
    made.map_err(|_| format!("`{system} -m venv` failed; on Debian it needs the package python3-venv"))?;
    let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(Command::new(&python).args(quiet).args(&wanted))
        .map_err(|_| format!("pip could not install {}", wanted.join(" and ")))?;
    match missing(&python).first() {
        None => Ok(python),
        Some(wanted) => Err(format!("pip installed {wanted}, yet Python does not find it")),
    }
}

fn wanted((name, version): &(&str, &str)) -> String {
    format!("{name}=={version}")
}

fn runs(python: &str) -> bool {
    capture(Command::new(python).arg("--version")).is_ok()
}

/// The packages this Python lacks, or has in another version, or cannot import.
fn missing(python: &Path) -> Vec<String> {
    let has = |(name, version): &&(&str, &str)| {
        let script = format!("import {name}, importlib.metadata as m; print(m.version('{name}'))");
        capture(Command::new(python).args(["-c", &script])).is_ok_and(|printed| printed.trim() == *version)
    };
    PACKAGES.iter().filter(|package| !has(package)).map(wanted).collect()
}
