package sbom

import (
	"strings"

	"github.com/berth-registry/berth/internal/inventory"
)

// noAssertion is how SPDX says that nothing is said.
const noAssertion = "NOASSERTION"

// The fields of SPDX 2.3 that are written; section numbers are of its
// specification.
type (
	spdxDocument struct { // 6
		Version       string             `json:"spdxVersion"`
		DataLicense   string             `json:"dataLicense"`
		ID            string             `json:"SPDXID"`
		Name          string             `json:"name"`
		Namespace     string             `json:"documentNamespace"`
		Created       spdxCreation       `json:"creationInfo"`
		Packages      []spdxPackage      `json:"packages"`
		Relationships []spdxRelationship `json:"relationships"`
	}

	spdxCreation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}

	spdxPackage struct { // 7
		Name             string         `json:"name"`
		ID               string         `json:"SPDXID"`
		Version          string         `json:"versionInfo,omitempty"`
		Download         string         `json:"downloadLocation"`
		FilesAnalyzed    bool           `json:"filesAnalyzed"`
		Purpose          string         `json:"primaryPackagePurpose,omitempty"`
		Source           string         `json:"sourceInfo,omitempty"`
		LicenseConcluded string         `json:"licenseConcluded"`
		LicenseDeclared  string         `json:"licenseDeclared"`
		LicenseComments  string         `json:"licenseComments,omitempty"`
		Copyright        string         `json:"copyrightText"`
		Checksums        []spdxChecksum `json:"checksums,omitempty"`
		References       []spdxRef      `json:"externalRefs,omitempty"`
	}

	spdxChecksum struct {
		Algorithm string `json:"algorithm"`
		Value     string `json:"checksumValue"`
	}

	spdxRef struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}

	spdxRelationship struct { // 11
		From string `json:"spdxElementId"`
		Type string `json:"relationshipType"`
		To   string `json:"relatedSpdxElement"`
	}
)

const (
	spdxSelf  = "SPDXRef-DOCUMENT"
	spdxImage = "SPDXRef-Image"
)

// spdx returns the document: an image, and packages that it contains.
func (d Document) spdx() spdxDocument {
	creator := d.Tool.Name
	if d.Tool.Version != "" {
		creator += "-" + d.Tool.Version
	}
	algorithm, sum, _ := strings.Cut(string(d.Digest), ":")
	doc := spdxDocument{
		Version: "SPDX-2.3", DataLicense: "CC0-1.0", ID: spdxSelf, Name: d.Name, Namespace: d.urn(SPDX),
		Created: spdxCreation{Created: d.created(), Creators: []string{"Tool: " + creator}},
		Packages: []spdxPackage{{
			Name: d.Name, ID: spdxImage, Version: string(d.Digest), Purpose: "CONTAINER",
			Download: noAssertion, LicenseConcluded: noAssertion, LicenseDeclared: noAssertion, Copyright: noAssertion,
			Checksums:  []spdxChecksum{{strings.ToUpper(algorithm), sum}},
			References: []spdxRef{{"PACKAGE-MANAGER", "purl", d.purl()}},
		}},
		Relationships: []spdxRelationship{{spdxSelf, "DESCRIBES", spdxImage}},
	}
	seen := ids{}
	for _, p := range d.Inventory.Packages {
		id := "SPDXRef-" + seen.of(p)
		doc.Packages = append(doc.Packages, spdxOf(p, id))
		doc.Relationships = append(doc.Relationships, spdxRelationship{spdxImage, "CONTAINS", id})
	}
	return doc
}

// spdxOf returns one package. What it says of its licences is an expression, or
// else a comment.
func spdxOf(p inventory.Package, id string) spdxPackage {
	s := spdxPackage{
		Name: p.Name, ID: id, Version: p.Version, Download: noAssertion, Copyright: noAssertion,
		LicenseConcluded: noAssertion, LicenseDeclared: noAssertion, Source: "found in /" + p.Path,
	}
	if p.Layer != "" {
		s.Source += " of layer " + string(p.Layer)
	}
	if p.PURL != "" {
		s.References = []spdxRef{{"PACKAGE-MANAGER", "purl", p.PURL}}
	}
	if expression, ok := Expression(p.Licenses); ok {
		s.LicenseDeclared = expression
	} else if len(p.Licenses) > 0 {
		s.LicenseComments = "the package says: " + strings.Join(p.Licenses, "; ")
	}
	return s
}
