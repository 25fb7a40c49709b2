-- +goose Up

-- Work that is done later. An execution keeps how many of its tasks have each
-- status.
CREATE TABLE execution (
	id        SERIAL_ID,
	kind      TEXT   NOT NULL,
	owner_id  BIGINT NOT NULL DEFAULT 0, -- of what it is done for
	caused_by TEXT   NOT NULL, -- MANUAL, SCHEDULE, EVENT
	status    TEXT   NOT NULL,
	message   TEXT   NOT NULL DEFAULT '',
	attrs     TEXT   NOT NULL DEFAULT '{}', -- json
	alone     TEXT   UNIQUE, -- what is another's while it is not over
	pending   BIGINT NOT NULL DEFAULT 0,
	scheduled BIGINT NOT NULL DEFAULT 0,
	running   BIGINT NOT NULL DEFAULT 0,
	stopped   BIGINT NOT NULL DEFAULT 0,
	failed    BIGINT NOT NULL DEFAULT 0,
	succeeded BIGINT NOT NULL DEFAULT 0,
	started   BIGINT NOT NULL,
	updated   BIGINT NOT NULL,
	ended     BIGINT NOT NULL DEFAULT 0
) TABLE_OPTIONS;
CREATE INDEX execution_owner ON execution (kind, owner_id, id);
CREATE INDEX execution_open ON execution (kind, running) WHERE ended = 0;

CREATE TABLE task (
	id           SERIAL_ID,
	execution_id BIGINT  NOT NULL REFERENCES execution (id) ON DELETE CASCADE,
	kind         TEXT    NOT NULL,
	status       TEXT    NOT NULL,
	message      TEXT    NOT NULL DEFAULT '',
	runs         BIGINT  NOT NULL DEFAULT 0,
	turn         BIGINT  NOT NULL DEFAULT 1,
	sent         BOOLEAN NOT NULL DEFAULT FALSE, -- a queue has it
	at           BIGINT  NOT NULL, -- not to be begun before
	node         TEXT    NOT NULL DEFAULT '', -- where it runs
	args         TEXT    NOT NULL, -- json
	attrs        TEXT    NOT NULL DEFAULT '{}', -- json
	created      BIGINT  NOT NULL,
	started      BIGINT  NOT NULL DEFAULT 0,
	updated      BIGINT  NOT NULL,
	ended        BIGINT  NOT NULL DEFAULT 0
) TABLE_OPTIONS;
CREATE INDEX task_execution ON task (execution_id, id);
CREATE INDEX task_open ON task (kind, status, created) WHERE ended = 0;
CREATE INDEX task_unsent ON task (at, id) WHERE NOT sent AND ended = 0;

CREATE TABLE task_log (
	task_id BIGINT NOT NULL REFERENCES task (id) ON DELETE CASCADE,
	at_byte BIGINT NOT NULL, -- of the whole log
	text    TEXT   NOT NULL,
	PRIMARY KEY (task_id, at_byte)
) TABLE_BY_KEY;

CREATE TABLE schedule (
	id       SERIAL_ID,
	kind     TEXT   NOT NULL,
	owner_id BIGINT NOT NULL DEFAULT 0,
	type     TEXT   NOT NULL,
	cron     TEXT   NOT NULL,
	attrs    TEXT   NOT NULL DEFAULT '{}', -- json
	next     BIGINT NOT NULL,
	created  BIGINT NOT NULL,
	updated  BIGINT NOT NULL,
	UNIQUE (kind, owner_id)
) TABLE_OPTIONS;
CREATE INDEX schedule_next ON schedule (next);

-- Kinds of work that are held back.
CREATE TABLE paused_kind (
	kind TEXT   NOT NULL PRIMARY KEY,
	at   BIGINT NOT NULL
) TABLE_BY_KEY;

CREATE TABLE node (
	id      TEXT   NOT NULL PRIMARY KEY,
	host    TEXT   NOT NULL,
	workers BIGINT NOT NULL,
	started BIGINT NOT NULL,
	heard   BIGINT NOT NULL
) TABLE_BY_KEY;
