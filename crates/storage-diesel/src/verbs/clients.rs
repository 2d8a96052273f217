//! OAuth clients.

use std::sync::Arc;

use async_trait::async_trait;
use zeroid_identity_model::{ClientId, Tenant, Timestamp};
use zeroid_storage::{ClientChange, ClientRecord, ClientStore, Listed, Page, StoreError};
use zeroid_token_core::{ClientName, CutOffKey, Reason};

use super::job::Changes;
use super::writing::Writing;
use super::{Conn, ThisStore, queries};

#[async_trait]
impl ClientStore for ThisStore {
    async fn create_client(&self, client: ClientRecord) -> Result<(), StoreError> {
        let create = move |writing: &mut Writing<'_>| {
            let tenant = writing.tenant(&client.tenant)?;
            queries::clients::insert(writing.conn, tenant, &client)
        };
        self.write(Changes::Facts, create).await
    }

    async fn client(&self, tenant: &Tenant, id: ClientId) -> Result<Option<ClientRecord>, StoreError> {
        self.read_tenant(tenant, move |conn, tenant| queries::clients::of_tenant(conn, tenant, id)).await
    }

    async fn client_by_name(&self, name: &ClientName) -> Result<Option<Arc<ClientRecord>>, StoreError> {
        self.client_named(name).await
    }

    async fn clients(&self, tenant: &Tenant, page: Page) -> Result<Listed<ClientRecord>, StoreError> {
        let listed = move |conn: &mut Conn, id| queries::clients::list(conn, id, page).map(Some);
        let found = self.read_tenant(tenant, listed).await?;
        Ok(found.unwrap_or(Listed { items: Vec::new(), total: 0 }))
    }

    async fn change_client(&self, change: ClientChange) -> Result<(), StoreError> {
        let change = move |writing: &mut Writing<'_>| {
            let ClientChange { record, cut_off, now } = change;
            let tenant = writing.known_tenant(&record.tenant)?;
            queries::clients::change(writing.conn, tenant, &record)?;
            if let Some(reason) = cut_off {
                let of = Some((tenant, &record.tenant));
                writing.cut(of, CutOffKey::Client(record.id), &reason, now)?;
            }
            Ok(())
        };
        self.write(Changes::Facts, change).await
    }

    async fn delete_client(
        &self,
        tenant: &Tenant,
        id: ClientId,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (of, reason) = (tenant.clone(), reason.clone());
        let delete = move |writing: &mut Writing<'_>| {
            let tenant = writing.known_tenant(&of)?;
            queries::clients::delete(writing.conn, tenant, id)?;
            writing.cut(Some((tenant, &of)), CutOffKey::Client(id), &reason, now)?;
            Ok(())
        };
        self.write(Changes::Facts, delete).await
    }
}
