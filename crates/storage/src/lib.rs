//! Storage traits in atomic verbs, and the in-memory reference.
