//! What may not be in a file of the repository.

use super::Finding;
use crate::workspace::{File, numbered};

/// Past this a file is probably two ideas.
const MAX_LINES: usize = 500;

/// Files that may be longer, and why.
const LONGER: &[(&str, &str)] = &[];

/// The claim that a signature was checked, and where it may be made.
const ASSERTION: &str = concat!("assert_signature", "_checked");
const ASSERTED_BY: &str = "crates/jose";
const ASSERTION_DEFINED_IN: &str = "crates/token-core/src/verified.rs";

/// What is not finished, or not run. Split, so that this file keeps its own rule.
const UNFINISHED: &[(&str, &str)] = &[
    (concat!("todo", "!("), "is not finished"),
    (concat!("unimplemented", "!("), "is not finished"),
    (concat!("#[", "ignore"), "is a test nobody runs"),
];

/// Folders of somebody's machine.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/tmp", "/")];

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = files.iter().flat_map(judge).collect();
    for (path, _) in LONGER {
        let lines = files.iter().find(|file| file.path == *path).map_or(0, |file| file.text.lines().count());
        if lines <= MAX_LINES {
            findings.push(Finding::new(*path, "is listed as longer than the bound, and is not"));
        }
    }
    findings
}

fn judge(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in numbered(&file.text) {
        for path in MACHINE_PATHS.iter().filter(|path| has_absolute(text, path)) {
            findings.push(Finding::at(&file.path, line, format!("names a folder of one machine (`{path}`)")));
        }
    }
    if !file.is_rust() {
        return findings;
    }
    for (line, text) in file.code_lines() {
        for (word, why) in UNFINISHED.iter().filter(|(word, _)| text.contains(word)) {
            findings.push(Finding::at(&file.path, line, format!("`{word}` {why}")));
        }
        let defined = file.path == ASSERTION_DEFINED_IN;
        if text.contains(ASSERTION) && !defined && !file.is_under(ASSERTED_BY) {
            let what = format!("`{ASSERTION}` may be called only in {ASSERTED_BY}, which checks signatures");
            findings.push(Finding::at(&file.path, line, what));
        }
    }
    let lines = file.text.lines().count();
    let bounded = (file.is_under("crates") || file.is_under("bins")) && file.path.contains("/src/");
    if bounded && lines > MAX_LINES && !LONGER.iter().any(|(path, _)| *path == file.path) {
        let what = format!("has {lines} lines, at most {MAX_LINES}: split it, or list it with a reason");
        findings.push(Finding::new(&file.path, what));
    }
    findings
}

/// Whether the text has this path from the root of the file system, and not as part of a longer one.
fn has_absolute(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let before = text.get(..at).unwrap_or("");
        !before.ends_with(|char: char| char.is_alphanumeric() || "._-}>)*~/".contains(char))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str, expected: usize) {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        let findings = judge(&file);
        assert_eq!(findings.len(), expected, "{path}: {text}\n{findings:?}");
    }

    #[test]
    fn unfinished_code_is_found_and_comments_may_speak_of_it() {
        for (word, _) in UNFINISHED {
            check("crates/a/src/lib.rs", &format!("    {word}"), 1);
            check("crates/a/src/lib.rs", &format!("    // {word}"), 0);
            check("docs/a.md", word, 0);
        }
    }

    #[test]
    fn only_the_crate_that_checks_signatures_says_so() {
        let call = format!("Verified::{ASSERTION}(claims)");
        check("crates/jose/src/jws.rs", &call, 0);
        check(ASSERTION_DEFINED_IN, &format!("pub const fn {ASSERTION}(claims: T)"), 0);
        check("crates/jose-extra/src/lib.rs", &call, 1);
        check("crates/zeroid-core/src/engine.rs", &call, 1);
        check("tests/tests/a.rs", &format!("map(Verified::{ASSERTION})"), 1);
    }

    #[test]
    fn machine_paths_are_found_but_not_parts_of_other_paths() {
        for path in MACHINE_PATHS {
            check("docs/a.md", &format!("see `{path}x`"), 1);
            check("docs/a.md", path, 1);
            check("docs/a.md", &format!("see spiffe://acme.example{path}x and .{path}x"), 0);
        }
    }

    #[test]
    fn long_sources_are_found() {
        let text = "\n".repeat(MAX_LINES + 1);
        check("crates/a/src/lib.rs", &text, 1);
        check("bins/a/src/http/mod.rs", &text, 1);
        check("crates/a/tests/cases.rs", &text, 0);
        check("crates/a/src/lib.rs", &"\n".repeat(MAX_LINES), 0);
    }
}
