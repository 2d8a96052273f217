//! `GET /health`, `GET /ready`.

use serde_json::json;

use crate::app::App;
use crate::http::{Edge, Reply, Request};

/// `GET /health`: the process answers.
pub(crate) async fn health(app: &App, _request: Request) -> Result<Reply, Edge> {
    Ok(Reply::ok(&json!({
        "status": "healthy",
        "service": "zeroid",
        "version": env!("CARGO_PKG_VERSION"),
        "timestamp": app.engine.now(),
        "uptime_ms": u64::try_from(app.started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })))
}

/// `GET /ready`: the store reads and writes.
pub(crate) async fn ready(app: &App, _request: Request) -> Result<Reply, Edge> {
    app.engine.ready().await?;
    Ok(Reply::ok(&json!({"ready": true})))
}
