-- +goose Up

-- The versions of charts that classic Helm repositories list: those that stand
-- under the tag of their version. Rows never change; a tag that moves gets
-- another one. Numbers are given in the order of commits, and never twice, so
-- that the highest one and the number of rows name what there is.
CREATE TABLE chart_version (
	project_id BIGINT NOT NULL,
	number     BIGINT NOT NULL,
	tag_id     BIGINT NOT NULL UNIQUE REFERENCES tag (id) ON DELETE CASCADE,
	name       TEXT   NOT NULL, -- of the repository, without the project: "app", "team/app"
	version    TEXT   NOT NULL,
	created    BIGINT NOT NULL,
	entry      TEXT   NOT NULL, -- json, as an index has it
	PRIMARY KEY (project_id, number),
	UNIQUE (project_id, name, version)
) TABLE_OPTIONS;

CREATE TABLE chart_number (
	project_id BIGINT NOT NULL PRIMARY KEY REFERENCES project (id) ON DELETE CASCADE,
	last       BIGINT NOT NULL
) TABLE_OPTIONS;
