package oci

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/berth-registry/berth/internal/fault"
)

// MaxManifest is how many bytes a manifest may have. The distribution
// specification asks registries for at least as much.
const MaxManifest = 4 << 20

// Limits of what a manifest may say. No sum of the sizes in one manifest
// overflows.
const (
	maxReferences = 10_000
	maxSize       = math.MaxInt64 / maxReferences
	maxMediaType  = 255
)

// ErrManifestInvalid is returned for a manifest that cannot be understood, or
// that others could understand differently; its message names the field.
// ErrManifestTooLarge is returned for one of more than MaxManifest bytes.
var (
	ErrManifestInvalid  = fault.New(fault.Invalid, "MANIFEST_INVALID", "invalid manifest")
	ErrManifestTooLarge = fault.New(fault.TooLarge, "SIZE_INVALID", "a manifest may have at most 4 MiB")
)

// A Manifest is what matters of an image manifest, an index, an artifact
// manifest, or a document of another media type.
type Manifest struct {
	MediaType       string // of the manifest itself
	ArtifactType    string // as declared; else ConfigMediaType, which an index has not
	ConfigMediaType string
	Blobs           []Blob       // config first, then layers, each digest once
	Children        []Descriptor // of an index or manifest list, in its order, repetitions included
	Subject         *Descriptor  // what the manifest refers to, which need not exist
	Annotations     map[string]string
	Index           bool // the manifest is one that has children, be it none
}

// A Blob is content that a manifest needs. One that is Foreign may be elsewhere.
type Blob struct {
	Descriptor
	Foreign bool
}

// ParseManifest reads a manifest that was sent with a Content-Type, which may be
// empty: then the body decides. A media type that is not known is accepted for
// any JSON object; what there looks like lists of descriptors is taken for that.
// It returns ErrManifestInvalid or ErrManifestTooLarge.
func ParseManifest(contentType string, body []byte) (Manifest, error) {
	if len(body) > MaxManifest {
		return Manifest{}, ErrManifestTooLarge
	}
	m, w := parse(contentType, body)
	if w != nil {
		return Manifest{}, ErrManifestInvalid.With("%s", w.text())
	}
	return m, nil
}

func parse(contentType string, body []byte) (Manifest, *wrong) {
	d, w := readDocument(body)
	if w != nil {
		return Manifest{}, w
	}
	var m Manifest
	if m.MediaType, w = d.typeOf(contentType); w != nil {
		return Manifest{}, w
	}
	if m.ArtifactType, w = mediaType(d.artifactType); w != nil {
		return Manifest{}, w.at("artifactType")
	}
	switch m.MediaType {
	case MediaTypeImageManifest, MediaTypeDockerManifest:
		w = d.image(&m)
	case MediaTypeImageIndex, MediaTypeDockerList:
		w = d.index(&m)
	case MediaTypeArtifactManifest:
		w = d.artifact(&m)
	default:
		w = d.opaque(&m)
	}
	if m.ArtifactType == "" {
		m.ArtifactType = m.ConfigMediaType
	}
	return m, w
}

// A document is the top level of a manifest: the members that matter, as they
// are written, nil where they are absent.
type document struct {
	schemaVersion, mediaType, artifactType []byte
	config, layers, fsLayers               []byte
	manifests, blobs, subject, annotations []byte
}

// member returns where the value of a key is kept, or nil.
func (d *document) member(key string) *[]byte {
	switch key {
	case "schemaVersion":
		return &d.schemaVersion
	case "mediaType":
		return &d.mediaType
	case "artifactType":
		return &d.artifactType
	case "config":
		return &d.config
	case "layers":
		return &d.layers
	case "fsLayers":
		return &d.fsLayers
	case "manifests":
		return &d.manifests
	case "blobs":
		return &d.blobs
	case "subject":
		return &d.subject
	case "annotations":
		return &d.annotations
	}
	return nil
}

var documentKeys = []string{
	"schemaVersion", "mediaType", "artifactType", "config", "layers", "fsLayers",
	"manifests", "blobs", "subject", "annotations",
}

func readDocument(body []byte) (*document, *wrong) {
	if !utf8.Valid(body) || !json.Valid(body) {
		return nil, &wrong{reason: "it is not JSON"}
	}
	body = body[space(body, 0):]
	if !isObject(body) {
		return nil, &wrong{reason: "it is not a JSON object"}
	}
	d := &document{}
	return d, collect(body, d.member, documentKeys)
}

// collect puts the values of an object where member says. Keys that come twice,
// or that some readers would take for one of the known ones, are wrong.
func collect(object []byte, member func(string) *[]byte, known []string) *wrong {
	for key, value := range members(object) {
		if at := member(key); at != nil {
			if *at != nil {
				return &wrong{path: key, reason: "it is given twice"}
			}
			*at = value
			continue
		}
		for _, k := range known {
			if strings.EqualFold(k, key) {
				return &wrong{reason: "the field " + quote(key) + " must be spelled " + strconv.Quote(k)}
			}
		}
	}
	return nil
}

// typeOf decides the media type. Content-Type and body must not contradict each
// other.
func (d *document) typeOf(contentType string) (string, *wrong) {
	inner, w := mediaType(d.mediaType)
	if w != nil {
		return "", w.at("mediaType")
	}
	outer, _, _ := strings.Cut(contentType, ";")
	outer = strings.ToLower(strings.TrimSpace(outer))
	if w := checkMediaType(outer); w != nil {
		return "", w.at("Content-Type")
	}
	general := outer == "" || outer == mediaTypeJSON
	switch {
	case inner != "" && (general || strings.EqualFold(inner, outer)):
		return supported(inner)
	case inner != "":
		return "", &wrong{"mediaType", "it is " + quote(inner) + ", but Content-Type is " + quote(outer)}
	case general:
		return d.guess(outer)
	}
	return supported(outer)
}

// schema1 says what to do about images of before 2016, which have no
// configuration and whose digest is not that of their bytes.
const schema1 = "Docker image manifest version 2, schema 1 is not supported: " +
	"push the image again with a current client, which uses schema 2 or OCI " +
	"(for example: skopeo copy --format v2s2)"

func supported(mediaType string) (string, *wrong) {
	if strings.HasPrefix(mediaType, "application/vnd.docker.distribution.manifest.v1+") {
		return "", &wrong{reason: schema1}
	}
	if mediaType == "application/x-www-form-urlencoded" {
		return "", &wrong{"Content-Type", "it must be the manifest's media type"}
	}
	return mediaType, nil
}

// guess decides the media type of a manifest that does not tell it.
func (d *document) guess(outer string) (string, *wrong) {
	switch {
	case given(d.fsLayers):
		return "", &wrong{reason: schema1}
	case given(d.manifests):
		return MediaTypeImageIndex, nil
	case given(d.config), given(d.layers):
		return MediaTypeImageManifest, nil
	case outer != "":
		return outer, nil
	}
	return "", &wrong{"mediaType", "neither the manifest nor Content-Type tells it"}
}

func (d *document) image(m *Manifest) *wrong {
	if w := d.sound("manifests", "fsLayers"); w != nil {
		return w
	}
	if !given(d.config) {
		return &wrong{"config", "it is missing"}
	}
	config, w := readDescriptor(d.config)
	if w != nil {
		return w.at("config")
	}
	layers, w := readDescriptors(d.layers)
	if w != nil {
		return w.at("layers")
	}
	m.ConfigMediaType = config.MediaType
	if m.Blobs, w = blobsOf(&config, layers, "layers"); w != nil {
		return w
	}
	return d.rest(m)
}

func (d *document) index(m *Manifest) *wrong {
	if w := d.sound("config", "layers", "fsLayers"); w != nil {
		return w
	}
	if d.manifests == nil {
		return &wrong{"manifests", "it is missing"}
	}
	var w *wrong
	if m.Children, w = readDescriptors(d.manifests); w != nil {
		return w.at("manifests")
	}
	m.Index = true
	return d.rest(m)
}

func (d *document) artifact(m *Manifest) *wrong {
	if w := d.sound("config", "layers", "manifests", "fsLayers"); w != nil {
		return w
	}
	blobs, w := readDescriptors(d.blobs)
	if w != nil {
		return w.at("blobs")
	}
	if m.Blobs, w = blobsOf(nil, blobs, "blobs"); w != nil {
		return w
	}
	return d.rest(m)
}

// sound refuses fields with which the manifest could be taken for one of
// another kind, and schema versions other than 2.
func (d *document) sound(foreign ...string) *wrong {
	if v := string(d.schemaVersion); v == "1" {
		return &wrong{reason: schema1}
	} else if given(d.schemaVersion) && v != "2" {
		return &wrong{"schemaVersion", "it must be 2"}
	}
	for _, key := range foreign {
		if given(*d.member(key)) {
			return &wrong{key, "a manifest of this media type does not have it"}
		}
	}
	return nil
}

// rest reads what all kinds of manifest may have.
func (d *document) rest(m *Manifest) *wrong {
	if given(d.subject) {
		subject, w := readDescriptor(d.subject)
		if w != nil {
			return w.at("subject")
		}
		m.Subject = &subject
	}
	var w *wrong
	if m.Annotations, w = readStrings(d.annotations); w != nil {
		return w.at("annotations")
	}
	return nil
}

// opaque takes from a document of unknown kind what reads as descriptors, and
// leaves what does not.
func (d *document) opaque(m *Manifest) *wrong {
	var config *Descriptor
	if c, w := readDescriptor(d.config); w == nil {
		config, m.ConfigMediaType = &c, c.MediaType
	}
	layers, _ := readDescriptors(d.layers)
	blobs, _ := readDescriptors(d.blobs)
	m.Children, _ = readDescriptors(d.manifests)
	m.Annotations, _ = readStrings(d.annotations)
	if s, w := readDescriptor(d.subject); w == nil {
		m.Subject = &s
	}
	m.Index = len(m.Children) > 0
	var w *wrong
	if m.Blobs, w = blobsOf(config, append(layers, blobs...), "layers"); w != nil {
		return w
	}
	if m.Index && len(m.Blobs) > 0 {
		return &wrong{"manifests", "a manifest has either this, or config, layers or blobs"}
	}
	return nil
}

// blobsOf lists a manifest's blobs, each once. A blob that is listed as foreign
// and as not is not.
func blobsOf(config *Descriptor, layers []Descriptor, field string) ([]Blob, *wrong) {
	blobs := make([]Blob, 0, len(layers)+1)
	seen := make(map[Digest]int, len(layers)+1)
	if config != nil {
		blobs = append(blobs, Blob{Descriptor: *config})
		seen[config.Digest] = 0
	}
	for i, l := range layers {
		b := Blob{l, foreign(l.MediaType)}
		at, twice := seen[l.Digest]
		if !twice {
			seen[l.Digest] = len(blobs)
			blobs = append(blobs, b)
			continue
		}
		if blobs[at].Size != b.Size {
			w := &wrong{"size", "the same digest is listed with another size"}
			return nil, w.at(field + "[" + strconv.Itoa(i) + "]")
		}
		blobs[at].Foreign = blobs[at].Foreign && b.Foreign
	}
	return blobs, nil
}
