-- +goose Up

-- The log of audits is searched by parts of resources, too, of which no row is
-- read then. They have no more than some 500 bytes.
DROP INDEX audit_log_at;
DROP INDEX audit_log_project;
CREATE INDEX audit_log_at ON audit_log (at, id, project_id, username, resource_type, operation, success, resource);
CREATE INDEX audit_log_project ON audit_log (project_id, at, id, username, resource_type, operation, success, resource);
