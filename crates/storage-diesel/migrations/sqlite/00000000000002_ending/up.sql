-- What ended long ago is forgotten, oldest end first.
CREATE INDEX credentials_ending ON credentials (expires_at);
