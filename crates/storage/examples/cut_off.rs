//! A store in memory, an identity in it, and a cut-off: `cargo run -p zeroid-storage --example cut_off`.

use zeroid_identity_model::{Tenant, Timestamp};
use zeroid_storage::{CredentialStore, MemoryStore, ServerStore, StoreError};
use zeroid_token_core::{CutOffKey, Reason};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let store = MemoryStore::new();
    store.ready().await?;
    let (tenant, now) = (Tenant::new("acme", "prod")?, Timestamp::from_unix_seconds(1_790_000_000));

    // A whole tenant, up to the order this call draws; whatever is issued later is a new beginning.
    let reason = Reason::new("incident").by("ops");
    let first = store.cut_off(&tenant, &CutOffKey::Tenant, &reason, now).await?;
    let second = store.cut_off(&tenant, &CutOffKey::Tenant, &reason, now).await?;
    assert!(second.up_to > first.up_to);

    // What does not exist is not found, whoever asks.
    let nobody = CutOffKey::Identity("01890a5d-ac96-774b-bcce-b302099a8057".parse()?);
    assert_eq!(store.cut_off(&tenant, &nobody, &reason, now).await, Err(StoreError::NotFound));
    Ok(())
}
