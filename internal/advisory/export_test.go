package advisory

import (
	"context"

	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/osv"
)

// nothing is a Reader that knows of no CVE.
type nothing struct{ Reader }

// CVEs implements Reader.
func (nothing) CVEs(context.Context, []string) (map[string]CVE, error) { return nil, nil }

// RowsOf returns the rows of records alone.
func RowsOf(ctx context.Context, ecosystem, version string, records []osv.Record) (all []finding.Vulnerability, err error) {
	rows, err := rowsOf(ctx, nothing{}, osv.NewVersion(ecosystem, version), records)
	for _, r := range rows {
		all = append(all, r.Vulnerability)
	}
	return all, err
}
