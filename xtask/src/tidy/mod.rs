//! `cargo xtask tidy`: the rules of the house that no compiler knows.

mod arrows;
mod compiler;
mod dependencies;
mod documents;
mod manifests;
mod sources;
mod standards;
mod trees;

use std::fmt;

use crate::outcome::{Failure, Outcome};
use crate::workspace::Workspace;

/// One thing that is not tidy.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// A package, a file, or a file and a line.
    place: String,
    /// What is wrong there.
    what: String,
}

impl Finding {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { place: place.into(), what: what.into() }
    }

    fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self::new(format!("{path}:{line}"), what)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Check every rule and print one line for each finding.
///
/// # Errors
/// When there is any.
pub(crate) fn run(args: &[String]) -> Outcome {
    if let Some(arg) = args.first() {
        return Err(Failure::new(format!("`tidy` takes no arguments, not `{arg}`")));
    }
    let workspace = Workspace::read()?;
    let files = workspace.files()?;
    let mut findings = arrows::check(&workspace.members);
    findings.extend(trees::check(&workspace.members)?);
    findings.extend(compiler::check()?);
    findings.extend(dependencies::check(&workspace.members, &files));
    findings.extend(manifests::check(&workspace.members, &files));
    findings.extend(sources::check(&files));
    findings.extend(documents::check(&workspace.root, &files));
    findings.extend(standards::check(&files));
    for finding in &findings {
        println!("{finding}");
    }
    if findings.is_empty() {
        println!("tidy: {} packages and {} files keep the rules", workspace.members.len(), files.len());
        return Ok(());
    }
    Err(Failure::new(format!("tidy: {} findings", findings.len())))
}
