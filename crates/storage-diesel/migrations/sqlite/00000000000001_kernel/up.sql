-- Times are microseconds since 1970; ids are 16 bytes; `body` is the record as JSON, and the other columns are
-- what queries ask for. A record and its columns are written by the same statement.

CREATE TABLE tenants (
    id      INTEGER PRIMARY KEY NOT NULL,
    account TEXT NOT NULL,
    project TEXT NOT NULL,
    UNIQUE (account, project)
);

CREATE TABLE policies (
    id         BLOB PRIMARY KEY NOT NULL,
    tenant_id  BIGINT NOT NULL REFERENCES tenants (id),
    name       TEXT NOT NULL,
    is_default BOOLEAN NOT NULL,
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    body       TEXT NOT NULL,
    UNIQUE (tenant_id, name),
    UNIQUE (tenant_id, id)
);
CREATE UNIQUE INDEX policies_one_default ON policies (tenant_id) WHERE is_default;

CREATE TABLE identities (
    id            BLOB PRIMARY KEY NOT NULL,
    tenant_id     BIGINT NOT NULL REFERENCES tenants (id),
    external_id   TEXT NOT NULL,
    spiffe_id     TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    identity_type TEXT NOT NULL,
    status        TEXT NOT NULL,
    trust_level   TEXT NOT NULL,
    owner         TEXT,
    created_by    TEXT NOT NULL,
    labels        TEXT NOT NULL,
    policy_id     BLOB NOT NULL,
    version       BIGINT NOT NULL,
    expires_at    BIGINT,
    created_at    BIGINT NOT NULL,
    body          TEXT NOT NULL,
    UNIQUE (tenant_id, external_id),
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, policy_id) REFERENCES policies (tenant_id, id)
);
CREATE INDEX identities_listed ON identities (tenant_id, created_at, id);
CREATE INDEX identities_by_policy ON identities (tenant_id, policy_id);
CREATE INDEX identities_ending ON identities (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE api_keys (
    id           BLOB PRIMARY KEY NOT NULL,
    tenant_id    BIGINT NOT NULL REFERENCES tenants (id),
    identity_id  BLOB NOT NULL,
    hash         BLOB NOT NULL UNIQUE,
    policy_id    BLOB,
    is_revoked   BOOLEAN NOT NULL,
    expires_at   BIGINT,
    created_at   BIGINT NOT NULL,
    usage_count  BIGINT NOT NULL,
    last_used_at BIGINT,
    body         TEXT NOT NULL,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, identity_id) REFERENCES identities (tenant_id, id),
    FOREIGN KEY (tenant_id, policy_id) REFERENCES policies (tenant_id, id)
);
CREATE INDEX api_keys_listed ON api_keys (tenant_id, created_at, id);
CREATE INDEX api_keys_of_identity ON api_keys (tenant_id, identity_id, created_at);
CREATE INDEX api_keys_by_policy ON api_keys (tenant_id, policy_id);

CREATE TABLE credentials (
    jti         BLOB PRIMARY KEY NOT NULL,
    tenant_id   BIGINT NOT NULL REFERENCES tenants (id),
    identity_id BLOB NOT NULL,
    mission_id  BLOB NOT NULL,
    depth       SMALLINT NOT NULL,
    issued_at   BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    digest      BLOB NOT NULL,
    body        TEXT NOT NULL,
    UNIQUE (tenant_id, jti),
    FOREIGN KEY (tenant_id, identity_id) REFERENCES identities (tenant_id, id),
    FOREIGN KEY (tenant_id, mission_id) REFERENCES credentials (tenant_id, jti)
);
CREATE INDEX credentials_of_identity ON credentials (tenant_id, identity_id, issued_at);
CREATE INDEX credentials_of_mission ON credentials (tenant_id, mission_id, depth, issued_at);

-- A lineage never changes once stored.
CREATE TRIGGER credentials_are_written_once BEFORE UPDATE ON credentials
BEGIN
    SELECT RAISE(ABORT, 'credentials are written once');
END;

CREATE TABLE cut_offs (
    id        INTEGER PRIMARY KEY NOT NULL,
    tenant_id BIGINT REFERENCES tenants (id),
    cut_key   BLOB NOT NULL,
    up_to     BIGINT,
    cut_at    BIGINT NOT NULL,
    body      TEXT NOT NULL
);
CREATE INDEX cut_offs_by_key ON cut_offs (cut_key);
CREATE TRIGGER cut_offs_are_never_changed BEFORE UPDATE ON cut_offs
BEGIN
    SELECT RAISE(ABORT, 'cut-offs are append-only');
END;
CREATE TRIGGER cut_offs_are_never_lifted BEFORE DELETE ON cut_offs
BEGIN
    SELECT RAISE(ABORT, 'cut-offs are append-only');
END;

CREATE TABLE spent (
    hash      BLOB NOT NULL,
    scope     TEXT NOT NULL,
    forget_at BIGINT NOT NULL,
    PRIMARY KEY (hash, scope)
) WITHOUT ROWID;
CREATE INDEX spent_forgettable ON spent (forget_at);

CREATE TABLE signing_keys (
    kid        TEXT PRIMARY KEY NOT NULL,
    created_at BIGINT NOT NULL,
    body       TEXT NOT NULL
);

CREATE TABLE server_facts (
    name  TEXT PRIMARY KEY NOT NULL,
    value BLOB NOT NULL
);

-- One sequence orders issuances and cut-offs; numbers up to `reserved` may have been handed out. `epoch` is raised
-- by every transaction that changed more than by issuing: whoever remembers a fact asks it whether the fact is fresh.
CREATE TABLE sequence (
    id       INTEGER PRIMARY KEY NOT NULL CHECK (id = 1),
    reserved BIGINT NOT NULL,
    epoch    BIGINT NOT NULL
);
INSERT INTO sequence (id, reserved, epoch) VALUES (1, 0, 1);
