//! A Python that has the SDK, for the end-to-end tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{capture, run};

/// The SDK the tests drive, unmodified from PyPI.
const SDK: &str = "highflame";
const SDK_VERSION: &str = "0.10.0";

/// The variable by which the tests find that Python.
pub(crate) const VARIABLE: &str = "ZEROID_TEST_PYTHON";

/// A Python with the SDK: the one the environment names, else a virtual environment in the build folder,
/// made now if it is not there yet.
///
/// # Errors
/// What is missing, as one line.
pub(crate) fn with_sdk(target: &Path) -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os(VARIABLE) {
        let named = PathBuf::from(named);
        return match sdk_version(&named) {
            Some(version) if version == SDK_VERSION => Ok(named),
            Some(version) => {
                Err(format!("{VARIABLE} names a Python with {SDK} {version}, not {SDK_VERSION}"))
            }
            None => Err(format!("{VARIABLE} names a Python without {SDK}")),
        };
    }
    let folder = target.join("venv");
    let python = folder.join("bin").join("python");
    if sdk_version(&python).as_deref() == Some(SDK_VERSION) {
        return Ok(python);
    }
    let system = ["python3", "python"].into_iter().find(|name| runs(name));
    let system = system.ok_or_else(|| "there is no python3".to_owned())?;
    println!("making a virtual environment with {SDK} {SDK_VERSION}");
    // What is left of an interrupted attempt is cleared.
    let made = run(Command::new(system).args(["-m", "venv", "--clear"]).arg(&folder));
    made.map_err(|_| format!("`{system} -m venv` failed; on Debian it needs the package python3-venv"))?;
    let wanted = format!("{SDK}=={SDK_VERSION}");
    let quiet = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &wanted];
    run(Command::new(&python).args(quiet)).map_err(|_| format!("pip could not install {wanted}"))?;
    match sdk_version(&python) {
        Some(version) if version == SDK_VERSION => Ok(python),
        _ => Err(format!("pip installed {wanted}, yet Python does not find it")),
    }
}

fn runs(python: &str) -> bool {
    capture(Command::new(python).arg("--version")).is_ok()
}

/// The version of the SDK that this Python has and can import.
fn sdk_version(python: &Path) -> Option<String> {
    let script = format!("import {SDK}, importlib.metadata as m; print(m.version('{SDK}'))");
    let printed = capture(Command::new(python).args(["-c", &script])).ok()?;
    Some(printed.trim().to_owned())
}
