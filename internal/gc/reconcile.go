package gc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/oci"
)

// Grace is how old content without a row must be to be garbage. Content comes
// before its row; what is between the two may be the reading of a large blob
// whose client did not say its digest before.
const Grace = 24 * time.Hour

const (
	// compared is how many rows are compared with the storage at once.
	compared = 500
	// MaxUsers bounds Loss.Artifacts and Loss.Repositories.
	MaxUsers = 100
)

// A Stored is a row that leads to content.
type Stored struct {
	Digest  oci.Digest
	Key     string
	Size    int64
	Missing bool // it is known that the content was lost
}

// A Loss is a blob whose content is not there, or is not as long as it should
// be.
type Loss struct {
	Stored
	Found        int64    // its length; -1 where it is not there
	Repositories []string // that may serve it
	Artifacts    []string // that need it: "library/app@sha256:…"
}

// An Inventory is what the database knows of the storage. Each method is one
// transaction.
type Inventory interface {
	// Stored returns up to n rows of blobs, by key, behind one.
	Stored(ctx context.Context, after string, n int) ([]Stored, error)
	// Known returns those of some keys that a row leads to, which it maps to true,
	// or that are due to be deleted.
	Known(ctx context.Context, keys []string) (map[string]bool, error)
	// Uploads returns those of some ids that are of uploads under way.
	Uploads(ctx context.Context, ids []string) (map[string]bool, error)
	// Users tells who may serve and who needs a blob: up to n repositories, and as
	// many artifacts.
	Users(ctx context.Context, d oci.Digest, n int) (repositories, artifacts []string, err error)
	// Mark notes whether the content under a key is missing. While it is, nobody is
	// told that the blob is here, so that who needs it sends it again.
	Mark(ctx context.Context, s Stored, missing bool) error
}

// A Repair says what Reconcile is to do about what it finds.
type Repair struct {
	Garbage bool // delete content that no row leads to
	Losses  bool // have clients send again what is lost, and no longer what was found again
	// Grace takes the place of the constant where it is not 0. A short one is for
	// when nobody pushes: it takes what has no row so far for garbage.
	Grace time.Duration
}

// A Finding is one thing that Reconcile found. One of its fields is set.
type Finding struct {
	Loss    *Loss
	Back    *Stored // was missing, and is there again
	Garbage string  // a key that no row leads to
	Upload  string  // the id of unfinished content that no row leads to
}

// A Comparison counts what Reconcile found.
type Comparison struct {
	Rows, Keys   int64 // that were compared
	Losses, Back int64
	Garbage      int64 // content without a row
	GarbageBytes int64
	Uploads      int64 // unfinished content without a row
	Young        int64 // content without a row that may be on its way
	Repaired     int64
}

// Reconcile compares the storage with the database, both ways, and reports each
// thing that is not as it should be. It may run beside everything else. Rows are
// never deleted: what is lost stays in the lists of what needs it.
//
// The storage must be there: ErrStorage is returned where nothing at all is in it
// that the database knows, as where a disk is not mounted.
func (s *Service) Reconcile(ctx context.Context, do Repair, report func(Finding)) (Comparison, error) {
	do.Grace = max(0, cmp.Or(do.Grace, Grace))
	if report == nil {
		report = func(Finding) {}
	}
	c := &comparing{Service: s, do: do, report: report}
	err := s.bytes.Check(ctx)
	if err == nil && (do.Losses || do.Garbage) {
		err = s.mayRepair(ctx)
	}
	if err == nil {
		err = c.recognise(ctx)
	}
	if err == nil {
		err = c.content(ctx)
	}
	if err == nil {
		err = c.uploads(ctx)
	}
	if err != nil {
		return c.sum, fmt.Errorf("compare storage: %w", err)
	}
	return c.sum, nil
}

func (s *Service) mayRepair(ctx context.Context) error {
	if s.cfg.ReadOnly == nil {
		return nil
	}
	frozen, err := s.cfg.ReadOnly(ctx)
	if err == nil && frozen {
		err = ErrReadOnly
	}
	return err
}

// A comparing goes through the keys of the storage and of the database side by
// side, both in order, so that it keeps a page of each in memory.
type comparing struct {
	*Service
	do     Repair
	report func(Finding)
	sum    Comparison

	rows    []Stored // the next ones
	after   string   // the last key that was read
	ended   bool     // there are no more
	unknown []blob.Item
}

// errKnown ends a walk.
var errKnown = errors.New("something is known")

// recognise returns ErrStorage where there are rows, and nothing in the storage
// is what one of them leads to.
func (c *comparing) recognise(ctx context.Context) error {
	if rows, err := c.inventory.Stored(ctx, "", 1); err != nil || len(rows) == 0 {
		return err
	}
	var keys []string
	look := func() error {
		known, err := c.inventory.Known(ctx, keys)
		for _, needed := range known {
			if needed {
				return errKnown
			}
		}
		keys = keys[:0]
		return err
	}
	err := c.bytes.Walk(ctx, func(i blob.Item) error {
		if keys = append(keys, i.Key); len(keys) < compared {
			return nil
		}
		return look()
	})
	if err == nil {
		err = look()
	}
	if errors.Is(err, errKnown) {
		return nil
	}
	return cmp.Or(err, error(ErrStorage))
}

func (c *comparing) content(ctx context.Context) error {
	err := c.bytes.Walk(ctx, func(i blob.Item) error {
		c.sum.Keys++
		for {
			row, err := c.next(ctx)
			if err != nil {
				return err
			}
			switch {
			case row == nil || row.Key > i.Key:
				return c.extra(ctx, i)
			case row.Key == i.Key:
				err := c.same(ctx, *row, i.Size)
				c.rows = c.rows[1:]
				return err
			}
			if err := c.absent(ctx, *row); err != nil {
				return err
			}
			c.rows = c.rows[1:]
		}
	})
	for err == nil {
		var row *Stored
		if row, err = c.next(ctx); err != nil || row == nil {
			break
		}
		if err = c.absent(ctx, *row); err == nil {
			c.rows = c.rows[1:]
		}
	}
	if err == nil {
		err = c.judge(ctx)
	}
	return err
}

// next returns the next row, or nil.
func (c *comparing) next(ctx context.Context) (*Stored, error) {
	if len(c.rows) == 0 && !c.ended {
		var err error
		if c.rows, err = c.inventory.Stored(ctx, c.after, compared); err != nil {
			return nil, err
		}
		if c.ended = len(c.rows) < compared; len(c.rows) > 0 {
			c.after = c.rows[len(c.rows)-1].Key
		}
		c.sum.Rows += int64(len(c.rows))
	}
	if len(c.rows) == 0 {
		return nil, nil
	}
	return &c.rows[0], nil
}

// same looks at a row whose content is there.
func (c *comparing) same(ctx context.Context, row Stored, size int64) error {
	if size != row.Size {
		return c.lose(ctx, row, size)
	}
	if !row.Missing {
		return nil
	}
	c.sum.Back++
	if c.do.Losses {
		if err := c.inventory.Mark(ctx, row, false); err != nil {
			return err
		}
		c.sum.Repaired++
	}
	c.report(Finding{Back: &row})
	return nil
}

// absent looks at a row whose key was not walked past: it may have come, or gone,
// since.
func (c *comparing) absent(ctx context.Context, row Stored) error {
	r, err := c.bytes.Open(ctx, row.Key)
	if err == nil {
		defer r.Close()
		return c.same(ctx, row, r.Size())
	}
	if !errors.Is(err, blob.ErrNotFound) {
		return err
	}
	return c.lose(ctx, row, -1)
}

// lose notes a loss, unless its row has gone by now.
func (c *comparing) lose(ctx context.Context, row Stored, found int64) error {
	known, err := c.inventory.Known(ctx, []string{row.Key})
	if err != nil || !known[row.Key] {
		return err
	}
	l := Loss{Stored: row, Found: found}
	c.sum.Losses++
	if l.Repositories, l.Artifacts, err = c.inventory.Users(ctx, l.Digest, MaxUsers); err != nil {
		return err
	}
	if c.do.Losses && !l.Missing {
		if err := c.inventory.Mark(ctx, l.Stored, true); err != nil {
			return err
		}
		c.sum.Repaired++
	}
	c.report(Finding{Loss: &l})
	return nil
}

// extra notes content that has no row so far.
func (c *comparing) extra(ctx context.Context, i blob.Item) error {
	c.unknown = append(c.unknown, i)
	if len(c.unknown) < compared {
		return nil
	}
	return c.judge(ctx)
}

// judge asks for the rows of what was noted once more, and calls garbage what
// still has none and is old.
func (c *comparing) judge(ctx context.Context) error {
	keys := make([]string, len(c.unknown))
	for i, u := range c.unknown {
		keys[i] = u.Key
	}
	known, err := c.inventory.Known(ctx, keys)
	if err != nil {
		return err
	}
	for _, u := range c.unknown {
		if _, ok := known[u.Key]; ok {
			continue
		}
		if time.Since(u.Changed) < c.do.Grace {
			c.sum.Young++
			continue
		}
		c.sum.Garbage, c.sum.GarbageBytes = c.sum.Garbage+1, c.sum.GarbageBytes+u.Size
		if c.do.Garbage {
			if err := c.bytes.Delete(ctx, u.Key); err != nil {
				return err
			}
			c.sum.Repaired++
		}
		c.report(Finding{Garbage: u.Key})
	}
	c.unknown = c.unknown[:0]
	return nil
}

// uploads compares unfinished content with the uploads under way.
func (c *comparing) uploads(ctx context.Context) error {
	var some []blob.Item
	look := func() error {
		ids := make([]string, len(some))
		for i, u := range some {
			ids[i] = u.Key
		}
		known, err := c.inventory.Uploads(ctx, ids)
		for i := 0; err == nil && i < len(some); i++ {
			if !known[ids[i]] {
				err = c.stray(ctx, some[i])
			}
		}
		some = some[:0]
		return err
	}
	err := c.bytes.WalkUploads(ctx, func(i blob.Item) error {
		if some = append(some, i); len(some) < compared {
			return nil
		}
		return look()
	})
	if err == nil {
		err = look()
	}
	return err
}

func (c *comparing) stray(ctx context.Context, u blob.Item) error {
	if time.Since(u.Changed) < c.do.Grace {
		c.sum.Young++
		return nil
	}
	c.sum.Uploads++
	if c.do.Garbage {
		if err := c.bytes.Abort(ctx, u.Key, nil); err != nil {
			return err
		}
		c.sum.Repaired++
	}
	c.report(Finding{Upload: u.Key})
	return nil
}
