//! The suite every storage backend runs.
