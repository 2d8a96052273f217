CREATE TABLE credentials_whole (LIKE credentials INCLUDING DEFAULTS);
INSERT INTO credentials_whole SELECT * FROM credentials;
DROP TABLE credentials;
DROP TABLE credential_partitions;
ALTER TABLE credentials_whole RENAME TO credentials;
ALTER TABLE credentials ADD CONSTRAINT credentials_pkey PRIMARY KEY (jti);
CREATE INDEX credentials_of_identity ON credentials (tenant_id, identity_id, issued_at);
CREATE INDEX credentials_of_mission ON credentials (tenant_id, mission_id, depth, issued_at);
CREATE TRIGGER credentials_are_written_once BEFORE UPDATE ON credentials
    FOR EACH ROW EXECUTE FUNCTION written_once();
