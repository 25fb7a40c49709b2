package advisory

import (
	"cmp"
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/osv"
)

// Keys of finding.Vulnerability.Vendor.
const (
	CVSS       = "CVSS"            // scores, by who gives them
	OSV        = "osv_ids"         // of all advisories that a row is made of
	PURLs      = "purls"           // of the packages as they are installed
	KEV        = "kev_date_added"  // since when it is known to be exploited
	EPSS       = "epss_score"      // how likely it is to be exploited within 30 days, from 0 to 1
	Percentile = "epss_percentile" // how many of all are at most as likely, from 0 to 1
)

// What a package may have.
const (
	maxRows     = 50_000
	maxRowLinks = 24
)

// A row is a finding without what the package as it is installed adds. It is
// shared, and not to be changed.
type row struct{ finding.Vulnerability }

// weight is about how many bytes it takes.
func (r row) weight() int {
	n := 1024 + len(r.Description)
	for _, l := range r.Links {
		n += len(l)
	}
	return n
}

// A hit is a record that is about the installed version.
type hit struct {
	osv.Record
	cves []string // that it is about, by its own account
}

// rowsOf returns a row for each vulnerability that the records of a package, by
// their ids, know in a version of it.
func rowsOf(ctx context.Context, r Reader, v osv.Version, records []osv.Record) ([]row, error) {
	groups := group(hits(v, records))
	if len(groups) == 0 {
		return nil, nil
	}
	if len(groups) > maxRows {
		return nil, ErrTooMany.With("%d vulnerabilities", len(groups))
	}
	ids := slices.Sorted(maps.Keys(groups))
	known, err := r.CVEs(ctx, slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !osv.IsCVE(id) }))
	if err != nil {
		return nil, err
	}
	rows := make([]row, 0, len(ids))
	for _, id := range ids {
		rows = append(rows, newRow(id, v, groups[id], known[id]))
	}
	return rows, nil
}

func hits(v osv.Version, records []osv.Record) (all []hit) {
	for _, r := range records {
		if r.Withdrawn.IsZero() && slices.ContainsFunc(r.Affected, func(a osv.Affected) bool { return a.Affects(v) }) {
			all = append(all, hit{r, CVEs(r)})
		}
	}
	return all
}

// errata are what ids of advisories begin with that mend what they call related.
var errata = []string{"ALSA-", "ALBA-", "ALEA-", "RLSA-", "RLBA-", "RLEA-", "RXSA-", "RHSA-", "RHBA-", "RHEA-", "SUSE-", "openSUSE-"}

// CVEs returns those that a record is about: of itself, its aliases, what is
// upstream of it, or of an erratum what is related, the first of these that has any.
func CVEs(r osv.Record) []string {
	names := [][]string{{r.ID}, r.Aliases, r.Upstream}
	if slices.ContainsFunc(errata, func(e string) bool { return strings.HasPrefix(r.ID, e) }) {
		names = append(names, r.Related)
	}
	for _, ids := range names {
		if cves := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return !osv.IsCVE(id) }); len(cves) > 0 {
			return cves
		}
	}
	return nil
}

// group returns the hits by the ids of their rows: a CVE, or the first id of those
// that are aliases of one another without one. A record without a CVE belongs to
// those of its aliases, however far they reach.
func group(all []hit) map[string][]hit {
	kin := families(all)
	cves := map[int][]string{}
	first := map[int]string{}
	for i, h := range all {
		f := kin[i]
		cves[f] = append(cves[f], h.cves...)
		if first[f] == "" || h.ID < first[f] {
			first[f] = h.ID
		}
	}
	groups := map[string][]hit{}
	for i, h := range all {
		ids := h.cves
		if len(ids) == 0 {
			ids = slices.Compact(slices.Sorted(slices.Values(cves[kin[i]])))
		}
		if len(ids) == 0 {
			ids = []string{first[kin[i]]}
		}
		for _, id := range ids {
			groups[id] = append(groups[id], h)
		}
	}
	return groups
}

// families returns a number for each hit that is the same for all that share a
// name, or share one with another that does.
func families(all []hit) []int {
	kin := make([]int, len(all))
	for i := range kin {
		kin[i] = i
	}
	root := func(i int) int {
		for kin[i] != i {
			kin[i] = kin[kin[i]]
			i = kin[i]
		}
		return i
	}
	owner := map[string]int{}
	for i, h := range all {
		for _, name := range append([]string{h.ID}, h.Aliases...) {
			if o, ok := owner[name]; ok {
				kin[root(i)] = root(o)
			} else {
				owner[name] = i
			}
		}
	}
	for i := range kin {
		kin[i] = root(i)
	}
	return kin
}

// newRow returns the row of an id.
func newRow(id string, v osv.Version, hits []hit, known CVE) row {
	var affected []osv.Affected
	var osvs []any
	var cwes []string
	description := ""
	for _, h := range hits {
		affected = append(affected, h.Affected...)
		osvs = append(osvs, h.ID)
		cwes = append(cwes, h.Specific.CWEs...)
		description = cmp.Or(description, h.Details, h.Summary)
	}
	if len(cwes) == 0 {
		for _, s := range known.Scores {
			cwes = append(cwes, s.CWEs...)
		}
	}
	r := row{finding.Vulnerability{
		ID: id, Fixed: osv.FixedIn(v, affected...), Status: finding.Affected, Description: description,
		Links: links(id, hits), CWEs: slices.Compact(slices.Sorted(slices.Values(cwes))), Vendor: map[string]any{OSV: osvs},
	}}
	if r.Fixed != "" {
		r.Status = finding.Fixed
	}
	r.judge(v, hits, known)
	if known.Exploited != "" {
		r.Vendor[KEV] = known.Exploited
	}
	if l := known.Likelihood; l != nil {
		r.Vendor[EPSS], r.Vendor[Percentile] = l.Score, l.Percentile
	}
	return r
}

// links returns where there is more about a row, from the general to the special.
func links(id string, hits []hit) (all []string) {
	if osv.IsCVE(id) {
		all = append(all, "https://nvd.nist.gov/vuln/detail/"+id)
	}
	for _, h := range hits {
		all = append(all, "https://osv.dev/vulnerability/"+url.PathEscape(h.ID))
	}
	for _, h := range hits {
		for _, l := range h.References {
			all = append(all, l.URL)
		}
	}
	return once(all, maxRowLinks)
}

// once returns the first n different texts.
func once(all []string, n int) []string {
	seen := map[string]bool{}
	all = slices.DeleteFunc(all, func(text string) bool {
		was := seen[text]
		seen[text] = true
		return was
	})
	return slices.Clip(all[:min(n, len(all))])
}
