DROP FUNCTION write_together;
DROP FUNCTION is_untouched;
ALTER TABLE cut_offs DROP COLUMN epoch;
