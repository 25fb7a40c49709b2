-- +goose Up

-- How often each project's images were pulled on each day. Project 0 is all of
-- them together, those deleted since included.
CREATE TABLE pull_day (
	project_id BIGINT NOT NULL,
	day        BIGINT NOT NULL, -- since 1970-01-01, of UTC
	count      BIGINT NOT NULL,
	PRIMARY KEY (project_id, day)
) TABLE_OPTIONS;
