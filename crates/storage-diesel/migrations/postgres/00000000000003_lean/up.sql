-- The root of a mission is found by its own id: a token that was not delegated needs no entry here.
DROP INDEX credentials_of_mission;
CREATE INDEX credentials_of_mission ON credentials (tenant_id, mission_id, depth, issued_at) WHERE jti <> mission_id;
