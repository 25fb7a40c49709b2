package artifact

import (
	"encoding/json"
	"path"

	"github.com/berth-registry/berth/internal/helm"
	"github.com/berth-registry/berth/internal/oci"
)

// A Chart is what a Helm repository lists of an artifact.
type Chart struct {
	helm.Metadata
	Archive    oci.Digest
	Provenance oci.Digest // empty of one that nobody signed
}

// ChartOf returns the chart that a manifest with the given attributes is, nil for
// what is none: something else, or what Helm would not read.
func ChartOf(m oci.Manifest, attrs json.RawMessage) *Chart {
	if typeOf(m) != TypeChart {
		return nil
	}
	metadata, err := helm.ParseConfiguration(attrs)
	if err != nil {
		return nil
	}
	blobs := layers(m)
	found := make([]oci.Descriptor, len(blobs))
	for i, b := range blobs {
		found[i] = b.Descriptor
	}
	archive, provenance := ChartFiles(found)
	if archive == "" {
		return nil
	}
	return &Chart{metadata, archive, provenance}
}

// ChartFiles returns which of a chart's layers are its archive and its provenance
// file: the first of each kind, and nothing where there is none.
func ChartFiles(layers []oci.Descriptor) (archive, provenance oci.Digest) {
	for _, l := range layers {
		switch {
		case helm.IsContent(l.MediaType) && archive == "":
			archive = l.Digest
		case l.MediaType == helm.ProvenanceType && provenance == "":
			provenance = l.Digest
		}
	}
	return archive, provenance
}

// ListedAs reports whether a repository lists the chart for having a tag: only
// where they are called like the chart and its version, so that each version is
// there once, under the name by which Helm asks for it.
func (c *Chart) ListedAs(repository, tag string) bool {
	return c != nil && path.Base(repository) == c.Name && tag == helm.Tag(c.Version)
}
