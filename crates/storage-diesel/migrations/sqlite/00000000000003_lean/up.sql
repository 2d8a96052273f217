-- The one table that grows with every token is written at every token: it keeps no index and checks no reference that
-- nothing asks for. A credential refers to others by number and id alone; the verb that stores it has read them in the
-- same state of the facts, and identities are never deleted. The root of a mission is found by its own id.
CREATE TABLE credentials_lean (
    jti         BLOB PRIMARY KEY NOT NULL,
    tenant_id   BIGINT NOT NULL,
    identity_id BLOB NOT NULL,
    mission_id  BLOB NOT NULL,
    depth       SMALLINT NOT NULL,
    issued_at   BIGINT NOT NULL,
    expires_at  BIGINT NOT NULL,
    digest      BLOB NOT NULL,
    body        TEXT NOT NULL
);
INSERT INTO credentials_lean
    SELECT jti, tenant_id, identity_id, mission_id, depth, issued_at, expires_at, digest, body FROM credentials
    ORDER BY jti;
DROP TABLE credentials;
ALTER TABLE credentials_lean RENAME TO credentials;

CREATE INDEX credentials_of_identity ON credentials (tenant_id, identity_id, issued_at);
CREATE INDEX credentials_of_mission ON credentials (tenant_id, mission_id, depth, issued_at) WHERE jti <> mission_id;
CREATE INDEX credentials_ending ON credentials (expires_at);

-- A lineage never changes once stored.
CREATE TRIGGER credentials_are_written_once BEFORE UPDATE ON credentials
BEGIN
    SELECT RAISE(ABORT, 'credentials are written once');
END;
