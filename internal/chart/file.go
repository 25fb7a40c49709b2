package chart

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/helm"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
)

// The ends of the names of files.
const (
	archiveEnd    = ".tgz"
	provenanceEnd = ".prov"
)

// A File is an archive or a provenance file, which its reader closes.
type File struct {
	blob.Reader
	Digest     oci.Digest
	Provenance bool
}

// Open returns the file of a name, "app-1.0.0.tgz", or "app-1.0.0.tgz.prov" for
// its provenance. That the archive is opened is noted as a pull, if it is one. It
// returns ErrUnknown.
func (s *Service) Open(ctx context.Context, p Project, file string, pull bool) (File, error) {
	stem, signed := strings.CutSuffix(file, provenanceEnd)
	stem, archive := strings.CutSuffix(stem, archiveEnd)
	if !archive && !signed {
		return File{}, ErrUnknown.With("%.300q: archives are called NAME-VERSION.tgz", file)
	}
	v, err := s.byStem(ctx, p, stem)
	if err != nil {
		return File{}, err
	}
	read := s.manifest
	if pull && !signed {
		read = s.pulled
	}
	m, err := read(ctx, p, v)
	if err != nil {
		return File{}, err
	}
	layer, provenance := artifact.ChartFiles(m.Layers)
	if signed {
		layer = provenance
	}
	if layer == "" {
		return File{}, ErrUnknown.With("%s %s has no such file", v.Name, v.Version)
	}
	_, content, err := s.registry.OpenBlob(ctx, p.repo(v.Name), layer)
	return File{content, layer, signed}, err
}

// maxSplits is how many ways are tried to divide the name of a file.
const maxSplits = 16

// byStem returns the version whose file has a name. Both the name and the version
// of a chart may have dashes; the shorter name counts first.
func (s *Service) byStem(ctx context.Context, p Project, stem string) (Version, error) {
	tries := 0
	for i, c := range stem {
		if c != '-' || helm.CheckVersion(stem[i+1:]) != nil {
			continue
		}
		if tries++; tries > maxSplits {
			break
		}
		v, err := s.store.Version(ctx, p.ID, stem[:i], stem[i+1:])
		if !errors.Is(err, ErrUnknown) {
			return v, err
		}
	}
	return Version{}, ErrUnknown.With("%.300q", stem+archiveEnd)
}

// A manifest is the form in which charts are pushed.
type manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Config        oci.Descriptor    `json:"config"`
	Layers        []oci.Descriptor  `json:"layers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// manifest returns the manifest of a version, or ErrUnknown where it has gone
// since it was found.
func (s *Service) manifest(ctx context.Context, p Project, v Version) (manifest, error) {
	_, body, err := s.artifacts.Find(ctx, p.repo(v.Name).Name, oci.Reference{Digest: v.Digest}, true)
	return parse(body, err)
}

// pulled is manifest, and notes a pull.
func (s *Service) pulled(ctx context.Context, p Project, v Version) (manifest, error) {
	m, err := s.registry.Manifest(ctx, p.repo(v.Name), oci.Reference{Tag: helm.Tag(v.Version)}, registry.Puller{})
	return parse(m.Body, err)
}

func parse(body []byte, err error) (m manifest, _ error) {
	if errors.Is(err, artifact.ErrUnknown) || errors.Is(err, artifact.ErrRepositoryUnknown) {
		return m, ErrUnknown.Because(err)
	}
	if err == nil {
		err = json.Unmarshal(body, &m)
	}
	return m, err
}

// A Content is what people look at of a chart's version.
type Content struct {
	Metadata helm.Metadata
	Values   []byte // values.yaml
	Readme   []byte
	Signed   bool
}

// Content reads a version's archive. It returns faults of helm, and of a blob
// that is not here.
func (s *Service) Content(ctx context.Context, p Project, v Version) (Content, error) {
	m, err := s.manifest(ctx, p, v)
	if err != nil {
		return Content{}, err
	}
	done, err := s.reading(ctx)
	if err != nil {
		return Content{}, err
	}
	defer done()
	archive, provenance := artifact.ChartFiles(m.Layers)
	_, r, err := s.registry.OpenBlob(ctx, p.repo(v.Name), archive)
	if err != nil {
		return Content{}, err
	}
	defer r.Close()
	a, err := helm.ReadArchive(r, r.Size())
	if err != nil {
		return Content{}, err
	}
	metadata, err := a.Metadata()
	return Content{metadata, a.Values, a.Readme, provenance != ""}, err
}
