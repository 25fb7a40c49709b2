package vex

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/oci"
)

// Keys of finding.Vulnerability.Vendor.
const (
	Key   = "vex"   // what was said, and by whom
	purls = "purls" // of the packages as they are installed, where a scanner tells them
)

// A Subject is what findings were made of.
type Subject struct {
	Digests      []oci.Digest // of the artifact, and of indexes that it is in
	Repositories []string     // names by which it is reached: registry.example.com/library/app
	Packages     []string     // package URLs of all that is installed; may be empty
}

// A claim is a statement with who makes it.
type claim struct {
	Statement

	document, author string
}

// Apply returns the rows with what documents say of them. Of several statements
// about one row the latest counts. Rows stay: their Status becomes that of the
// statement, and Vendor says why. The rows that are given are not changed.
func Apply(rows []finding.Vulnerability, docs []Document, s Subject) []finding.Vulnerability {
	claims := claims(docs, s)
	if len(claims) == 0 {
		return rows
	}
	rows = slices.Clone(rows)
	t := target{Subject: s}
	for _, text := range s.Packages {
		if p, ok := parsePURL(text); ok {
			t.packages = append(t.packages, p)
		}
	}
	for i := range rows {
		for _, name := range append([]string{rows[i].ID}, texts(rows[i].Vendor["osv_ids"])...) {
			for _, c := range claims[strings.ToUpper(name)] {
				if t.holds(c, rows[i]) {
					tell(&rows[i], c)
				}
			}
		}
	}
	return rows
}

// claims returns the statements that may be about a subject, by the names of their
// vulnerabilities, the latest last.
func claims(docs []Document, s Subject) map[string][]claim {
	by := map[string][]claim{}
	for _, d := range docs {
		if len(d.Subjects) > 0 && !slices.ContainsFunc(d.Subjects, func(is oci.Digest) bool { return slices.Contains(s.Digests, is) }) {
			continue
		}
		for _, st := range d.Statements {
			for _, name := range st.Names {
				key := strings.ToUpper(name)
				by[key] = append(by[key], claim{st, d.ID, d.Author})
			}
		}
	}
	for _, all := range by {
		slices.SortStableFunc(all, func(a, b claim) int { return a.Time.Compare(b.Time) })
	}
	return by
}

// A target is a subject as it is compared.
type target struct {
	Subject

	packages []purl
}

// holds reports whether a claim is about a row.
func (t target) holds(c claim, v finding.Vulnerability) bool {
	return slices.ContainsFunc(c.Products, func(p Product) bool {
		if len(p.Subcomponents) == 0 {
			return t.is(p.Names) || of(p.Names, v)
		}
		return (t.is(p.Names) || t.has(p.Names)) && of(p.Subcomponents, v)
	})
}

// is reports whether one of the names is the subject's: a digest, or the package URL
// of its image, whose version is the digest, or stands for all where there is none.
// Without a version it must say where the image is.
func (t target) is(names []string) bool {
	return t.digested(names) || slices.ContainsFunc(names, func(name string) bool {
		p, ok := parsePURL(name)
		return ok && p.kind == "oci" && p.version == "" && p.where != "" && t.at(p)
	})
}

// digested is is, of names with a digest alone.
func (t target) digested(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		if slices.Contains(t.Digests, oci.Digest(name)) {
			return true
		}
		p, ok := parsePURL(name)
		return ok && p.kind == "oci" && slices.Contains(t.Digests, oci.Digest(p.version)) && (p.where == "" || t.at(p))
	})
}

// Naming returns what a document says of products that it calls by a digest of a
// subject: all that counts for an image where the document is about an index of many.
func (d Document) Naming(s Subject) Document {
	t, all := target{Subject: s}, d.Statements
	d.Statements = nil
	for _, st := range all {
		var products []Product
		for _, p := range st.Products {
			if t.digested(p.Names) {
				products = append(products, p)
			}
		}
		if st.Products = products; len(products) > 0 {
			d.Statements = append(d.Statements, st)
		}
	}
	return d
}

// at reports whether the image of a package URL is reached by a name of the subject.
func (t target) at(p purl) bool {
	where := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(p.where, "https://"), "http://"), "/")
	return slices.ContainsFunc(t.Repositories, func(r string) bool {
		return strings.EqualFold(r, where) || strings.EqualFold(r, where+"/"+p.name)
	})
}

// has reports whether one of the names is that of something that is installed.
func (t target) has(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		p, ok := parsePURL(name)
		return ok && p.kind != "oci" && slices.ContainsFunc(t.packages, p.covers)
	})
}

// of reports whether one of the names is that of a row's package.
func of(names []string, v finding.Vulnerability) bool {
	installed := texts(v.Vendor[purls])
	return slices.ContainsFunc(names, func(name string) bool {
		p, ok := parsePURL(name)
		if !ok || p.kind == "oci" {
			return false
		}
		if len(installed) == 0 {
			return p.names(v.Package, v.Version)
		}
		return !slices.ContainsFunc(installed, func(text string) bool { // all that the row is about
			q, ok := parsePURL(text)
			return !ok || !p.covers(q)
		})
	})
}

// texts returns those of a list as JSON has it.
func texts(list any) (all []string) {
	switch list := list.(type) {
	case []string:
		return list
	case []any:
		for _, t := range list {
			if text, ok := t.(string); ok {
				all = append(all, text)
			}
		}
	}
	return all
}

// tell says in a row what a claim says, unless a later one is there.
func tell(v *finding.Vulnerability, c claim) {
	at := c.Time.UTC().Format(time.RFC3339Nano)
	if said, ok := v.Vendor[Key].(map[string]any); ok {
		was, _ := said["timestamp"].(string)
		before, err := time.Parse(time.RFC3339Nano, was)
		if err == nil && before.After(c.Time) {
			return
		}
	}
	said := map[string]any{"status": string(c.Status), "timestamp": at}
	for key, text := range map[string]string{"justification": c.Justification, "impact_statement": c.Impact, "author": c.author, "document": c.document} {
		if text != "" {
			said[key] = text
		}
	}
	v.Vendor = maps.Clone(v.Vendor)
	if v.Vendor == nil {
		v.Vendor = map[string]any{}
	}
	v.Vendor[Key] = said
	v.Status = c.Status
	if c.Status == finding.Affected && v.Fixed != "" { // which is what a scanner means by fixed
		v.Status = finding.Fixed
	}
}

// Counts reports whether a row is still to be counted: nobody has said that the
// vulnerability does no harm here, or is mended.
func Counts(v finding.Vulnerability) bool {
	said, _ := v.Vendor[Key].(map[string]any)
	status, _ := said["status"].(string)
	is := finding.Status(cmp.Or(status, string(finding.Affected)))
	return is != finding.NotAffected && is != finding.Fixed
}
