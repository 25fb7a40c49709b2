// Package disk is a store of content in a folder of a file system. Unfinished
// uploads lie in uploads/, under their ids, and content in sha256/ and sha512/,
// in folders named for the first two digits of its digest. What lies there is
// complete: it got there by a rename, when it was on the disk. A crash leaves
// unfinished uploads, or content that nobody was told of, and nothing worse. One
// process at a time may use a folder, which the caller sees to.
package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/oci"
)

// uploads is the folder of what is not finished.
const uploads = "uploads"

// maxID is how many bytes an upload's id may have.
const maxID = 64

// A Store is a blob.Store in a folder.
type Store struct {
	root   string
	shards sync.Map // folders of content that are known to be on the disk
}

// New returns the store in the folder root, which it creates where it is not
// there, for its own user only.
func New(root string) (*Store, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("blob folder: %w", err)
	}
	for _, name := range []string{"", uploads, string(oci.SHA256), string(oci.SHA512)} {
		if err := os.MkdirAll(filepath.Join(root, name), 0o700); err != nil {
			return nil, failure("create blob folder", err)
		}
	}
	if err := errors.Join(syncFolder(root), syncFolder(filepath.Dir(root))); err != nil {
		return nil, err
	}
	return &Store{root: root}, nil
}

// Begin starts an upload in a file of its own.
func (s *Store) Begin(_ context.Context, id string) (blob.Writer, error) {
	path, err := s.upload(id)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, failure("begin upload", err)
	}
	return &writer{store: s, id: id, path: path, file: f}, nil
}

// Resume goes on with an upload. It needs no parts.
func (s *Store) Resume(_ context.Context, id string, size int64, _ []byte) (blob.Writer, error) {
	path, err := s.upload(id)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, blob.ErrUploadUnknown
	}
	if err != nil {
		return nil, failure("resume upload", err)
	}
	if err := cut(f, size); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &writer{store: s, id: id, path: path, file: f, base: size, size: size, sent: size}, nil
}

// cut makes f end at size, and puts its offset there.
func cut(f *os.File, size int64) error {
	info, err := f.Stat()
	if err != nil {
		return failure("resume upload", err)
	}
	if info.Size() < size {
		return blob.ErrUploadUnknown.Because(fmt.Errorf("%s has %d bytes of %d", f.Name(), info.Size(), size))
	}
	if info.Size() > size {
		if err := f.Truncate(size); err != nil {
			return failure("cut upload", err)
		}
	}
	if _, err := f.Seek(size, io.SeekStart); err != nil {
		return failure("resume upload", err)
	}
	return nil
}

// Abort removes an upload's file.
func (s *Store) Abort(_ context.Context, id string, _ []byte) error {
	path, err := s.upload(id)
	if err != nil {
		return err
	}
	return remove(path)
}

// Open returns a reader that is a blob.Filer.
func (s *Store) Open(_ context.Context, key string) (blob.Reader, error) {
	path, ok := s.content(key)
	if !ok {
		return nil, fmt.Errorf("%w: %q is not a key", blob.ErrNotFound, key)
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s", blob.ErrNotFound, key)
	}
	if err != nil {
		return nil, failure("open content", err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(failure("open content", err), f.Close())
	}
	return &reader{f, info.Size()}, nil
}

// Delete removes content. A crash may bring it back, as garbage: the folders are
// not synced.
func (s *Store) Delete(ctx context.Context, keys ...string) error {
	var failed []error
	for _, key := range keys {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(failed, err)...)
		}
		if path, ok := s.content(key); ok {
			failed = append(failed, remove(path))
		}
	}
	return errors.Join(failed...)
}

// Check takes a small file the way that content goes, without waiting for the
// disk.
func (s *Store) Check(context.Context) error {
	want := []byte("the store can write and read")
	f, err := os.CreateTemp(filepath.Join(s.root, uploads), "check-*")
	if err != nil {
		return failure("check storage", err)
	}
	_, err = f.Write(want)
	from, to := f.Name(), filepath.Join(s.root, string(oci.SHA256), filepath.Base(f.Name()))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(from, to)
	}
	if err != nil {
		return errors.Join(failure("check storage", err), remove(from))
	}
	got, err := os.ReadFile(to)
	if err == nil && !bytes.Equal(got, want) {
		err = errors.New("what was read is not what was written")
	}
	if err != nil {
		err = failure("check storage", err)
	}
	return errors.Join(err, remove(to))
}

// upload returns the path of an upload's file.
func (s *Store) upload(id string) (string, error) {
	if !validID(id) {
		return "", blob.ErrUploadUnknown.Because(fmt.Errorf("%q is not an upload's id", id))
	}
	return filepath.Join(s.root, uploads, id), nil
}

// content returns the path of a key's file. Whatever is not a key that Commit
// could return leads nowhere.
func (s *Store) content(key string) (path string, ok bool) {
	algorithm, rest, _ := strings.Cut(key, "/")
	shard, name, _ := strings.Cut(rest, "/")
	hex, id, _ := strings.Cut(name, "-")
	_, err := oci.ParseDigest(algorithm + ":" + hex)
	if err != nil || shard != hex[:2] || !validID(id) {
		return "", false
	}
	return filepath.Join(s.root, key), true
}

func validID(id string) bool {
	return id != "" && len(id) <= maxID && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// shard returns the folder that content of a digest goes to, and sees to it that
// it is there for good. Two that come at once both wait for the disk.
func (s *Store) shard(d oci.Digest) (string, error) {
	name := string(d.Algorithm()) + "/" + d.Hex()[:2]
	if _, known := s.shards.Load(name); known {
		return name, nil
	}
	path := filepath.Join(s.root, name)
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", failure("create folder for content", err)
	}
	if err := syncFolder(filepath.Dir(path)); err != nil {
		return "", err
	}
	s.shards.Store(name, nil)
	return name, nil
}

// failure tells a full disk, or a used-up quota of the file system, from all
// else.
func failure(doing string, err error) error {
	err = fmt.Errorf("%s: %w", doing, err)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return blob.ErrFull.Because(err)
	}
	return err
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failure("remove file", err)
	}
	return nil
}

// syncFolder makes the names in a folder durable.
func syncFolder(path string) error {
	f, err := os.Open(path)
	if err == nil {
		err = errors.Join(f.Sync(), f.Close())
	}
	if err != nil {
		return failure("sync folder", err)
	}
	return nil
}

type file = os.File

// A reader is a file whose size is known.
type reader struct {
	*file
	size int64
}

func (r *reader) Size() int64    { return r.size }
func (r *reader) File() *os.File { return r.file }
