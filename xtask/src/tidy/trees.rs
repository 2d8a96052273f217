//! What may not be anywhere in the tree of a package.

use super::Finding;
use super::arrows::GROUND;
use crate::outcome::Outcome;
use crate::process::{capture, cargo};
use crate::workspace::Member;

/// Input, output, time, randomness, keys: a rule is a function of facts.
const NOT_ON_THE_GROUND: &[&str] = &[
    "tokio",
    "futures",
    "async-trait",
    "hyper",
    "diesel",
    "r2d2",
    "libsqlite3-sys",
    "ring",
    "josekit",
    "openssl",
    "openssl-sys",
    "getrandom",
    "rand",
    "chrono",
    "time",
];

/// An embedder brings a store and an edge of their own, and does not compile ours. A task is theirs to start.
const NOT_UNDER_THE_ENGINE: &[&str] =
    &["josekit", "openssl", "openssl-sys", "cryptoki", "diesel", "r2d2", "libsqlite3-sys", "hyper", "tokio"];

/// An adapter of a port of the engine: what is not under the engine, but for the one thing it adapts.
const NOT_UNDER_A_SIGNER: &[&str] =
    &["josekit", "openssl", "openssl-sys", "diesel", "r2d2", "libsqlite3-sys", "hyper", "tokio"];

/// The client stands on hyper and rustls, and on nothing of ours.
const NOT_UNDER_THE_CLIENT: &[&str] = &[
    "josekit",
    "openssl",
    "openssl-sys",
    "native-tls",
    "aws-lc-rs",
    "diesel",
    "r2d2",
    "libsqlite3-sys",
    "url",
    "zeroid-identity-model",
];

/// One package, by default features, and what it may not bring.
const FENCES: &[(&str, &[&str])] = &[
    ("zeroid-jose", NOT_UNDER_THE_ENGINE),
    ("zeroid-fetch", NOT_UNDER_THE_CLIENT),
    (
        "zeroid-storage",
        &["josekit", "openssl", "openssl-sys", "diesel", "r2d2", "libsqlite3-sys", "hyper", "ring"],
    ),
    ("zeroid-core", NOT_UNDER_THE_ENGINE),
    ("zeroid-signer-pkcs11", NOT_UNDER_A_SIGNER),
    ("zeroid-storage-diesel", &["josekit", "openssl", "openssl-sys", "hyper", "ring"]),
];

/// Ask cargo for each fenced tree.
///
/// # Errors
/// When cargo cannot tell.
pub(super) fn check(members: &[Member]) -> Outcome<Vec<Finding>> {
    let ground = GROUND.iter().map(|name| (*name, NOT_ON_THE_GROUND));
    let mut findings = Vec::new();
    for (name, forbidden) in ground.chain(FENCES.iter().copied()) {
        // A package that is gone is a finding of the arrows.
        if members.iter().any(|member| member.name == name) {
            let tree =
                ["tree", "--package", name, "--edges", "normal", "--prefix", "none", "--format", "{p}"];
            findings.extend(fenced(name, &capture(&mut cargo(&tree))?, forbidden));
        }
    }
    Ok(findings)
}

/// The forbidden packages in a tree of lines such as `ring v0.17.14`.
fn fenced(name: &str, tree: &str, forbidden: &[&str]) -> Vec<Finding> {
    let brings = |crate_name: &&&str| tree.lines().any(|line| line.split(' ').next() == Some(**crate_name));
    let found = forbidden.iter().filter(brings);
    found
        .map(|found| {
            Finding::new(name, format!("brings {found} (`cargo tree -p {name} -e normal -i {found}`)"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_matched_whole() {
        let tree = "zeroid-core v0.1.0 (somewhere)\nring v0.17.14\nstring-ring v1.0.0\n";
        assert_eq!(fenced("zeroid-core", tree, &["ring", "tokio"]).len(), 1);
        assert!(fenced("zeroid-core", "stringring v1.0.0\n", &["ring"]).is_empty());
    }
}
