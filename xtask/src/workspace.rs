//! What the workspace is: its members, as cargo tells them, and its files, as git does.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::outcome::{Failure, Outcome};
use crate::process::{capture, cargo};

/// The workspace.
pub(crate) struct Workspace {
    /// Its folder.
    pub(crate) root: PathBuf,
    /// Where cargo builds.
    pub(crate) target: PathBuf,
    /// Its packages.
    pub(crate) members: Vec<Member>,
}

/// One package of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Member {
    /// The package's name.
    pub(crate) name: String,
    /// Its folder, relative to the root.
    pub(crate) folder: String,
    /// What it depends on directly.
    pub(crate) dependencies: Vec<Dependency>,
    /// Its features.
    pub(crate) features: Vec<String>,
}

/// A direct dependency.
#[derive(Debug)]
pub(crate) struct Dependency {
    /// The package's name.
    pub(crate) name: String,
    /// Whether only tests, examples and benches see it.
    pub(crate) dev_only: bool,
}

/// A text file of the repository.
pub(crate) struct File {
    /// Its path relative to the root, with `/`.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) text: String,
}

impl Workspace {
    /// Ask cargo.
    ///
    /// # Errors
    /// When cargo fails or answers something else than metadata.
    pub(crate) fn read() -> Outcome<Self> {
        let text = capture(&mut cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
        let answer: Value = serde_json::from_str(&text)
            .map_err(|error| Failure::new(format!("cargo metadata is not JSON: {error}")))?;
        Self::parse(&answer).ok_or_else(|| Failure::new("cargo metadata lacks what it should have"))
    }

    fn parse(answer: &Value) -> Option<Self> {
        let root = PathBuf::from(answer.get("workspace_root")?.as_str()?);
        let target = PathBuf::from(answer.get("target_directory")?.as_str()?);
        let packages = answer.get("packages")?.as_array()?;
        let members = packages.iter().map(|package| Member::parse(package, &root)).collect::<Option<_>>()?;
        Some(Self { root, target, members })
    }

    /// The text files of the repository: those git tracks or would track. Without git, all but build output.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub(crate) fn files(&self) -> Outcome<Vec<File>> {
        let mut git = Command::new("git");
        git.current_dir(&self.root);
        git.args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
        let mut paths: Vec<String> = match capture(&mut git) {
            Ok(listed) => listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect(),
            Err(_) => walk(&self.root)
                .map_err(|error| Failure::new(format!("cannot list the repository: {error}")))?,
        };
        paths.sort();
        paths.dedup();
        // What is listed but gone is about to be removed; what is no text has no rule here.
        let read = |path: String| {
            let text = std::fs::read_to_string(self.root.join(&path)).ok()?;
            Some(File { path, text })
        };
        Ok(paths.into_iter().filter_map(read).collect())
    }
}

impl Member {
    fn parse(package: &Value, root: &Path) -> Option<Self> {
        let manifest = Path::new(package.get("manifest_path")?.as_str()?);
        let folder = manifest.parent()?.strip_prefix(root).ok()?.to_string_lossy().replace('\\', "/");
        let dependencies = package.get("dependencies")?.as_array()?.iter().map(Dependency::parse);
        Some(Self {
            name: package.get("name")?.as_str()?.to_owned(),
            folder,
            dependencies: dependencies.collect::<Option<_>>()?,
            features: package.get("features")?.as_object()?.keys().cloned().collect(),
        })
    }
}

impl Dependency {
    fn parse(dependency: &Value) -> Option<Self> {
        Some(Self {
            name: dependency.get("name")?.as_str()?.to_owned(),
            dev_only: dependency.get("kind")?.as_str() == Some("dev"),
        })
    }
}

impl File {
    /// The lines of a Rust file that are no comment, numbered from 1.
    pub(crate) fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        numbered(&self.text).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// Whether it is a Rust source.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it lies in the folder, however deep.
    pub(crate) fn is_under(&self, folder: &str) -> bool {
        self.path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
    }
}

/// The lines of a text, numbered from 1.
pub(crate) fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(at, line)| (at + 1, line))
}

fn walk(root: &Path) -> std::io::Result<Vec<String>> {
    let (mut files, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let path = entry.path();
            let skipped = ["target", ".git", ".venv", "__pycache__"];
            if !entry.file_type()?.is_dir() {
                let relative = path.strip_prefix(root).unwrap_or(&path);
                files.push(relative.to_string_lossy().replace('\\', "/"));
            } else if !skipped.iter().any(|name| entry.file_name() == *name) {
                folders.push(path);
            }
        }
    }
    Ok(files)
}
