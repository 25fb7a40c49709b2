package adapter

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/berth-registry/berth/internal/finding"
)

// Media types of the API, but for those of reports of vulnerabilities.
const (
	// MediaTypeSBOM is that of an SBOM in a report, whatever form it has itself.
	MediaTypeSBOM = "application/vnd.security.sbom.report+json; version=1.0"
	// MediaTypeRaw is that of a report that only its scanner can read.
	MediaTypeRaw = "application/vnd.scanner.adapter.vuln.report.raw"

	mediaTypeMetadata = "application/vnd.scanner.adapter.metadata+json; version=1.0"
	mediaTypeRequest  = "application/vnd.scanner.adapter.scan.request+json; version=1.0"
	mediaTypeResponse = "application/vnd.scanner.adapter.scan.response+json; version=1.0"

	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
)

// A Kind is what a scanner looks for.
type Kind string

// The kinds.
const (
	Vulnerabilities Kind = "vulnerability"
	SBOM            Kind = "sbom"
)

// A Capability is a kind that a scanner looks for, in artifacts of which manifests, and
// which reports it makes, by their media types.
type Capability struct {
	Kind     Kind
	Consumes []string
	Produces []string
}

// Metadata is what a scanner says of itself.
type Metadata struct {
	Scanner      finding.Scanner
	Capabilities []Capability
	Properties   map[string]string
}

// What there may be of a scanner's words.
const (
	maxWord         = 256 // bytes
	maxCapabilities = 20
	maxTypes        = 100
	maxProperties   = 100
	maxProperty     = 1024 // bytes
)

// PropertyAuthorization is the property that says how the scanner authorizes itself at
// the registry: "Bearer", or else "Basic".
const PropertyAuthorization = "harbor.scanner-adapter/registry-authorization-type"

// Report returns the media type of the report that is to be asked for where an artifact
// with a manifest of a media type is scanned, and whether the scanner can do that.
func (m Metadata) Report(k Kind, manifest string) (mediaType string, can bool) {
	for _, c := range m.Capabilities {
		if c.Kind != k || !slices.ContainsFunc(c.Consumes, same(manifest)) {
			continue
		}
		for _, known := range reportsOf[k] {
			if slices.ContainsFunc(c.Produces, same(known)) {
				return known, true
			}
		}
	}
	return "", false
}

// Does reports whether the scanner looks for a kind at all.
func (m Metadata) Does(k Kind) bool {
	return slices.ContainsFunc(m.Capabilities, func(c Capability) bool { return c.Kind == k })
}

// WantsBearer reports whether the scanner wants a token for the registry, in place of a
// name and a password.
func (m Metadata) WantsBearer() bool {
	return strings.EqualFold(m.Properties[PropertyAuthorization], "Bearer")
}

// reportsOf are the reports that are understood here, the best first.
var reportsOf = map[Kind][]string{
	Vulnerabilities: {finding.MediaTypeReport, finding.MediaTypeNativeReport},
	SBOM:            {MediaTypeSBOM},
}

// same returns whether a media type is another one, however it is spaced.
func same(as string) func(string) bool {
	return func(mediaType string) bool { return plain(mediaType) == plain(as) }
}

func plain(mediaType string) string {
	return strings.ToLower(strings.ReplaceAll(mediaType, " ", ""))
}

type wireMetadata struct {
	Scanner      wireScanner      `json:"scanner"`
	Capabilities []wireCapability `json:"capabilities"`
	Properties   map[string]any   `json:"properties"`
}

type wireScanner struct {
	Name    string `json:"name"`
	Vendor  string `json:"vendor"`
	Version string `json:"version"`
}

type wireCapability struct {
	Type     string   `json:"type"`
	Consumes []string `json:"consumes_mime_types"`
	Produces []string `json:"produces_mime_types"`
}

// Metadata asks the scanner what it is. It returns ErrRefused, ErrUnavailable, ErrFailed
// and the like, and ErrAnswer for what is no scanner's: one has a name, a vendor, a
// version and at least one capability, each for images and with a report that is known.
func (c *Client) Metadata(ctx context.Context) (Metadata, error) {
	var w wireMetadata
	err := c.ask(ctx, request{method: http.MethodGet, path: "/metadata", wants: mediaTypeMetadata}, http.StatusOK, &w)
	if err != nil {
		return Metadata{}, err
	}
	m := Metadata{Scanner: finding.Scanner(w.Scanner), Properties: properties(w.Properties)}
	for _, field := range []struct{ name, text string }{{"name", m.Scanner.Name}, {"vendor", m.Scanner.Vendor}, {"version", m.Scanner.Version}} {
		if !isWord(field.text) {
			return Metadata{}, wrong("its metadata has no scanner.%s that can be shown", field.name)
		}
	}
	if len(w.Capabilities) == 0 || len(w.Capabilities) > maxCapabilities {
		return Metadata{}, wrong("its metadata has %d capabilities; it must have 1 to %d", len(w.Capabilities), maxCapabilities)
	}
	for i, wc := range w.Capabilities {
		one, fault := capability(wc)
		if fault != "" {
			return Metadata{}, wrong("its metadata's capability %d: %s", i+1, fault)
		}
		m.Capabilities = append(m.Capabilities, one)
	}
	return m, nil
}

// capability returns what a scanner says that it can do, or what is wrong with it.
// Without a type, it is that of scanners from before there were types.
func capability(w wireCapability) (c Capability, fault string) {
	c = Capability{Kind: Kind(w.Type), Consumes: w.Consumes, Produces: w.Produces}
	if c.Kind == "" {
		c.Kind = Vulnerabilities
	}
	known := append(slices.Concat(slices.Collect(maps.Values(reportsOf))...), MediaTypeRaw)
	switch {
	case !isWord(string(c.Kind)):
		return c, "its type cannot be shown"
	case len(c.Consumes) > maxTypes || len(c.Produces) > maxTypes || !allWords(c.Consumes) || !allWords(c.Produces):
		return c, "its media types are too many, or cannot be shown"
	case !slices.ContainsFunc(c.Consumes, same(dockerManifest)):
		return c, "consumes_mime_types lacks " + dockerManifest
	case !slices.ContainsFunc(known, func(k string) bool { return slices.ContainsFunc(c.Produces, same(k)) }):
		return c, "produces_mime_types has no report that is known"
	}
	return c, ""
}

// properties returns those that are texts and short.
func properties(all map[string]any) map[string]string {
	out := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		text, is := all[name].(string)
		if is && len(out) < maxProperties && isWord(name) && len(text) <= maxProperty && printable(text) {
			out[name] = text
		}
	}
	return out
}

func allWords(texts []string) bool {
	return !slices.ContainsFunc(texts, func(t string) bool { return !isWord(t) })
}

// isWord reports whether a text is one that can be shown in a line.
func isWord(text string) bool {
	return strings.TrimSpace(text) != "" && len(text) <= maxWord && printable(text)
}

func printable(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}
