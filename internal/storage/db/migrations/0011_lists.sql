-- +goose Up

-- The log of audits is searched by parts of resources, too, of which no row is
-- read then. They have no more than some 500 bytes.
DROP INDEX audit_log_at;
DROP INDEX audit_log_project;
CREATE INDEX audit_log_at ON audit_log (at, id, project_id, username, resource_type, operation, success, resource);
CREATE INDEX audit_log_project ON audit_log (project_id, at, id, username, resource_type, operation, success, resource);

-- The names of an artifact's tags, in small letters and a slash before each, stand
-- where lists of artifacts look for a part of one. Where an artifact has more than
-- eight tags, this is NULL, and they are looked for in tag.
ALTER TABLE artifact ADD COLUMN tag_names TEXT DEFAULT '';
UPDATE artifact SET tag_names = (
	SELECT CASE WHEN COUNT(*) <= 8 THEN LOWER(STRING_AGG('/' || t.name, '' ORDER BY t.name)) END FROM tag t WHERE t.artifact_id = artifact.id
) WHERE tagged = TRUE;
DROP INDEX artifact_repository;
DROP INDEX artifact_by_push;
DROP INDEX artifact_by_kind;
CREATE INDEX artifact_repository ON artifact (repository_id, pushed, id, listed, tagged, kind, size, pulled, digest, tag_names) WHERE accessory_of = '';
CREATE INDEX artifact_by_push ON artifact (project_id, pushed, id, listed, tagged, kind, repository_id, size, pulled, digest, tag_names) WHERE accessory_of = '';
CREATE INDEX artifact_by_kind ON artifact (project_id, kind, pushed, id, listed, tagged, repository_id, tag_names) WHERE accessory_of = '';
