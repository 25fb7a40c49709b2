-- +goose Up

-- What lists look at stands behind the order in which they look: the digests, by
-- which artifacts are found, and the names of an artifact's tags.
DROP INDEX artifact_repository;
DROP INDEX artifact_by_push;
CREATE INDEX artifact_repository ON artifact (repository_id, pushed, id, listed, tagged, kind, size, pulled, digest) WHERE accessory_of = '';
CREATE INDEX artifact_by_push ON artifact (project_id, pushed, id, listed, tagged, kind, repository_id, size, pulled, digest) WHERE accessory_of = '';
DROP INDEX tag_artifact;
CREATE INDEX tag_artifact ON tag (artifact_id, pushed, id, name);
