-- +goose Up

-- What stays in the repositories of a project. When it runs is in schedule.
CREATE TABLE retention_policy (
	id         SERIAL_ID,
	project_id BIGINT NOT NULL UNIQUE REFERENCES project (id) ON DELETE CASCADE,
	rules      TEXT   NOT NULL, -- json
	cron       TEXT   NOT NULL DEFAULT '',
	created    BIGINT NOT NULL,
	updated    BIGINT NOT NULL
) TABLE_OPTIONS;
