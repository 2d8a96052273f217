-- OAuth clients. A `client_id` is unique over all tenants: who authenticates names no tenant.
CREATE TABLE clients (
    id          BLOB PRIMARY KEY NOT NULL,
    tenant_id   BIGINT NOT NULL REFERENCES tenants (id),
    client_id   TEXT NOT NULL UNIQUE,
    identity_id BLOB,
    policy_id   BLOB,
    secret_hash BLOB,
    version     BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    body        TEXT NOT NULL,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, identity_id) REFERENCES identities (tenant_id, id),
    FOREIGN KEY (tenant_id, policy_id) REFERENCES policies (tenant_id, id)
);
CREATE INDEX clients_listed ON clients (tenant_id, created_at, id);
CREATE INDEX clients_by_policy ON clients (tenant_id, policy_id);
