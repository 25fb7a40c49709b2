-- +goose Up

-- Artifacts are listed by many fields, and a page must not cost more the longer
-- the list is: each order has an index, which holds beside it what lists filter
-- by, so that a walk along it reads no row. Accessories are in none of them.

-- The texts that say what an artifact is. They are few; an artifact has the
-- number of its own, and what filters or sorts by them asks here first.
CREATE TABLE artifact_kind (
	id                SERIAL_ID,
	type              TEXT NOT NULL,
	media_type        TEXT NOT NULL,
	config_media_type TEXT NOT NULL,
	artifact_type     TEXT NOT NULL,
	UNIQUE (type, media_type, config_media_type, artifact_type)
) TABLE_OPTIONS;
INSERT INTO artifact_kind (type, media_type, config_media_type, artifact_type)
SELECT DISTINCT type, media_type, config_media_type, artifact_type FROM artifact;

ALTER TABLE artifact ADD COLUMN kind BIGINT NOT NULL DEFAULT 0; -- the id of its artifact_kind
ALTER TABLE artifact ADD COLUMN tagged BOOLEAN NOT NULL DEFAULT FALSE; -- it has a tag
UPDATE artifact SET
	tagged = EXISTS (SELECT 1 FROM tag WHERE tag.artifact_id = artifact.id),
	kind = (SELECT k.id FROM artifact_kind k WHERE k.type = artifact.type AND k.media_type = artifact.media_type
		AND k.config_media_type = artifact.config_media_type AND k.artifact_type = artifact.artifact_type);

ALTER TABLE tag ADD COLUMN project_id BIGINT NOT NULL DEFAULT 0; -- the repository's
UPDATE tag SET project_id = (SELECT r.project_id FROM repository r WHERE r.id = tag.repository_id);

DROP INDEX artifact_repository;
DROP INDEX artifact_project;
CREATE INDEX artifact_repository ON artifact (repository_id, pushed, id, listed, tagged, kind, size, pulled) WHERE accessory_of = '';
CREATE INDEX artifact_by_push ON artifact (project_id, pushed, id, listed, tagged, kind, repository_id, size, pulled) WHERE accessory_of = '';
CREATE INDEX artifact_by_pull ON artifact (project_id, pulled, id, listed, tagged, kind, repository_id) WHERE accessory_of = '';
CREATE INDEX artifact_by_size ON artifact (project_id, size, id, listed, tagged, kind, repository_id) WHERE accessory_of = '';
CREATE INDEX artifact_by_digest ON artifact (project_id, digest, id, listed, tagged, kind, repository_id) WHERE accessory_of = '';
CREATE INDEX artifact_by_id ON artifact (project_id, id, listed, tagged, kind, repository_id) WHERE accessory_of = '';
CREATE INDEX artifact_by_kind ON artifact (project_id, kind, pushed, id, listed, tagged, repository_id) WHERE accessory_of = '';
CREATE INDEX tag_project ON tag (project_id, name, artifact_id);
DROP INDEX tag_artifact;
CREATE INDEX tag_artifact ON tag (artifact_id, pushed, id);
DROP INDEX artifact_label_label;
CREATE INDEX artifact_label_label ON artifact_label (label_id, artifact_id);

-- What the log of audits is filtered by stands behind its order: most of it may be
-- of projects that one does not administer.
DROP INDEX audit_log_at;
DROP INDEX audit_log_project;
CREATE INDEX audit_log_at ON audit_log (at, id, project_id, username, resource_type, operation, success);
CREATE INDEX audit_log_project ON audit_log (project_id, at, id, username, resource_type, operation, success);
