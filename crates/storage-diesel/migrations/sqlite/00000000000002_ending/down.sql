DROP INDEX credentials_ending;
