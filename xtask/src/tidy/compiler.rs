//! Nothing in the lock file needs a newer Rust than we say.

use serde_json::Value;

use super::Finding;
use crate::outcome::{Failure, Outcome};
use crate::process::{capture, cargo};

/// Ask cargo for every package that is built. One that wants a newer compiler may come with a change of the lock file,
/// and who has that compiler would not notice.
///
/// # Errors
/// When cargo cannot tell.
pub(super) fn check() -> Outcome<Vec<Finding>> {
    let text = capture(&mut cargo(&["metadata", "--format-version", "1"]))?;
    let answer: Value = serde_json::from_str(&text)
        .map_err(|error| Failure::new(format!("cargo metadata is not JSON: {error}")))?;
    let packages = answer.get("packages").and_then(Value::as_array);
    packages
        .and_then(|packages| newer(packages))
        .ok_or_else(|| Failure::new("cargo metadata lacks what it should have"))
}

/// The packages that want a newer Rust than the oldest that one of ours takes; what says nothing wants nothing.
fn newer(packages: &[Value]) -> Option<Vec<Finding>> {
    let needs = |package: &Value| version(package.get("rust_version")?.as_str()?);
    let is_ours = |package: &&Value| package.get("source").is_some_and(Value::is_null);
    let ours = packages.iter().filter(is_ours).filter_map(needs).min()?;
    let mut findings = Vec::new();
    for package in packages.iter().filter(|package| needs(package).is_some_and(|needed| needed > ours)) {
        let (name, at) = (package.get("name")?.as_str()?, package.get("version")?.as_str()?);
        let needed = package.get("rust_version")?.as_str()?;
        findings.push(Finding::new(
            format!("{name} {at}"),
            format!("needs Rust {needed}, newer than our `rust-version` (`cargo tree -i {name}@{at}`)"),
        ));
    }
    Some(findings)
}

/// `1.89` and `1.89.0` are the same.
fn version(text: &str) -> Option<[u64; 3]> {
    let mut parts = text.split('.').map(|part| part.parse().ok());
    let version = [parts.next()??, parts.next().unwrap_or(Some(0))?, parts.next().unwrap_or(Some(0))?];
    parts.next().is_none().then_some(version)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_needs_a_newer_rust_is_a_finding() {
        let found = |needed: Value| {
            let ours = json!({"name": "ours", "version": "0.1.0", "source": null, "rust_version": "1.89"});
            let theirs =
                json!({"name": "theirs", "version": "1.2.3", "source": "registry", "rust_version": needed});
            newer(&[theirs, ours]).map(|findings| findings.len())
        };
        for taken in [json!("1.89"), json!("1.89.0"), json!("1.9"), json!("1"), Value::Null] {
            assert_eq!(found(taken.clone()), Some(0), "{taken}");
        }
        for refused in [json!("1.89.1"), json!("1.100"), json!("2")] {
            assert_eq!(found(refused.clone()), Some(1), "{refused}");
        }
        assert_eq!(newer(&[]), None);
    }
}
