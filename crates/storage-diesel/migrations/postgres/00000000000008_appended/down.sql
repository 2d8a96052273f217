CREATE TABLE sequence (
    id    BIGINT PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL
) WITH (fillfactor = 10);
LOCK TABLE epochs IN ACCESS EXCLUSIVE MODE;
INSERT INTO sequence (id, epoch) SELECT 1, max(epoch) FROM epochs;
DROP TABLE epochs;
DROP TABLE touched;

DROP FUNCTION write_together;
-- One batch in one statement: store credentials whose facts still stand, count the uses of keys, cut off credentials.
--
-- Each statement of a volatile function has a snapshot of its own under READ COMMITTED: what is read after the lock is
-- had is what the lock protects. Nothing at all is written, and `is_written` is false, when a credential might not be
-- stored as its caller judged: when something but cut-offs of credentials outside its lineage (`lineage_keys`) happened
-- since `oldest`, or one of `signing_keys` was cut off. `outcomes` has for each cut-off the empty text where it was
-- added, the first one where there was one already, and null where the tenant has no such credential. A batch that ends
-- after its deadline fails; deadline and `moment` are microseconds since 1970 by the clock of this server.
CREATE FUNCTION write_together(
    order_lock BIGINT, deadline BIGINT, oldest BIGINT, signing_keys BYTEA[], lineage_keys BYTEA[],
    jtis BYTEA[], tenant_ids BIGINT[], identity_ids BYTEA[], mission_ids BYTEA[], depths SMALLINT[],
    issued BIGINT[], expiring BIGINT[], digests BYTEA[], bodies BYTEA[],
    used_ids BYTEA[], use_counts BIGINT[], last_uses BIGINT[],
    cut_jtis BYTEA[], cut_tenants BIGINT[], cut_keys BYTEA[], cut_moments BIGINT[], cut_bodies TEXT[],
    OUT moment BIGINT, OUT present BIGINT, OUT is_written BOOLEAN, OUT outcomes TEXT[]
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    is_written := false;
    outcomes := '{}';
    IF cardinality(cut_jtis) > 0 THEN
        PERFORM pg_advisory_xact_lock(order_lock);
    ELSE
        PERFORM pg_advisory_xact_lock_shared(order_lock);
    END IF;
    SELECT s.epoch INTO STRICT present FROM sequence s;
    IF cardinality(jtis) > 0 THEN
        IF present <> oldest AND NOT is_untouched(oldest, present, lineage_keys) THEN
            RETURN;
        END IF;
        IF cardinality(signing_keys) > 0
            AND EXISTS (SELECT FROM cut_offs c WHERE c.cut_key = ANY (signing_keys)) THEN
            RETURN;
        END IF;
        INSERT INTO credentials
            (jti, tenant_id, identity_id, mission_id, depth, issued_at, expires_at, digest, body)
            SELECT * FROM unnest(jtis, tenant_ids, identity_ids, mission_ids, depths, issued, expiring, digests,
                bodies);
    END IF;
    -- In one order everywhere: two replicas that count uses of the same keys must not wait for each other.
    IF cardinality(used_ids) > 1 THEN
        PERFORM FROM api_keys k WHERE k.id = ANY (used_ids) ORDER BY k.id FOR NO KEY UPDATE;
    END IF;
    IF cardinality(used_ids) > 0 THEN
        UPDATE api_keys k
            SET usage_count = k.usage_count + used.uses, last_used_at = greatest(k.last_used_at, used.last_use)
            FROM unnest(used_ids, use_counts, last_uses) AS used (id, uses, last_use) WHERE k.id = used.id;
    END IF;
    IF cardinality(cut_jtis) > 0 THEN
        -- Looked up one by one, whatever is known of the tables' sizes.
        WITH asked AS MATERIALIZED (
            SELECT cut.*,
                (SELECT f.body FROM cut_offs f WHERE f.cut_key = cut.key ORDER BY f.id + 0 LIMIT 1) AS first,
                (SELECT c.tenant_id FROM credentials c WHERE c.jti = cut.jti) = cut.tenant AS is_known
            FROM unnest(cut_jtis, cut_tenants, cut_keys, cut_moments, cut_bodies) WITH ORDINALITY
                AS cut (jti, tenant, key, moment, body, number)
        ), added AS (
            INSERT INTO cut_offs (tenant_id, cut_key, cut_at, body, epoch)
            SELECT asked.tenant, asked.key, asked.moment, asked.body, present + 1 FROM asked
                WHERE asked.is_known AND asked.first IS NULL ORDER BY asked.number
        )
        SELECT array_agg(CASE WHEN asked.is_known THEN coalesce(asked.first, '') END ORDER BY asked.number)
            INTO STRICT outcomes FROM asked;
        IF '' = ANY (outcomes) THEN
            UPDATE sequence SET epoch = epoch + 1;
            present := present + 1;
        END IF;
    END IF;
    moment := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    IF moment > deadline THEN
        RAISE EXCEPTION 'the database took too long';
    END IF;
    is_written := true;
END $$;
