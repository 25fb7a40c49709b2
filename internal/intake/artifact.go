package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/registry"
)

// Faults of advisories that are an artifact of this registry.
var (
	ErrServer  = fault.New(fault.Precondition, "PRECONDITION", "the advisories come from a repository of this registry, which the server itself looks at: push or replicate an artifact there")
	ErrAbsent  = fault.New(fault.Precondition, "PRECONDITION", "there is no artifact of advisories yet where they are to come from")
	ErrOther   = fault.New(fault.Invalid, "BAD_REQUEST", "that is no artifact of advisories")
	ErrProject = fault.New(fault.Precondition, "PRECONDITION", "there is no project for the artifact of advisories: create it")
)

// An Address names a tag of a repository of this registry.
type Address struct{ Repository, Tag string } // the full name, with the project

// String is what ParseAddress takes.
func (a Address) String() string { return a.Repository + ":" + a.Tag }

// latest is the tag where nobody names one.
const latest = "latest"

// ParseAddress reads PROJECT/REPOSITORY:TAG. It returns oci.ErrNameInvalid and
// oci.ErrTagInvalid.
func ParseAddress(text string) (Address, error) {
	name, tag, tagged := strings.Cut(text, ":")
	if !tagged {
		tag = latest
	}
	return Address{name, tag}, errors.Join(oci.CheckRepository(name), oci.CheckTag(tag))
}

// asArtifact begins a source that is an artifact of this registry.
const asArtifact = "oci:"

// artifact returns the address of a source that is an artifact.
func (s Sources) artifact() (a Address, ok bool) {
	text, ok := strings.CutPrefix(s.Source, asArtifact)
	if !ok {
		return Address{}, false
	}
	a, err := ParseAddress(text)
	return a, err == nil
}

// A Registry is this one's content. All of it is there, or none.
type Registry struct {
	Content  *registry.Service
	Catalog  artifact.Catalog
	Projects *project.Service
}

// repo finds the project of an address.
func (r Registry) repo(ctx context.Context, a Address) (artifact.Repo, error) {
	name, _ := oci.SplitRepository(a.Repository)
	p, err := r.Projects.ByName(ctx, name)
	if errors.Is(err, project.ErrNotFound) {
		return artifact.Repo{}, ErrProject.With("%s", name)
	}
	return artifact.Repo{ProjectID: p.ID, Name: a.Repository}, err
}

// An Arrival is an artifact of advisories, and the generation that was made of it.
type Arrival struct {
	Digest     oci.Digest // empty: there was none
	Generation advisory.Generation
}

// arrived returns the digest at an address, and whether there is anything to do about
// it: not where it is what all that is here came from. That something else was
// imported meanwhile is somebody's decision, which holds until the artifact changes.
func (s *Service) arrived(ctx context.Context, a Address) (d oci.Digest, fresh bool, err error) {
	m, err := s.Registry.Content.FindManifest(ctx, artifact.Repo{Name: a.Repository}, oci.Reference{Tag: a.Tag})
	switch {
	case fault.OfKind(err, fault.NotFound):
		return "", false, ErrAbsent.With("%s", a)
	case err != nil:
		return "", false, err
	}
	last, err := s.Store.Arrived(ctx)
	if err != nil {
		return "", false, err
	}
	g, err := s.Advisories.Generation(ctx)
	return m.Digest, last.Digest != m.Digest || g < last.Generation, err
}

// receive imports the artifact at an address where it is another one than the last
// time.
func (s *Service) receive(ctx context.Context, a Address) (Result, error) {
	if s.Registry == nil {
		return Result{}, ErrServer
	}
	d, fresh, err := s.arrived(ctx, a)
	if err != nil {
		return Result{}, err
	}
	if !fresh {
		g, err := s.Advisories.Generation(ctx)
		return Result{Generation: g}, err
	}
	in, err := s.open(ctx, artifact.Repo{Name: a.Repository}, d)
	if err != nil {
		return Result{}, err
	}
	defer in.Close()
	g, err := s.Advisories.Import(ctx, in)
	if err != nil {
		return Result{}, err
	}
	return Result{Generation: g, New: true}, s.Store.NoteArrived(ctx, Arrival{d, g})
}

// open returns the file in an artifact of advisories.
func (s *Service) open(ctx context.Context, repo artifact.Repo, d oci.Digest) (io.ReadCloser, error) {
	m, err := s.Registry.Content.ReadManifest(ctx, repo, oci.Reference{Digest: d})
	if err != nil {
		return nil, err
	}
	parsed, err := oci.ParseManifest(m.MediaType, m.Body)
	if err != nil {
		return nil, err
	}
	if parsed.ArtifactType != advisory.ArtifactType {
		return nil, ErrOther.With("its type is %.100q, not %s", parsed.ArtifactType, advisory.ArtifactType)
	}
	_, layers, err := oci.Layers(m.Body)
	if err != nil || len(layers) != 1 {
		return nil, ErrOther.With("it has %d layers, and must have one", len(layers))
	}
	_, in, err := s.Registry.Content.OpenBlob(ctx, repo, layers[0].Digest)
	if err != nil {
		return nil, fmt.Errorf("artifact of advisories %s: %w", d, err)
	}
	return in, nil
}
