//! `cargo xtask test`: every test there is.

use std::process::Command;

use zeroid_test_postgres::{Cluster, Durability};

use crate::node;
use crate::outcome::{Failure, Outcome};
use crate::process::{self, cargo};
use crate::python;
use crate::workspace::Workspace;

/// Features that no build of the whole workspace turns on for the tests of their own crate.
const FEATURES: &[(&str, &str)] = &[("zeroid-token-core", "proptest"), ("zeroid-jose", "josekit")];

/// Programs that a few tests step aside without (in CI they fail). What such a test prints is seen by nobody, so it is
/// said here: the program and how it tells its version, the tests, the Debian package.
const PROGRAMS: &[(&[&str], &str, &str, &str)] = &[
    (&["curl"], "--version", "the shell snippets of the documents", "curl"),
    (&["softhsm2-util"], "--version", "the tests with a PKCS#11 module", "softhsm2"),
    (&["faketime"], "--version", "the test of replicas whose clocks are off", "faketime"),
    // Where those who are not root do not look for programs.
    (&["nginx", "/usr/sbin/nginx"], "-v", "the tests behind nginx", "nginx-light"),
    (&["caddy"], "version", "the tests behind Caddy", "caddy"),
];

/// Run the tests of the workspace, then those of features that are off by default. `args` go to each
/// `cargo test`.
///
/// # Errors
/// The exit code of the first run that fails; in CI also when the Python SDK, the client for Node or PostgreSQL cannot be had.
pub(crate) fn run(args: &[String]) -> Outcome {
    let workspace = Workspace::read()?;
    let python = match python::with_packages(&workspace.target) {
        Ok(python) => Some(python),
        Err(why) if std::env::var_os("CI").is_some() => {
            return Err(Failure::new(format!("no tests with Python, which CI may not skip: {why}")));
        }
        Err(why) => {
            println!("SKIPPED: the tests with Python, because {why}");
            None
        }
    };
    let node = match node::with_packages(&workspace.target) {
        Ok(folder) => Some(folder),
        Err(why) if std::env::var_os("CI").is_some() => {
            return Err(Failure::new(format!("no test with Node, which CI may not skip: {why}")));
        }
        Err(why) => {
            println!("SKIPPED: the test with an OAuth client in JavaScript, because {why}");
            None
        }
    };
    let postgres = match Cluster::start(Durability::OfTheProcess) {
        Ok(cluster) => Some(cluster),
        Err(why) if std::env::var_os("CI").is_some() => {
            return Err(Failure::new(format!("no tests with PostgreSQL, which CI may not skip: {why}")));
        }
        Err(why) => {
            println!("SKIPPED: the tests with PostgreSQL, because {why}");
            None
        }
    };
    for (programs, version, tests, package) in PROGRAMS {
        let tried = programs.iter().map(|program| process::capture(Command::new(program).arg(version)));
        // The first that runs will do.
        let ran = tried.reduce(|first, next| first.or(next));
        if let Some(Err(why)) = ran {
            println!("SKIPPED: {tests} (Debian: {package}), because {}", why.what);
        }
    }
    let mut runs = vec![vec!["test", "--workspace"]];
    for (package, feature) in FEATURES {
        let member = workspace.members.iter().find(|member| member.name == *package);
        if member.is_some_and(|member| member.features.iter().any(|name| name == feature)) {
            runs.push(vec!["test", "--package", package, "--features", feature]);
        }
    }
    // The same end-to-end tests, and no others, once more.
    let on_sqlite = runs.len();
    if postgres.is_some() {
        runs.push(vec!["test", "--package", "zeroid-tests"]);
    }
    for (number, words) in runs.iter().enumerate() {
        let database = if number < on_sqlite { "sqlite" } else { "postgres" };
        println!("cargo {} (end to end on {database})", words.join(" "));
        let mut command = cargo(words);
        command.args(args).current_dir(&workspace.root).env("ZEROID_TEST_DATABASE", database);
        if let Some(cluster) = &postgres {
            command.env(zeroid_test_postgres::VARIABLE, cluster.url());
        }
        // Tests that need PostgreSQL whatever the rest runs on have it in their name, and run once.
        if postgres.is_none() || number >= on_sqlite {
            let skip: &[&str] = if args.iter().any(|arg| arg == "--") { &[] } else { &["--"] };
            command.args(skip).args(["--skip", "postgres"]);
        }
        match &python {
            Some(python) => command.env(python::VARIABLE, python),
            None => command.env_remove(python::VARIABLE),
        };
        match &node {
            Some(node) => command.env(node::VARIABLE, node),
            None => command.env_remove(node::VARIABLE),
        };
        process::run(&mut command)?;
    }
    if postgres.is_none() {
        println!("the tests with PostgreSQL were skipped; see above");
    }
    if python.is_none() {
        println!("the tests with the Python SDK were skipped; see above");
    }
    Ok(())
}
