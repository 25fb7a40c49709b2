// Package vex reads what people say about vulnerabilities in their products, as
// OpenVEX and CSAF have it, and applies it to findings. It promises that a statement counts
// only for what it names: one that cannot be read, or that may mean something else,
// changes nothing. Who is believed is for its callers to say: it looks at no
// signature.
package vex

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/oci"
)

// Media types of documents, and of what they may be in.
const (
	MediaType          = "application/vnd.openvex+json"
	MediaTypeCSAF      = "application/csaf+json"
	MediaTypeStatement = "application/vnd.in-toto+json"
	MediaTypeEnvelope  = "application/vnd.dsse.envelope.v1+json"
	MediaTypeBundle    = "application/vnd.dev.sigstore.bundle.v0.3+json"
)

// ErrInvalid is returned for what is no document.
var ErrInvalid = fault.New(fault.Invalid, "BAD_REQUEST", "invalid VEX document")

// What a document may have.
const (
	MaxDocument = 8 << 20 // bytes, with what it is in

	maxStatements = 20_000
	maxProducts   = 50_000 // of all statements, with what they are made of
	maxText       = 4 << 10
	maxName       = 2 << 10
)

// A Document is what one author says.
type Document struct {
	ID         string
	Author     string
	Statements []Statement

	// Subjects are the digests that an attestation is about, which is about nothing
	// else. Empty: the document is not that of an attestation.
	Subjects []oci.Digest
}

// A Statement says how products stand to a vulnerability.
type Statement struct {
	Names         []string // of the vulnerability
	Products      []Product
	Status        finding.Status // finding.Fixed: the product has a remedy
	Justification string         // vulnerable_code_not_present, …
	Impact        string
	Time          time.Time
}

// A Product is what a statement is about: itself, or some of what it is made of.
type Product struct {
	Names         []string // package URLs, and other names
	Subcomponents []string // empty: all of it
}

// The wire's types. In version 0.0 of OpenVEX what are objects now are texts.
type (
	document struct {
		Context     json.RawMessage `json:"@context"`
		ID          string          `json:"@id"`
		Author      string          `json:"author"`
		Timestamp   time.Time       `json:"timestamp"`
		LastUpdated time.Time       `json:"last_updated"`
		Statements  []statement     `json:"statements"`
	}
	statement struct {
		Vulnerability json.RawMessage   `json:"vulnerability"`
		Products      []json.RawMessage `json:"products"`
		Subcomponents []json.RawMessage `json:"subcomponents"`
		Status        string            `json:"status"`
		Justification string            `json:"justification"`
		Impact        string            `json:"impact_statement"`
		Timestamp     time.Time         `json:"timestamp"`
		LastUpdated   time.Time         `json:"last_updated"`
	}
	vulnerability struct {
		ID      string   `json:"@id"`
		Name    string   `json:"name"`
		Aliases []string `json:"aliases"`
	}
	component struct {
		ID          string            `json:"@id"`
		Identifiers map[string]string `json:"identifiers"`
		Hashes      map[string]string `json:"hashes"`

		Subcomponents []json.RawMessage `json:"subcomponents"`
	}
)

// Parse reads an OpenVEX document, by itself or as the predicate of an in-toto
// statement, which may be in a DSSE envelope, and that in a bundle of Sigstore's; or a
// CSAF document of the profile VEX. A statement of a status that OpenVEX does not know
// is an error, like all else that cannot be read. It returns ErrInvalid.
func Parse(text []byte) (Document, error) {
	if len(text) > MaxDocument {
		return Document{}, ErrInvalid.With("it has more than %d bytes", MaxDocument)
	}
	text, enveloped, err := unwrap(text)
	if err != nil {
		return Document{}, err
	}
	var head struct {
		Type     string          `json:"_type"`
		Document json.RawMessage `json:"document"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return Document{}, ErrInvalid.With("%v", err)
	}
	switch {
	case head.Type != "" || enveloped:
		return parseAttestation(text)
	case head.Document != nil:
		return parseCSAF(text)
	}
	return parse(text)
}

func parse(text []byte) (Document, error) {
	var w document
	if err := json.Unmarshal(text, &w); err != nil {
		return Document{}, ErrInvalid.With("%v", err)
	}
	if !bytes.Contains(w.Context, []byte("https://openvex.dev/ns")) {
		return Document{}, ErrInvalid.With("its @context is not that of OpenVEX")
	}
	if len(w.Statements) > maxStatements {
		return Document{}, ErrInvalid.With("it has more than %d statements", maxStatements)
	}
	d := Document{ID: clip(w.ID), Author: clip(w.Author)}
	products := 0
	for i, s := range w.Statements {
		read, err := s.read(later(w.Timestamp, w.LastUpdated))
		if err != nil {
			return Document{}, ErrInvalid.With("statement %d: %v", i+1, err)
		}
		for _, p := range read.Products {
			products += len(p.Names) + len(p.Subcomponents)
		}
		if products > maxProducts {
			return Document{}, ErrInvalid.With("it names more than %d products", maxProducts)
		}
		d.Statements = append(d.Statements, read)
	}
	return d, nil
}

// read returns a statement, whose time is that of the document where it has none.
func (w statement) read(at time.Time) (s Statement, err error) {
	s = Statement{Status: finding.Status(w.Status), Justification: clip(w.Justification), Impact: clip(w.Impact), Time: at}
	if own := later(w.Timestamp, w.LastUpdated); !own.IsZero() {
		s.Time = own
	}
	switch s.Status {
	case finding.NotAffected, finding.Affected, finding.Fixed, finding.UnderInvestigation:
	default:
		return s, ErrInvalid.With("status %.80q", w.Status)
	}
	if s.Names, err = vulnerabilities(w.Vulnerability); err != nil {
		return s, err
	}
	parts, err := names(w.Subcomponents)
	if err != nil {
		return s, err
	}
	for _, text := range w.Products {
		p, err := product(text)
		if err != nil {
			return s, err
		}
		p.Subcomponents = append(p.Subcomponents, parts...)
		s.Products = append(s.Products, p)
	}
	return s, nil
}

// vulnerabilities returns the names of one.
func vulnerabilities(text json.RawMessage) (all []string, err error) {
	var v vulnerability
	if json.Unmarshal(text, &v.Name) != nil {
		if err := json.Unmarshal(text, &v); err != nil {
			return nil, ErrInvalid.With("vulnerability: %v", err)
		}
	}
	for _, name := range append([]string{v.Name, v.ID}, v.Aliases...) {
		if name = strings.TrimSpace(name); name != "" && len(name) <= maxName {
			all = append(all, name)
		}
	}
	if len(all) == 0 {
		return nil, ErrInvalid.With("the vulnerability has no name")
	}
	return all, nil
}

// product reads a product, or a part of one.
func product(text json.RawMessage) (p Product, err error) {
	var c component
	if json.Unmarshal(text, &c.ID) != nil {
		if err := json.Unmarshal(text, &c); err != nil {
			return p, ErrInvalid.With("product: %v", err)
		}
	}
	all := []string{c.ID, c.Identifiers["purl"]}
	if hash := c.Hashes["sha-256"]; hash != "" {
		all = append(all, "sha256:"+hash)
	}
	for _, name := range all {
		if name != "" && len(name) <= maxName {
			p.Names = append(p.Names, name)
		}
	}
	if len(p.Names) == 0 {
		return p, ErrInvalid.With("a product has no name")
	}
	slices.Sort(p.Names)
	p.Names = slices.Compact(p.Names)
	p.Subcomponents, err = names(c.Subcomponents)
	return p, err
}

// names returns those of components.
func names(all []json.RawMessage) (found []string, err error) {
	for _, text := range all {
		p, err := product(text)
		if err != nil {
			return nil, err
		}
		found = append(found, p.Names...)
	}
	return found, nil
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// clip returns text that is not too long.
func clip(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxText)], "")
}
