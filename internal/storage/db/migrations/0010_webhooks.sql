-- +goose Up

-- Who is told what happens in a project.
CREATE TABLE webhook_policy (
	id          SERIAL_ID,
	project_id  BIGINT  NOT NULL REFERENCES project (id) ON DELETE CASCADE,
	name        TEXT    NOT NULL,
	description TEXT    NOT NULL DEFAULT '',
	targets     TEXT    NOT NULL, -- json; secrets are sealed
	topics      TEXT    NOT NULL, -- json
	enabled     BOOLEAN NOT NULL,
	creator     TEXT    NOT NULL DEFAULT '',
	created     BIGINT  NOT NULL,
	updated     BIGINT  NOT NULL,
	UNIQUE (project_id, name)
) TABLE_OPTIONS;

-- When a policy last told of a topic.
CREATE TABLE webhook_told (
	policy_id BIGINT NOT NULL REFERENCES webhook_policy (id) ON DELETE CASCADE,
	topic     TEXT   NOT NULL,
	at        BIGINT NOT NULL,
	PRIMARY KEY (policy_id, topic)
) TABLE_BY_KEY;
