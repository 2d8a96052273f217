//! Statements without a value, kept prepared: they frame every verb and every snapshot.

use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sqlite::Sqlite;

use super::Conn;

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $sql:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, QueryId)]
        pub(super) struct $name;

        impl QueryFragment<Sqlite> for $name {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
                out.push_sql($sql);
                Ok(())
            }
        }

        impl RunQueryDsl<Conn> for $name {}
    )*};
}

statements! {
    /// A transaction that writes: from here on no other connection does.
    BeginWrite = "BEGIN IMMEDIATE";
    /// A transaction that reads: its snapshot is taken by its first query.
    BeginRead = "BEGIN DEFERRED";
    /// The end of a transaction; when it returns, what was written is on disk.
    Commit = "COMMIT";
    /// Undo the transaction.
    Rollback = "ROLLBACK";
    /// The start of one verb.
    Savepoint = "SAVEPOINT verb";
    /// Keep the verb, if the transaction is kept.
    Release = "RELEASE verb";
    /// Undo the verb alone; its savepoint stays, to be released.
    RollbackTo = "ROLLBACK TO verb";
}
