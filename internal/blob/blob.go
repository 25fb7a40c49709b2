// Package blob says what a store of content must do. A store keeps bytes and
// nothing else: it does not know who may read them, whether their digest is the
// one they are kept under, or what is still needed. What it holds is asked only
// to compare it with what the database knows. Folder blobtest holds a store against what is promised here.
package blob

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
)

// ErrNotFound is returned for a key under which nothing is kept. It is no
// fault: keys come from the database, and one that leads nowhere is a loss of
// the server's own.
var ErrNotFound = errors.New("blob: no content under this key")

// ErrUploadUnknown is returned for an upload that is not there, or that has
// fewer bytes than it should. ErrFull is returned where there is no room for
// more; what was acknowledged before is unharmed.
var (
	ErrUploadUnknown = fault.New(fault.NotFound, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
	ErrFull          = fault.New(fault.Unavailable, "UNAVAILABLE", "the storage is full")
)

// A Store keeps content under keys that it gives out, and unfinished uploads
// under ids that it is given: of lower-case letters, digits and dashes, at most
// 64. Its methods may be called at once, but the caller sees to it that an
// upload has one Writer at a time. An error that is not named here is the
// store's own failure.
type Store interface {
	// Begin starts an upload. One of the same id is lost.
	Begin(ctx context.Context, id string) (Writer, error)

	// Resume goes on with an upload where Pause left it, or at a smaller size:
	// what lies behind size is cut off. parts is what Pause returned. It returns
	// ErrUploadUnknown where the bytes up to size are not all there.
	Resume(ctx context.Context, id string, size int64, parts []byte) (Writer, error)

	// Abort forgets an upload that was begun; one that is not there is no error.
	Abort(ctx context.Context, id string, parts []byte) error

	// Open returns content, or ErrNotFound. The caller closes it. What is open
	// can be read to its end, even if it is deleted meanwhile.
	Open(ctx context.Context, key string) (Reader, error)

	// Delete removes content. Keys that are not there are no error.
	Delete(ctx context.Context, keys ...string) error

	// Walk calls fn for all content, in the order of the keys' bytes, until it
	// returns an error, which Walk then returns. Content that comes or goes
	// meanwhile may be left out.
	Walk(ctx context.Context, fn func(Item) error) error

	// WalkUploads is as Walk is, in any order, for the uploads that are not content
	// so far, as far as the store knows of them; the Key of each is its id.
	WalkUploads(ctx context.Context, fn func(Item) error) error

	// Check tells whether the store can write and read at this moment.
	Check(ctx context.Context) error
}

// An Item is something that a store holds.
type Item struct {
	Key  string
	Size int64
	// Changed is when it became content, or when an upload was last written to;
	// after a crash it may be earlier.
	Changed time.Time
}

// A Writer takes the bytes of an upload, from one goroutine at a time. It is
// done after the first call of Pause, Commit or Cancel, whatever that returns:
// further calls return an error and change nothing. One of them must be called
// for it to let go of what it holds.
type Writer interface {
	// Write appends to the upload. Where it returns an error, the bytes that it
	// counts are part of the upload, and no others: Pause may still keep them.
	io.Writer

	// Size is how many bytes the upload has.
	Size() int64

	// Follow lets what was written be read while more is. It shows the bytes that
	// Size counts, and after Commit all of them, until it is closed, even if the
	// content is deleted meanwhile. It is safe for concurrent use.
	Follow() (Follower, error)

	// Pause keeps the upload for Resume: all of Size when it returns nil, even
	// if the machine stops then. Where it fails, the upload stands where it
	// stood when this Writer was made, or is lost. parts is what the store must
	// be reminded of then, and may be nil.
	Pause() (parts []byte, err error)

	// Commit makes the upload content, and returns its key, which no other upload
	// ever gets, even of the same digest. The digest is not checked. When it
	// returns nil, the content is there for good, even if the machine stops then.
	// Where it fails, it is as with Pause.
	Commit(ctx context.Context, d oci.Digest) (key string, err error)

	// Cancel forgets the upload.
	Cancel() error
}

// A Follower reads content that is on its way in.
type Follower interface {
	io.ReaderAt
	io.Closer
}

// A Reader is content that is open.
type Reader interface {
	io.ReadSeekCloser
	io.ReaderAt

	// Size is the length of the content in bytes.
	Size() int64
}

// A Filer is a Reader whose content is a file, so that the operating system can
// send it. The file remains the Reader's, which closes it and shares its offset.
type Filer interface {
	File() *os.File
}
