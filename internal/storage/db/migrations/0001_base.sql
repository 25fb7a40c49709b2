-- +goose Up

-- SERIAL_ID, BYTES, TABLE_OPTIONS and TABLE_BY_KEY are words of migrate.go.
-- Times are microseconds since 1970, UTC. Columns called json hold JSON text.

CREATE TABLE account (
	id       SERIAL_ID,
	name     TEXT    NOT NULL UNIQUE,
	email    TEXT    UNIQUE,
	realname TEXT    NOT NULL DEFAULT '',
	comment  TEXT    NOT NULL DEFAULT '',
	password TEXT    NOT NULL DEFAULT '', -- a hash
	admin    BOOLEAN NOT NULL DEFAULT FALSE,
	deleted  BOOLEAN NOT NULL DEFAULT FALSE,
	created  BIGINT  NOT NULL,
	updated  BIGINT  NOT NULL
) TABLE_OPTIONS;

-- A deleted project keeps its row, under the name "name#id".
CREATE TABLE project (
	id         SERIAL_ID,
	name       TEXT    NOT NULL UNIQUE,
	owner_id   BIGINT  NOT NULL REFERENCES account (id),
	public     BOOLEAN NOT NULL DEFAULT FALSE,
	metadata   TEXT    NOT NULL DEFAULT '{}', -- json
	repo_count BIGINT  NOT NULL DEFAULT 0,
	created    BIGINT  NOT NULL,
	updated    BIGINT  NOT NULL,
	deleted    BOOLEAN NOT NULL DEFAULT FALSE
) TABLE_OPTIONS;

CREATE TABLE member (
	id         SERIAL_ID,
	project_id BIGINT   NOT NULL REFERENCES project (id) ON DELETE CASCADE,
	kind       TEXT     NOT NULL CHECK (kind IN ('u', 'g')), -- user or group
	entity_id  BIGINT   NOT NULL,
	role       SMALLINT NOT NULL,
	created    BIGINT   NOT NULL,
	updated    BIGINT   NOT NULL,
	UNIQUE (project_id, kind, entity_id)
) TABLE_OPTIONS;
CREATE INDEX member_entity ON member (kind, entity_id);

-- A robot of the system has the project 0, which is no row.
CREATE TABLE robot (
	id           SERIAL_ID,
	project_id   BIGINT  NOT NULL,
	name         TEXT    NOT NULL, -- without the prefix: "ci", "library+ci"
	level        TEXT    NOT NULL,
	description  TEXT    NOT NULL DEFAULT '',
	secret       TEXT    NOT NULL, -- a hash
	permissions  TEXT    NOT NULL DEFAULT '[]', -- json
	disabled     BOOLEAN NOT NULL DEFAULT FALSE,
	duration     BIGINT  NOT NULL, -- days, or -1
	expires      BIGINT  NOT NULL, -- a time, or -1
	creator_kind TEXT    NOT NULL DEFAULT '',
	creator_id   BIGINT  NOT NULL DEFAULT 0,
	created      BIGINT  NOT NULL,
	updated      BIGINT  NOT NULL,
	UNIQUE (project_id, name)
) TABLE_OPTIONS;
CREATE INDEX robot_name ON robot (name);

CREATE TABLE signing_key (
	id          SERIAL_ID,
	kind        TEXT   NOT NULL CHECK (kind IN ('ca', 'token')),
	kid         TEXT   NOT NULL UNIQUE,
	certificate TEXT   NOT NULL, -- PEM
	private     BYTES  NOT NULL, -- sealed
	created     BIGINT NOT NULL,
	expires     BIGINT NOT NULL
) TABLE_OPTIONS;

CREATE TABLE repository (
	id             SERIAL_ID,
	project_id     BIGINT NOT NULL REFERENCES project (id),
	name           TEXT   NOT NULL UNIQUE, -- with the project: "library/app"
	description    TEXT   NOT NULL DEFAULT '',
	artifact_count BIGINT NOT NULL DEFAULT 0,
	pull_count     BIGINT NOT NULL DEFAULT 0,
	created        BIGINT NOT NULL,
	updated        BIGINT NOT NULL
) TABLE_OPTIONS;
CREATE INDEX repository_project ON repository (project_id, name);

CREATE TABLE blob (
	digest      TEXT   NOT NULL PRIMARY KEY,
	size        BIGINT NOT NULL,
	storage_key TEXT   NOT NULL,
	state       TEXT   NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'trash')),
	created     BIGINT NOT NULL
) TABLE_BY_KEY;

-- A repository may serve a blob only by its row here.
CREATE TABLE repository_blob (
	repository_id BIGINT NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
	digest        TEXT   NOT NULL REFERENCES blob (digest),
	created       BIGINT NOT NULL,
	PRIMARY KEY (repository_id, digest)
) TABLE_BY_KEY;
CREATE INDEX repository_blob_digest ON repository_blob (digest, repository_id);

-- The bytes come last: what lies behind them costs SQLite reading them.
CREATE TABLE artifact (
	id                SERIAL_ID,
	repository_id     BIGINT NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
	digest            TEXT   NOT NULL,
	media_type        TEXT   NOT NULL,
	artifact_type     TEXT   NOT NULL DEFAULT '',
	config_media_type TEXT   NOT NULL DEFAULT '',
	size              BIGINT NOT NULL, -- with all that it refers to
	manifest_size     BIGINT NOT NULL,
	subject           TEXT   NOT NULL DEFAULT '', -- a digest
	pushed            BIGINT NOT NULL,
	pulled            BIGINT NOT NULL DEFAULT 0,
	annotations       TEXT   NOT NULL DEFAULT '{}', -- json
	descriptor        TEXT   NOT NULL DEFAULT '', -- json, as the subject's referrers have it
	body              BYTES  NOT NULL, -- the manifest as it was pushed
	UNIQUE (repository_id, digest)
) TABLE_OPTIONS;
CREATE INDEX artifact_subject ON artifact (repository_id, subject, id);

-- The blobs of an artifact need not be here: foreign layers are elsewhere.
CREATE TABLE artifact_blob (
	artifact_id   BIGINT  NOT NULL REFERENCES artifact (id) ON DELETE CASCADE,
	digest        TEXT    NOT NULL,
	repository_id BIGINT  NOT NULL, -- the artifact's
	foreign_layer BOOLEAN NOT NULL DEFAULT FALSE,
	size          BIGINT  NOT NULL,
	PRIMARY KEY (artifact_id, digest)
) TABLE_BY_KEY;
CREATE INDEX artifact_blob_digest ON artifact_blob (digest, repository_id);

CREATE TABLE artifact_reference (
	parent_id     BIGINT NOT NULL REFERENCES artifact (id) ON DELETE CASCADE,
	position      BIGINT NOT NULL, -- in the index
	child_digest  TEXT   NOT NULL,
	repository_id BIGINT NOT NULL, -- the parent's
	platform      TEXT   NOT NULL DEFAULT '', -- json
	PRIMARY KEY (parent_id, position)
) TABLE_BY_KEY;
CREATE INDEX artifact_reference_child ON artifact_reference (child_digest, repository_id);

CREATE TABLE tag (
	id            SERIAL_ID,
	repository_id BIGINT NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
	name          TEXT   NOT NULL,
	artifact_id   BIGINT NOT NULL REFERENCES artifact (id) ON DELETE CASCADE,
	pushed        BIGINT NOT NULL,
	pulled        BIGINT NOT NULL DEFAULT 0,
	UNIQUE (repository_id, name)
) TABLE_OPTIONS;
CREATE INDEX tag_artifact ON tag (artifact_id);

CREATE TABLE upload (
	id         TEXT   NOT NULL PRIMARY KEY,
	project_id BIGINT NOT NULL REFERENCES project (id) ON DELETE CASCADE,
	repository TEXT   NOT NULL, -- its name: it may not exist so far
	principal  TEXT   NOT NULL,
	algorithm  TEXT   NOT NULL,
	size       BIGINT NOT NULL DEFAULT 0, -- of what has arrived
	hash_state BYTES,
	parts      BYTES, -- known to the blob store only
	created    BIGINT NOT NULL,
	updated    BIGINT NOT NULL
) TABLE_OPTIONS;
CREATE INDEX upload_updated ON upload (updated);

-- Events leave when they have been delivered.
CREATE TABLE event (
	id    SERIAL_ID,
	kind  TEXT   NOT NULL,
	at    BIGINT NOT NULL,
	actor TEXT   NOT NULL, -- json
	fact  TEXT   NOT NULL -- json
) TABLE_OPTIONS;

-- What is written here outlives what it tells of, so it refers to nothing.
CREATE TABLE audit_log (
	id            SERIAL_ID,
	event_id      BIGINT  UNIQUE, -- so that an event that comes twice is written once
	at            BIGINT  NOT NULL,
	username      TEXT    NOT NULL DEFAULT '',
	address       TEXT    NOT NULL DEFAULT '',
	request_id    TEXT    NOT NULL DEFAULT '',
	project_id    BIGINT  NOT NULL DEFAULT 0,
	resource      TEXT    NOT NULL DEFAULT '',
	resource_type TEXT    NOT NULL DEFAULT '',
	operation     TEXT    NOT NULL DEFAULT '',
	description   TEXT    NOT NULL DEFAULT '',
	success       BOOLEAN NOT NULL DEFAULT TRUE
) TABLE_OPTIONS;
CREATE INDEX audit_log_at ON audit_log (at);
CREATE INDEX audit_log_project ON audit_log (project_id, at);

-- The one row counts the changes of users, robots, projects and members, for
-- the nodes that remember what these may do.
CREATE TABLE rights (
	id      BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
	version BIGINT NOT NULL
) TABLE_OPTIONS;
INSERT INTO rights (id, version) VALUES (1, 0);

-- Facts of which there is one each, such as when the first start was.
CREATE TABLE system (
	name  TEXT NOT NULL PRIMARY KEY,
	value TEXT NOT NULL
) TABLE_BY_KEY;
