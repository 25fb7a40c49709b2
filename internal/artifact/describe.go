package artifact

import (
	"bytes"
	"cmp"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/berth-registry/berth/internal/helm"
	"github.com/berth-registry/berth/internal/oci"
)

// The types of artifacts that are understood. What others declare of theirs is
// their type; what declares nothing is TypeUnknown.
const (
	TypeImage   = "IMAGE"
	TypeChart   = "CHART"
	TypeCNAB    = "CNAB"
	TypeWASM    = "WASM"
	TypeModel   = "CNAI"
	TypeSBOM    = "SBOM"
	TypeUnknown = "UNKNOWN"
)

// The types of accessories.
const (
	SignatureCosign   = "signature.cosign"
	SignatureNotation = "signature.notation"
	AccessorySBOM     = "sbom.harbor"
	AcceleratorNydus  = "accelerator.nydus"
	AccessoryOther    = "subject.accessory"
)

// Facts are what is understood of an artifact beyond its parts.
type Facts struct {
	Type          string
	MediaType     string          // that people see, where another than the configuration's, or an index's own; else empty
	AccessoryOf   oci.Digest      // its subject, or what its tag names; empty where it is no accessory
	AccessoryType string          // SignatureCosign, …
	Icon          oci.Digest      // of a layer that is marked as a picture; empty for none
	Attrs         json.RawMessage // a JSON object of at most maxAttrs bytes
	Chart         *Chart          // nil of what is no chart that Helm could use
}

// MaxConfig is how many bytes of a configuration are looked at. What is larger
// says nothing.
const MaxConfig = 1 << 20

// maxAttrs bounds the attributes that are kept of an artifact. What does not fit
// is left out, never cut.
const maxAttrs = 64 << 10

const (
	mediaTypeWASM      = "application/vnd.wasm.config.v1+json"
	mediaTypeModel     = "application/vnd.cncf.model.manifest.v1+json"
	mediaTypeSBOM      = "application/vnd.goharbor.harbor.sbom.v1"
	mediaTypeCNAB      = "application/vnd.cnab.manifest.v1"
	mediaTypeSignature = "application/vnd.dev.cosign.simplesigning.v1+json"

	annotationIndexType = "org.opencontainers.artifactType"
	annotationSkip      = "io.goharbor.artifact.v1alpha1.skip-list"
	annotationIcon      = "io.goharbor.artifact.v1alpha1.icon"
	annotationNydus     = "containerd.io/snapshot/nydus-bootstrap"
	annotationTitle     = "org.opencontainers.image.title"
)

// Configured reports whether the configuration of a manifest says something that
// Describe tells.
func Configured(m oci.Manifest) bool {
	c, ok := config(m)
	return ok && c.Size <= MaxConfig && typeOf(m) != TypeUnknown && typeOf(m) != TypeSBOM
}

// config returns the descriptor of a manifest's configuration.
func config(m oci.Manifest) (oci.Descriptor, bool) {
	if m.Index || m.ConfigMediaType == "" || len(m.Blobs) == 0 {
		return oci.Descriptor{}, false
	}
	return m.Blobs[0].Descriptor, true
}

// layers returns the blobs of a manifest but its configuration.
func layers(m oci.Manifest) []oci.Blob {
	if _, ok := config(m); ok {
		return m.Blobs[1:]
	}
	return m.Blobs
}

// Describe returns what is understood of a manifest of a digest that is pushed
// under tags. The configuration may be nil; what cannot be read says nothing.
func Describe(m oci.Manifest, d oci.Digest, tags []string, configuration []byte) Facts {
	f := Facts{Type: typeOf(m), MediaType: mediaTypeOf(m), Attrs: attributes(m, configuration)}
	for _, l := range layers(m) {
		if _, marked := l.Annotations[annotationIcon]; marked {
			f.Icon = l.Digest
			break
		}
	}
	f.AccessoryOf, f.AccessoryType = accessory(m, d, tags)
	f.Chart = ChartOf(m, f.Attrs)
	return f
}

// own is the form of the media types in which people declare types of their own.
var own = regexp.MustCompile(`^application/vnd\.[^.]+\.([A-Za-z0-9_-]{1,64})\.config\.[^.]+\+json$`)

func typeOf(m oci.Manifest) string {
	if m.Index {
		if m.Annotations[annotationIndexType] == mediaTypeCNAB {
			return TypeCNAB
		}
		return TypeImage
	}
	switch m.ArtifactType { // which is the configuration's where none is declared
	case oci.MediaTypeImageConfig, oci.MediaTypeDockerConfig:
		if wasm(m) {
			return TypeWASM
		}
		return TypeImage
	case helm.ConfigType:
		return TypeChart
	case mediaTypeWASM:
		return TypeWASM
	case mediaTypeModel:
		return TypeModel
	case mediaTypeSBOM:
		return TypeSBOM
	}
	// What is declared and not known is no image or chart for its configuration's
	// sake; all that this can give is a name.
	for _, declared := range []string{m.ArtifactType, m.ConfigMediaType} {
		if found := own.FindStringSubmatch(declared); found != nil {
			return strings.ToUpper(found[1])
		}
	}
	return TypeUnknown
}

// plain is what an annotation may give for a media type: it is kept as text.
var plain = regexp.MustCompile(`^[!-~]{1,255}$`)

// mediaTypeOf is Facts.MediaType: bundles are indexes, and images of WebAssembly
// images, whose annotations say what they are.
func mediaTypeOf(m oci.Manifest) string {
	switch {
	case m.MediaType == oci.MediaTypeImageIndex || m.MediaType == oci.MediaTypeDockerList:
		if said := m.Annotations[annotationIndexType]; plain.MatchString(said) {
			return said
		}
	case typeOf(m) == TypeWASM && wasm(m):
		return mediaTypeWASM
	}
	return ""
}

// wasm reports whether what looks like an image is one of WebAssembly.
func wasm(m oci.Manifest) bool {
	return m.Annotations["module.wasm.image/variant"] == "compat" || m.Annotations["run.oci.handler"] == "wasm"
}

// attributes returns what the configuration says, in the form of the API's
// extra_attrs.
func attributes(m oci.Manifest, configuration []byte) json.RawMessage {
	said := map[string]json.RawMessage{}
	// PostgreSQL keeps no text that is not UTF-8.
	if len(configuration) > MaxConfig || !utf8.Valid(configuration) || json.Unmarshal(configuration, &said) != nil || said == nil {
		said = map[string]json.RawMessage{}
	}
	var attrs map[string]any
	switch typeOf(m) {
	case TypeImage:
		attrs = imageAttributes(said)
	case TypeWASM:
		attrs = imageAttributes(said)
		attrs["manifest.config.mediaType"] = m.ConfigMediaType
		if l := layers(m); len(l) > 0 && m.ConfigMediaType == mediaTypeWASM {
			attrs["manifest.layers.mediaType"], attrs[annotationTitle] = l[0].MediaType, l[0].Annotations[annotationTitle]
		}
	case TypeSBOM, TypeUnknown, TypeCNAB:
		return json.RawMessage(`{}`)
	default:
		attrs = make(map[string]any, len(said))
		for key, value := range said {
			attrs[key] = value
		}
		if c, ok := config(m); ok {
			for key := range strings.SplitSeq(c.Annotations[annotationSkip], ",") {
				delete(attrs, strings.TrimSpace(key))
			}
		}
	}
	return fit(attrs)
}

// imageAttributes takes what people look at of an image's configuration.
func imageAttributes(said map[string]json.RawMessage) map[string]any {
	attrs := map[string]any{}
	for _, key := range []string{"created", "architecture", "os", "config"} {
		if value, ok := said[key]; ok && !bytes.Equal(value, []byte("null")) {
			attrs[key] = value
		}
	}
	if len(said) > 0 {
		attrs["author"] = author(said)
	}
	return attrs
}

// author is who made an image: what the configuration says of it, or a label.
func author(said map[string]json.RawMessage) string {
	var name string
	if json.Unmarshal(said["author"], &name) == nil && name != "" {
		return name
	}
	var runtime struct{ Labels map[string]string }
	if json.Unmarshal(said["config"], &runtime) != nil {
		return ""
	}
	if name = runtime.Labels["org.opencontainers.image.authors"]; name != "" {
		return name
	}
	return runtime.Labels["maintainer"]
}

// fit encodes attributes, without the largest ones where all are too much. Each
// is encoded once: a configuration may have a hundred thousand.
func fit(attrs map[string]any) json.RawMessage {
	type member struct {
		key  string
		size int
	}
	members, total := make([]member, 0, len(attrs)), len("{}")
	said := make(map[string]json.RawMessage, len(attrs))
	for key, value := range attrs {
		name, err := json.Marshal(key)
		text, failed := json.Marshal(value)
		if err != nil || failed != nil {
			continue
		}
		m := member{key, len(name) + len(":") + len(text) + len(",")}
		members, total, said[key] = append(members, m), total+m.size, text
	}
	slices.SortFunc(members, func(a, b member) int {
		return cmp.Or(cmp.Compare(b.size, a.size), strings.Compare(a.key, b.key))
	})
	for _, m := range members {
		if total <= maxAttrs {
			break
		}
		delete(said, m.key)
		total -= m.size
	}
	text, err := json.Marshal(said)
	if err != nil {
		return json.RawMessage(`{}`)
	}
	return text
}

// attached is the form of the tags under which cosign attaches something to the
// image of a digest.
var attached = regexp.MustCompile(`^sha256-([0-9a-f]{64})\.(sig|att|sbom)$`)

// Named reports whether one of the tags of an artifact is a name that people
// gave it, so that it is more than what cosign attached to another one.
func Named(tags []string) bool {
	return slices.ContainsFunc(tags, func(tag string) bool { return !attached.MatchString(tag) })
}

// accessory returns what a manifest belongs to, and as what. Nothing belongs to
// itself, and by tags alone nothing that has a name.
func accessory(m oci.Manifest, own oci.Digest, tags []string) (of oci.Digest, kind string) {
	if m.Subject != nil {
		return m.Subject.Digest, accessoryType(m)
	}
	if Named(tags) {
		return "", ""
	}
	for _, tag := range tags {
		found := attached.FindStringSubmatch(tag)
		if found == nil {
			continue
		}
		d, err := oci.ParseDigest("sha256:" + found[1])
		if err != nil || d == own {
			continue
		}
		if found[2] != "sig" {
			return d, AccessoryOther
		}
		for _, l := range layers(m) {
			if l.MediaType == mediaTypeSignature {
				return d, SignatureCosign
			}
		}
	}
	return "", ""
}

func accessoryType(m oci.Manifest) string {
	switch m.ArtifactType {
	case "application/vnd.cncf.notary.signature":
		return SignatureNotation
	case "application/vnd.dev.cosign.artifact.sig.v1+json", "application/vnd.dev.sigstore.bundle.v0.3+json":
		return SignatureCosign
	case mediaTypeSBOM:
		return AccessorySBOM
	case oci.MediaTypeImageConfig, oci.MediaTypeDockerConfig:
		if l := layers(m); len(l) > 0 {
			if _, is := l[len(l)-1].Annotations[annotationNydus]; is {
				return AcceleratorNydus
			}
		}
	}
	return AccessoryOther
}
