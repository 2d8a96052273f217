//! The packages the workspace stands on are direct dependencies, and used.

use super::Finding;
use crate::workspace::{File, Member};

const USED: &[&str] =
    &["ring", "josekit", "serde", "thiserror", "async-trait", "hyper", "tokio", "diesel", "r2d2", "proptest"];

/// Each is a direct dependency of some member, and a source of that member names it.
pub(super) fn check(members: &[Member], files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in USED {
        let having: Vec<&Member> =
            members.iter().filter(|member| member.dependencies.iter().any(|dep| dep.name == *name)).collect();
        let ident = name.replace('-', "_");
        let used = having.iter().any(|member| {
            let sources = files.iter().filter(|file| file.is_rust() && file.is_under(&member.folder));
            sources.flat_map(File::code_lines).any(|(_, line)| names_crate(line, &ident))
        });
        if having.is_empty() {
            findings.push(Finding::new(*name, "is no direct dependency of any member of the workspace"));
        } else if !used {
            findings.push(Finding::new(*name, "is a dependency, but no source of its dependent names it"));
        }
    }
    findings
}

/// Whether a line of code has a path that starts with the crate: `use ring;`, `ring::hmac`, not `diesel::ring::`.
fn names_crate(line: &str, ident: &str) -> bool {
    let is_word = |char: char| char.is_alphanumeric() || char == '_';
    line.match_indices(ident).any(|(at, _)| {
        let (before, after) = (line.get(..at).unwrap_or(""), line.get(at + ident.len()..).unwrap_or(""));
        let starts_a_path =
            !before.ends_with(|char| is_word(char) || char == ':' || char == '.') || before == "::";
        let imported = before.trim_end().ends_with("use") && !after.starts_with(is_word);
        starts_a_path && (after.starts_with("::") || imported)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    #[test]
    fn a_path_must_start_with_the_crate() {
        assert!(names_crate("use ring::hmac;", "ring"));
        assert!(names_crate("    pub use ring;", "ring"));
        assert!(names_crate("let tag = ring::hmac::sign(&key, b\"\");", "ring"));
        assert!(names_crate("#[derive(thiserror::Error)]", "thiserror"));
        assert!(!names_crate("use diesel::r2d2::Pool;", "r2d2"));
        assert!(!names_crate("let string::x = ring;", "ring"));
        assert!(!names_crate("use ringbuffer::Ring;", "ring"));
    }

    #[test]
    fn declared_and_unused_is_a_finding() {
        let member = |name: &str| Member {
            name: "m".to_owned(),
            folder: "crates/m".to_owned(),
            dependencies: vec![Dependency { name: name.to_owned(), dev_only: false }],
            features: Vec::new(),
        };
        let file = |text: &str| File { path: "crates/m/src/lib.rs".to_owned(), text: text.to_owned() };
        let about_ring = |text: &str| {
            check(&[member("ring")], &[file(text)]).iter().filter(|finding| finding.place == "ring").count()
        };
        assert_eq!(about_ring("use ring::hmac;"), 0);
        assert_eq!(about_ring("// use ring::hmac;"), 1);
        assert_eq!(check(&[member("ring")], &[file("use ring::hmac;")]).len(), USED.len() - 1);
    }
}
