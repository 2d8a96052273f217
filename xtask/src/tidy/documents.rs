//! Documents: links that lead somewhere, headings that nest, nothing that nobody links to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::Finding;
use crate::workspace::{File, numbered};

/// From these two a reader must reach every document of `docs`.
const ENTRANCES: &[&str] = &["README.md", "docs/architecture.md"];

/// A Markdown file, as far as it is checked.
#[derive(Default)]
struct Document {
    headings: Vec<Heading>,
    links: Vec<(usize, String)>,
}

struct Heading {
    line: usize,
    level: usize,
    text: String,
}

pub(super) fn check(root: &Path, files: &[File]) -> Vec<Finding> {
    let is_markdown = |file: &&File| file.path.ends_with(".md");
    let documents: BTreeMap<&str, Document> =
        files.iter().filter(is_markdown).map(|file| (file.path.as_str(), read(&file.text))).collect();
    let mut findings = Vec::new();
    for (path, document) in &documents {
        findings.extend(headings(path, document));
        for (line, link) in &document.links {
            if let Err(why) = follow(root, path, link, &documents) {
                findings.push(Finding::at(path, *line, format!("link `{link}` {why}")));
            }
        }
    }
    let linked: BTreeSet<String> = ENTRANCES
        .iter()
        .filter_map(|path| documents.get(path).map(|document| (*path, document)))
        .flat_map(|(path, document)| document.links.iter().filter_map(move |(_, link)| target(path, link)))
        .collect();
    for entrance in ENTRANCES.iter().filter(|path| !documents.contains_key(**path)) {
        findings.push(Finding::new(*entrance, "is missing"));
    }
    let of_docs = documents.keys().filter(|path| path.starts_with("docs/"));
    for path in of_docs.filter(|path| !linked.contains(**path) && !ENTRANCES.contains(*path)) {
        findings.push(Finding::new(*path, format!("is linked from neither {}", ENTRANCES.join(" nor "))));
    }
    findings
}

/// One title, and no level left out on the way down.
fn headings(path: &str, document: &Document) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut above = 0;
    for (at, heading) in document.headings.iter().enumerate() {
        if heading.level > above + 1 {
            let what = format!("heading jumps from level {above} to {}: {}", heading.level, heading.text);
            findings.push(Finding::at(path, heading.line, what));
        }
        if at > 0 && heading.level == 1 {
            findings.push(Finding::at(path, heading.line, format!("second title: {}", heading.text)));
        }
        above = heading.level;
    }
    if document.headings.is_empty() {
        findings.push(Finding::new(path, "has no title"));
    }
    findings
}

/// Whether a link leads to a file of the repository, and to a heading of it when it names one.
fn follow(root: &Path, path: &str, link: &str, documents: &BTreeMap<&str, Document>) -> Result<(), String> {
    if is_elsewhere(link) {
        return Ok(());
    }
    if link.starts_with('/') {
        return Err("is absolute; link relative to the file".to_owned());
    }
    let to = target(path, link).ok_or("leaves the repository")?;
    if !to.is_empty() && !root.join(&to).exists() && !documents.contains_key(to.as_str()) {
        return Err("leads nowhere".to_owned());
    }
    match (link.split_once('#'), documents.get(to.as_str())) {
        (Some((_, anchor)), Some(document)) if !anchors(document).contains(anchor) => {
            Err(format!("names no heading of {to}"))
        }
        _ => Ok(()),
    }
}

fn is_elsewhere(link: &str) -> bool {
    ["https://", "http://", "mailto:"].iter().any(|scheme| link.starts_with(scheme))
}

/// The path, from the root, that a link in the file `path` leads to; absent when it is elsewhere.
fn target(path: &str, link: &str) -> Option<String> {
    let file = link.split('#').next().unwrap_or("");
    if is_elsewhere(link) {
        return None;
    }
    if file.is_empty() {
        return Some(path.to_owned());
    }
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in file.split('/').filter(|part| !matches!(*part, "" | ".")) {
        if part == ".." {
            parts.pop()?;
        } else {
            parts.push(part);
        }
    }
    Some(parts.join("/"))
}

/// The anchors of a document's headings, numbered when they repeat.
fn anchors(document: &Document) -> BTreeSet<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let slugs = document.headings.iter().map(|heading| slug(&heading.text));
    slugs
        .map(|slug| {
            let count = seen.entry(slug.clone()).or_default();
            *count += 1;
            if *count == 1 { slug } else { format!("{slug}-{}", *count - 1) }
        })
        .collect()
}

fn slug(heading: &str) -> String {
    let kept = |char: &char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_');
    heading.to_lowercase().chars().filter(kept).map(|char| if char == ' ' { '-' } else { char }).collect()
}

/// Read headings and links; what stands in code is neither.
fn read(text: &str) -> Document {
    let mut document = Document::default();
    let mut fence: Option<&str> = None;
    for (number, line) in numbered(text) {
        let trimmed = line.trim_start();
        let ticks = trimmed.len() - trimmed.trim_start_matches(['`', '~']).len();
        let mark = trimmed.get(..ticks).filter(|mark| mark.len() >= 3);
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if mark.starts_with(open) && trimmed.len() == mark.len() => fence = None,
            (Some(_), _) => {}
            (None, None) => {
                let level = line.len() - line.trim_start_matches('#').len();
                let heading =
                    line.get(level..).filter(|rest| (1..=6).contains(&level) && rest.starts_with(' '));
                if let Some(text) = heading {
                    document.headings.push(Heading { line: number, level, text: text.trim().to_owned() });
                }
                document.links.extend(links(&without_code(line)).map(|link| (number, link)));
            }
        }
    }
    document
}

/// The line with its code spans cut out.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("code")
}

/// The targets of `[text](target)` and `[label]: target`.
fn links(line: &str) -> impl Iterator<Item = String> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let defined = line.starts_with('[').then(|| line.split_once("]: ")).flatten().map(|(_, target)| target);
    let first_word = |text: &str| {
        let word = text.split_whitespace().next()?;
        Some(word.trim_matches(['<', '>']).to_owned())
    };
    inline.chain(defined).filter_map(first_word).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<File> = files
            .iter()
            .map(|(path, text)| File { path: (*path).to_owned(), text: (*text).to_owned() })
            .collect();
        check(Path::new("no-such-folder"), &files).iter().map(ToString::to_string).collect()
    }

    /// A tidy pair of entrances with `text` in the first.
    fn with(text: &str) -> Vec<String> {
        found(&[
            ("README.md", &format!("# Title\n{text}")),
            ("docs/architecture.md", "# Architecture\n## The map\n## `decide` and *live*, 2\n## The map\n"),
        ])
    }

    #[test]
    fn links_that_lead_somewhere() {
        for text in [
            "[a](docs/architecture.md)",
            "[a](./docs/architecture.md \"title\")",
            "[a](docs/architecture.md#the-map) and [b](docs/architecture.md#the-map-1)",
            "[a](docs/architecture.md#decide-and-live-2)",
            "[a](#title) [b](https://example.com/x) [c](mailto:a@b.example)",
            "[a]: docs/architecture.md",
            "`[a](nowhere.md)`",
            "```\n[a](nowhere.md)\n# no heading\n```",
            "````md\n```\n[a](nowhere.md)\n```\n````",
        ] {
            assert_eq!(with(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn links_that_lead_nowhere() {
        for text in [
            "[a](nowhere.md)",
            "[a](docs/architecture.md#nowhere)",
            "[a](docs/architecture.md#the-map-2)",
            "[a](#nowhere)",
            "[a](/docs/architecture.md)",
            "[a](../outside.md)",
            "[a]: nowhere.md",
            "```\n```\n[a](nowhere.md)",
        ] {
            assert_eq!(with(text).len(), 1, "{text}: {:?}", with(text));
        }
    }

    #[test]
    fn headings_nest() {
        assert!(with("## Two\n### Three\n## Two again").is_empty());
        assert_eq!(with("### Three").len(), 1);
        assert_eq!(with("# Another title").len(), 1);
    }

    #[test]
    fn every_document_is_linked() {
        let lonely = ("docs/lonely.md", "# Lonely");
        let readme = |text| ("README.md", text);
        let architecture = ("docs/architecture.md", "# Architecture");
        assert_eq!(found(&[readme("# Title"), architecture, lonely]).len(), 1);
        assert!(found(&[readme("# Title\n[it](docs/lonely.md)"), architecture, lonely]).is_empty());
        let linking = ("docs/architecture.md", "# Architecture\n[it](lonely.md)");
        assert!(found(&[readme("# Title"), linking, lonely]).is_empty());
        assert_eq!(found(&[architecture]), ["README.md: is missing"]);
    }
}
