package vex

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/finding"
)

// What is read of a CSAF document (CSAF 2.0, section 3.2). Groups are lists of
// products by other names.
type (
	advisory struct {
		Document struct {
			Category  string `json:"category"`
			Publisher struct {
				Name string `json:"name"`
			} `json:"publisher"`
			Tracking struct {
				ID   string    `json:"id"`
				Date time.Time `json:"current_release_date"`
			} `json:"tracking"`
		} `json:"document"`
		Tree struct {
			Branches      []branch       `json:"branches"`
			Names         []namedProduct `json:"full_product_names"`
			Relationships []struct {
				Component string       `json:"product_reference"`
				Of        string       `json:"relates_to_product_reference"`
				Product   namedProduct `json:"full_product_name"`
			} `json:"relationships"`
			Groups []struct {
				ID       string   `json:"group_id"`
				Products []string `json:"product_ids"`
			} `json:"product_groups"`
		} `json:"product_tree"`
		Vulnerabilities []csafVulnerability `json:"vulnerabilities"`
	}
	branch struct {
		Category string        `json:"category"`
		Branches []branch      `json:"branches"`
		Product  *namedProduct `json:"product"`
	}
	namedProduct struct {
		ID     string `json:"product_id"`
		Helper struct {
			PURL   string `json:"purl"`
			Hashes []struct {
				Files []struct {
					Algorithm string `json:"algorithm"`
					Value     string `json:"value"`
				} `json:"file_hashes"`
			} `json:"hashes"`
		} `json:"product_identification_helper"`
	}
	csafVulnerability struct {
		CVE string `json:"cve"`
		IDs []struct {
			Text string `json:"text"`
		} `json:"ids"`
		Status  map[string][]string `json:"product_status"`
		Flags   []remark            `json:"flags"`
		Threats []remark            `json:"threats"`
	}
	// A remark says why some products have their status.
	remark struct {
		Label    string   `json:"label"`    // of a flag
		Category string   `json:"category"` // of a threat
		Details  string   `json:"details"`  // of a threat
		Products []string `json:"product_ids"`
		Groups   []string `json:"group_ids"`
	}
)

// csafStatuses are those of products, in the order in which a later one counts where a
// document says two things of a product. What is recommended says nothing.
var csafStatuses = []struct {
	name string
	is   finding.Status
}{
	{"known_not_affected", finding.NotAffected}, {"fixed", finding.Fixed}, {"first_fixed", finding.Fixed}, {"under_investigation", finding.UnderInvestigation},
	{"known_affected", finding.Affected}, {"first_affected", finding.Affected}, {"last_affected", finding.Affected},
}

// maxNamed is how often products may be named in a CSAF document, with what groups
// stand for.
const maxNamed = 500_000

// A csafReader makes statements of a document.
type csafReader struct {
	products map[string]Product // by their ids; only those that have names
	groups   map[string][]string
	named    int
}

func parseCSAF(text []byte) (Document, error) {
	var w advisory
	if err := json.Unmarshal(text, &w); err != nil {
		return Document{}, ErrInvalid.With("%v", err)
	}
	if w.Document.Category != "csaf_vex" {
		return Document{}, ErrInvalid.With("it is of the category %.80q of CSAF", w.Document.Category)
	}
	r := csafReader{products: map[string]Product{}, groups: map[string][]string{}}
	r.tree(w)
	d := Document{ID: clip(w.Document.Tracking.ID), Author: clip(w.Document.Publisher.Name)}
	products := 0
	for _, v := range w.Vulnerabilities {
		all, err := r.statements(v, w.Document.Tracking.Date)
		if err != nil {
			return Document{}, err
		}
		for _, s := range all {
			for _, p := range s.Products {
				products += len(p.Names) + len(p.Subcomponents)
			}
		}
		if d.Statements = append(d.Statements, all...); len(d.Statements) > maxStatements || products > maxProducts {
			return Document{}, ErrInvalid.With("it says more than %d things, or of more than %d products", maxStatements, maxProducts)
		}
	}
	return d, nil
}

// tree notes the products of a document. Those that are others together are what one
// of them is as a part of the other, where both have names: of what has none, nobody
// can tell what it is.
func (r *csafReader) tree(w advisory) {
	r.branches(w.Tree.Branches, false)
	for _, p := range w.Tree.Names {
		r.product(p, false)
	}
	for _, rel := range w.Tree.Relationships {
		part, whole := r.products[rel.Component], r.products[rel.Of]
		if len(part.Names) > 0 && len(whole.Names) > 0 && len(part.Subcomponents)+len(whole.Subcomponents) == 0 {
			r.products[rel.Product.ID] = Product{Names: whole.Names, Subcomponents: part.Names}
		}
	}
	for _, g := range w.Tree.Groups {
		r.groups[g.ID] = g.Products
	}
}

// branches notes the products below some branches, which tell of a version where one
// above them does.
func (r *csafReader) branches(all []branch, versioned bool) {
	for _, b := range all {
		of := versioned || strings.HasPrefix(b.Category, "product_version")
		if b.Product != nil {
			r.product(*b.Product, of)
		}
		r.branches(b.Branches, of)
	}
}

// product notes one. Where its branches tell of a version and its package URL does
// not, that would stand for all versions, and names nothing.
func (r *csafReader) product(w namedProduct, versioned bool) {
	var p Product
	if u, ok := parsePURL(w.Helper.PURL); ok && len(w.Helper.PURL) <= maxName && (u.version != "" || !versioned) {
		p.Names = append(p.Names, w.Helper.PURL)
	}
	for _, h := range w.Helper.Hashes {
		for _, f := range h.Files {
			if strings.EqualFold(f.Algorithm, "sha256") && len(f.Value) <= maxName {
				p.Names = append(p.Names, "sha256:"+strings.ToLower(f.Value))
			}
		}
	}
	if len(p.Names) > 0 {
		r.products[w.ID] = p
	}
}

// names returns those of a vulnerability.
func (v csafVulnerability) names() (all []string, err error) {
	all = []string{v.CVE}
	for _, id := range v.IDs {
		all = append(all, id.Text)
	}
	all = slices.DeleteFunc(all, func(name string) bool { return strings.TrimSpace(name) == "" || len(name) > maxName })
	if len(all) == 0 {
		return nil, ErrInvalid.With("a vulnerability has no name")
	}
	return all, nil
}

// statements returns what is said of a vulnerability: of products that have the same
// status for the same reason, together.
func (r *csafReader) statements(v csafVulnerability, at time.Time) (all []Statement, err error) {
	names, err := v.names()
	if err != nil {
		return nil, err
	}
	labels, err := r.remarks(v.Flags, func(w remark) string { return w.Label })
	if err != nil {
		return nil, err
	}
	impacts, err := r.remarks(v.Threats, func(w remark) string {
		if w.Category != "impact" {
			return ""
		}
		return w.Details
	})
	if err != nil {
		return nil, err
	}
	for _, status := range csafStatuses {
		type why struct{ justification, impact string }
		began := map[why]int{}
		for _, id := range v.Status[status.name] {
			if err := r.count(1); err != nil {
				return nil, err
			}
			p, known := r.products[id]
			if !known {
				continue
			}
			because := why{labels[id], impacts[id]}
			i, there := began[because]
			if !there {
				i = len(all)
				began[because] = i
				all = append(all, Statement{Names: names, Status: status.is, Justification: because.justification, Impact: because.impact, Time: at})
			}
			all[i].Products = append(all[i].Products, p)
		}
	}
	return all, nil
}

// remarks returns what some of them say, clipped, by the ids of products.
func (r *csafReader) remarks(all []remark, says func(remark) string) (map[string]string, error) {
	said := map[string]string{}
	for _, w := range all {
		text := clip(says(w))
		if text == "" {
			continue
		}
		lists := [][]string{w.Products}
		for _, g := range w.Groups {
			lists = append(lists, r.groups[g])
		}
		for _, ids := range lists {
			if err := r.count(1 + len(ids)); err != nil {
				return nil, err
			}
			for _, id := range ids {
				said[id] = text
			}
		}
	}
	return said, nil
}

// count bounds how long reading a document takes.
func (r *csafReader) count(n int) error {
	if r.named += n; r.named > maxNamed {
		return ErrInvalid.With("it names products more than %d times", maxNamed)
	}
	return nil
}
