-- +goose Up

-- What a report's scanner knew of vulnerabilities when the report was last held
-- against that: a number that grows. Reports that are behind are found by it.
ALTER TABLE scan_report ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
CREATE INDEX scan_report_generation ON scan_report (scanner_id, generation, id) WHERE kind = 'vulnerability' AND made > 0;
