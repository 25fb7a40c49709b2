-- +goose Up

-- The registry that a project is a cache of; NULL for those that are pushed to. It
-- never changes while the project lives, and keeps the registry from being
-- deleted.
ALTER TABLE project ADD COLUMN upstream BIGINT NULL REFERENCES endpoint (id);
CREATE INDEX project_upstream ON project (upstream) WHERE upstream IS NOT NULL;
CREATE INDEX project_registry ON project ((COALESCE(upstream, 0)), name, id);
