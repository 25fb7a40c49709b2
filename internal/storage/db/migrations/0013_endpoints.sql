-- +goose Up

-- Other registries that are copied from and to. version is another one with
-- every change, but not with what is noted of its health.
CREATE TABLE endpoint (
	id              SERIAL_ID,
	name            TEXT    NOT NULL UNIQUE,
	description     TEXT    NOT NULL DEFAULT '',
	kind            TEXT    NOT NULL,
	url             TEXT    NOT NULL,
	credential_type TEXT    NOT NULL DEFAULT '',
	account         TEXT    NOT NULL DEFAULT '',
	sealed          BYTES   NOT NULL, -- the secret, bound to the id and to the origin of the URL; empty for none
	skip_verify     BOOLEAN NOT NULL DEFAULT FALSE,
	roots           TEXT    NOT NULL DEFAULT '', -- PEM
	healthy         BOOLEAN NOT NULL,
	health_message  TEXT    NOT NULL DEFAULT '',
	version         BIGINT  NOT NULL DEFAULT 1,
	created         BIGINT  NOT NULL,
	updated         BIGINT  NOT NULL,
	checked         BIGINT  NOT NULL
) TABLE_OPTIONS;
CREATE INDEX endpoint_created ON endpoint (created, id);
