// Package advisorydb keeps advisories in one file of SQLite. A file is a
// generation: it is made beside the others, becomes the current one by a rename
// when it is on the disk, and never changes again, so that whoever reads never
// waits. A crash leaves the generation that was current, and files of a draft that
// the next writer removes. What is kept, and when, is for advisory to say.
//
// In the folder are
//
//	current                the number of the generation
//	NUMBER.db              a generation
//	NUMBER.db.new          a draft
//	outcomes.json          what the last updates came to
//	lock                   held by who makes a draft
package advisorydb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/berth-registry/berth/internal/advisory"
)

// Names of files.
const (
	currentName  = "current"
	outcomesName = "outcomes.json"
	lockName     = "lock"
	dbSuffix     = ".db"
	newSuffix    = ".new"
)

// A Store is an advisory.Store in a folder. Several processes may use one. It is
// closed by its owner.
type Store struct {
	folder string
	pack   *zstd.Encoder
	unpack *zstd.Decoder
	limits limits

	mu     sync.Mutex
	seen   os.FileInfo // of the file that names the generation; nil: none was there
	newest *generation // nil: none
	inUse  map[advisory.Generation]int
	closed bool
}

// limits are what an import may have.
type limits struct{ imported int64 }

// maxBody is how many bytes the text of a record may have when it is unpacked.
const maxBody = 32 << 20

// New returns the store in a folder, which it creates where it is not there, for its
// own user only.
func New(folder string) (*Store, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, fmt.Errorf("advisories: %w", err)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("advisories: %w", err)
	}
	pack, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return nil, fmt.Errorf("advisories: %w", err)
	}
	unpack, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(4), zstd.WithDecoderMaxMemory(maxBody))
	if err != nil {
		return nil, fmt.Errorf("advisories: %w", err)
	}
	return &Store{folder: folder, pack: pack, unpack: unpack, limits: limits{imported: 16 << 30}, inUse: map[advisory.Generation]int{}}, nil
}

// Close closes the newest generation. Readers that are open stay so.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	old := s.newest
	s.newest, s.seen = nil, nil
	s.mu.Unlock()
	if old == nil {
		return nil
	}
	return old.release()
}

func (s *Store) path(name string) string { return filepath.Join(s.folder, name) }

func dbName(g advisory.Generation) string { return strconv.FormatInt(int64(g), 10) + dbSuffix }

// Open implements advisory.Store. It looks at one file's state.
func (s *Store) Open(ctx context.Context) (advisory.Reader, error) {
	s.mu.Lock()
	old := s.newest
	err := s.refresh(ctx)
	newest := s.newest
	if newest == old {
		old = nil
	}
	if err == nil {
		newest.refs.Add(1)
	}
	s.mu.Unlock()
	if old != nil {
		_ = old.release() // it was only read
	}
	if err != nil {
		return nil, err
	}
	return &reader{generation: newest}, nil
}

// refresh opens what is current, unless it is open. Another process may replace it
// meanwhile, and remove it. The caller holds s.mu, and releases what was open.
func (s *Store) refresh(ctx context.Context) error {
	if s.closed {
		return errClosed
	}
	for try := 0; ; try++ {
		info, err := os.Stat(s.path(currentName))
		if errors.Is(err, fs.ErrNotExist) {
			s.newest, s.seen = nil, nil
			return advisory.ErrNone
		}
		if err != nil {
			return fmt.Errorf("advisories: %w", err)
		}
		if s.newest != nil && same(info, s.seen) {
			return nil
		}
		number, err := s.current()
		if err != nil {
			return err
		}
		g, err := s.open(ctx, number)
		if errors.Is(err, fs.ErrNotExist) && try < mostTries {
			continue
		}
		if err != nil {
			return err
		}
		s.newest, s.seen = g, info
		return nil
	}
}

// mostTries is how often a generation may go before it is open.
const mostTries = 3

var errClosed = errors.New("the advisories are closed")

// same reports whether a file was not replaced.
func same(a, b os.FileInfo) bool { return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) }

// current returns the number of the newest generation, or advisory.ErrNone.
func (s *Store) current() (advisory.Generation, error) {
	text, err := os.ReadFile(s.path(currentName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, advisory.ErrNone
	}
	if err != nil {
		return 0, fmt.Errorf("advisories: %w", err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("advisories: %s does not name a generation", s.path(currentName))
	}
	return advisory.Generation(n), nil
}

// lock makes this the only one to write, in all processes. It returns
// advisory.ErrBusy.
func (s *Store) lock() (unlock func() error, err error) {
	f, err := os.OpenFile(s.path(lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("advisories: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = advisory.ErrBusy
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}

// Temp implements advisory.Store. The file has no name any more, so that a crash
// leaves none.
func (s *Store) Temp() (*os.File, error) {
	f, err := os.CreateTemp(s.folder, "temp-*"+newSuffix)
	if err != nil {
		return nil, fmt.Errorf("advisories: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Note implements advisory.Store.
func (s *Store) Note(ctx context.Context, all []advisory.Outcome) error {
	old, err := s.Outcomes(ctx)
	if err != nil {
		return err
	}
	by := map[string]advisory.Outcome{}
	for _, o := range append(old, all...) {
		by[o.Source] = o
	}
	text, err := json.Marshal(by)
	if err != nil {
		return err
	}
	return s.replace(outcomesName, text)
}

// Outcomes implements advisory.Store. What cannot be read is not there: it only
// says what was.
func (s *Store) Outcomes(context.Context) ([]advisory.Outcome, error) {
	text, err := os.ReadFile(s.path(outcomesName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("advisories: %w", err)
	}
	by := map[string]advisory.Outcome{}
	if json.Unmarshal(text, &by) != nil {
		return nil, nil
	}
	all := make([]advisory.Outcome, 0, len(by))
	for _, o := range by {
		all = append(all, o)
	}
	return all, nil
}

// replace puts a small file in place of another one, when it is on the disk.
func (s *Store) replace(name string, text []byte) (err error) {
	f, err := os.CreateTemp(s.folder, name+"-*"+newSuffix)
	if err != nil {
		return fmt.Errorf("advisories: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), s.path(name))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("advisories: %w", err), os.Remove(f.Name()))
	}
	return s.sync()
}

// sync has the folder on the disk.
func (s *Store) sync() error {
	f, err := os.Open(s.folder)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// sweep removes drafts that nobody makes any more, and generations that are not
// the newest and that nobody here reads; another process has its files open. The
// caller holds the lock.
func (s *Store) sweep() error {
	newest, err := s.current()
	if err != nil && !errors.Is(err, advisory.ErrNone) {
		return err
	}
	entries, err := os.ReadDir(s.folder)
	if err != nil {
		return fmt.Errorf("advisories: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var failed []error
	for _, e := range entries {
		number, isDB := strings.CutSuffix(e.Name(), dbSuffix)
		n, err := strconv.ParseInt(number, 10, 64)
		old := isDB && err == nil && advisory.Generation(n) != newest && s.inUse[advisory.Generation(n)] == 0
		if old || strings.HasSuffix(e.Name(), newSuffix) || strings.HasSuffix(e.Name(), newSuffix+"-journal") {
			if err := os.Remove(s.path(e.Name())); !errors.Is(err, fs.ErrNotExist) { // its last reader was quicker
				failed = append(failed, err)
			}
		}
	}
	return errors.Join(failed...)
}

// next returns the number of a generation that comes behind all others.
func (s *Store) next() (advisory.Generation, error) {
	newest, err := s.current()
	if err != nil && !errors.Is(err, advisory.ErrNone) {
		return 0, err
	}
	return max(newest+1, advisory.Generation(time.Now().UnixMicro())), nil
}
