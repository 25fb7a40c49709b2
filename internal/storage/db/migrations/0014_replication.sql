-- +goose Up

-- What is copied between this registry, which is NULL, and another.
CREATE TABLE replication_policy (
	id            SERIAL_ID,
	name          TEXT    NOT NULL UNIQUE,
	description   TEXT    NOT NULL DEFAULT '',
	source        BIGINT  REFERENCES endpoint (id),
	destination   BIGINT  REFERENCES endpoint (id),
	filters       TEXT    NOT NULL, -- json
	platforms     TEXT    NOT NULL, -- json
	namespace     TEXT    NOT NULL DEFAULT '',
	replace_count BIGINT  NOT NULL,
	caused_by     TEXT    NOT NULL, -- manual, scheduled, event_based
	cron          TEXT    NOT NULL DEFAULT '',
	deletion      BOOLEAN NOT NULL,
	override      BOOLEAN NOT NULL,
	enabled       BOOLEAN NOT NULL,
	alone         BOOLEAN NOT NULL,
	speed         BIGINT  NOT NULL,
	chunked       BOOLEAN NOT NULL,
	created       BIGINT  NOT NULL,
	updated       BIGINT  NOT NULL
) TABLE_OPTIONS;
CREATE INDEX replication_policy_created ON replication_policy (created, id);
CREATE INDEX replication_policy_source ON replication_policy (source);
CREATE INDEX replication_policy_destination ON replication_policy (destination);

-- Executions of a kind, whoever they were for.
CREATE INDEX execution_kind ON execution (kind, id);
