// Package label keeps labels, which people put on artifacts to find them again:
// labels of all projects, and labels of one. It promises that a label is only on
// artifacts that it may be on. Who may change which is access's to say.
package label

import (
	"context"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/query"
)

// Faults of labels.
var (
	ErrNotFound        = fault.New(fault.NotFound, "NOT_FOUND", "label not found")
	ErrExists          = fault.New(fault.Conflict, "CONFLICT", "a label of that name exists")
	ErrInvalid         = fault.New(fault.Invalid, "BAD_REQUEST", "invalid label")
	ErrAttached        = fault.New(fault.Conflict, "CONFLICT", "the artifact has that label")
	ErrArtifactUnknown = fault.New(fault.NotFound, "NOT_FOUND", "artifact not found")
)

// The scopes of labels.
const (
	Global    = "g" // of all projects
	OfProject = "p"
)

// A Label is a word with a colour.
type Label struct {
	ID               int64
	Name             string
	Description      string
	Color            string // "#RRGGBB" as a rule, or empty
	Scope            string // Global or OfProject
	ProjectID        int64  // 0 for a global one
	Created, Updated time.Time
}

// An Artifact is one that a label is put on.
type Artifact struct {
	Where  event.Where
	Digest oci.Digest
}

// A Store keeps labels. Each method is one transaction; each change also writes
// its event. All but Create return ErrNotFound for a label that does not exist.
type Store interface {
	// Create keeps a new label and returns its id, or ErrExists. A project that is
	// gone is ErrInvalid.
	Create(ctx context.Context, l Label, by event.Actor) (int64, error)
	// ByID returns a label.
	ByID(ctx context.Context, id int64) (Label, error)
	// List returns a page of the labels of a scope, by name where the query does
	// not say otherwise, and how many there are on all pages.
	List(ctx context.Context, scope string, projectID int64, q query.Query) ([]Label, int64, error)
	// Update keeps name, description and colour, or returns ErrExists.
	Update(ctx context.Context, l Label, by event.Actor) error
	// Delete takes a label from all artifacts, and removes it.
	Delete(ctx context.Context, id int64, by event.Actor) error

	// Attach puts a label on an artifact, or returns ErrArtifactUnknown or
	// ErrAttached. A label of another project is ErrNotFound.
	Attach(ctx context.Context, a Artifact, id int64, by event.Actor) error
	// Detach takes a label from an artifact, or returns ErrArtifactUnknown, or
	// ErrNotFound where it is not on it.
	Detach(ctx context.Context, a Artifact, id int64, by event.Actor) error
	// OfArtifacts returns the labels of artifacts by their ids, in the order of
	// their names.
	OfArtifacts(ctx context.Context, ids []int64) (map[int64][]Label, error)
}

// A Service is what the rest of the program asks about labels. The caller of the
// context is who makes a change.
type Service struct{ store Store }

// New returns a service.
func New(store Store) *Service { return &Service{store} }

const (
	maxName        = 128 // bytes
	maxDescription = 1024
)

// colour is what a client may call one: Terraform's default is "false". It has
// no character that could mean something else where a page puts it.
var colour = regexp.MustCompile(`^#?[0-9A-Za-z]{0,15}$`)

func (l Label) check() error {
	switch {
	case strings.TrimSpace(l.Name) == "" || len(l.Name) > maxName || !isText(l.Name):
		return ErrInvalid.With("name: it must have 1 to %d bytes", maxName)
	case len(l.Description) > maxDescription || !isText(l.Description):
		return ErrInvalid.With("description: it may have at most %d bytes", maxDescription)
	case !colour.MatchString(l.Color):
		return ErrInvalid.With("color: it is #RRGGBB, or up to 15 letters and digits")
	case l.Scope == Global && l.ProjectID != 0, l.Scope == OfProject && l.ProjectID <= 0, l.Scope != Global && l.Scope != OfProject:
		return ErrInvalid.With("scope: it must be g, or p with a project_id")
	}
	return nil
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// Create makes a label and returns its id. It returns ErrInvalid or ErrExists.
func (s *Service) Create(ctx context.Context, l Label) (int64, error) {
	if err := l.check(); err != nil {
		return 0, err
	}
	l.Created = time.Now()
	return s.store.Create(ctx, l, access.From(ctx).Actor())
}

// ByID returns a label, or ErrNotFound.
func (s *Service) ByID(ctx context.Context, id int64) (Label, error) { return s.store.ByID(ctx, id) }

// List returns a page of the labels of a scope, of a project for OfProject, and
// how many there are on all pages. It filters and sorts by id, name, description,
// color, creation_time and update_time.
func (s *Service) List(ctx context.Context, scope string, projectID int64, q query.Query) ([]Label, int64, error) {
	return s.store.List(ctx, scope, projectID, q)
}

// Update gives a label another name, description and colour. It returns
// ErrNotFound, ErrInvalid or ErrExists.
func (s *Service) Update(ctx context.Context, id int64, name, description, color string) error {
	l, err := s.store.ByID(ctx, id)
	if err != nil {
		return err
	}
	l.Name, l.Description, l.Color = name, description, color
	if err := l.check(); err != nil {
		return err
	}
	return s.store.Update(ctx, l, access.From(ctx).Actor())
}

// Delete takes a label from all artifacts and removes it, or returns ErrNotFound.
func (s *Service) Delete(ctx context.Context, id int64) error {
	return s.store.Delete(ctx, id, access.From(ctx).Actor())
}

// Attach puts a label on an artifact. It returns ErrNotFound for a label that is
// neither global nor of the artifact's project, ErrArtifactUnknown or ErrAttached.
func (s *Service) Attach(ctx context.Context, a Artifact, id int64) error {
	return s.store.Attach(ctx, a, id, access.From(ctx).Actor())
}

// Detach takes a label from an artifact, or returns ErrNotFound or
// ErrArtifactUnknown.
func (s *Service) Detach(ctx context.Context, a Artifact, id int64) error {
	return s.store.Detach(ctx, a, id, access.From(ctx).Actor())
}

// OfArtifacts returns the labels of artifacts by their ids.
func (s *Service) OfArtifacts(ctx context.Context, ids []int64) (map[int64][]Label, error) {
	return s.store.OfArtifacts(ctx, ids)
}
