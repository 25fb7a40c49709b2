package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/oci"
)

// writebackStep is how many bytes are gathered before the operating system is
// asked to write them. Without that it keeps what arrives in memory, and the
// sync at the end makes the client wait for all of it: a push of 2 GiB takes
// between a tenth and twice as long again.
const writebackStep = 8 << 20

var errDone = errors.New("the upload's writer is done")

// A writer appends to the file of an upload.
type writer struct {
	store    *Store
	id, path string
	file     *os.File
	base     int64 // where the upload stood when the writer was made
	size     int64
	sent     int64 // up to here, the operating system was asked to write
	done     bool
}

func (w *writer) Size() int64 { return w.size }

func (w *writer) Write(p []byte) (int, error) {
	if w.done {
		return 0, errDone
	}
	n, err := w.file.Write(p)
	w.size += int64(n)
	if err != nil {
		// What a failed write left behind the bytes that it counted goes.
		return n, errors.Join(failure("write upload", err), w.file.Truncate(w.size))
	}
	if w.size-w.sent >= writebackStep {
		writeback(w.file, w.sent, w.size-w.sent)
		w.sent = w.size
	}
	return n, nil
}

func (w *writer) Follow() (blob.Follower, error) {
	if w.done {
		return nil, errDone
	}
	f, err := os.Open(w.path)
	if err != nil {
		return nil, failure("follow upload", err)
	}
	return f, nil
}

func (w *writer) Pause() ([]byte, error) {
	if w.done {
		return nil, errDone
	}
	if err := w.settle(); err != nil {
		return nil, w.giveUp(err)
	}
	return nil, nil
}

func (w *writer) Commit(_ context.Context, d oci.Digest) (string, error) {
	if w.done {
		return "", errDone
	}
	if err := w.settle(); err != nil {
		return "", w.giveUp(err)
	}
	shard, err := w.store.shard(d)
	if err != nil {
		return "", w.giveUp(err)
	}
	key := shard + "/" + d.Hex() + "-" + w.id
	// From now on it is content, however long ago its last byte came.
	now := time.Now()
	if err := os.Chtimes(w.path, now, now); err != nil {
		return "", w.giveUp(failure("date upload", err))
	}
	path := filepath.Join(w.store.root, key)
	if err := os.Rename(w.path, path); err != nil {
		return "", w.giveUp(failure("move upload to content", err))
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return "", w.giveUp(errors.Join(err, os.Rename(path, w.path)))
	}
	return key, nil
}

func (w *writer) Cancel() error {
	if w.done {
		return errDone
	}
	w.done = true
	return errors.Join(w.file.Close(), remove(w.path))
}

// settle ends the writing: what was written is on the disk.
func (w *writer) settle() error {
	w.done = true
	if err := errors.Join(w.file.Sync(), w.file.Close()); err != nil {
		return failure("write upload to disk", err)
	}
	return nil
}

// giveUp cuts an upload back to where it stood. After a failed sync nobody knows
// which of the bytes behind that are on the disk, and a second one would not
// tell.
func (w *writer) giveUp(err error) error {
	if w.base == 0 {
		return errors.Join(err, remove(w.path))
	}
	if cut := os.Truncate(w.path, w.base); cut != nil {
		return errors.Join(err, fmt.Errorf("cut upload: %w", cut))
	}
	return err
}
