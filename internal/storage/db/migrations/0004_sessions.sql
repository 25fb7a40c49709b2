-- +goose Up

-- Nothing was kept in it.
DROP TABLE session;

-- Who has signed in. began and account.sessions_from are versions of the rights
-- (of the table rights), which are in one order on all nodes, as clocks are not:
-- a session whose began is below its account's sessions_from is over.
CREATE TABLE session (
	token      TEXT   NOT NULL PRIMARY KEY, -- a hash
	account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	began      BIGINT NOT NULL, -- as it was before the password was looked at
	expires    BIGINT NOT NULL
) TABLE_BY_KEY;
CREATE INDEX session_expires ON session (expires);
CREATE INDEX session_account ON session (account_id);
