package sbom

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"unicode"

	"github.com/berth-registry/berth/internal/fault"
)

// Errors of reading a bill.
var (
	ErrInvalid  = fault.New(fault.Invalid, "SBOM_INVALID", "the bill of materials is damaged")
	ErrUnknown  = fault.New(fault.Unsupported, "SBOM_UNSUPPORTED", "the bill of materials is in a format that cannot be shown")
	ErrTooLarge = fault.New(fault.TooLarge, "SBOM_TOO_LARGE", "the bill of materials is too large to be shown")
)

// Limits of what is read. Texts that are longer than maxText are cut.
const (
	MaxBytes    = 64 << 20
	MaxPackages = 100_000
	maxDepth    = 64 // objects and lists within each other
	maxText     = 1024
	maxLicenses = 32 // of a package
)

// A Bill is what people look at of a document.
type Bill struct {
	Format   Format
	Version  string // of the format: 2.3, 1.6
	Name     string // of what it is about; may be empty
	Packages []Package
}

// A Package of a bill, in the bill's order.
type Package struct {
	Name, Version string
	PURL          string   // empty where none is said
	Licenses      []string // as they are said; none where nothing is asserted
}

// Read reads a document of SPDX 2 or CycloneDX 1, in JSON. It returns ErrInvalid,
// ErrUnknown or ErrTooLarge, or the error of reading.
func Read(r io.Reader) (Bill, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err != nil {
		return Bill{}, err
	}
	if len(b) > MaxBytes {
		return Bill{}, ErrTooLarge.With("it has more than %d bytes", MaxBytes)
	}
	if deep(b) {
		return Bill{}, ErrTooLarge.With("it is deeper than %d objects", maxDepth)
	}
	read := &reading{}
	if err := read.document(json.NewDecoder(bytes.NewReader(b))); err != nil {
		var f *fault.Fault
		if errors.As(err, &f) {
			return Bill{}, err
		}
		return Bill{}, ErrInvalid.Because(err)
	}
	if read.Format == "" {
		return Bill{}, ErrUnknown
	}
	return read.Bill, nil
}

// deep reports whether objects and lists are within each other too often. Where
// the text is no JSON, the decoder says so.
func deep(b []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// A reading is a bill as far as it is read.
type reading struct{ Bill }

// document reads the members of the outer object one by one.
func (r *reading) document(d *json.Decoder) error {
	if err := open(d, '{'); err != nil {
		return err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		if err := r.member(d, key); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the document")
	}
	return nil
}

// open reads the beginning of an object or a list.
func open(d *json.Decoder, delim json.Delim) error {
	t, err := d.Token()
	if err != nil {
		return err
	}
	if t != delim {
		return errors.New("an object or a list is missing")
	}
	return nil
}

// member reads one member of the outer object.
func (r *reading) member(d *json.Decoder, key json.Token) error {
	switch key {
	case "spdxVersion":
		return r.version(d, SPDX, "SPDX-")
	case "specVersion":
		return r.version(d, CycloneDX, "")
	case "name":
		return d.Decode(&r.Name)
	case "metadata":
		var m struct{ Component struct{ Name string } }
		err := d.Decode(&m)
		r.Name = clip(m.Component.Name)
		return err
	case "packages":
		return list(d, r.spdxPackage)
	case "components":
		return list(d, r.cdxPackage)
	}
	var skipped json.RawMessage
	return d.Decode(&skipped)
}

// version reads the version of a format.
func (r *reading) version(d *json.Decoder, format Format, prefix string) error {
	var s string
	if err := d.Decode(&s); err != nil {
		return err
	}
	version, ok := strings.CutPrefix(s, prefix)
	known := format == SPDX && strings.HasPrefix(version, "2.") || format == CycloneDX && strings.HasPrefix(version, "1.")
	if !ok || !known {
		return ErrUnknown.With("%.40q", s)
	}
	r.Format, r.Version = format, clip(version)
	return nil
}

// list reads a list element by element; null is an empty one.
func list(d *json.Decoder, each func(*json.Decoder) error) error {
	t, err := d.Token()
	if err != nil || t == nil {
		return err
	}
	if t != json.Delim('[') {
		return errors.New("a list is missing")
	}
	for d.More() {
		if err := each(d); err != nil {
			return err
		}
	}
	_, err = d.Token()
	return err
}

// add keeps a package, with texts that can be kept and shown.
func (r *reading) add(p Package) error {
	if len(r.Packages) == MaxPackages {
		return ErrTooLarge.With("it has more than %d packages", MaxPackages)
	}
	p.Name, p.Version, p.PURL = clip(p.Name), clip(p.Version), clip(p.PURL)
	var licenses []string
	for _, l := range p.Licenses {
		if l = clip(l); l != "" && l != noAssertion && l != "NONE" && len(licenses) < maxLicenses {
			licenses = append(licenses, l)
		}
	}
	p.Licenses = licenses
	if p.Name != "" {
		r.Packages = append(r.Packages, p)
	}
	return nil
}

// clip cuts a text, and takes out what is no character to be seen.
func clip(s string) string {
	s = strings.ToValidUTF8(s[:min(len(s), maxText)], "")
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, s))
}

// spdxPackage reads a package of SPDX. Images, which the bill is about, are left
// out.
func (r *reading) spdxPackage(d *json.Decoder) error {
	var p struct {
		Name             string
		VersionInfo      string
		Purpose          string `json:"primaryPackagePurpose"`
		LicenseDeclared  string
		LicenseConcluded string
		ExternalRefs     []struct{ ReferenceType, ReferenceLocator string }
	}
	if err := d.Decode(&p); err != nil {
		return err
	}
	if p.Purpose == "CONTAINER" {
		return nil
	}
	found := Package{Name: p.Name, Version: p.VersionInfo, Licenses: []string{p.LicenseDeclared}}
	if p.LicenseDeclared == "" || p.LicenseDeclared == noAssertion {
		found.Licenses = []string{p.LicenseConcluded}
	}
	for _, ref := range p.ExternalRefs {
		if ref.ReferenceType == "purl" && found.PURL == "" {
			found.PURL = ref.ReferenceLocator
		}
	}
	return r.add(found)
}

// cdxPackage reads a component of CycloneDX, and those within it, which come
// first. Distributions and files are no packages.
func (r *reading) cdxPackage(d *json.Decoder) error {
	if err := open(d, '{'); err != nil {
		return err
	}
	var p Package
	var kind, group string
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		switch key {
		case "type":
			err = d.Decode(&kind)
		case "group":
			err = d.Decode(&group)
		case "name":
			err = d.Decode(&p.Name)
		case "version":
			err = d.Decode(&p.Version)
		case "purl":
			err = d.Decode(&p.PURL)
		case "licenses":
			p.Licenses, err = cdxLicenses(d)
		case "components":
			err = list(d, r.cdxPackage)
		default:
			var skipped json.RawMessage
			err = d.Decode(&skipped)
		}
		if err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	if kind == "operating-system" || kind == "file" {
		return nil
	}
	if group != "" {
		p.Name = group + "/" + p.Name
	}
	return r.add(p)
}

// cdxLicenses reads licences: expressions, or names.
func cdxLicenses(d *json.Decoder) (all []string, err error) {
	var choices []struct {
		License    struct{ ID, Name string }
		Expression string
	}
	err = d.Decode(&choices)
	for _, c := range choices {
		all = append(all, c.Expression, c.License.ID, c.License.Name)
	}
	return all, err
}
