//! OAuth clients, in memory.

use std::cmp::Reverse;
use std::sync::Arc;

use async_trait::async_trait;
use zeroid_identity_model::{ClientId, Tenant, Timestamp};
use zeroid_token_core::{ClientName, CutOffKey, Reason};

use super::MemoryStore;
use super::state::{State, window};
use crate::clients::{ClientChange, ClientRecord, ClientStore};
use crate::error::{Conflict, StoreError};
use crate::filters::{Listed, Page};

#[async_trait]
impl ClientStore for MemoryStore {
    async fn create_client(&self, client: ClientRecord) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.clients.values().any(|old| old.client_id == client.client_id) {
            return Err(Conflict::ClientName.into());
        }
        check_references(&state, &client)?;
        state.clients.insert(client.id, client);
        Ok(())
    }

    async fn client(&self, tenant: &Tenant, id: ClientId) -> Result<Option<ClientRecord>, StoreError> {
        Ok(self.lock().client_of(tenant, id).cloned())
    }

    async fn client_by_name(&self, name: &ClientName) -> Result<Option<Arc<ClientRecord>>, StoreError> {
        let state = self.lock();
        Ok(state.clients.values().find(|client| client.client_id == *name).cloned().map(Arc::new))
    }

    async fn clients(&self, tenant: &Tenant, page: Page) -> Result<Listed<ClientRecord>, StoreError> {
        let state = self.lock();
        let mut found: Vec<_> =
            state.clients.values().filter(|client| client.tenant == *tenant).cloned().collect();
        found.sort_by_key(|client| (Reverse(client.created_at), client.id));
        Ok(window(found, page))
    }

    async fn change_client(&self, change: ClientChange) -> Result<(), StoreError> {
        let mut state = self.lock();
        let ClientChange { record, cut_off, now } = change;
        let stored = state.client_of(&record.tenant, record.id).ok_or(StoreError::NotFound)?;
        if stored.version + 1 != record.version {
            return Err(StoreError::Stale);
        }
        check_references(&state, &record)?;
        if let Some(reason) = cut_off {
            state.cut(Some(&record.tenant), CutOffKey::Client(record.id), &reason, now);
        }
        state.clients.insert(record.id, record);
        Ok(())
    }

    async fn delete_client(
        &self,
        tenant: &Tenant,
        id: ClientId,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        state.client_of(tenant, id).ok_or(StoreError::NotFound)?;
        state.cut(Some(tenant), CutOffKey::Client(id), reason, now);
        state.clients.remove(&id);
        Ok(())
    }
}

/// What a record refers to must be there, in the same tenant.
fn check_references(state: &State, client: &ClientRecord) -> Result<(), StoreError> {
    if let Some(identity) = client.identity {
        state.identity_of(&client.tenant, identity).ok_or(Conflict::NoSuchIdentity)?;
    }
    if let Some(policy) = client.policy_id {
        state.policy_of(&client.tenant, policy).ok_or(Conflict::NoSuchPolicy)?;
    }
    Ok(())
}
