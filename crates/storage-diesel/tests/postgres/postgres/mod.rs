//! Every test here has `postgres` in its name, so that a machine without one can leave them out.

mod collisions;
mod conformance;
mod growth;
mod partitions;
mod together;
