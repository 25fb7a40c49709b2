// Package gc removes what nothing references, while pushes and pulls go on. It
// never walks through what is stored: whatever may have become garbage waits in a
// queue, and is looked at when its time has come. It promises that what a
// manifest references stays, whenever that manifest comes; when what may be
// looked at is said here, and who adds to the queue is for the stores to know.
package gc

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
)

const (
	// Delay is how long what may be garbage waits to be looked at. A push needs
	// that long at most between a layer that it sent, mounted or asked for and the
	// manifest at its end, which gives slow networks their time; Harbor waits as
	// long.
	Delay = 2 * time.Hour

	// Trash is how long content stays after nothing may serve it. A push that is
	// slower than Delay finds it there again, and so does a database that is
	// restored from a backup of a few hours ago.
	Trash = 6 * time.Hour

	// None is a Delay or a Trash of no time at all, where 0 stands for the usual.
	None time.Duration = -1

	// MaxWorkers is how many slices of work may be done at once.
	MaxWorkers = 10
)

// Faults of collecting.
var (
	ErrReadOnly = fault.New(fault.Precondition, "PRECONDITION", "the server is read-only at present: nothing is collected")
	ErrStorage  = fault.New(fault.Unavailable, "UNAVAILABLE", "nothing that the database knows is in the storage: is it the right one, and is it mounted?")
	ErrWorkers  = fault.New(fault.Invalid, "BAD_REQUEST", "the number of workers must be from 1 to 10")
)

// A Kind says what waits to be looked at. These are stored, and never change.
type Kind string

// The kinds.
const (
	Link     Kind = "link"     // a blob that a repository may serve
	Blob     Kind = "blob"     // a blob that was taken from a repository
	Artifact Kind = "artifact" // one that has no tag
)

// A Reason says why something waits. These are stored, and never change.
type Reason string

// The reasons.
const (
	Uploaded Reason = "uploaded"
	Mounted  Reason = "mounted"
	Copied   Reason = "copied"
	Asked    Reason = "asked" // somebody who may push asked whether it is there
	Untagged Reason = "untagged"
	Deleted  Reason = "deleted" // what referenced it was
	Found    Reason = "found"   // before there was a queue
)

// A Due says up to when what waits is looked at: what waits because something
// was deleted, and all else, which somebody may be about to use.
type Due struct{ Deleted, Rest time.Time }

// A Mark is a place in the queue. Nothing lies before the zero Mark.
type Mark struct {
	After      int64 // microseconds since 1970
	Repository int64 // id
}

// A Slice asks for some reviews in one repository: at most N, of digests behind
// After.
type Slice struct {
	Repository int64 // id
	Due        Due
	After      oci.Digest
	N          int
	At         time.Time
	By         event.Actor // who deletes artifacts
	Dry        bool        // nothing is changed
}

// Done is what came of a slice.
type Done struct {
	Last      oci.Digest // behind which the next slice begins
	Looked    int        // reviews that were done; fewer than N: there are no more
	Artifacts int64      // deleted, with their kin
	Links     int64      // blobs that the repository no longer serves
	Blobs     int64      // put into the trash, or taken from it
	Bytes     int64      // of these
	Kept      int64      // artifacts that a rule about immutable tags holds

	// Names and Freed are told in a dry run only.
	Names []string // artifacts that would go: "library/app@sha256:…"
	Freed []Freed
}

// Freed is a blob that a repository would no longer serve, as soon as no manifest
// references it.
type Freed struct {
	Digest    oci.Digest
	Size      int64
	By        int64 // how many manifests of the repository no longer reference it
	Still     int64 // how many do
	Elsewhere int64 // how many other repositories may serve it
}

// A Key is content that no row leads to any more.
type Key struct {
	Key  string
	Size int64
}

// Waiting counts what is due.
type Waiting struct {
	Artifacts, Links  int64 // reviews
	Blobs, BlobBytes  int64 // blobs that will be trash
	Trash, TrashBytes int64 // blobs that have been trash long enough
	Keys, KeyBytes    int64 // content to be deleted
}

// A Store keeps the queue, and does what its reviews come to. Each method is one
// transaction of bounded length, and may be repeated.
type Store interface {
	// Page returns the repositories of up to n places in the queue behind a mark,
	// and the mark of the last one; none where the queue ends there.
	Page(ctx context.Context, k Kind, due Due, after Mark, n int) ([]int64, Mark, error)
	// Untag deletes artifacts that have no tag, no index that lists them and no
	// subject, as artifact.Store.Delete does.
	Untag(ctx context.Context, s Slice) (Done, error)
	// Unlink takes from a repository the blobs that no manifest of it references.
	Unlink(ctx context.Context, s Slice) (Done, error)
	// Trash looks at up to n blobs, and puts those into the trash that no
	// repository may serve.
	Trash(ctx context.Context, due Due, at time.Time, n int) (Done, error)
	// Purge forgets up to n blobs that have been trash since before a time. Only
	// the keys of their content are kept, as due to be deleted.
	Purge(ctx context.Context, before, at time.Time, n int) (Done, error)
	// Expire forgets up to n blobs that a repository could serve until a time, and
	// returns how many there were.
	Expire(ctx context.Context, before time.Time, n int) (int, error)
	// Keys returns up to n keys of content to be deleted, and gives them to nobody
	// else until the lease ends.
	Keys(ctx context.Context, at time.Time, lease time.Duration, n int) ([]Key, error)
	// Forget forgets keys, whose content is deleted.
	Forget(ctx context.Context, keys []Key) error
	// Waiting counts what is due, and what has been trash since before a time.
	Waiting(ctx context.Context, due Due, before, at time.Time) (Waiting, error)
}

// Options are what one collection is to do. The zero value is the usual one.
type Options struct {
	// DeleteUntagged deletes artifacts that have no tag, no index that lists them
	// and no subject, Delay after they lost the last tag.
	DeleteUntagged bool

	// DryRun changes nothing, and tells what would go.
	DryRun bool

	// Workers is how many slices are worked on at once, at most MaxWorkers; 1
	// where it is 0.
	Workers int

	// Delay and Trash take the place of the constants where they are not 0.
	Delay, Trash time.Duration

	// By is who is said to have deleted artifacts: "berth" where it is empty.
	By event.Actor
}

// A Result is what a collection did; a dry run, what it would have done, at
// least.
type Result struct {
	Manifests int64 // deleted for having no tag, with their kin
	Kept      int64 // not deleted, since a rule about immutable tags holds them

	Links        int64 // blobs that a repository no longer serves
	Trashed      int64 // blobs put into the trash
	TrashedBytes int64
	Blobs        int64 // whose content was deleted
	Bytes        int64 // which that freed

	Failed    int64 // blobs whose content could not be deleted so far
	Remaining int64 // reviews and blobs that are due and were not done
	Errors    []string

	// Names are artifacts that would go, of a dry run: at most MaxNames.
	Names []string
}

const (
	// MaxNames bounds Result.Names.
	MaxNames = 1000
	// maxErrors bounds Result.Errors.
	maxErrors = 10
)

// The steps of a collection, in their order.
const (
	StepUntagged = "untagged" // artifacts without a tag
	StepLinks    = "links"    // blobs that repositories do not need
	StepBlobs    = "blobs"    // blobs that no repository has
	StepTrash    = "trash"    // trash whose time is over
	StepContent  = "content"  // the bytes of these
)

// A Progress tells how far a collection is.
type Progress struct {
	Step        string
	Done, Total int64         // of the step; Total is an estimate
	Left        time.Duration // that the step will take; 0 where that is not known
	Result      Result
}

// Totals are what the collections of a process have come to, dry runs excepted.
type Totals struct {
	Collections int64 // that have ended, however they did
	Manifests   int64 // deleted for having no tag, with their kin
	Blobs       int64 // whose content was deleted
	Bytes       int64 // which that freed
	Failed      int64 // times that content could not be deleted
}

// A Config has what a Service asks; the zero value works.
type Config struct {
	// ReadOnly reports whether nothing may be changed; nil stands for never.
	ReadOnly func(ctx context.Context) (bool, error)

	// Delay and Trash take the place of the constants where they are not 0.
	Delay, Trash time.Duration

	Log *slog.Logger // nil for none
}

// A Service collects garbage. It is safe for concurrent use, in any number of
// processes at once.
type Service struct {
	cfg       Config
	store     Store
	inventory Inventory
	bytes     blob.Store

	mu     sync.Mutex
	totals Totals
}

// Totals returns what the collections here have come to so far.
func (s *Service) Totals() Totals {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.totals
}

// New returns a service over its stores.
func New(cfg Config, store Store, inventory Inventory, bytes blob.Store) *Service {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{cfg: cfg, store: store, inventory: inventory, bytes: bytes}
}
