//! Which package of the workspace may depend on which.

use std::collections::BTreeSet;

use super::Finding;
use crate::workspace::Member;

/// The picture of `docs/architecture.md`: each package, and the arrows drawn to it. An arrow includes the floors
/// beneath it. A new arrow is a commit of its own, with its reason.
const ARROWS: &[(&str, &[&str])] = &[
    ("zeroid-identity-model", &[]),
    ("zeroid-token-core", &["zeroid-identity-model"]),
    ("zeroid-wire", &["zeroid-token-core"]),
    ("zeroid-jose", &["zeroid-token-core"]),
    // A signer is an adapter of jose's port, and knows nothing of what is signed.
    ("zeroid-signer-pkcs11", &["zeroid-jose"]),
    // Whoever fetches says what: the client stands alone.
    ("zeroid-fetch", &[]),
    ("zeroid-storage", &["zeroid-token-core"]),
    ("zeroid-storage-conformance", &["zeroid-storage"]),
    ("zeroid-storage-diesel", &["zeroid-storage"]),
    ("zeroid-core", &["zeroid-token-core", "zeroid-storage", "zeroid-jose"]),
    (
        "zeroid-server",
        &[
            "zeroid-core",
            "zeroid-storage-diesel",
            "zeroid-signer-pkcs11",
            "zeroid-wire",
            "zeroid-jose",
            "zeroid-fetch",
        ],
    ),
    ("xtask", &["zeroid-test-postgres", "zeroid-jose"]),
    ("zeroid-tests", &["zeroid-test-postgres"]),
    ("zeroid-test-postgres", &[]),
    ("zeroid-test-softhsm", &[]),
];

/// The ground floor: rules alone.
pub(super) const GROUND: &[&str] = &["zeroid-identity-model", "zeroid-token-core", "zeroid-wire"];

/// What tests and benches of the ground floor may use beyond the ground floor itself.
const GROUND_TEST_TOOLS: &[&str] = &["proptest", "proptest-state-machine", "criterion"];

/// Normal and build dependencies are arrows; dev-dependencies are not.
pub(super) fn check(members: &[Member]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let names: BTreeSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
    for (name, _) in ARROWS.iter().filter(|(name, _)| !names.contains(name)) {
        findings.push(Finding::new(*name, "is in the picture of arrows, but no member of the workspace"));
    }
    for member in members {
        if !ARROWS.iter().any(|(name, _)| *name == member.name) {
            findings.push(Finding::new(
                &member.name,
                "is missing in the picture of arrows (xtask/src/tidy/arrows.rs)",
            ));
            continue;
        }
        let allowed = reach(&member.name);
        for dependency in &member.dependencies {
            let name = dependency.name.as_str();
            let inside = names.contains(name);
            if !dependency.dev_only && inside && !allowed.contains(name) {
                findings.push(Finding::new(
                    &member.name,
                    format!("may not depend on {name}: no such arrow is drawn"),
                ));
            }
            let tool = GROUND_TEST_TOOLS.contains(&name) || GROUND.contains(&name);
            if dependency.dev_only && GROUND.contains(&member.name.as_str()) && !tool {
                findings.push(Finding::new(
                    &member.name,
                    format!("is on the ground floor and may not test with {name}"),
                ));
            }
        }
    }
    findings
}

/// Everything the arrows of a package lead to.
fn reach(name: &str) -> BTreeSet<&'static str> {
    let drawn_to = |from: &str| ARROWS.iter().find(|(name, _)| *name == from).map_or(&[][..], |(_, to)| *to);
    let mut open: Vec<&'static str> = drawn_to(name).to_vec();
    let mut reached = BTreeSet::new();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(drawn_to(next));
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Dependency;

    fn house(extra: (&str, &str, bool)) -> Vec<String> {
        let members: Vec<Member> = ARROWS
            .iter()
            .map(|(name, to)| {
                let mut dependencies: Vec<_> =
                    to.iter().map(|to| Dependency { name: (*to).to_owned(), dev_only: false }).collect();
                if *name == extra.0 {
                    dependencies.push(Dependency { name: extra.1.to_owned(), dev_only: extra.2 });
                }
                Member { name: (*name).to_owned(), dependencies, ..Member::default() }
            })
            .collect();
        check(&members).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_drawn_is_allowed_and_includes_the_floors_beneath() {
        assert_eq!(house(("zeroid-server", "zeroid-identity-model", false)), Vec::<String>::new());
        assert_eq!(house(("zeroid-core", "zeroid-identity-model", false)), Vec::<String>::new());
    }

    #[test]
    fn what_is_not_drawn_is_refused() {
        for (from, to) in [
            ("zeroid-identity-model", "zeroid-token-core"),
            ("zeroid-wire", "zeroid-jose"),
            ("zeroid-core", "zeroid-storage-diesel"),
            ("zeroid-core", "zeroid-wire"),
            ("zeroid-storage-diesel", "zeroid-jose"),
            ("xtask", "zeroid-server"),
        ] {
            assert_eq!(house((from, to, false)).len(), 1, "{from} -> {to}");
        }
    }

    #[test]
    fn dev_dependencies_are_no_arrows_but_the_ground_has_only_test_tools() {
        assert!(house(("zeroid-storage", "zeroid-storage-conformance", true)).is_empty());
        assert!(house(("zeroid-token-core", "proptest", true)).is_empty());
        assert_eq!(house(("zeroid-token-core", "tokio", true)).len(), 1);
        assert_eq!(house(("zeroid-wire", "zeroid-jose", true)).len(), 1);
    }

    #[test]
    fn the_picture_has_every_member_and_nobody_else() {
        let stranger = Member { name: "stranger".to_owned(), ..Member::default() };
        assert_eq!(check(&[stranger]).len(), ARROWS.len() + 1);
    }
}
