-- +goose Up

-- The scanners that reports are of, by what they are called elsewhere.
CREATE TABLE scan_scanner (
	id   SERIAL_ID,
	uuid TEXT NOT NULL UNIQUE
) TABLE_OPTIONS;

-- What a scanner said of an artifact. It belongs to the artifact, not to its
-- digest: what a project decides changes nothing in others.
CREATE TABLE scan_report (
	id            SERIAL_ID,
	uuid          TEXT   NOT NULL UNIQUE,
	artifact_id   BIGINT NOT NULL REFERENCES artifact (id) ON DELETE CASCADE,
	project_id    BIGINT NOT NULL,
	repository_id BIGINT NOT NULL,
	scanner_id    BIGINT NOT NULL REFERENCES scan_scanner (id),
	kind          TEXT   NOT NULL, -- vulnerability, sbom
	status        TEXT   NOT NULL DEFAULT '', -- of the last examination that ended by itself
	task_id       BIGINT NOT NULL DEFAULT 0, -- of the last one, which may be gone
	started       BIGINT NOT NULL DEFAULT 0,
	ended         BIGINT NOT NULL DEFAULT 0,
	made          BIGINT NOT NULL DEFAULT 0, -- when what follows was found; 0: nothing was
	name          TEXT   NOT NULL DEFAULT '', -- of the scanner at that time
	vendor        TEXT   NOT NULL DEFAULT '',
	version       TEXT   NOT NULL DEFAULT '',
	critical      BIGINT NOT NULL DEFAULT 0,
	high          BIGINT NOT NULL DEFAULT 0,
	medium        BIGINT NOT NULL DEFAULT 0,
	low           BIGINT NOT NULL DEFAULT 0,
	negligible    BIGINT NOT NULL DEFAULT 0,
	unknown       BIGINT NOT NULL DEFAULT 0,
	fixable       BIGINT NOT NULL DEFAULT 0,
	sbom          TEXT   NOT NULL DEFAULT '', -- digest
	content       TEXT   NOT NULL DEFAULT '', -- hash of what was found
	UNIQUE (artifact_id, scanner_id, kind)
) TABLE_OPTIONS;
CREATE INDEX scan_report_worst ON scan_report (scanner_id, critical, high, medium, id, low, negligible, unknown, fixable, made) WHERE kind = 'vulnerability';
CREATE INDEX scan_report_project ON scan_report (project_id, id);
CREATE INDEX scan_report_repository ON scan_report (repository_id, id);

-- What was found, once for all artifacts that have it. A weight is the severity
-- times 1000 and ten times the score.
CREATE TABLE vulnerability (
	id          SERIAL_ID,
	hash        TEXT   NOT NULL UNIQUE, -- of all that follows
	scanner_id  BIGINT NOT NULL REFERENCES scan_scanner (id),
	weight      BIGINT NOT NULL,
	cve         TEXT   NOT NULL,
	package     TEXT   NOT NULL,
	version     TEXT   NOT NULL,
	fixed       TEXT   NOT NULL,
	severity    BIGINT NOT NULL,
	score       BIGINT NOT NULL, -- of CVSS 3, times 10; -1: there is none
	status      TEXT   NOT NULL,
	used        BIGINT NOT NULL, -- when a report was last made of it, about
	description TEXT   NOT NULL,
	details     TEXT   NOT NULL -- json
) TABLE_OPTIONS;
CREATE INDEX vulnerability_weight ON vulnerability (scanner_id, weight, id, severity, score, status);
CREATE INDEX vulnerability_cve ON vulnerability (scanner_id, cve, weight, id);
CREATE INDEX vulnerability_package ON vulnerability (scanner_id, package, weight, id);

CREATE TABLE finding (
	report_id        BIGINT NOT NULL REFERENCES scan_report (id) ON DELETE CASCADE,
	vulnerability_id BIGINT NOT NULL REFERENCES vulnerability (id),
	scanner_id       BIGINT NOT NULL,
	project_id       BIGINT NOT NULL,
	repository_id    BIGINT NOT NULL,
	weight           BIGINT NOT NULL,
	layers           TEXT   NOT NULL DEFAULT '', -- digests, a space between them
	PRIMARY KEY (report_id, vulnerability_id)
) TABLE_BY_KEY;
CREATE INDEX finding_vulnerability ON finding (vulnerability_id, report_id, project_id, repository_id);
CREATE INDEX finding_project ON finding (scanner_id, project_id, weight, vulnerability_id, report_id);
CREATE INDEX finding_repository ON finding (repository_id, scanner_id, weight, vulnerability_id, report_id);

-- What a version of the program has read out of a layer.
CREATE TABLE layer_facts (
	digest  TEXT   NOT NULL REFERENCES blob (digest) ON DELETE CASCADE,
	version BIGINT NOT NULL,
	data    BYTES  NOT NULL, -- compressed
	PRIMARY KEY (digest, version)
) TABLE_BY_KEY;
CREATE INDEX layer_facts_version ON layer_facts (version);

-- What was exported, until it is downloaded.
CREATE TABLE export_file (
	execution_id BIGINT NOT NULL PRIMARY KEY REFERENCES execution (id) ON DELETE CASCADE,
	created      BIGINT NOT NULL,
	data         BYTES  NOT NULL -- compressed
) TABLE_BY_KEY;
CREATE INDEX export_file_created ON export_file (created);
