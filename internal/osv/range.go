package osv

import (
	"cmp"
	"slices"
)

// first is introduced before all versions.
const first = "0"

// clean brings the events into the order of their versions, and reports whether
// the range can be judged. Events of the same version stay in their order; limits
// count for nothing.
func (g *Range) clean(ecosystem string) bool {
	if g.Type != "SEMVER" && g.Type != "ECOSYSTEM" {
		return false
	}
	g.Events = slices.DeleteFunc(g.Events, func(e Event) bool { return e == Event{} })
	versions := make(map[string]Version, len(g.Events))
	begins := false
	for _, e := range g.Events {
		v := NewVersion(ecosystem, e.at())
		if !e.single() || v.parsed == nil && e.Introduced != first {
			return false
		}
		begins = begins || e.Introduced != ""
		versions[e.at()] = v
	}
	sortable := true
	slices.SortStableFunc(g.Events, func(a, b Event) int {
		if a.Introduced == first || b.Introduced == first {
			return cmp.Compare(a.rank(), b.rank())
		}
		n, err := versions[a.at()].against(versions[b.at()])
		sortable = sortable && err == nil
		return n
	})
	return begins && sortable
}

// single reports whether an event has one version and no more.
func (e Event) single() bool {
	n := 0
	for _, v := range []string{e.Introduced, e.Fixed, e.LastAffected} {
		n += min(len(v), 1)
	}
	return n == 1
}

// rank is 0 for what comes before all versions.
func (e Event) rank() int {
	if e.Introduced == first {
		return 0
	}
	return 1
}

// Affects reports whether a version is affected. A range that cannot be judged
// counts for nothing.
func (a Affected) Affects(v Version) bool {
	return slices.ContainsFunc(a.Ranges, func(g Range) bool { return g.holds(a.Package.Ecosystem, v) }) ||
		slices.ContainsFunc(a.Versions, func(w string) bool { return v.is(a.Package.Ecosystem, w) })
}

// holds reports whether a version is in the range.
func (g Range) holds(ecosystem string, v Version) bool {
	in := false
	for _, e := range g.Events {
		if e.Introduced == first {
			in = true
			continue
		}
		n, err := v.against(NewVersion(ecosystem, e.at()))
		switch {
		case err != nil:
			return false
		case e.Introduced != "" && n >= 0:
			in = true
		case e.Fixed != "" && n >= 0, e.LastAffected != "" && n > 0:
			in = false
		}
	}
	return in && v.parsed != nil
}

// is reports whether v is a version that a record lists.
func (v Version) is(ecosystem, listed string) bool {
	if v.text == listed {
		return true
	}
	n, err := v.against(NewVersion(ecosystem, listed))
	return err == nil && n == 0
}

// maxTried bounds how many versions are looked at that could mend something.
const maxTried = 32

// FixedIn returns the lowest version above v that mends one of the affected, which
// are of one package, and is not affected by any; otherwise the lowest that mends
// one, or an empty text.
func FixedIn(v Version, all ...Affected) string {
	fixes := fixes(v, all)
	for _, f := range fixes[:min(len(fixes), maxTried)] {
		if !slices.ContainsFunc(all, func(a Affected) bool { return a.Affects(f) }) {
			return f.text
		}
	}
	if len(fixes) > 0 {
		return fixes[0].text
	}
	return ""
}

// fixes returns the versions above v that mend one of the affected, the lowest
// first.
func fixes(v Version, all []Affected) (found []Version) {
	for _, a := range all {
		for _, g := range a.Ranges {
			for _, e := range g.Events {
				if e.Fixed == "" {
					continue
				}
				f := NewVersion(a.Package.Ecosystem, e.Fixed)
				if n, err := f.against(v); err == nil && n > 0 {
					found = append(found, f)
				}
			}
		}
	}
	slices.SortStableFunc(found, func(a, b Version) int {
		n, _ := a.against(b)
		return n
	})
	return found
}
