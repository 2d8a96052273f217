//! How an operator's command reaches the server that has the data folder: a socket in that folder, for its owner alone.
//!
//! One request a connection: a line of JSON. The answer is a line `ok` or `error`, and then text.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use zeroid_core::Engine;

use crate::commands::answer;

const FILE: &str = "control.sock";

/// Longest request, in bytes.
const MAX_REQUEST_BYTES: u64 = 4096;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A listening socket; the file goes with it.
pub(crate) struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Listen in a data folder, of which another server has been made sure not to run here.
    pub(crate) fn listen(folder: &Path) -> std::io::Result<Self> {
        let path = folder.join(FILE);
        let _ = std::fs::remove_file(&path);
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    /// Answer until dropped.
    pub(crate) async fn serve(self, engine: Arc<Engine>) {
        loop {
            let Ok((stream, _)) = self.listener.accept().await else { return };
            let engine = Arc::clone(&engine);
            tokio::spawn(async move {
                let _ = tokio::time::timeout(TIMEOUT, one(stream, &engine)).await;
            });
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

async fn one(stream: UnixStream, engine: &Engine) -> std::io::Result<()> {
    let mut line = String::new();
    let mut stream = BufReader::new(stream);
    (&mut stream).take(MAX_REQUEST_BYTES).read_line(&mut line).await?;
    let request: Value = serde_json::from_str(&line).unwrap_or_default();
    let command = request.get("command").and_then(Value::as_str).unwrap_or_default();
    tracing::info!(command, "an operator asks");
    let text = match answer(engine, &request).await {
        Ok(text) => format!("ok\n{text}"),
        Err(why) => format!("error\n{why}"),
    };
    stream.write_all(text.as_bytes()).await
}

/// Ask the server that has this folder; absent when none runs.
pub(crate) async fn ask(folder: &Path, request: &Value) -> Result<Option<Result<String, String>>, String> {
    let Ok(mut stream) = UnixStream::connect(folder.join(FILE)).await else { return Ok(None) };
    let mut text = String::new();
    let exchange = async {
        stream.write_all(format!("{request}\n").as_bytes()).await?;
        stream.read_to_string(&mut text).await
    };
    exchange.await.map_err(|error| format!("the running server did not answer: {error}"))?;
    match text.split_once('\n') {
        Some(("ok", text)) => Ok(Some(Ok(text.to_owned()))),
        Some(("error", why)) => Ok(Some(Err(why.to_owned()))),
        _ => Err("the running server did not answer".to_owned()),
    }
}
