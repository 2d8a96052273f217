//! The ZeroID server: an HTTP edge around the engine, its settings and its commands. It knows no SQL and no rules.
#![allow(clippy::disallowed_methods, reason = "the top floor reads the clock and the environment")]

pub mod commands;
pub mod settings;

mod app;
mod auth;
mod control;
mod database;
mod dpop;
mod fetching;
mod handlers;
mod http;
mod limits;
mod log;
mod offload;
mod openapi;
mod presented;
mod proxies;
mod router;
mod signing;

pub use app::App;
pub use limits::{Limit, LimitError, RateLimits};
pub use proxies::{TrustedProxies, TrustedProxiesError};
