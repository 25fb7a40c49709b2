// Package registry is the data plane: pushing, pulling, mounting and deleting
// manifests and blobs. It promises that what it acknowledged is whole and
// durable, and that nothing is visible by halves. Whether the caller may do it
// has been decided before; how it is said over HTTP is serve/dist's.
package registry

import (
	"context"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
)

// Faults of the data plane, with the codes of the distribution specification.
var (
	ErrBlobUnknown   = fault.New(fault.NotFound, "BLOB_UNKNOWN", "blob not known to this repository")
	ErrBlobInUse     = fault.New(fault.Precondition, "DENIED", "the blob is referenced by a manifest of this repository, which must be deleted first")
	ErrUploadUnknown = fault.New(fault.NotFound, "BLOB_UPLOAD_UNKNOWN", "upload not known to this repository; it may have expired: start again")
	ErrUploadBusy    = fault.New(fault.Conflict, "BLOB_UPLOAD_INVALID", "another request is writing to this upload")
	ErrUploadRange   = fault.New(fault.OutOfRange, "BLOB_UPLOAD_INVALID", "the chunk does not begin where the upload stands")
	ErrUploadBroken  = fault.New(fault.Invalid, "BLOB_UPLOAD_INVALID", "the body ended before it was complete")
	ErrSize          = fault.New(fault.Invalid, "SIZE_INVALID", "the length is not what was announced")
	ErrDigest        = fault.New(fault.Invalid, "DIGEST_INVALID", "the content does not have the given digest")
	ErrPullsBehind   = fault.New(fault.Unavailable, "UNAVAILABLE", "the database is too far behind to record another pull")
	ErrTooManyTags   = fault.New(fault.Invalid, "TAG_INVALID", "too many tags in one push")
)

// A Blob is content that a repository may serve.
type Blob struct {
	Digest oci.Digest
	Size   int64
	Key    string // in the blob store
}

// An Upload is content on its way in. It belongs to one repository and one
// principal, and is unknown to all others.
type Upload struct {
	ID        string
	Repo      artifact.Repo
	Principal string
	Algorithm oci.Algorithm // of the hash that runs along
	Size      int64         // bytes received and kept
	Hash      []byte        // state of the hash after Size bytes
	Parts     []byte        // what the blob store must know to go on
	At        time.Time     // of the last change
}

// A Store keeps which repository may serve which blob, and uploads under way.
// Each method is one transaction.
type Store interface {
	// Begin keeps a new upload.
	Begin(ctx context.Context, u Upload) error
	// Upload returns an upload by its id, or ErrUploadUnknown.
	Upload(ctx context.Context, id string) (Upload, error)
	// Advance keeps an upload's new state if it still stands at the size from,
	// and returns ErrUploadBusy otherwise.
	Advance(ctx context.Context, u Upload, from int64) error
	// Finish ends an upload (none where u.ID is not known), and lets its
	// repository serve b. It returns the key under which the content is kept,
	// which is another than b.Key where the same content was there before.
	Finish(ctx context.Context, u Upload, b Blob) (key string, err error)
	// Cancel forgets an upload.
	Cancel(ctx context.Context, id string) error
	// Expire forgets up to n uploads that were last added to before a time, and
	// returns them.
	Expire(ctx context.Context, before time.Time, n int) ([]Upload, error)

	// Blob returns a blob that the repository may serve, or ErrBlobUnknown.
	Blob(ctx context.Context, repository string, d oci.Digest) (Blob, error)
	// Reserve is Blob for somebody who may be about to push a manifest that needs
	// the blob: where it waits to be looked at as garbage, it waits longer. It
	// writes only where the time for that is near.
	Reserve(ctx context.Context, repository string, d oci.Digest, at time.Time) (Blob, error)
	// Holders returns up to n repositories that may serve the blob.
	Holders(ctx context.Context, d oci.Digest, n int) ([]string, error)
	// Link lets a repository serve a blob that another one serves, or returns
	// ErrBlobUnknown.
	Link(ctx context.Context, to artifact.Repo, from string, d oci.Digest, at time.Time) error
	// LinkAll lets a repository serve all blobs of an artifact that another one
	// serves. Those that the other lacks are left out.
	LinkAll(ctx context.Context, to, from artifact.Repo, d oci.Digest, at time.Time) error
	// CopyLabels puts those labels of an artifact on its copy that the copy's
	// project may use, and writes an event for each that the copy did not have.
	CopyLabels(ctx context.Context, to, from artifact.Repo, d oci.Digest, by event.Actor) error
	// Unlink ends a repository's right to serve a blob. It returns
	// ErrBlobUnknown, and ErrBlobInUse where a manifest references it.
	Unlink(ctx context.Context, repo artifact.Repo, d oci.Digest, e event.Event) error
}

// A Config has the choices of whoever runs the registry; the zero value works.
type Config struct {
	// AllowMissingBlobs accepts image manifests whose blobs were not pushed, for
	// partial mirrors. Indexes may always lack children.
	AllowMissingBlobs bool

	// Gate is asked before content is taken; nil lets everything in.
	Gate PushGate
	// Pulls is asked before a manifest is given to a client; nil gives everything.
	Pulls PullGate
}

// A Puller says of a client that pulls what gates want to know.
type Puller struct {
	MayPush bool
	Signs   bool // it has to read what it is about to sign
	Scans   bool // it has to read what it is to examine
}

// A PullGate may refuse a pull. What the caller may do was decided before.
type PullGate interface {
	// CheckPull is asked about a manifest with its artifact's id, which is 0 where it
	// is not kept here. What it would refuse and lets pass, it returns in words.
	CheckPull(ctx context.Context, repo artifact.Repo, id int64, d oci.Digest, by Puller) (violation string, err error)
}

// A PushGate may refuse a push early, or tighten what its transaction holds it
// against. What the caller may do was decided before.
type PushGate interface {
	// CheckPush may change the push.
	CheckPush(ctx context.Context, p *artifact.Push) error
	// CheckBlob is asked about content of a size in bytes, before it is read. Where
	// the digest is empty, more of it may follow.
	CheckBlob(ctx context.Context, repo artifact.Repo, d oci.Digest, size int64) error
	// Refused is told why a push was refused that the gate had let pass.
	Refused(ctx context.Context, repo artifact.Repo, why error)
}

// A Service does what clients of the registry ask for. It is safe for
// concurrent use.
type Service struct {
	cfg       Config
	artifacts artifact.Store
	store     Store
	bytes     blob.Store
	pulls     *Pulls
	writing   writers
}

// New returns a service over its stores. Pulls that it serves are told to
// pulls.
func New(cfg Config, artifacts artifact.Store, store Store, bytes blob.Store, pulls *Pulls) *Service {
	return &Service{cfg: cfg, artifacts: artifacts, store: store, bytes: bytes, pulls: pulls, writing: writers{busy: map[claim]bool{}}}
}
