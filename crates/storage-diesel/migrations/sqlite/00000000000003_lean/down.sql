DROP INDEX credentials_of_mission;
CREATE INDEX credentials_of_mission ON credentials (tenant_id, mission_id, depth, issued_at);
