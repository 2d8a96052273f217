//! An OAuth client in JavaScript, for the end-to-end tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{capture, run};

/// What drives the server, unmodified from npm: a client that takes nothing but what the standards say.
const PACKAGE: (&str, &str) = ("oauth4webapi", "3.8.8");

/// The variable by which the tests find its folder.
pub(crate) const VARIABLE: &str = "ZEROID_TEST_NODE";

/// The folder with the package: the one the environment names, else one in the build folder, made now if it is not
/// there yet.
///
/// # Errors
/// What is missing, as one line.
pub(crate) fn with_packages(target: &Path) -> Result<PathBuf, String> {
    if capture(Command::new("node").arg("--version")).is_err() {
        return Err("there is no node (Debian: nodejs)".to_owned());
    }
    if let Some(named) = std::env::var_os(VARIABLE) {
        let named = PathBuf::from(named);
        return if has_package(&named) {
            Ok(named)
        } else {
            Err(format!("{VARIABLE} names a folder without it"))
        };
    }
    let folder = target.join("node");
    if has_package(&folder) {
        return Ok(folder);
    }
    let (name, version) = PACKAGE;
    println!("installing {name} {version} for Node");
    let mut npm = Command::new("npm");
    npm.args(["install", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
        .arg(&folder);
    run(npm.arg(format!("{name}@{version}")))
        .map_err(|_| format!("npm could not install {name} {version} (Debian: npm)"))?;
    if has_package(&folder) { Ok(folder) } else { Err(format!("npm installed {name}, yet it is not there")) }
}

/// Whether the package is in this folder, in this version.
fn has_package(folder: &Path) -> bool {
    let (name, version) = PACKAGE;
    let manifest = folder.join("node_modules").join(name).join("package.json");
    let text = std::fs::read_to_string(manifest).unwrap_or_default();
    let told: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    told.get("version").and_then(serde_json::Value::as_str) == Some(version)
}
