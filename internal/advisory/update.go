package advisory

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/berth-registry/berth/internal/feed"
	"github.com/berth-registry/berth/internal/osv"
)

// Feeds are what an update reads. What is nil stays as it is.
type Feeds struct {
	Origin     feed.Origin
	Ecosystems []string // of Origin; those of Ecosystems where there are none
	Benign     bool     // leaves out records of packages that do harm by design, of which there are very many

	// Exploited and Likelihoods open the lists of those names.
	Exploited, Likelihoods func(context.Context) (io.ReadCloser, error)

	// Whole compares all that is listed, not only what is newer than what is here,
	// which is done once a day anyway.
	Whole bool
}

// Progress is told while an update runs. A Total of 0 is not known.
type Progress struct {
	Source      string
	Message     string
	Done, Total int // records
}

// An Outcome is what the last update of a source came to.
type Outcome struct {
	Source  string
	At      time.Time
	Error   string    // why the source stayed as it was; empty: it is up to date
	Changed int       // records that were taken, or removed
	Skipped int       // records that could not be read
	Notes   []string  // why, of the first of them
	Listed  time.Time // when all that is listed was compared last
}

const (
	mostSingles = 2_000 // records that are fetched one by one
	mostNotes   = 10
	fewRecords  = 100 // of which all may go at once
	toldEvery   = 1_000
	fullyEvery  = 24 * time.Hour
	overlap     = 24 * time.Hour // that is compared again, since records may be listed late
)

func (o *Outcome) skip(id string, err error) {
	o.Skipped++
	if len(o.Notes) < mostNotes {
		o.Notes = append(o.Notes, fmt.Sprintf("%s: %v", id, err))
	}
}

// An update is one run.
type update struct {
	*Service
	Feeds

	reader Reader // nil: there is nothing yet
	have   map[string]Source
	last   map[string]Outcome
	tell   func(Progress)
	temps  []io.Closer // files that the steps read
}

// Update brings the database up to date. Each source stands for itself: one that
// fails stays as it was, and its Outcome says why. Nothing is published where
// nothing is new. It returns the generation there is at the end, ErrBusy, and where
// something failed that is of no single source.
func (s *Service) Update(ctx context.Context, f Feeds, tell func(Progress)) (Generation, []Outcome, error) {
	if !s.busy.TryLock() {
		return 0, nil, ErrBusy
	}
	defer s.busy.Unlock()
	if tell == nil {
		tell = func(Progress) {}
	}
	u := &update{Service: s, Feeds: f, have: map[string]Source{}, tell: tell}
	if len(u.Ecosystems) == 0 {
		u.Ecosystems = Ecosystems()
	}
	if err := u.open(ctx); err != nil {
		return 0, nil, err
	}
	defer u.close()
	g, outcomes, err := u.run(ctx)
	if err != nil {
		return g, nil, err
	}
	return g, outcomes, s.store.Note(context.WithoutCancel(ctx), outcomes)
}

func (u *update) close() {
	if u.reader != nil {
		_ = u.reader.Close() // it was only read
	}
	for _, t := range u.temps {
		_ = t.Close() // it is gone
	}
}

// open looks at what there is.
func (u *update) open(ctx context.Context) (err error) {
	if u.last, err = u.outcomes(ctx); err != nil {
		return err
	}
	r, err := u.store.Open(ctx)
	if errors.Is(err, ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	u.reader = r
	sources, err := r.Sources(ctx)
	for _, s := range sources {
		u.have[s.Name] = s
	}
	return errors.Join(err, closeIf(err, r))
}

func closeIf(err error, c io.Closer) error {
	if err != nil {
		return c.Close()
	}
	return nil
}

// A step is what is to be done with a source.
type step struct {
	Outcome

	do func(context.Context, Draft, *Outcome) error // nil: nothing is new
}

// run plans first, so that nothing is copied where nothing is new.
func (u *update) run(ctx context.Context) (g Generation, all []Outcome, err error) {
	steps := u.plan(ctx)
	if err := ctx.Err(); err != nil {
		return 0, nil, err
	}
	if u.reader != nil {
		g = u.reader.Generation()
	}
	if slices.ContainsFunc(steps, func(s step) bool { return s.do != nil }) {
		next, err := u.store.Next(ctx, func(d Draft) (bool, error) { return u.apply(ctx, d, steps) })
		if err != nil {
			return g, nil, err
		}
		g = cmp.Or(next, g)
	}
	for _, s := range steps {
		all = append(all, s.Outcome)
	}
	return g, all, nil
}

// plan says what is to be done with each source.
func (u *update) plan(ctx context.Context) (steps []step) {
	for _, e := range u.Ecosystems {
		if u.Origin == nil || ctx.Err() != nil {
			break
		}
		u.tell(Progress{Source: e, Message: "looking for what is new"})
		s := step{Outcome: Outcome{Source: e, At: u.now(), Listed: u.last[e].Listed}}
		if err := u.ecosystem(ctx, &s); err != nil {
			u.failed(&s.Outcome, err)
		}
		steps = append(steps, s)
	}
	for _, l := range u.lists() {
		s := step{Outcome: Outcome{Source: l.name, At: u.now()}}
		if err := u.fetchList(ctx, &s, l); err != nil {
			u.failed(&s.Outcome, err)
		}
		steps = append(steps, s)
	}
	return steps
}

func (u *update) failed(o *Outcome, err error) {
	o.Error, o.Changed = err.Error(), 0
	u.tell(Progress{Source: o.Source, Message: "failed: " + o.Error})
}

// apply does the steps, and reports whether any changed anything.
func (u *update) apply(ctx context.Context, d Draft, steps []step) (changed bool, err error) {
	for i := range steps {
		s := &steps[i]
		if s.do == nil {
			continue
		}
		err := s.do(ctx, d, &s.Outcome)
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err != nil {
			u.failed(&s.Outcome, err)
			continue
		}
		u.tell(Progress{Source: s.Source, Message: "done", Done: s.Changed, Total: s.Changed})
		changed = changed || s.Changed > 0
	}
	return changed, nil
}

// whole takes all records of an ecosystem from its all.zip, unless that is the one
// that all came from last.
func (u *update) whole(ctx context.Context, d Draft, o *Outcome) error {
	u.tell(Progress{Source: o.Source, Message: "fetching all records"})
	f, err := u.store.Temp()
	if err != nil {
		return err
	}
	defer f.Close()
	in, err := u.Origin.Open(ctx, feed.All(o.Source))
	if err != nil {
		return err
	}
	hash := sha256.New()
	size, err := feed.Copy(io.MultiWriter(f, hash), in, feed.MaxFile)
	if err := errors.Join(err, in.Close()); err != nil {
		return err
	}
	mark := hex.EncodeToString(hash.Sum(nil))
	had, ok := u.have[o.Source]
	if ok && had.Mark == mark && had.Malicious == !u.Benign {
		return nil
	}
	return d.Within(ctx, func(w Writer) error {
		if err := w.Clear(o.Source); err != nil {
			return err
		}
		var newest time.Time
		err := feed.Records(f, size, func(r feed.Record) error {
			at, err := u.take(ctx, w, r, o)
			newest = later(newest, at)
			return err
		})
		if err != nil {
			return err
		}
		if o.Changed == 0 || had.Records >= fewRecords && o.Changed < had.Records/2 {
			return ErrShrunk.With("%d of %d", o.Changed, had.Records)
		}
		return w.Note(u.source(o.Source, newest, mark))
	})
}

// take keeps a record of an all.zip, and returns its time.
func (u *update) take(ctx context.Context, w Writer, r feed.Record, o *Outcome) (at time.Time, err error) {
	if u.Benign && osv.Malicious(r.ID) {
		return at, nil
	}
	e, err := entry(o.Source, r.ID, r.Text, r.Err)
	if err != nil {
		o.skip(r.ID, err)
		return at, ctx.Err()
	}
	fresh, err := w.Put(o.Source, e)
	if err != nil {
		return at, err
	}
	if !fresh {
		o.skip(r.ID, errors.New("there are several of this id; the first was taken"))
		return at, nil
	}
	if o.Changed++; o.Changed%toldEvery == 0 {
		u.tell(Progress{Source: o.Source, Message: "taking records", Done: o.Changed})
		err = ctx.Err()
	}
	return e.Seen, err
}

// entry returns a record as a source has it.
func entry(source, id string, text []byte, err error) (e Entry, _ error) {
	if err != nil {
		return e, err
	}
	r, err := osv.Parse(text)
	if err != nil {
		return e, err
	}
	if r.ID != id {
		return e, fmt.Errorf("the record says that its id is %s", r.ID)
	}
	r.Affected = slices.DeleteFunc(r.Affected, func(a osv.Affected) bool { return osv.Root(a.Package.Ecosystem) != source })
	e = Entry{Record: r, Seen: r.Modified.Truncate(time.Microsecond).UTC()}
	if cves := CVEs(r); len(cves) == 1 {
		e.CVE = cves[0]
	}
	return e, nil
}

// source returns what is to be noted of one. The newest time is not in the future,
// whatever a record says, so that what comes later is not missed.
func (u *update) source(name string, newest time.Time, mark string) Source {
	now := u.now()
	if newest.After(now) {
		newest = now
	}
	return Source{Name: name, Origin: u.Origin.Name(), At: now, Newest: newest, Malicious: !u.Benign, Mark: mark}
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
