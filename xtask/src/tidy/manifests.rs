//! What every `Cargo.toml` has in common.

use toml::{Table, Value};

use super::Finding;
use crate::workspace::{File, Member};

/// Each member inherits the lints, and takes its versions from the one table at the root.
pub(super) fn check(members: &[Member], files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in members {
        let path = format!("{}/Cargo.toml", member.folder);
        let Some(file) = files.iter().find(|file| file.path == path) else {
            findings.push(Finding::new(path, "is not in the repository"));
            continue;
        };
        match file.text.parse::<Table>() {
            Ok(manifest) => findings.extend(judge(&path, &manifest)),
            Err(error) => findings.push(Finding::new(path, format!("is no TOML: {}", error.message()))),
        }
    }
    findings
}

fn judge(path: &str, manifest: &Table) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lints = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool);
    if lints != Some(true) {
        findings.push(Finding::new(path, "does not inherit the lints (`[lints] workspace = true`)"));
    }
    for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
        let entries = manifest.get(table).and_then(Value::as_table).into_iter().flatten();
        let has_version = |(_, entry): &(&String, &Value)| entry.is_str() || entry.get("version").is_some();
        for (name, _) in entries.filter(has_version) {
            findings.push(Finding::new(
                path,
                format!("`{name}` has a version; versions live once, in the root table"),
            ));
        }
    }
    findings
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(text: &str, expected: usize) {
        assert_eq!(judge("Cargo.toml", &text.parse().unwrap()).len(), expected, "{text}");
    }

    #[test]
    fn lints_are_inherited_and_versions_live_once() {
        check("[lints]\nworkspace = true\n[dependencies]\nserde = { workspace = true }", 0);
        check("[lints]\nworkspace = true\n[dev-dependencies]\nx = { path = \"../x\" }", 0);
        check("[dependencies]\nserde = { workspace = true }", 1);
        check("[lints]\nworkspace = false", 1);
        check("[lints]\nworkspace = true\n[dependencies]\nserde = \"1\"", 1);
        check("[lints]\nworkspace = true\n[dev-dependencies]\nserde = { version = \"1\" }", 1);
    }
}
