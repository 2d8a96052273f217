//! The engine embedders link: registry, issuance, delegation, introspection, revocation.
