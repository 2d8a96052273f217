//! Storage on SQLite, with group commit.
