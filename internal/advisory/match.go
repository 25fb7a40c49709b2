package advisory

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/inventory"
	"github.com/berth-registry/berth/internal/osv"
)

// Findings are the vulnerabilities of an inventory.
type Findings struct {
	Generation Generation
	Rows       []finding.Vulnerability // the worst first; never nil
	Unknown    []string                // ecosystems of packages that no advisory is about: they were not judged
}

// A key is what rows depend on.
type key struct {
	generation               Generation
	ecosystem, name, version string
}

// weight is about how many bytes rows take with their key.
func (k key) weight(all []row) uint32 {
	n := 128 + len(k.ecosystem) + len(k.name) + len(k.version)
	for _, r := range all {
		n += r.weight()
	}
	return uint32(min(n, maxRemembered)) //nolint:gosec // G115: bounded
}

// Match returns the vulnerabilities of an inventory: one row for each of one
// version of one package, wherever in the image that is. What it found of a package
// is remembered for the generation. Packages that the distribution brought are
// judged as the distribution's, where there are advisories about it. It returns
// ErrNone and ErrTooMany.
func (s *Service) Match(ctx context.Context, inv inventory.Inventory) (Findings, error) {
	r, err := s.store.Open(ctx)
	if err != nil {
		return Findings{}, err
	}
	defer r.Close()
	found := Findings{Generation: r.Generation()}
	known, err := ecosystems(ctx, r, inv)
	if err != nil {
		return found, err
	}
	for _, e := range slices.Sorted(maps.Keys(known)) {
		if !known[e] {
			found.Unknown = append(found.Unknown, e)
		}
	}
	distribution := slices.ContainsFunc(inv.Packages, func(p inventory.Package) bool { return ofDistribution(p) && known[p.Ecosystem] })
	m := merged{at: map[place]int{}, rows: []finding.Vulnerability{}}
	for _, p := range inv.Packages {
		if p.Ecosystem == "" || !known[p.Ecosystem] || p.Owned && distribution {
			continue
		}
		rows, err := s.about(ctx, r, p)
		if err != nil {
			return found, fmt.Errorf("match %s %s: %w", p.Ecosystem, p.Name, err)
		}
		for _, row := range rows {
			m.add(row, p)
		}
	}
	slices.SortFunc(m.rows, worst)
	found.Rows = m.rows
	return found, nil
}

func ofDistribution(p inventory.Package) bool {
	return p.Type == "deb" || p.Type == "apk" || p.Type == "rpm"
}

// ecosystems returns those of an inventory, and whether they are known.
func ecosystems(ctx context.Context, r Reader, inv inventory.Inventory) (map[string]bool, error) {
	known := map[string]bool{}
	for _, p := range inv.Packages {
		if _, seen := known[p.Ecosystem]; seen || p.Ecosystem == "" {
			continue
		}
		is, err := r.Knows(ctx, osv.Key(p.Ecosystem))
		if err != nil {
			return nil, err
		}
		known[p.Ecosystem] = is
	}
	return known, nil
}

// worst orders rows.
func worst(a, b finding.Vulnerability) int {
	return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Package, b.Package), cmp.Compare(a.Version, b.Version))
}

// about returns the rows of a package.
func (s *Service) about(ctx context.Context, r Reader, p inventory.Package) ([]row, error) {
	k := key{r.Generation(), osv.Key(p.Ecosystem), osv.Name(p.Ecosystem, cmp.Or(p.Source, p.Name)), cmp.Or(p.SourceVersion, p.Version)}
	if rows, ok := s.rows.GetIfPresent(k); ok {
		return rows, nil
	}
	records, err := r.About(ctx, k.ecosystem, k.name)
	if err != nil {
		return nil, err
	}
	rows, err := rowsOf(ctx, r, osv.NewVersion(k.ecosystem, k.version), records)
	if err != nil {
		return nil, err
	}
	s.rows.Set(k, rows)
	return rows, nil
}

// A place is what a report has once.
type place struct{ id, name, version string }

// merged are the rows of all packages.
type merged struct {
	at   map[place]int
	rows []finding.Vulnerability
}

// add makes a row that of a package. What is found once more tells only where.
func (m *merged) add(r row, p inventory.Package) {
	k := place{r.ID, p.Name, p.Version}
	i, ok := m.at[k]
	if !ok {
		v := r.Vulnerability
		v.Package, v.Version = p.Name, p.Version
		v.Vendor = maps.Clone(v.Vendor)
		i = len(m.rows)
		m.at[k], m.rows = i, append(m.rows, v)
	}
	v := &m.rows[i]
	if p.Layer != "" && !slices.Contains(v.Layers, p.Layer) {
		v.Layers = append(v.Layers, p.Layer)
	}
	purls, _ := v.Vendor[PURLs].([]any)
	if p.PURL != "" && !slices.Contains(purls, any(p.PURL)) {
		v.Vendor[PURLs] = append(purls, p.PURL)
	}
}
