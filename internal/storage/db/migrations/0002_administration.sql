-- +goose Up

-- ONLY_POSTGRESQL is a word of migrate.go as well: what follows it on its line
-- is for PostgreSQL alone.

-- Who knows the password of a user: this database, or a directory, which may
-- also have made the user an administrator. Sessions that began before
-- sessions_from are over.
ALTER TABLE account ADD COLUMN source TEXT NOT NULL DEFAULT 'local';
ALTER TABLE account ADD COLUMN external_id TEXT NOT NULL DEFAULT ''; -- in the directory
ALTER TABLE account ADD COLUMN external_admin BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE account ADD COLUMN sessions_from BIGINT NOT NULL DEFAULT 0;

CREATE TABLE user_group (
	id      SERIAL_ID,
	kind    SMALLINT NOT NULL, -- 1 LDAP, 2 HTTP, 3 OIDC
	name    TEXT     NOT NULL,
	dn      TEXT     NOT NULL DEFAULT '', -- of an LDAP group, as it was given
	key     TEXT     NOT NULL, -- what tells groups of a kind apart: the DN in one form, or the name
	created BIGINT   NOT NULL,
	updated BIGINT   NOT NULL,
	UNIQUE (kind, key)
) TABLE_OPTIONS;

-- As it was when the user signed in last.
CREATE TABLE account_group (
	account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
	group_id   BIGINT NOT NULL REFERENCES user_group (id) ON DELETE CASCADE,
	PRIMARY KEY (account_id, group_id)
) TABLE_BY_KEY;
CREATE INDEX account_group_group ON account_group (group_id);

CREATE TABLE session (
	token   TEXT   NOT NULL PRIMARY KEY, -- a hash
	data    BYTES  NOT NULL,
	expires BIGINT NOT NULL
) TABLE_OPTIONS;
CREATE INDEX session_expires ON session (expires);

-- Those that were changed; secrets are sealed.
CREATE TABLE setting (
	name  TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
) TABLE_BY_KEY;

-- Bytes. A hard limit below 0 is none. used is the sum of the project's rows in
-- project_blob.
CREATE TABLE quota (
	project_id BIGINT NOT NULL PRIMARY KEY REFERENCES project (id),
	hard       BIGINT NOT NULL,
	used       BIGINT NOT NULL DEFAULT 0,
	created    BIGINT NOT NULL,
	updated    BIGINT NOT NULL
) TABLE_OPTIONS;

-- The content that a project's artifacts need, each digest once: manifests, and
-- what of their configurations and layers was here when they were pushed.
CREATE TABLE project_blob (
	project_id BIGINT NOT NULL REFERENCES project (id),
	digest     TEXT   NOT NULL,
	size       BIGINT NOT NULL,
	refs       BIGINT NOT NULL, -- how many rows of artifact and artifact_blob it stands for
	PRIMARY KEY (project_id, digest)
) TABLE_BY_KEY;

CREATE TABLE label (
	id          SERIAL_ID,
	scope       TEXT   NOT NULL CHECK (scope IN ('g', 'p')), -- of all projects, or of one
	project_id  BIGINT NOT NULL DEFAULT 0,
	name        TEXT   NOT NULL,
	description TEXT   NOT NULL DEFAULT '',
	color       TEXT   NOT NULL DEFAULT '',
	created     BIGINT NOT NULL,
	updated     BIGINT NOT NULL,
	UNIQUE (scope, project_id, name)
) TABLE_OPTIONS;

CREATE TABLE immutable_rule (
	id              SERIAL_ID,
	project_id      BIGINT  NOT NULL REFERENCES project (id),
	disabled        BOOLEAN NOT NULL DEFAULT FALSE,
	priority        BIGINT  NOT NULL DEFAULT 0,
	tags            TEXT    NOT NULL, -- a pattern
	tags_except     BOOLEAN NOT NULL DEFAULT FALSE, -- all but what matches
	tags_extras     TEXT    NOT NULL DEFAULT '',
	repositories    TEXT    NOT NULL,
	repositories_except BOOLEAN NOT NULL DEFAULT FALSE,
	created         BIGINT  NOT NULL,
	updated         BIGINT  NOT NULL,
	UNIQUE (project_id, tags, tags_except, repositories, repositories_except)
) TABLE_OPTIONS;

-- A repository is listed while a manifest is in it. Uploads alone make one that
-- is not. artifact_count is from now on of the artifacts that are listed.
ALTER TABLE repository ADD COLUMN listed BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE repository ADD COLUMN manifest_count BIGINT NOT NULL DEFAULT 0;
UPDATE repository SET listed = artifact_count > 0, manifest_count = artifact_count;
CREATE INDEX repository_project_listed ON repository (project_id, listed, created, id);
CREATE INDEX repository_listed ON repository (listed, created, id);

-- The tables of artifacts are made anew, since the manifest's bytes are to stand
-- behind what lists look at. Those that refer to artifact go before it does.
CREATE TABLE artifact_now (
	id                SERIAL_ID,
	project_id        BIGINT  NOT NULL,
	repository_id     BIGINT  NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
	digest            TEXT    NOT NULL,
	media_type        TEXT    NOT NULL,
	artifact_type     TEXT    NOT NULL DEFAULT '',
	config_media_type TEXT    NOT NULL DEFAULT '',
	type              TEXT    NOT NULL DEFAULT 'UNKNOWN', -- IMAGE, CHART, …
	size              BIGINT  NOT NULL, -- with all that it refers to
	manifest_size     BIGINT  NOT NULL,
	subject           TEXT    NOT NULL DEFAULT '', -- a digest
	accessory_of      TEXT    NOT NULL DEFAULT '', -- a digest: the subject, or what a signature's tag names
	accessory_type    TEXT    NOT NULL DEFAULT '', -- signature.cosign, …
	listed            BOOLEAN NOT NULL DEFAULT TRUE, -- no accessory, and tagged or in no index
	pushed            BIGINT  NOT NULL,
	pulled            BIGINT  NOT NULL DEFAULT 0,
	icon              TEXT    NOT NULL DEFAULT '', -- the digest of a layer that is a picture
	annotations       TEXT    NOT NULL DEFAULT '{}', -- json
	descriptor        TEXT    NOT NULL DEFAULT '', -- json, as the subject's referrers have it
	body              BYTES   NOT NULL, -- the manifest as it was pushed
	attrs             TEXT    NOT NULL DEFAULT '{}', -- json: what the configuration says
	UNIQUE (repository_id, digest)
) TABLE_OPTIONS;
INSERT INTO artifact_now (id, project_id, repository_id, digest, media_type, artifact_type, config_media_type, type, size, manifest_size,
	subject, accessory_of, accessory_type, listed, pushed, pulled, annotations, descriptor, body)
SELECT a.id, r.project_id, a.repository_id, a.digest, a.media_type, a.artifact_type, a.config_media_type,
	CASE
		WHEN a.config_media_type IN ('application/vnd.oci.image.config.v1+json', 'application/vnd.docker.container.image.v1+json') THEN 'IMAGE'
		WHEN a.media_type IN ('application/vnd.oci.image.index.v1+json', 'application/vnd.docker.distribution.manifest.list.v2+json') THEN 'IMAGE'
		WHEN a.config_media_type = 'application/vnd.cncf.helm.config.v1+json' THEN 'CHART'
		ELSE 'UNKNOWN'
	END,
	a.size, a.manifest_size, a.subject, a.subject, CASE WHEN a.subject = '' THEN '' ELSE 'subject.accessory' END,
	a.subject = '' AND (EXISTS (SELECT 1 FROM tag t WHERE t.artifact_id = a.id) OR NOT EXISTS (
		SELECT 1 FROM artifact_reference c WHERE c.child_digest = a.digest AND c.repository_id = a.repository_id)),
	a.pushed, a.pulled, a.annotations, a.descriptor, a.body
FROM artifact a JOIN repository r ON r.id = a.repository_id;

CREATE TABLE artifact_blob_now (
	artifact_id   BIGINT  NOT NULL REFERENCES artifact_now (id) ON DELETE CASCADE,
	digest        TEXT    NOT NULL,
	repository_id BIGINT  NOT NULL, -- the artifact's
	foreign_layer BOOLEAN NOT NULL DEFAULT FALSE,
	counted       BOOLEAN NOT NULL DEFAULT TRUE, -- in project_blob: it was here when the artifact came
	size          BIGINT  NOT NULL,
	PRIMARY KEY (artifact_id, digest)
) TABLE_BY_KEY;
INSERT INTO artifact_blob_now (artifact_id, digest, repository_id, foreign_layer, counted, size)
SELECT b.artifact_id, b.digest, b.repository_id, b.foreign_layer,
	NOT b.foreign_layer AND EXISTS (SELECT 1 FROM repository_blob l WHERE l.repository_id = b.repository_id AND l.digest = b.digest), b.size
FROM artifact_blob b;

CREATE TABLE artifact_reference_now (
	parent_id     BIGINT NOT NULL REFERENCES artifact_now (id) ON DELETE CASCADE,
	position      BIGINT NOT NULL, -- in the index
	child_digest  TEXT   NOT NULL,
	repository_id BIGINT NOT NULL, -- the parent's
	platform      TEXT   NOT NULL DEFAULT '', -- json
	PRIMARY KEY (parent_id, position)
) TABLE_BY_KEY;
INSERT INTO artifact_reference_now (parent_id, position, child_digest, repository_id, platform)
SELECT parent_id, position, child_digest, repository_id, platform FROM artifact_reference;

CREATE TABLE tag_now (
	id            SERIAL_ID,
	repository_id BIGINT NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
	name          TEXT   NOT NULL,
	artifact_id   BIGINT NOT NULL REFERENCES artifact_now (id) ON DELETE CASCADE,
	pushed        BIGINT NOT NULL,
	pulled        BIGINT NOT NULL DEFAULT 0,
	UNIQUE (repository_id, name)
) TABLE_OPTIONS;
INSERT INTO tag_now (id, repository_id, name, artifact_id, pushed, pulled)
SELECT id, repository_id, name, artifact_id, pushed, pulled FROM tag;

DROP TABLE tag;
DROP TABLE artifact_reference;
DROP TABLE artifact_blob;
DROP TABLE artifact;
ALTER TABLE artifact_now RENAME TO artifact;
ALTER TABLE artifact_blob_now RENAME TO artifact_blob;
ALTER TABLE artifact_reference_now RENAME TO artifact_reference;
ALTER TABLE tag_now RENAME TO tag;
ONLY_POSTGRESQL SELECT setval(pg_get_serial_sequence('artifact', 'id'), (SELECT COALESCE(MAX(id), 0) + 1 FROM artifact), FALSE);
ONLY_POSTGRESQL SELECT setval(pg_get_serial_sequence('tag', 'id'), (SELECT COALESCE(MAX(id), 0) + 1 FROM tag), FALSE);
CREATE INDEX artifact_repository ON artifact (repository_id, listed, pushed, id);
CREATE INDEX artifact_project ON artifact (project_id, listed, pushed, id);
CREATE INDEX artifact_accessory ON artifact (repository_id, accessory_of, id) WHERE accessory_of <> '';
CREATE INDEX artifact_icon ON artifact (icon) WHERE icon <> '';
CREATE INDEX artifact_blob_digest ON artifact_blob (digest, repository_id);
CREATE INDEX artifact_reference_child ON artifact_reference (child_digest, repository_id);
CREATE INDEX tag_artifact ON tag (artifact_id, id);

UPDATE repository SET artifact_count = (SELECT COUNT(*) FROM artifact a WHERE a.repository_id = repository.id AND a.listed);

CREATE TABLE artifact_label (
	artifact_id BIGINT NOT NULL REFERENCES artifact (id) ON DELETE CASCADE,
	label_id    BIGINT NOT NULL REFERENCES label (id) ON DELETE CASCADE,
	created     BIGINT NOT NULL,
	PRIMARY KEY (artifact_id, label_id)
) TABLE_BY_KEY;
CREATE INDEX artifact_label_label ON artifact_label (label_id);

INSERT INTO project_blob (project_id, digest, size, refs)
SELECT project_id, digest, MAX(size), COUNT(*) FROM (
	SELECT a.project_id, a.digest, a.manifest_size AS size FROM artifact a
	UNION ALL
	SELECT a.project_id, b.digest, b.size FROM artifact_blob b JOIN artifact a ON a.id = b.artifact_id WHERE b.counted
) AS needed GROUP BY project_id, digest;
INSERT INTO quota (project_id, hard, used, created, updated)
SELECT p.id, -1, COALESCE((SELECT SUM(b.size) FROM project_blob b WHERE b.project_id = p.id), 0), p.created, p.created
FROM project p WHERE NOT p.deleted;

-- Rows that wait to be forwarded to a syslog server.
CREATE TABLE audit_queue (
	audit_id BIGINT NOT NULL PRIMARY KEY REFERENCES audit_log (id) ON DELETE CASCADE
) TABLE_BY_KEY;
DROP INDEX audit_log_at;
DROP INDEX audit_log_project;
CREATE INDEX audit_log_at ON audit_log (at, id);
CREATE INDEX audit_log_project ON audit_log (project_id, at, id);
