// Package sbom writes what is installed in an image as a software bill of
// materials, in SPDX 2.3 and CycloneDX 1.6, both in JSON, and reads such
// documents, of whoever made them, as far as people look at them: a list of
// packages. The same document in gives the same bytes out. Where bills are kept,
// and which artifact they are about, is for others to know.
package sbom

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/inventory"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/google/uuid"
)

// A Format is a kind of document, by its media type.
type Format string

// The formats.
const (
	SPDX      Format = "application/spdx+json"          // SPDX 2.3
	CycloneDX Format = "application/vnd.cyclonedx+json" // CycloneDX 1.6
)

// A Tool is what made a document.
type Tool struct{ Name, Version string }

// A Document is about one image.
type Document struct {
	Name      string     // of the repository: library/nginx
	Digest    oci.Digest // of the image
	Created   time.Time
	Tool      Tool
	Inventory inventory.Inventory
}

// Write writes a document in a format, which must be one of those above.
func Write(w io.Writer, format Format, d Document) error {
	var doc any = d.spdx()
	if format == CycloneDX {
		doc = d.cycloneDX()
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	return e.Encode(doc)
}

// created is the time as both formats want it.
func (d Document) created() string { return d.Created.UTC().Format("2006-01-02T15:04:05Z") }

// urn names the document: another one for another image, time, tool or format.
func (d Document) urn(format Format) string {
	about := strings.Join([]string{string(format), d.Name, string(d.Digest), d.created(), d.Tool.Name, d.Tool.Version}, "\x00")
	return "urn:uuid:" + uuid.NewSHA1(uuid.NameSpaceURL, []byte(about)).String()
}

// purl is the package URL of the image.
func (d Document) purl() string {
	name := d.Name[strings.LastIndexByte(d.Name, '/')+1:]
	return "pkg:oci/" + strings.ToLower(name) + "@" + strings.ReplaceAll(string(d.Digest), ":", "%3A")
}

// ids gives out an id for each package: the same for the same package, whatever
// else there is.
type ids map[string]int

func (s ids) of(p inventory.Package) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{p.Type, p.Name, p.Version, p.PURL, p.Path}, "\x00")))
	id := "Package-" + hex.EncodeToString(sum[:10])
	s[id]++
	if n := s[id]; n > 1 {
		id += "-" + strings.Repeat("x", n-1)
	}
	return id
}
