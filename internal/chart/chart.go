// Package chart is the classic Helm repository of a project: a view of the charts
// that are artifacts, by the names and versions that Helm asks for. Charts that
// come by it are pushed like any other artifact, and what a project lists is what
// the tags of its repositories say. Whether the caller may do it has been decided
// before.
package chart

import (
	"context"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/helm"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
)

// Faults of the classic repository.
var (
	ErrUnknown = fault.New(fault.NotFound, "NOT_FOUND", "chart not found")
	ErrExists  = fault.New(fault.Conflict, "CONFLICT", "file already exists")
	ErrTooMany = fault.New(fault.TooLarge, "REQUEST_ENTITY_TOO_LARGE", "there are more charts than one index holds")
)

// MaxIndex is how many bytes an index may have, about: it is made in memory.
const MaxIndex = 256 << 20

// A Project is one with its name.
type Project struct {
	ID   int64
	Name string
}

// repo returns the repository of a chart of the project.
func (p Project) repo(name string) artifact.Repo {
	return artifact.Repo{ProjectID: p.ID, Name: p.Name + "/" + name}
}

// A Revision names what a project lists: it changes with each version that comes
// or goes, and never comes back to what it was for something else.
type Revision struct {
	Last  int64 // the highest number of a listed version
	Count int64
}

// A Version is one of a chart that a project lists. It never changes: what is
// pushed over it is another one.
type Version struct {
	Number  int64  // in the project
	Name    string // "app", "team/app"
	Version string
	Created time.Time
	Entry   helm.Entry

	ArtifactID int64 // these two only of Store.Version and Store.Versions
	Digest     oci.Digest
}

// A Listing is a project that lists charts.
type Listing struct {
	Project
	Revision
}

// A Store tells what projects list. Each method is one read.
type Store interface {
	// Revision returns what a project lists now.
	Revision(ctx context.Context, project int64) (Revision, error)
	// Since returns the versions of a higher number, in any order, or ErrTooMany
	// where they come to more than MaxIndex.
	Since(ctx context.Context, project, number int64) ([]Version, error)
	// Numbers returns the numbers of all that a project lists, in order.
	Numbers(ctx context.Context, project int64) ([]int64, error)
	// Listings returns all projects that list a chart, by name.
	Listings(ctx context.Context) ([]Listing, error)
	// Version returns one version, or ErrUnknown.
	Version(ctx context.Context, project int64, name, version string) (Version, error)
	// Versions returns at most n versions of a chart behind the first offset, the
	// highest number first.
	Versions(ctx context.Context, project int64, name string, offset, n int) ([]Version, error)
}

// maxReaders is how many stored archives are unpacked at once, for Content.
const maxReaders = 4

// A Service is what Helm and people ask of classic repositories. It is safe for
// concurrent use.
type Service struct {
	store     Store
	artifacts artifact.Store
	registry  *registry.Service
	readers   chan struct{}
	shelves   shelves
}

// New returns a service over the store of charts, and the artifacts and the
// registry that keep them.
func New(store Store, artifacts artifact.Store, reg *registry.Service) *Service {
	return &Service{store: store, artifacts: artifacts, registry: reg, readers: make(chan struct{}, maxReaders)}
}

// Version returns one version of a chart, or ErrUnknown.
func (s *Service) Version(ctx context.Context, p Project, name, version string) (Version, error) {
	return s.store.Version(ctx, p.ID, name, version)
}

// Versions returns at most n versions of a chart behind the first offset, those
// that came last first. It returns ErrUnknown for a chart without any.
func (s *Service) Versions(ctx context.Context, p Project, name string, offset, n int) ([]Version, error) {
	found, err := s.store.Versions(ctx, p.ID, name, offset, n)
	if err == nil && len(found) == 0 && offset == 0 {
		err = ErrUnknown.With("%.300q", name)
	}
	return found, err
}

// reading waits for a turn to unpack an archive.
func (s *Service) reading(ctx context.Context) (done func(), err error) {
	select {
	case s.readers <- struct{}{}:
		return func() { <-s.readers }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
