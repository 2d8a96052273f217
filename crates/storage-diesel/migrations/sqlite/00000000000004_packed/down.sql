-- What is kept as CBOR cannot be told as text here: those credentials are forgotten, and their tokens end.
DELETE FROM credentials WHERE substr(body, 1, 1) <> X'7B';
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
    SELECT jti, tenant_id, identity_id, mission_id, depth, issued_at, expires_at, digest, CAST(body AS TEXT)
    FROM credentials ORDER BY jti;
DROP TABLE credentials;
ALTER TABLE credentials_lean RENAME TO credentials;
CREATE INDEX credentials_of_identity ON credentials (tenant_id, identity_id, issued_at);
CREATE INDEX credentials_of_mission ON credentials (tenant_id, mission_id, depth, issued_at) WHERE jti <> mission_id;
CREATE INDEX credentials_ending ON credentials (expires_at);
CREATE TRIGGER credentials_are_written_once BEFORE UPDATE ON credentials
BEGIN
    SELECT RAISE(ABORT, 'credentials are written once');
END;
