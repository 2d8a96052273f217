//! What the command line asks for.

use std::path::PathBuf;

use crate::outcome::{Failure, Outcome};

const USAGE: &str = "cargo xtask bench [sizes | rate-limits | attribute] [--quick] [--sqlite] [--postgres] [--runs N] [--only GROUP,...] [--json FILE]";

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Rates and latencies of every scenario.
    Rates,
    /// What grows with the store: starts, memory, a large tree.
    Sizes,
    /// What counting callers adds to a request.
    RateLimits,
    /// Which part of a request costs what.
    Attribution,
}

/// The arguments.
pub(super) struct Options {
    pub(super) what: What,
    pub(super) quick: bool,
    pub(super) sqlite: bool,
    pub(super) postgres: bool,
    /// How often each scenario is measured.
    pub(super) runs: usize,
    /// The groups of scenarios that are measured; all, when none is named.
    only: Vec<Group>,
    /// A file that gets a JSON line for each row.
    pub(super) json: Option<PathBuf>,
}

/// Scenarios that are measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Documents,
    Introspect,
    Issue,
    Prove,
    Delegate,
    Revoke,
    Rounds,
    Alone,
}

impl Group {
    const ALL: [(&'static str, Self); 8] = [
        ("documents", Self::Documents),
        ("introspect", Self::Introspect),
        ("issue", Self::Issue),
        ("prove", Self::Prove),
        ("delegate", Self::Delegate),
        ("revoke", Self::Revoke),
        ("rounds", Self::Rounds),
        ("alone", Self::Alone),
    ];

    fn read(name: &str) -> Outcome<Self> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, group)| *group);
        let names = Self::ALL.map(|(name, _)| name).join(", ");
        found.ok_or_else(|| Failure::new(format!("--only takes some of {names}, not `{name}`")))
    }
}

impl Options {
    pub(super) fn read(args: &[String]) -> Outcome<Self> {
        let mut options = Self {
            what: What::Rates,
            quick: false,
            sqlite: false,
            postgres: false,
            runs: 1,
            only: Vec::new(),
            json: None,
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| Failure::new(USAGE));
            match arg.as_str() {
                "sizes" => options.what = What::Sizes,
                "rate-limits" => options.what = What::RateLimits,
                "attribute" => options.what = What::Attribution,
                "--quick" => options.quick = true,
                "--sqlite" => options.sqlite = true,
                "--postgres" => options.postgres = true,
                "--only" => options.only = value()?.split(',').map(Group::read).collect::<Outcome<_>>()?,
                "--json" => options.json = Some(value()?.into()),
                "--runs" => {
                    let runs = value()?.parse().ok().filter(|runs| *runs > 0);
                    options.runs = runs.ok_or_else(|| Failure::new(USAGE))?;
                }
                _ => return Err(Failure::new(format!("{USAGE}, not `{arg}`"))),
            }
        }
        if !options.sqlite && !options.postgres {
            (options.sqlite, options.postgres) = (true, true);
        }
        Ok(options)
    }

    /// The groups asked for, in their order.
    pub(super) fn groups(&self) -> impl Iterator<Item = Group> {
        let wanted = |group: &Group| self.only.is_empty() || self.only.contains(group);
        Group::ALL.into_iter().map(|(_, group)| group).filter(wanted)
    }

    /// The databases asked for: whether it is PostgreSQL, and its name.
    pub(super) fn databases(&self) -> impl Iterator<Item = (bool, &'static str)> {
        [(self.sqlite, (false, "SQLite")), (self.postgres, (true, "PostgreSQL"))]
            .into_iter()
            .filter_map(|(asked, database)| asked.then_some(database))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(line: &str) -> Outcome<Options> {
        Options::read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn both_databases_are_measured_unless_one_is_named() {
        let names = |line| read(line).unwrap().databases().map(|(_, name)| name).collect::<Vec<_>>();
        assert_eq!(names(""), ["SQLite", "PostgreSQL"]);
        assert_eq!(names("attribute --quick --postgres"), ["PostgreSQL"]);
    }

    #[test]
    fn what_is_unknown_or_lacks_its_value_is_refused() {
        for line in
            ["--fast", "--runs", "--runs 0", "--runs many", "--json", "size", "--only", "--only speed"]
        {
            assert!(read(line).is_err(), "{line}");
        }
        assert_eq!(read("--runs 3").unwrap().runs, 3);
        let groups = |line| read(line).unwrap().groups().collect::<Vec<_>>();
        assert_eq!(groups("--only issue,documents"), [Group::Documents, Group::Issue]);
        assert_eq!(groups("").len(), Group::ALL.len());
    }
}
