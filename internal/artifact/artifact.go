// Package artifact holds repositories and what is in them: artifacts, their
// manifests, tags and references. It says what a store must keep of them and
// which of it changes together; moving bytes and deciding what may be pushed is
// registry's.
package artifact

import (
	"context"
	"time"

	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
)

// Faults of artifacts, with the codes of the distribution specification.
var (
	ErrRepositoryUnknown = fault.New(fault.NotFound, "NAME_UNKNOWN", "repository not known to this registry")
	ErrUnknown           = fault.New(fault.NotFound, "MANIFEST_UNKNOWN", "manifest not known to this registry")
	ErrBlobUnknown       = fault.New(fault.NotFound, "MANIFEST_BLOB_UNKNOWN", "the manifest references a blob that is not in this repository")
	ErrTagExists         = fault.New(fault.Conflict, "CONFLICT", "the repository has such a tag")
	ErrTagMoved          = fault.New(fault.Conflict, "CONFLICT", "the tag points at something else by now")
	ErrReferenced        = fault.New(fault.Precondition, "DENIED", "the artifact is referenced by an index, which must be deleted first")
)

// A Repo names a repository, which need not exist yet.
type Repo struct {
	ProjectID int64
	Name      string // full: "library/app"
}

// Where returns the repository as facts name it.
func (r Repo) Where() event.Where {
	project, _ := oci.SplitRepository(r.Name)
	return event.Where{ProjectID: r.ProjectID, Project: project, Repository: r.Name}
}

// An Artifact is a manifest as it is stored, without its bytes.
type Artifact struct {
	ID        int64
	Digest    oci.Digest
	MediaType string
	Size      int64 // of the manifest, in bytes
}

// A Referrer is an artifact that has a subject.
type Referrer struct {
	ID         int64
	Descriptor []byte // JSON, as an index of referrers holds it
}

// Kin is what belongs to an artifact in its repository.
type Kin struct {
	AccessoryOf oci.Digest   // empty: it is no accessory
	Children    []oci.Digest // those that are there
	Accessories []oci.Digest
}

// A Push is a manifest to be stored, and the tags that shall point at it.
type Push struct {
	Repo
	Digest   oci.Digest
	Manifest oci.Manifest
	Body     []byte // exactly as received
	Tags     []string
	At       time.Time
	Facts    Facts
	// Before is what each tag must point at until now, empty for a tag that is not
	// there. Where it is nil, that does not matter. An artifact that comes in the
	// place of another so has its labels.
	Before *oci.Digest
	// Limited says that the push counts only where its project has room for it.
	Limited bool
	// AllowMissing accepts references to blobs that the repository lacks.
	AllowMissing bool
}

// A Pull is one manifest sent to a client.
type Pull struct {
	ArtifactID int64
	Event      event.Event // its fact is an event.ArtifactPulled
	Scan       bool        // by a scanner, to examine it
}

// Omit says what pulls are not to leave behind.
type Omit struct {
	Times  bool // when an artifact and a tag were pulled last
	Counts bool // how often from a repository
	Events bool
	Scans  bool // times and counts of pulls by scanners
}

// A Store keeps artifacts. Each method is one transaction, and those that
// change something write their event in it.
type Store interface {
	// Record stores a pushed manifest: repository, artifact, references, subject,
	// tags and event together. Storing the same again changes only the tags. It
	// returns ErrBlobUnknown where a blob is missing, whose digest is its detail,
	// ErrTagMoved, and ErrRepositoryUnknown where the project is gone.
	Record(ctx context.Context, p Push, e event.Event) error

	// Find returns what a tag or a digest refers to, with the manifest's bytes
	// where withBody is set. It returns ErrUnknown or ErrRepositoryUnknown.
	Find(ctx context.Context, repository string, ref oci.Reference, withBody bool) (Artifact, []byte, error)

	// Reserve is for somebody who may be about to push an index that needs the
	// artifact: where it waits to be looked at as garbage, it waits longer. It
	// writes only where the time for that is near. That nothing waits, or that the
	// artifact is not there, is no error.
	Reserve(ctx context.Context, repository string, d oci.Digest, at time.Time) error

	// Delete removes an artifact with its tags, its accessories, and the children
	// of these that have neither a tag nor another index. It returns ErrUnknown,
	// and ErrReferenced where an index of the repository has it as a child.
	Delete(ctx context.Context, repo Repo, d oci.Digest, actor event.Actor) error

	// CreateTag lets a new tag point at an artifact. It returns ErrUnknown or
	// ErrTagExists.
	CreateTag(ctx context.Context, repo Repo, d oci.Digest, tag string, e event.Event) error

	// DeleteTag removes a tag; its artifact stays. It returns ErrUnknown, also
	// where the tag points at another artifact than d, unless d is empty.
	DeleteTag(ctx context.Context, repo Repo, d oci.Digest, tag string, actor event.Actor) error

	// DeleteTagged removes a tag as DeleteTag does, and as Delete does an artifact
	// that it leaves without any.
	DeleteTagged(ctx context.Context, repo Repo, d oci.Digest, tag string, actor event.Actor) error

	// DeleteRepository removes a repository with all that is in it. It returns
	// ErrRepositoryUnknown.
	DeleteRepository(ctx context.Context, repo Repo, actor event.Actor) error

	// Describe gives a repository another description, or returns
	// ErrRepositoryUnknown.
	Describe(ctx context.Context, repo Repo, text string, e event.Event) error

	// Tags returns at most n names of tags in byte order, beginning behind last.
	// It returns ErrRepositoryUnknown.
	Tags(ctx context.Context, repository, last string, n int) ([]string, error)

	// RepositoryNames returns at most n full names of repositories that hold an
	// artifact, in byte order, beginning behind last.
	RepositoryNames(ctx context.Context, last string, n int) ([]string, error)

	// Referrers returns at most n artifacts whose subject is d, in the order of
	// their arrival, beginning behind the id after; only those of artifactType
	// where it is given. It ends early, but with more than fit, where they do not
	// fit into an index of oci.MaxManifest bytes. An unknown repository or digest
	// has none.
	Referrers(ctx context.Context, repository string, d oci.Digest, artifactType string, after int64, n int) ([]Referrer, error)

	// Kin returns what belongs to an artifact: at most n children, in the order of
	// the index, and n accessories, in that of their arrival. It returns
	// ErrUnknown.
	Kin(ctx context.Context, repository string, d oci.Digest, n int) (Kin, error)

	// TagsOf returns at most n names of tags that point at an artifact, in the
	// order of their arrival.
	TagsOf(ctx context.Context, repository string, d oci.Digest, n int) ([]string, error)

	// Pulled writes the events of pulls, their times and their counts, but for
	// what is to be omitted.
	Pulled(ctx context.Context, pulls []Pull, omit Omit) error
}
