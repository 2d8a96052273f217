//! A cut-off's key as one column, so that all keys of a lineage are looked up at once.

#[cfg(feature = "postgres")]
use zeroid_identity_model::CredentialId;
use zeroid_token_core::{CutOffKey, Lineage};

/// The tenant, a byte for the kind, and the id. A signing key has no tenant.
pub(crate) fn encode(tenant: i64, key: &CutOffKey) -> Vec<u8> {
    let (kind, id): (u8, &[u8]) = match key {
        CutOffKey::Credential(id) => (b'c', id.as_bytes()),
        CutOffKey::SigningKey(kid) => (b'k', kid.as_str().as_bytes()),
        CutOffKey::Identity(id) => (b'i', id.as_bytes()),
        CutOffKey::Owner(owner) => (b'o', owner.as_str().as_bytes()),
        CutOffKey::ApiKey(id) => (b'a', id.as_bytes()),
        CutOffKey::Client(id) => (b'l', id.as_bytes()),
        CutOffKey::Family(id) => (b'f', id.as_bytes()),
        CutOffKey::Tenant => (b't', &[]),
    };
    let tenant = if matches!(key, CutOffKey::SigningKey(_)) { 0 } else { tenant };
    let mut bytes = Vec::with_capacity(9 + id.len());
    bytes.extend_from_slice(&tenant.to_be_bytes());
    bytes.push(kind);
    bytes.extend_from_slice(id);
    bytes
}

/// The credential a key names; absent when it names something else.
#[cfg(feature = "postgres")]
pub(crate) fn credential(key: &[u8]) -> Option<CredentialId> {
    let (kind, id) = key.get(8..)?.split_first()?;
    (*kind == b'c').then(|| id.try_into().ok().map(CredentialId::from_bytes))?
}

/// Every key a cut-off could name of this lineage, each once.
pub(crate) fn of_lineage(tenant: i64, lineage: &Lineage) -> Vec<Vec<u8>> {
    let mut keys: Vec<_> =
        lineage.links().flat_map(|link| link.cut_off_keys()).map(|key| encode(tenant, &key)).collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
mod tests {
    use std::collections::HashSet;

    use zeroid_identity_model::{ApiKeyId, ClientId, CredentialId, FamilyId, IdentityId};

    use super::*;

    #[test]
    fn no_two_keys_are_the_same_bytes() {
        let id = [b'k'; 16];
        let text = "k".repeat(16);
        let keys = [
            CutOffKey::Credential(CredentialId::from_bytes(id)),
            CutOffKey::SigningKey(text.parse().unwrap()),
            CutOffKey::Identity(IdentityId::from_bytes(id)),
            CutOffKey::Owner(text.parse().unwrap()),
            CutOffKey::ApiKey(ApiKeyId::from_bytes(id)),
            CutOffKey::Client(ClientId::from_bytes(id)),
            CutOffKey::Family(FamilyId::from_bytes(id)),
            CutOffKey::Tenant,
        ];
        let encoded: HashSet<Vec<u8>> = [1, 2, 256]
            .into_iter()
            .flat_map(|tenant| keys.iter().map(move |key| encode(tenant, key)))
            .collect();
        // A signing key is the same for all three tenants.
        assert_eq!(encoded.len(), 3 * keys.len() - 2);
    }
}
