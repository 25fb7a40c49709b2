-- +goose Up

-- A blob that no repository may serve is trash, since a time, and goes after a
-- while. One whose content was lost is missing: it is unknown to clients, so that
-- they send it again.
ALTER TABLE blob ADD COLUMN trashed BIGINT NOT NULL DEFAULT 0;
ALTER TABLE blob ADD COLUMN missing BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX blob_trash ON blob (trashed, digest) WHERE state = 'trash';
CREATE INDEX blob_key ON blob (storage_key, digest);

-- What may be garbage waits to be looked at: a blob that a repository may serve
-- (link), a blob as such (blob, with the repository 0), an artifact that has no
-- tag (artifact).
CREATE TABLE gc_review (
	kind          TEXT   NOT NULL CHECK (kind IN ('link', 'blob', 'artifact')),
	repository_id BIGINT NOT NULL,
	digest        TEXT   NOT NULL,
	review_after  BIGINT NOT NULL,
	reason        TEXT   NOT NULL,
	attempts      BIGINT NOT NULL DEFAULT 0, -- reviews that could not be completed
	PRIMARY KEY (kind, repository_id, digest)
) TABLE_BY_KEY;
CREATE INDEX gc_review_due ON gc_review (kind, review_after, repository_id);

-- Blobs that a repository could serve until a review found that it does not need
-- them. Within the time of the trash, a manifest gets them back.
CREATE TABLE unlinked_blob (
	repository_id BIGINT NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
	digest        TEXT   NOT NULL REFERENCES blob (digest) ON DELETE CASCADE,
	unlinked      BIGINT NOT NULL,
	PRIMARY KEY (repository_id, digest)
) TABLE_BY_KEY;
CREATE INDEX unlinked_blob_digest ON unlinked_blob (digest);
CREATE INDEX unlinked_blob_unlinked ON unlinked_blob (unlinked);

-- Content that no row leads to any more, and that is to be deleted.
CREATE TABLE garbage_key (
	storage_key  TEXT   NOT NULL PRIMARY KEY,
	size         BIGINT NOT NULL,
	delete_after BIGINT NOT NULL, -- whoever deletes it moves this on, so that nobody else does
	attempts     BIGINT NOT NULL DEFAULT 0
) TABLE_BY_KEY;
CREATE INDEX garbage_key_due ON garbage_key (delete_after, storage_key);

-- What is garbage already is looked at as if it had waited since it came: two
-- hours.
INSERT INTO gc_review (kind, repository_id, digest, review_after, reason)
SELECT 'link', l.repository_id, l.digest, l.created + 7200000000, 'found' FROM repository_blob l
WHERE NOT EXISTS (SELECT 1 FROM artifact_blob b WHERE b.digest = l.digest AND b.repository_id = l.repository_id);
INSERT INTO gc_review (kind, repository_id, digest, review_after, reason)
SELECT 'blob', 0, b.digest, b.created + 7200000000, 'found' FROM blob b
WHERE NOT EXISTS (SELECT 1 FROM repository_blob l WHERE l.digest = b.digest);
INSERT INTO gc_review (kind, repository_id, digest, review_after, reason)
SELECT 'artifact', a.repository_id, a.digest, a.pushed + 7200000000, 'found' FROM artifact a
WHERE a.accessory_of = '' AND NOT EXISTS (SELECT 1 FROM tag t WHERE t.artifact_id = a.id)
	AND NOT EXISTS (SELECT 1 FROM artifact_reference r WHERE r.child_digest = a.digest AND r.repository_id = a.repository_id);
