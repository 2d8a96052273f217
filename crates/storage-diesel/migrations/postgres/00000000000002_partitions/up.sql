-- Credentials by day of issue: an id begins with its millisecond, so a range of ids is a span of time, a look-up by id
-- goes to one partition, and what ended long ago is forgotten by dropping a table. The server makes and drops the
-- partitions of its days; the default one takes what belongs to no day.

ALTER TABLE credentials RENAME TO credentials_before;
ALTER INDEX credentials_pkey RENAME TO credentials_before_pkey;
ALTER INDEX credentials_of_identity RENAME TO credentials_before_of_identity;
ALTER INDEX credentials_of_mission RENAME TO credentials_before_of_mission;
DROP TRIGGER credentials_are_written_once ON credentials_before;

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
) PARTITION BY RANGE (jti);
CREATE INDEX credentials_of_identity ON credentials (tenant_id, identity_id, issued_at);
CREATE INDEX credentials_of_mission ON credentials (tenant_id, mission_id, depth, issued_at);
CREATE TRIGGER credentials_are_written_once BEFORE UPDATE ON credentials
    FOR EACH ROW EXECUTE FUNCTION written_once();

CREATE TABLE credentials_default PARTITION OF credentials DEFAULT;
CREATE INDEX credentials_default_ending ON credentials_default (expires_at);

-- `from_at` and `to_at` bound the moments of issue. `row_count` and `last_expiry` are measured once, when the span is
-- over; a detached partition is about to be dropped.
CREATE TABLE credential_partitions (
    name        TEXT PRIMARY KEY,
    from_at     BIGINT NOT NULL,
    to_at       BIGINT NOT NULL,
    row_count   BIGINT,
    last_expiry BIGINT,
    is_detached BOOLEAN NOT NULL DEFAULT false
);

-- What was issued so far, and what will be today, stays where it is: one partition up to the end of the day.
DO $$
DECLARE
    ending BIGINT := (extract(epoch FROM date_trunc('day', now() AT TIME ZONE 'UTC')) + 86400) * 1000;
    bound  BYTEA := decode(lpad(to_hex(ending), 12, '0') || repeat('00', 10), 'hex');
BEGIN
    IF NOT EXISTS (SELECT FROM credentials_before) THEN
        DROP TABLE credentials_before;
        RETURN;
    END IF;
    WITH later AS (DELETE FROM credentials_before WHERE jti >= bound RETURNING *)
        INSERT INTO credentials_default SELECT * FROM later;
    EXECUTE format('ALTER TABLE credentials ATTACH PARTITION credentials_before FOR VALUES FROM (MINVALUE) TO (%L)',
        bound);
    INSERT INTO credential_partitions (name, from_at, to_at) VALUES ('credentials_before', 0, ending * 1000);
END $$;
