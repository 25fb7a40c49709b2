-- +goose Up

-- Where a project's artifacts are looked for by a part of a tag's name, all that
-- have tags are walked along: their names stand in an index that has little else,
-- and no longer in that of all artifacts. There, digests stand before what is
-- asked for less.
DROP INDEX artifact_by_push;
CREATE INDEX artifact_by_push ON artifact (project_id, pushed, id, listed, digest, tagged, kind, repository_id, size, pulled) WHERE accessory_of = '';
CREATE INDEX artifact_by_tag ON artifact (project_id, pushed, id, tag_names, kind, repository_id, size) WHERE accessory_of = '' AND tagged = TRUE;

-- The tasks of one execution may be very many, and are sorted and filtered by what
-- stands behind their ids.
DROP INDEX task_execution;
CREATE INDEX task_execution ON task (execution_id, id, status, created, started, updated, ended);
