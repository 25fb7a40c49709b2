package advisory

import (
	"bytes"
	"context"
	"errors"
	"hash/fnv"
	"io"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berth-registry/berth/internal/feed"
	"github.com/berth-registry/berth/internal/osv"
)

// A listed record is one as a list has it. Its time is zero where it is not known.
type listed struct {
	id string
	at time.Time
}

// changes are what a list has otherwise than the database.
type changes struct {
	changed []listed // new ones too
	gone    []string
}

// errMany ends the reading of a list: it is quicker to take all.
var errMany = errors.New("many records changed")

// ecosystem says what is to be done with one: nothing, single records, or all.
func (u *update) ecosystem(ctx context.Context, s *step) error {
	if !feed.IsEcosystem(s.Source) {
		return feed.ErrInvalid.With("%.80q cannot be the name of an ecosystem", s.Source)
	}
	had, ok := u.have[s.Source]
	if !ok || had.Malicious == u.Benign {
		s.do = u.whole
		return nil
	}
	list, err := u.Origin.Open(ctx, feed.Listed(s.Source))
	if errors.Is(err, feed.ErrNone) {
		s.do = u.whole // its hash says whether it is new
		return nil
	}
	if err != nil {
		return err
	}
	defer list.Close()
	fully := u.Whole || had.Origin != u.Origin.Name() || u.now().Sub(s.Listed) > fullyEvery || s.Listed.After(u.now())
	c, err := u.compare(ctx, list, had, fully)
	switch {
	case errors.Is(err, errMany):
		s.do = u.whole
		return nil
	case err != nil:
		return err
	case fully:
		s.Listed = u.now()
	}
	switch {
	case len(c.changed)+len(c.gone) == 0:
	case len(c.changed) > 0 && !u.Origin.Singles():
		s.do = u.whole
	default:
		s.do = func(ctx context.Context, d Draft, o *Outcome) error { return u.singles(ctx, d, o, c) }
	}
	return nil
}

// atATime is for how many records the database is asked at once.
const atATime = 256

// compare reads a list: all of it, or as far as it is newer than what is here.
func (u *update) compare(ctx context.Context, list io.Reader, had Source, fully bool) (c changes, err error) {
	until := had.Newest.Add(-overlap)
	var batch []listed
	var all []uint64
	err = feed.Listing(list, func(id string, at time.Time) (bool, error) {
		if !fully && at.Before(until) && !at.IsZero() {
			return false, nil
		}
		if u.Benign && osv.Malicious(id) {
			return true, nil
		}
		if fully {
			all = append(all, sum(id))
		}
		if batch = append(batch, listed{id, at}); len(batch) < atATime {
			return true, nil
		}
		err := u.differ(ctx, had.Name, batch, &c)
		batch = batch[:0]
		return true, err
	})
	if err != nil {
		return c, err
	}
	if err := u.differ(ctx, had.Name, batch, &c); err != nil || !fully {
		return c, err
	}
	return c, u.missing(ctx, had, all, &c)
}

// differ adds those of which the database has another time, or nothing.
func (u *update) differ(ctx context.Context, source string, batch []listed, c *changes) error {
	ids := make([]string, len(batch))
	for i, l := range batch {
		ids[i] = l.id
	}
	seen, err := u.reader.Seen(ctx, source, ids)
	if err != nil {
		return err
	}
	for _, l := range batch {
		if at, ok := seen[l.id]; !ok || !at.Equal(l.at) && !l.at.IsZero() {
			c.changed = append(c.changed, l)
		}
	}
	if len(c.changed) > mostSingles {
		return errMany
	}
	return nil
}

// missing adds those that are not listed any more. Ids are compared by their sums,
// which take little memory: one in some hundred billions would be kept by mistake.
func (u *update) missing(ctx context.Context, had Source, all []uint64, c *changes) error {
	slices.Sort(all)
	entries := 0
	err := u.reader.IDs(ctx, had.Name, func(id string) {
		entries++
		if _, ok := slices.BinarySearch(all, sum(id)); !ok {
			c.gone = append(c.gone, id)
		}
	})
	if err == nil && entries >= fewRecords && len(c.gone) > entries/2 {
		return ErrShrunk.With("%d of %d are not listed", len(c.gone), entries)
	}
	return err
}

func sum(id string) uint64 {
	h := fnv.New64a()
	_, _ = io.WriteString(h, id)
	return h.Sum64()
}

// fetched is a single record.
type fetched struct {
	listed

	text []byte
	err  error
}

// singles takes changed records one by one. Where none of them is there, the origin
// has no single ones, and all are taken. The transaction spans what is fetched,
// which does no harm: nobody else sees the draft.
func (u *update) singles(ctx context.Context, d Draft, o *Outcome, c changes) error {
	u.tell(Progress{Source: o.Source, Message: "fetching changed records", Total: len(c.changed)})
	none := 0
	err := d.Within(ctx, func(w Writer) error {
		newest := u.have[o.Source].Newest
		err := u.fetch(ctx, o.Source, c.changed, func(f fetched) error {
			if errors.Is(f.err, feed.ErrNone) {
				none++
			} else if f.err != nil && !errors.Is(f.err, feed.ErrTooLarge) {
				return f.err
			}
			e, err := entry(o.Source, f.id, f.text, f.err)
			if err != nil {
				o.skip(f.id, err)
				return nil
			}
			e.Seen = f.at
			newest = later(newest, f.at)
			if err := w.Forget(o.Source, []string{f.id}); err != nil {
				return err
			}
			fresh, err := w.Put(o.Source, e)
			if fresh {
				o.Changed++
			}
			return err
		})
		if err != nil {
			return err
		}
		o.Changed += len(c.gone)
		if err := w.Forget(o.Source, c.gone); err != nil {
			return err
		}
		return w.Note(u.source(o.Source, newest, u.have[o.Source].Mark))
	})
	if err == nil && none > 0 && none == len(c.changed) {
		*o = Outcome{Source: o.Source, At: o.At, Listed: o.Listed}
		return u.whole(ctx, d, o)
	}
	return err
}

// atOnce is how many single records are fetched at the same time.
const atOnce = 8

// fetch tells of records in some order.
func (u *update) fetch(ctx context.Context, source string, all []listed, see func(fetched) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	came := make(chan fetched)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(atOnce + 1)
	g.Go(func() error { // the only one that sees
		for range all {
			select {
			case f := <-came:
				if err := see(f); err != nil {
					return err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	for _, l := range all {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			f := fetched{listed: l}
			f.text, f.err = u.single(ctx, source, l.id)
			select {
			case came <- f:
			case <-ctx.Done():
			}
			return nil
		})
	}
	return g.Wait()
}

func (u *update) single(ctx context.Context, source, id string) ([]byte, error) {
	in, err := u.Origin.Open(ctx, feed.Single(source, id))
	if err != nil {
		return nil, err
	}
	defer in.Close()
	var text bytes.Buffer
	_, err = feed.Copy(&text, in, osv.MaxRecord)
	return text.Bytes(), err
}
