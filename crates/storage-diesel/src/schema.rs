//! The tables, the same for every dialect.

diesel::table! {
    tenants (id) {
        id -> BigInt,
        account -> Text,
        project -> Text,
    }
}
diesel::table! {
    policies (id) {
        id -> Binary,
        tenant_id -> BigInt,
        name -> Text,
        is_default -> Bool,
        version -> BigInt,
        created_at -> BigInt,
        body -> Text,
    }
}
diesel::table! {
    identities (id) {
        id -> Binary,
        tenant_id -> BigInt,
        external_id -> Text,
        spiffe_id -> Text,
        name -> Text,
        identity_type -> Text,
        status -> Text,
        trust_level -> Text,
        owner -> Nullable<Text>,
        created_by -> Text,
        labels -> Text,
        policy_id -> Binary,
        version -> BigInt,
        expires_at -> Nullable<BigInt>,
        created_at -> BigInt,
        body -> Text,
    }
}
diesel::table! {
    api_keys (id) {
        id -> Binary,
        tenant_id -> BigInt,
        identity_id -> Binary,
        hash -> Binary,
        policy_id -> Nullable<Binary>,
        is_revoked -> Bool,
        expires_at -> Nullable<BigInt>,
        created_at -> BigInt,
        usage_count -> BigInt,
        last_used_at -> Nullable<BigInt>,
        body -> Text,
    }
}
diesel::table! {
    clients (id) {
        id -> Binary,
        tenant_id -> BigInt,
        client_id -> Text,
        identity_id -> Nullable<Binary>,
        policy_id -> Nullable<Binary>,
        secret_hash -> Nullable<Binary>,
        version -> BigInt,
        created_at -> BigInt,
        body -> Text,
    }
}
diesel::table! {
    delegation_routes (id) {
        id -> Binary,
        tenant_id -> BigInt,
        from_identity_id -> Binary,
        to_identity_id -> Binary,
        created_at -> BigInt,
        body -> Text,
    }
}
diesel::table! {
    credentials (jti) {
        jti -> Binary,
        tenant_id -> BigInt,
        identity_id -> Binary,
        mission_id -> Binary,
        depth -> SmallInt,
        issued_at -> BigInt,
        expires_at -> BigInt,
        digest -> Binary,
        body -> Binary,
    }
}
diesel::table! {
    cut_offs (id) {
        id -> BigInt,
        tenant_id -> Nullable<BigInt>,
        cut_key -> Binary,
        up_to -> Nullable<BigInt>,
        cut_at -> BigInt,
        body -> Text,
    }
}
diesel::table! {
    spent (hash, scope) {
        hash -> Binary,
        scope -> Text,
        forget_at -> BigInt,
    }
}
diesel::table! {
    signing_keys (kid) {
        kid -> Text,
        created_at -> BigInt,
        body -> Text,
    }
}
diesel::table! {
    server_facts (name) {
        name -> Text,
        value -> Binary,
    }
}
