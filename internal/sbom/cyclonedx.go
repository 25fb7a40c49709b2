package sbom

import (
	"strings"

	"github.com/berth-registry/berth/internal/inventory"
)

// The fields of CycloneDX 1.6 that are written.
type (
	cdxDocument struct {
		Schema     string         `json:"$schema"`
		Format     string         `json:"bomFormat"`
		Version    string         `json:"specVersion"`
		Serial     string         `json:"serialNumber"`
		Number     int            `json:"version"`
		Metadata   cdxMetadata    `json:"metadata"`
		Components []cdxComponent `json:"components"`
	}

	cdxMetadata struct {
		Timestamp string       `json:"timestamp"`
		Tools     cdxTools     `json:"tools"`
		Component cdxComponent `json:"component"`
	}

	cdxTools struct {
		Components []cdxComponent `json:"components"`
	}

	cdxComponent struct {
		Type       string        `json:"type"`
		Ref        string        `json:"bom-ref,omitempty"`
		Name       string        `json:"name"`
		Version    string        `json:"version,omitempty"`
		Licenses   []cdxChoice   `json:"licenses,omitempty"`
		PURL       string        `json:"purl,omitempty"`
		Properties []cdxProperty `json:"properties,omitempty"`
	}

	// A cdxChoice is the only one and an expression, or a licence by a name of its
	// own. Names that SPDX knows are expressions too: which of them may stand as a
	// licence's id depends on how old a reader's schema is.
	cdxChoice struct {
		License    *cdxLicense `json:"license,omitempty"`
		Expression string      `json:"expression,omitempty"`
	}

	cdxLicense struct {
		Name string `json:"name"`
	}

	cdxProperty struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
)

// cycloneDX returns the document: an image, its distribution, its packages.
func (d Document) cycloneDX() cdxDocument {
	doc := cdxDocument{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", Version: "1.6", Serial: d.urn(CycloneDX), Number: 1,
		Metadata: cdxMetadata{
			Timestamp: d.created(),
			Tools:     cdxTools{Components: []cdxComponent{{Type: "application", Name: d.Tool.Name, Version: d.Tool.Version}}},
			Component: cdxComponent{Type: "container", Ref: "Image", Name: d.Name, Version: string(d.Digest), PURL: d.purl()},
		},
		Components: []cdxComponent{},
	}
	if os := d.Inventory.Distribution; os.ID != "" {
		doc.Components = append(doc.Components, cdxComponent{Type: "operating-system", Ref: "Distribution", Name: os.ID, Version: os.Version})
	}
	seen := ids{}
	for _, p := range d.Inventory.Packages {
		doc.Components = append(doc.Components, cdxOf(p, seen.of(p)))
	}
	return doc
}

// cdxOf returns one package.
func cdxOf(p inventory.Package, id string) cdxComponent {
	c := cdxComponent{Type: "library", Ref: id, Name: p.Name, Version: p.Version, PURL: p.PURL}
	c.Properties = append(c.Properties, cdxProperty{"berth:path", p.Path})
	if p.Layer != "" {
		c.Properties = append(c.Properties, cdxProperty{"berth:layer", string(p.Layer)})
	}
	if expression, ok := Expression(p.Licenses); ok {
		c.Licenses = []cdxChoice{{Expression: expression}}
		return c
	}
	for _, l := range p.Licenses {
		if l = strings.TrimSpace(l); l != "" {
			c.Licenses = append(c.Licenses, cdxChoice{License: &cdxLicense{Name: l}})
		}
	}
	return c
}
