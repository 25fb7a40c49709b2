package artifact

import (
	"context"
	"encoding/json"
	"time"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/query"
)

// ErrQuery is returned for filters of lists that cannot be.
var ErrQuery = fault.New(fault.Invalid, "BAD_REQUEST", "invalid query")

// A Repository is a place of a project for artifacts of one name.
type Repository struct {
	ID, ProjectID    int64
	Name             string // full
	Description      string
	ArtifactCount    int64 // that a list shows
	PullCount        int64
	Created, Updated time.Time

	Project string // the name of its project
	Public  bool   // as its project
}

// A Scope says of which projects repositories are listed: of one; or of all; or
// of the public ones, those of a member, and those of some names.
type Scope struct {
	ProjectID int64
	All       bool
	UserID    int64
	Names     []string
}

// A Detail is an artifact as people look at it. Parts that were not asked for are
// nil.
type Detail struct {
	ID, ProjectID, RepositoryID int64
	Repository                  string // full name
	Digest                      oci.Digest
	MediaType                   string // of the manifest
	ConfigMediaType             string // or what annotations say in its place; empty for an index without them
	ArtifactType                string
	Type                        string // TypeImage, …
	Size                        int64  // bytes, with all that it refers to
	Icon                        oci.Digest
	Pushed, Pulled              time.Time // zero where it was never pulled
	AccessoryOf                 oci.Digest
	Annotations                 map[string]string
	Attrs                       json.RawMessage // a JSON object

	References  []Reference
	Tags        []Tag
	Accessories []Accessory
	Inherited   []Accessory // of the indexes that it is a child of
}

// A Reference is a child of an index, which need not be here.
type Reference struct {
	ParentID, ChildID int64 // ChildID is 0 where it is not
	Digest            oci.Digest
	Platform          *oci.Platform
	Annotations       map[string]string
	URLs              []string
}

// A Tag is a name of an artifact in its repository.
type Tag struct {
	ID, RepositoryID, ArtifactID int64
	Name                         string
	Pushed, Pulled               time.Time
}

// An Accessory is an artifact that belongs to another one, the subject.
type Accessory struct {
	ID        int64 // the artifact's
	SubjectID int64 // 0 where the subject is not here
	Subject   oci.Digest
	Digest    oci.Digest
	Type      string // SignatureCosign, …
	Size      int64
	Icon      oci.Digest
	Pushed    time.Time
}

// Parts are what is asked of an artifact beside itself.
type Parts struct{ Tags, Accessories, Inherited bool }

// A Where says of which artifacts a list is.
type Where struct {
	ProjectID  int64
	Repository string // full name; empty for all of the project
	Latest     bool   // of each repository the newest that meets the query's filters, one of which must be of media_type or artifact_type
}

// DayPulls is how many manifests were pulled on one day of UTC.
type DayPulls struct {
	Day   time.Time // its beginning
	Count int64
}

// A Catalog shows what is kept. Lists are pages, with how many there are on all
// pages; each takes a fixed number of statements.
type Catalog interface {
	// Repositories filters and sorts by name, repository_id, project_id,
	// description, artifact_count, pull_count, creation_time and update_time; the
	// newest come first where the query has no order.
	Repositories(ctx context.Context, s Scope, q query.Query) ([]Repository, int64, error)
	// Repository returns one, or ErrRepositoryUnknown.
	Repository(ctx context.Context, repo Repo) (Repository, error)
	// Artifacts filters and sorts by id, digest, type, media_type,
	// manifest_media_type, artifact_type, size, push_time and pull_time, and
	// filters by tags, labels and base; the newest come first where the query has
	// no order. It returns ErrQuery and ErrRepositoryUnknown.
	Artifacts(ctx context.Context, w Where, q query.Query, p Parts) ([]Detail, int64, error)
	// Artifact returns one, or ErrUnknown or ErrRepositoryUnknown.
	Artifact(ctx context.Context, repo Repo, ref oci.Reference, p Parts) (Detail, error)
	// TagsOfArtifact filters and sorts by id, name, push_time and pull_time; the
	// newest come first where the query has no order.
	TagsOfArtifact(ctx context.Context, artifactID int64, q query.Query) ([]Tag, int64, error)
	// AccessoriesOf filters and sorts by id, type, digest, size and
	// creation_time.
	AccessoriesOf(ctx context.Context, of Detail, q query.Query) ([]Accessory, int64, error)
	// HasIcon returns the name of a repository with an artifact of that icon, or
	// ErrUnknown.
	HasIcon(ctx context.Context, icon oci.Digest) (repository string, err error)
	// PullsByDay returns, for each of as many days up to that of last, the pulls
	// from a project; of project 0, those from all projects. Days are kept for at
	// least a year.
	PullsByDay(ctx context.Context, projectID int64, last time.Time, days int) ([]DayPulls, error)
}
