-- A record is kept as CBOR, a third as long as its JSON; what was written before stays JSON and is read as such.
CREATE TABLE credentials_packed (
    jti         BLOB PRIMARY KEY NOT NULL,
    tenant_id   BIGINT NOT NULL,
    identity_id BLOB NOT NULL,
    mission_id  BLOB NOT NULL,
    depth       SMALLINT NOT NULL,
    issued_at   BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    digest      BLOB NOT NULL,
    body        BLOB NOT NULL
);
INSERT INTO credentials_packed
    SELECT jti, tenant_id, identity_id, mission_id, depth, issued_at, expires_at, digest, CAST(body AS BLOB)
    FROM credentials ORDER BY jti;
DROP TABLE credentials;
ALTER TABLE credentials_packed RENAME TO credentials;

CREATE INDEX credentials_of_identity ON credentials (tenant_id, identity_id, issued_at);
CREATE INDEX credentials_of_mission ON credentials (tenant_id, mission_id, depth, issued_at) WHERE jti <> mission_id;
-- The others are forgotten in the order of their ids, which is that of their issue.
CREATE INDEX credentials_lasting ON credentials (expires_at) WHERE expires_at - issued_at > 86400000000;

-- A lineage never changes once stored.
CREATE TRIGGER credentials_are_written_once BEFORE UPDATE ON credentials
BEGIN
    SELECT RAISE(ABORT, 'credentials are written once');
END;
