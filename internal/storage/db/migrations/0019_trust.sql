-- +goose Up

-- What a project trusts signatures by. trust_revision is another one after each
-- change of it.
ALTER TABLE project ADD COLUMN trust_revision BIGINT NOT NULL DEFAULT 0;

CREATE TABLE trust_entry (
	id          SERIAL_ID,
	project_id  BIGINT NOT NULL REFERENCES project (id) ON DELETE CASCADE,
	name        TEXT   NOT NULL,
	description TEXT   NOT NULL DEFAULT '',
	kind        TEXT   NOT NULL, -- key, authority, keyless, notation
	content     TEXT   NOT NULL, -- PEM or JSON; all of it is public
	timestamps  TEXT   NOT NULL DEFAULT '', -- PEM
	identities  TEXT   NOT NULL, -- json
	created     BIGINT NOT NULL,
	updated     BIGINT NOT NULL,
	UNIQUE (project_id, name)
) TABLE_OPTIONS;
