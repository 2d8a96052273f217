//! `docs/standards.md` and the tests it names: each is there, and no test of a standard is left out.

use std::collections::BTreeSet;

use super::Finding;
use crate::workspace::{File, numbered};

const DOCUMENT: &str = "docs/standards.md";

/// Each test in here holds a standard.
const TESTS: &str = "tests/tests/standards";

pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let Some(document) = files.iter().find(|file| file.path == DOCUMENT) else {
        return vec![Finding::new(DOCUMENT, "is missing")];
    };
    let rust = || files.iter().filter(|file| file.is_rust());
    let known: BTreeSet<&str> = rust().flat_map(|file| tests(&file.text)).map(|(_, name)| name).collect();
    let mut findings = Vec::new();
    let mut named = BTreeSet::new();
    for (line, held_by) in demands(&document.text) {
        let names: Vec<&str> = held_by.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            findings.push(Finding::at(DOCUMENT, line, "a demand is held by no test"));
        }
        for name in names.iter().filter(|name| !known.contains(**name)) {
            findings.push(Finding::at(DOCUMENT, line, format!("there is no test `{name}`")));
        }
        named.extend(names);
    }
    for file in rust().filter(|file| file.is_under(TESTS)) {
        for (line, name) in tests(&file.text).filter(|(_, name)| !named.contains(name)) {
            findings.push(Finding::at(&file.path, line, format!("`{name}` is not named in {DOCUMENT}")));
        }
    }
    findings
}

/// The last cell of each row of a table that is neither its head nor the line below that.
fn demands(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let cells = numbered(text).filter_map(|(line, row)| {
        let row = row.trim().strip_prefix('|')?.strip_suffix('|')?;
        Some((line, row.rsplit('|').next()?.trim()))
    });
    cells.filter(|(_, cell)| *cell != "held by" && !cell.chars().all(|char| char == '-'))
}

/// The tests of a source file, with the line of their name.
fn tests(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_marked = false;
    numbered(text).filter_map(move |(line, text)| {
        let text = text.trim_start();
        let name = text.strip_prefix("async ").unwrap_or(text).strip_prefix("fn ");
        match name.and_then(|rest| rest.split('(').next()) {
            Some(name) => std::mem::take(&mut is_marked).then_some((line, name)),
            None => {
                is_marked |= text.starts_with("#[test]") || text.starts_with("#[tokio::test");
                None
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(document: &str, source: &str) -> Vec<String> {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let files = [file(DOCUMENT, document), file("tests/tests/standards/a.rs", source)];
        check(&files).iter().map(ToString::to_string).collect()
    }

    const SOURCE: &str =
        "fn no_test() {}\n#[test]\nfn one() {}\n#[tokio::test(flavor = \"x\")]\nasync fn two() {}\n";

    #[test]
    fn every_test_is_named_and_every_name_is_a_test() {
        let table = |rows: &str| format!("# T\n| § | demand | held by |\n| --- | --- | --- |\n{rows}");
        assert!(found(&table("| 1 | `x` | `one`, `two` |\n"), SOURCE).is_empty());
        assert_eq!(found(&table("| 1 | x | `one` |\n"), SOURCE).len(), 1);
        assert_eq!(found(&table("| 1 | x | `one`, `two`, `no_test` |\n"), SOURCE).len(), 1);
        assert_eq!(found(&table("| 1 | x | `one`, `two` |\n| 2 | y | by hand |\n"), SOURCE).len(), 1);
        assert_eq!(check(&[]).len(), 1);
    }
}
