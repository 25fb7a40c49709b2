// Package addition reads out of an artifact's content what people look at: how
// an image was built, the documents of a chart or a model, an inventory. It
// promises to take no more memory and time for hostile content than for good,
// and to read only content that the repository may serve: what a manifest says
// of other places is not followed. Who may look has been decided before.
package addition

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/helm"
	"github.com/berth-registry/berth/internal/oci"
)

// Faults of additions.
var (
	ErrUnsupported = fault.New(fault.Invalid, "BAD_REQUEST", "the artifact has no such addition")
	ErrMissing     = fault.New(fault.NotFound, "NOT_FOUND", "the artifact does not contain it")
	ErrTooLarge    = fault.New(fault.TooLarge, "REQUEST_ENTITY_TOO_LARGE", "the content is too large to be shown")
	ErrUnreadable  = fault.New(fault.Invalid, "BAD_REQUEST", "the content cannot be read")
)

// Limits of what is read, in bytes.
const (
	maxConfig    = 4 << 20
	maxDocument  = 4 << 20
	maxInventory = 32 << 20
)

// maxReaders is how many additions are read at once: reading takes memory, and
// unpacking takes the processor.
const maxReaders = 4

// Media types that say what an artifact is.
const (
	ociConfig    = "application/vnd.oci.image.config.v1+json"
	dockerConfig = "application/vnd.docker.container.image.v1+json"
	wasmConfig   = "application/vnd.wasm.config.v1+json"
	modelType    = "application/vnd.cncf.model.manifest.v1+json"
	sbomType     = "application/vnd.goharbor.harbor.sbom.v1"
)

// annotationTitle names the file that a layer is.
const annotationTitle = "org.opencontainers.image.title"

// Media types of what is returned.
const (
	jsonContent     = "application/json; charset=utf-8"
	textContent     = "text/plain; charset=utf-8"
	markdownContent = "text/markdown; charset=utf-8"
)

// A Content is an addition as it is shown. Body is whatever whoever pushed the
// artifact wrote: it must never be taken for a page of the server's own.
type Content struct {
	MediaType string
	Body      []byte
	Format    string // of an inventory, the media type that its layer has
}

// Artifacts finds manifests; artifact.Store does.
type Artifacts interface {
	Find(ctx context.Context, repository string, ref oci.Reference, withBody bool) (artifact.Artifact, []byte, error)
}

// Open returns a blob that the repository may serve, which the caller closes, or
// a fault where it has none.
type Open func(ctx context.Context, repo artifact.Repo, d oci.Digest) (blob.Reader, error)

// A Service reads additions. It is safe for concurrent use.
type Service struct {
	artifacts Artifacts
	open      Open
	readers   chan struct{}
}

// New returns a service that reads what artifacts and open find.
func New(artifacts Artifacts, open Open) *Service {
	return &Service{artifacts: artifacts, open: open, readers: make(chan struct{}, maxReaders)}
}

// Get returns an addition, whose name is taken in any case. It returns
// ErrUnsupported for one that artifacts of this type do not have, whose message
// names those that they have; ErrMissing where the content lacks it; ErrTooLarge
// and ErrUnreadable; faults of helm for a chart that is none; artifact.ErrUnknown
// and artifact.ErrRepositoryUnknown; and the fault of a blob that is not here.
func (s *Service) Get(ctx context.Context, repo artifact.Repo, ref oci.Reference, name string) (Content, error) {
	m, err := s.manifest(ctx, repo, ref)
	if err != nil {
		return Content{}, err
	}
	offered := m.additions()
	for _, a := range offered {
		if strings.EqualFold(a.name, name) {
			return s.read(ctx, repo, m, a.read)
		}
	}
	return Content{}, unsupported(name, offered)
}

// Exists returns a fault where there is no such artifact.
func (s *Service) Exists(ctx context.Context, repo artifact.Repo, ref oci.Reference) error {
	_, _, err := s.artifacts.Find(ctx, repo.Name, ref, false)
	return err
}

func unsupported(name string, offered []addition) error {
	if len(offered) == 0 {
		return ErrUnsupported.With("%.64q; artifacts of its type have none", name)
	}
	names := make([]string, 0, len(offered))
	for _, a := range offered {
		names = append(names, a.name)
	}
	return ErrUnsupported.With("%.64q; it has %s", name, strings.Join(names, ", "))
}

// read runs one of the readers when it is its turn.
func (s *Service) read(ctx context.Context, repo artifact.Repo, m manifest, read reader) (Content, error) {
	select {
	case s.readers <- struct{}{}:
	case <-ctx.Done():
		return Content{}, ctx.Err()
	}
	defer func() { <-s.readers }()
	return read(m, func(d oci.Digest) (blob.Reader, error) { return s.open(ctx, repo, d) })
}

// An addition is the name of one and how it is read.
type addition struct {
	name string
	read reader
}

type (
	opener func(oci.Digest) (blob.Reader, error)
	reader func(manifest, opener) (Content, error)
)

// A manifest is what additions need of one. Other than in oci.Manifest, a layer
// that is listed twice is there twice: it may be two files.
type manifest struct {
	kind   string // the media type that says what the artifact is
	Config oci.Descriptor
	Layers []oci.Descriptor
}

func (s *Service) manifest(ctx context.Context, repo artifact.Repo, ref oci.Reference) (manifest, error) {
	a, body, err := s.artifacts.Find(ctx, repo.Name, ref, true)
	if err != nil {
		return manifest{}, err
	}
	parsed, err := oci.ParseManifest(a.MediaType, body)
	if err != nil {
		return manifest{}, fmt.Errorf("stored manifest %s: %w", a.Digest, err)
	}
	m := manifest{kind: kindOf(parsed.Index, parsed.ArtifactType, parsed.ConfigMediaType)}
	if m.kind == "" {
		return m, nil
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return manifest{}, ErrUnreadable.With("its manifest is unusual").Because(err)
	}
	return m, nil
}

// kindOf returns the media type that says which additions an artifact has, empty
// for one that is no configuration's, and so has none.
func kindOf(index bool, artifactType, configMediaType string) string {
	if index || configMediaType == "" {
		return ""
	}
	return artifactType // which is the configuration's where none is declared
}

// Of returns the names of the additions that Get knows of an artifact.
func Of(d artifact.Detail) []string {
	index := d.MediaType == oci.MediaTypeImageIndex || d.MediaType == oci.MediaTypeDockerList
	var names []string
	for _, a := range (manifest{kind: kindOf(index, d.ArtifactType, d.ConfigMediaType)}).additions() {
		names = append(names, a.name)
	}
	return names
}

// additions returns what an artifact of this type has, whether or not its
// content does.
func (m manifest) additions() []addition {
	if m.kind == "" {
		return nil
	}
	return append(m.documents(), addition{"layers", layers})
}

// documents returns those that are read out of the content.
func (m manifest) documents() []addition {
	switch m.kind {
	case ociConfig, dockerConfig, wasmConfig:
		return []addition{{"build_history", history}}
	case helm.ConfigType:
		return []addition{
			{"values.yaml", chartValues}, {"readme.md", chartReadme}, {"dependencies", chartDependencies}, {"provenance", chartProvenance},
		}
	case modelType:
		return []addition{{"readme.md", modelReadme}, {"license", modelLicense}, {"files", modelFiles}}
	case sbomType:
		return []addition{{"sbom", inventory}}
	}
	return nil
}

// A layer is what a manifest says of one.
type layer struct {
	MediaType string     `json:"media_type"`
	Digest    oci.Digest `json:"digest"`
	Size      int64      `json:"size"`
	Title     string     `json:"title,omitempty"` // what a file in it is called
}

// layers tells of the layers in the manifest's order. They are not opened.
func layers(m manifest, _ opener) (Content, error) {
	shown := make([]layer, len(m.Layers))
	for i, l := range m.Layers {
		shown[i] = layer{l.MediaType, l.Digest, l.Size, l.Annotations[annotationTitle]}
	}
	return inJSON(shown)
}

// A step is one of an image's history, as the image specification has it.
type step struct {
	Created    string `json:"created,omitempty"`
	CreatedBy  string `json:"created_by,omitempty"`
	Author     string `json:"author,omitempty"`
	Comment    string `json:"comment,omitempty"`
	EmptyLayer bool   `json:"empty_layer,omitempty"`
}

func history(m manifest, open opener) (Content, error) {
	config, err := readBlob(open, m.Config.Digest, maxConfig)
	if err != nil {
		return Content{}, err
	}
	image := struct{ History []step }{[]step{}}
	if err := json.Unmarshal(config, &image); err != nil {
		return Content{}, ErrUnreadable.With("the image's configuration is not as the image specification says").Because(err)
	}
	if image.History == nil {
		image.History = []step{}
	}
	return inJSON(image.History)
}

func inventory(m manifest, open opener) (Content, error) {
	if len(m.Layers) == 0 {
		return Content{}, ErrMissing.With("it has no layer")
	}
	body, err := readBlob(open, m.Layers[0].Digest, maxInventory)
	return Content{sbomType, body, m.Layers[0].MediaType}, err
}

func inJSON(v any) (Content, error) {
	body, err := json.Marshal(v)
	return Content{MediaType: jsonContent, Body: body}, err
}

// readBlob returns a blob of at most limit bytes.
func readBlob(open opener, d oci.Digest, limit int64) ([]byte, error) {
	r, err := open(d)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if r.Size() > limit {
		return nil, tooLarge(limit)
	}
	return readAll(r, limit)
}

// readAll reads to the end, if that is not behind limit.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = tooLarge(limit)
	}
	return data, err
}

func tooLarge(limit int64) error { return ErrTooLarge.With("at most %d bytes are", limit) }

// unreadable returns err where it is a fault, and ErrUnreadable for what a
// reader of a format complained of.
func unreadable(what string, err error) error {
	var f *fault.Fault
	if err == nil || errors.As(err, &f) {
		return err
	}
	return ErrUnreadable.With("%s", what).Because(err)
}
