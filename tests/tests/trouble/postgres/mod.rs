//! PostgreSQL stopped, slow, away, taken over, or not who it should be.

mod failover;
mod standstill;
mod tls;
