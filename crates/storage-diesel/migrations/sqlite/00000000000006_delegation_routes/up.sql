-- Delegation routes. An exchange without a proof of its actor reads those that begin at one identity.
CREATE TABLE delegation_routes (
    id               BLOB PRIMARY KEY NOT NULL,
    tenant_id        BIGINT NOT NULL REFERENCES tenants (id),
    from_identity_id BLOB NOT NULL,
    to_identity_id   BLOB NOT NULL,
    created_at       BIGINT NOT NULL,
    body             TEXT NOT NULL,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, from_identity_id) REFERENCES identities (tenant_id, id),
    FOREIGN KEY (tenant_id, to_identity_id) REFERENCES identities (tenant_id, id)
);
CREATE INDEX delegation_routes_listed ON delegation_routes (tenant_id, created_at, id);
CREATE INDEX delegation_routes_from ON delegation_routes (tenant_id, from_identity_id);
