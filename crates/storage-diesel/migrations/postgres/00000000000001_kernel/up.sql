-- Times are microseconds since 1970; ids are 16 bytes; `body` is the record as JSON, and the other columns are
-- what queries ask for. A record and its columns are written by the same statement.

CREATE TABLE tenants (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account TEXT NOT NULL,
    project TEXT NOT NULL,
    UNIQUE (account, project)
);

CREATE TABLE policies (
    id         BYTEA PRIMARY KEY,
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
    id            BYTEA PRIMARY KEY,
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
    policy_id     BYTEA NOT NULL,
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

-- A key's row is updated whenever it is used: room on each page keeps the new version beside the old one, and no
-- index names what changes.
CREATE TABLE api_keys (
    id           BYTEA PRIMARY KEY,
    tenant_id    BIGINT NOT NULL REFERENCES tenants (id),
    identity_id  BYTEA NOT NULL,
    hash         BYTEA NOT NULL UNIQUE,
    policy_id    BYTEA,
    is_revoked   BOOLEAN NOT NULL,
    expires_at   BIGINT,
    created_at   BIGINT NOT NULL,
    usage_count  BIGINT NOT NULL,
    last_used_at BIGINT,
    body         TEXT NOT NULL,
    UNIQUE (tenant_id, id),
    FOREIGN KEY (tenant_id, identity_id) REFERENCES identities (tenant_id, id),
    FOREIGN KEY (tenant_id, policy_id) REFERENCES policies (tenant_id, id)
) WITH (fillfactor = 50);
CREATE INDEX api_keys_listed ON api_keys (tenant_id, created_at, id);
CREATE INDEX api_keys_of_identity ON api_keys (tenant_id, identity_id, created_at);
CREATE INDEX api_keys_by_policy ON api_keys (tenant_id, policy_id);

-- The one table that grows with every token. It refers to others by number and id alone: a reference would lock the
-- presenter's row at every issue, and identities are never deleted.
CREATE TABLE credentials (
    jti         BYTEA PRIMARY KEY,
    tenant_id   BIGINT NOT NULL,
    identity_id BYTEA NOT NULL,
    mission_id  BYTEA NOT NULL,
    depth       SMALLINT NOT NULL,
    issued_at   BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    digest      BYTEA NOT NULL,
    body        TEXT NOT NULL
);
CREATE INDEX credentials_of_identity ON credentials (tenant_id, identity_id, issued_at);
CREATE INDEX credentials_of_mission ON credentials (tenant_id, mission_id, depth, issued_at);

CREATE TABLE cut_offs (
    id        BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id BIGINT REFERENCES tenants (id),
    cut_key   BYTEA NOT NULL,
    up_to     BIGINT,
    cut_at    BIGINT NOT NULL,
    body      TEXT NOT NULL
);
CREATE INDEX cut_offs_by_key ON cut_offs (cut_key);

-- A lineage never changes once stored, and a cut-off is never changed or lifted.
CREATE FUNCTION written_once() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% are written once', TG_TABLE_NAME;
END $$;
CREATE TRIGGER credentials_are_written_once BEFORE UPDATE ON credentials
    FOR EACH ROW EXECUTE FUNCTION written_once();
CREATE TRIGGER cut_offs_are_append_only BEFORE UPDATE OR DELETE ON cut_offs
    FOR EACH ROW EXECUTE FUNCTION written_once();
CREATE TRIGGER cut_offs_are_never_emptied BEFORE TRUNCATE ON cut_offs
    FOR EACH STATEMENT EXECUTE FUNCTION written_once();

CREATE TABLE spent (
    hash      BYTEA NOT NULL,
    scope     TEXT NOT NULL,
    forget_at BIGINT NOT NULL,
    PRIMARY KEY (hash, scope)
);
CREATE INDEX spent_forgettable ON spent (forget_at);

CREATE TABLE signing_keys (
    kid        TEXT PRIMARY KEY,
    created_at BIGINT NOT NULL,
    body       TEXT NOT NULL
);

CREATE TABLE server_facts (
    name  TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);

-- `epoch` is raised by every transaction that changed more than by issuing: whoever remembers a fact asks it whether
-- the fact is fresh.
CREATE TABLE sequence (
    id    BIGINT PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL
) WITH (fillfactor = 10);
INSERT INTO sequence (id, epoch) VALUES (1, 1);

-- One sequence orders issuances and cut-offs, for all replicas. Each value stands for a block of numbers that are
-- handed out by the transaction, or the read, that drew it.
CREATE SEQUENCE order_blocks AS BIGINT;
