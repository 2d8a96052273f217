-- The epoch is the last of a list, and each new one is a row of its own. A row that is changed again and again leaves a
-- version of itself each time, and while anybody's snapshot is held (a backup, a replica's long query) none of them can
-- be removed: whoever asks for the present one would pass them all.
CREATE TABLE epochs (epoch BIGINT PRIMARY KEY);
-- What others are writing is waited for first: an epoch that is committed meanwhile must be among those copied.
LOCK TABLE sequence IN ACCESS EXCLUSIVE MODE;
INSERT INTO epochs (epoch) SELECT epoch FROM sequence;
DROP TABLE sequence;

-- A row that is written to learn whether writes are accepted.
CREATE TABLE touched (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    at BIGINT NOT NULL
);
INSERT INTO touched (id, at) VALUES (1, 0);

DROP FUNCTION write_together;
-- One batch in one statement: store credentials whose facts still stand and use up what they stand on, count the uses of
-- keys, cut off credentials.
--
-- Each statement of a volatile function has a snapshot of its own under READ COMMITTED: what is read after the lock is
-- had is what the lock protects. Nothing at all is written, and `is_written` is false, when a credential might not be
-- stored as its caller judged: when something but cut-offs of credentials outside its lineage (`lineage_keys`) happened
-- since `oldest`, or one of `signing_keys` was cut off, or something was used up before. `outcomes` has for each cut-off
-- the empty text where it was added, the first one where there was one already, and null where the tenant has no such
-- credential; `are_fresh`, of each thing that is used up, whether it was not used up before: the first `bought` of them
-- buy the credentials, which are not stored without, and the others are used up for themselves. A batch that ends
-- after its deadline fails; deadline and `moment` are microseconds since 1970 by the clock of this server.
CREATE FUNCTION write_together(
    order_lock BIGINT, deadline BIGINT, oldest BIGINT, signing_keys BYTEA[], lineage_keys BYTEA[],
    jtis BYTEA[], tenant_ids BIGINT[], identity_ids BYTEA[], mission_ids BYTEA[], depths SMALLINT[],
    issued BIGINT[], expiring BIGINT[], digests BYTEA[], bodies BYTEA[],
    spent_hashes BYTEA[], spent_scopes TEXT[], spent_until BIGINT[], bought INTEGER,
    used_ids BYTEA[], use_counts BIGINT[], last_uses BIGINT[],
    cut_jtis BYTEA[], cut_tenants BIGINT[], cut_keys BYTEA[], cut_moments BIGINT[], cut_bodies TEXT[],
    OUT moment BIGINT, OUT present BIGINT, OUT is_written BOOLEAN, OUT outcomes TEXT[], OUT are_fresh BOOLEAN[]
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    is_written := false;
    outcomes := '{}';
    are_fresh := '{}';
    IF cardinality(cut_jtis) > 0 THEN
        PERFORM pg_advisory_xact_lock(order_lock);
    ELSE
        PERFORM pg_advisory_xact_lock_shared(order_lock);
    END IF;
    SELECT e.epoch INTO STRICT present FROM epochs e ORDER BY e.epoch DESC LIMIT 1;
    IF cardinality(jtis) > 0 THEN
        IF present <> oldest AND NOT is_untouched(oldest, present, lineage_keys) THEN
            RETURN;
        END IF;
        IF cardinality(signing_keys) > 0
            AND EXISTS (SELECT FROM cut_offs c WHERE c.cut_key = ANY (signing_keys)) THEN
            RETURN;
        END IF;
        -- Looked up one by one: joined, a plan that was made while there were few reads all of them.
        IF bought > 0 AND EXISTS (
            SELECT FROM unnest(spent_hashes[:bought], spent_scopes[:bought]) AS asked (hash, scope)
                WHERE (SELECT true FROM spent s WHERE s.hash = asked.hash AND s.scope = asked.scope)
        ) THEN
            RETURN;
        END IF;
    END IF;
    -- In one order everywhere: two replicas that use up the same things must not wait for each other.
    IF cardinality(spent_hashes) > 0 THEN
        WITH added AS (
            INSERT INTO spent (hash, scope, forget_at)
                SELECT * FROM unnest(spent_hashes, spent_scopes, spent_until) AS fresh (hash, scope, forget_at)
                ORDER BY 1, 2 ON CONFLICT DO NOTHING RETURNING hash, scope
        )
        SELECT array_agg((asked.hash, asked.scope) IN (SELECT a.hash, a.scope FROM added a) ORDER BY asked.number)
            INTO STRICT are_fresh
            FROM unnest(spent_hashes, spent_scopes) WITH ORDINALITY AS asked (hash, scope, number);
        IF false = ANY (are_fresh[:bought]) THEN
            RAISE EXCEPTION 'used up by another meanwhile' USING ERRCODE = 'unique_violation';
        END IF;
    END IF;
    IF cardinality(jtis) > 0 THEN
        INSERT INTO credentials
            (jti, tenant_id, identity_id, mission_id, depth, issued_at, expires_at, digest, body)
            SELECT * FROM unnest(jtis, tenant_ids, identity_ids, mission_ids, depths, issued, expiring, digests,
                bodies);
    END IF;
    -- One by one and in the order of the ids, which the caller has put them in: two replicas that count uses of the same
    -- keys must not wait for each other.
    FOR used IN 1 .. cardinality(used_ids) LOOP
        UPDATE api_keys k
            SET usage_count = k.usage_count + use_counts[used], last_used_at = greatest(k.last_used_at, last_uses[used])
            WHERE k.id = used_ids[used];
    END LOOP;
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
            present := present + 1;
            INSERT INTO epochs (epoch) VALUES (present);
        END IF;
    END IF;
    moment := (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;
    IF moment > deadline THEN
        RAISE EXCEPTION 'the database took too long';
    END IF;
    is_written := true;
END $$;
