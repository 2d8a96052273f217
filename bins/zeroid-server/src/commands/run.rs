//! Running the server.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use zeroid_core::Engine;
use zeroid_identity_model::Tenant;
use zeroid_jose::KeyState;

use super::{Outcome, folder, open};
use crate::app::App;
use crate::control::Control;
use crate::http::{Listening, Service, serve as serve_http};
use crate::log;
use crate::openapi;
use crate::router::Router;
use crate::settings::Settings;

/// How often identities whose time ran out are marked, used-up things forgotten, and the clock is compared.
const UPKEEP_EVERY: Duration = Duration::from_secs(60);

/// Run a future on a fresh runtime.
pub(super) fn block_on(work: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(work)
}

/// Everything in one folder, open on loopback.
pub(super) async fn dev(settings: Settings) -> Outcome {
    log::start(&settings.log_level, false)?;
    let folder = folder::prepare(&settings)?;
    let listening = bind(&settings).await?;
    let base = format!("http://{}", listening.address);
    let issuer = settings.issuer.clone().unwrap_or_else(|| base.clone());
    let engine = open::engine(&settings, &folder, &issuer).await?;
    println!(
        "ZeroID {} in dev mode: whoever is on this machine may administer it",
        env!("CARGO_PKG_VERSION")
    );
    println!("data:   {}", settings.data_dir.display());
    println!("issuer: {issuer}");
    if folder.is_new {
        let tenant = Tenant::new("default", "default").map_err(|error| error.to_string())?;
        let made = engine.bootstrap(&tenant).await.map_err(|error| error.to_string())?;
        println!("management key of tenant {tenant} (shown once): {}", made.api_key.expose());
    }
    println!("try:    curl -s {base}/agents/register -H 'Content-Type: application/json' \\");
    println!(
        "          -d '{{\"name\":\"My agent\",\"external_id\":\"my-agent\",\"created_by\":\"me@example.com\"}}'"
    );
    println!("listening on {base}");
    let local = format!("http://localhost:{}", listening.address.port());
    let public_urls = [settings.public_urls.clone(), vec![issuer, base, local]].concat();
    run(settings, engine, listening, true, public_urls).await
}

/// Production.
pub(super) async fn serve(settings: Settings) -> Outcome {
    log::start(&settings.log_level, true)?;
    if !settings.database.is_verified() {
        tracing::warn!(
            database = %settings.database,
            "whoever is between this server and its database can read and change all; see sslmode in docs/postgresql.md"
        );
    }
    let folder = folder::existing(&settings)?;
    let issuer = settings.issuer.clone().ok_or("issuer is required")?;
    let engine = open::engine(&settings, &folder, &issuer).await?;
    if !engine.has_operator_key() {
        return Err(
            "nobody could administer this server: run `zeroid-server init`, or set ZEROID_OPERATOR_KEY"
                .to_owned(),
        );
    }
    let listening = bind(&settings).await?;
    println!("listening on http://{}", listening.address);
    tracing::info!(address = %listening.address, issuer, version = env!("CARGO_PKG_VERSION"), "serving");
    // Clients find the endpoints under the issuer, whatever else leads here.
    let public_urls = [settings.public_urls.clone(), vec![issuer]].concat();
    run(settings, engine, listening, false, public_urls).await
}

async fn bind(settings: &Settings) -> Result<Listening, String> {
    Listening::bind(settings.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", settings.listen))
}

async fn run(
    settings: Settings,
    engine: Arc<Engine>,
    listening: Listening,
    dev: bool,
    public_urls: Vec<String>,
) -> Outcome {
    let router = Router::new(&settings.admin_prefix).map_err(|error| format!("admin_prefix: {error}"))?;
    // A changed setting: what it asks for is published now, so that the next rotation finds it.
    if let Err(error) = engine.publish_next_key().await {
        tracing::warn!(%error, "no next signing key was made");
    }
    let upkeep = [tokio::spawn(keep_up(Arc::clone(&engine))), tokio::spawn(keep_keys(Arc::clone(&engine)))];
    let control = match Control::listen(&settings.data_dir) {
        Ok(control) => Some(tokio::spawn(control.serve(Arc::clone(&engine)))),
        Err(error) => {
            tracing::warn!(%error, "no control socket in the data folder: `keys` will not reach this server");
            None
        }
    };
    let description = openapi::document(&router, &settings.admin_prefix, dev);
    let app = Arc::new(App::new(
        engine,
        dev,
        public_urls,
        settings.trusted_proxies,
        settings.rate_limits,
        description,
    ));
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let stop = async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping: requests under way may end");
    };
    serve_http(listening, Service::new(app, router), settings.max_connections, stop).await;
    upkeep.iter().chain(&control).for_each(|task| task.abort());
    tracing::info!("stopped");
    Ok(())
}

/// How often the signing keys are read again: so long a replica goes on as before after another one changed them.
const KEYS_EVERY: Duration = Duration::from_secs(5);

async fn keep_keys(engine: Arc<Engine>) {
    let mut tick = tokio::time::interval(KEYS_EVERY);
    let mut known = engine.keys();
    loop {
        tick.tick().await;
        if let Err(error) = engine.keep_keys().await {
            tracing::warn!(%error, "the signing keys were not read");
        } else if let Err(error) = engine.publish_next_key().await {
            tracing::warn!(%error, "no next signing key was made");
        }
        let keys = engine.keys();
        if keys != known {
            let signer = keys.iter().find(|key| key.state == KeyState::Active).map(|key| key.kid.as_str());
            tracing::info!(signer, "the signing keys changed");
            known = keys;
        }
    }
}

async fn keep_up(engine: Arc<Engine>) {
    let mut tick = tokio::time::interval(UPKEEP_EVERY);
    loop {
        tick.tick().await;
        if let Err(error) = engine.measure_clock().await {
            tracing::warn!(%error, "the database's clock was not read");
        }
        match engine.sweep().await {
            Ok(swept) => {
                if swept.expired_identities > 0 {
                    tracing::info!(expired = swept.expired_identities, "identities have expired");
                }
                if swept.forgotten_credentials > 0 {
                    tracing::info!(
                        count = swept.forgotten_credentials,
                        "credentials that ended long ago are forgotten"
                    );
                }
            }
            Err(error) => tracing::warn!(%error, "the sweep did not run"),
        }
    }
}
