-- +goose Up

-- Scanners: the one that comes with the server, and those that administrators have
-- named. version is another one with every change, but not with what is noted of its
-- health.
CREATE TABLE scanner (
	id             TEXT    PRIMARY KEY,
	name           TEXT    NOT NULL UNIQUE,
	description    TEXT    NOT NULL DEFAULT '',
	url            TEXT    NOT NULL UNIQUE,
	auth           TEXT    NOT NULL DEFAULT '',
	sealed         BYTES   NOT NULL, -- the credential, bound to the id and to the origin of the URL; empty for none
	skip_verify    BOOLEAN NOT NULL DEFAULT FALSE,
	internal       BOOLEAN NOT NULL DEFAULT FALSE,
	disabled       BOOLEAN NOT NULL DEFAULT FALSE,
	metadata       TEXT    NOT NULL, -- json, as it last said
	healthy        BOOLEAN NOT NULL,
	health_message TEXT    NOT NULL DEFAULT '',
	version        BIGINT  NOT NULL DEFAULT 1,
	created        BIGINT  NOT NULL,
	updated        BIGINT  NOT NULL,
	checked        BIGINT  NOT NULL
) TABLE_OPTIONS;
CREATE INDEX scanner_created ON scanner (created, id);

INSERT INTO scanner (id, name, description, url, sealed, metadata, healthy, created, updated, checked)
	VALUES ('5a1c3f0e-7b7d-4f5e-9a86-2f6c1d0b9e42', 'Berth', 'the built-in scanner', '', CAST('' AS BYTES), '{}', TRUE, 0, 0, 0);

-- Which scanner a project has chosen; in the row of the project 0, which there is none
-- of, the default of all others.
CREATE TABLE scanner_choice (
	project_id BIGINT PRIMARY KEY,
	scanner_id TEXT   NOT NULL REFERENCES scanner (id) ON DELETE CASCADE
) TABLE_OPTIONS;
CREATE INDEX scanner_choice_scanner ON scanner_choice (scanner_id);

-- Vulnerabilities that are let through, of the system, as the project 0, and of projects.
CREATE TABLE cve_allowlist (
	id         SERIAL_ID,
	project_id BIGINT NOT NULL UNIQUE,
	items      TEXT   NOT NULL, -- json
	expires    BIGINT NULL, -- microseconds; NULL: never
	created    BIGINT NOT NULL,
	updated    BIGINT NOT NULL
) TABLE_OPTIONS;
