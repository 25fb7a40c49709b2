package chart

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/berth-registry/berth/internal/helm"
)

// A shelf is what a project lists, ready to be written. It never changes.
type shelf struct {
	revision Revision
	charts   []*versions // by name
	size     int         // bytes in memory, about
}

// versions are those of one chart.
type versions struct {
	name           string
	last           int64    // the highest number
	list           []placed // the newest version first
	body           []byte   // "[…]", as in the index
	oldest, newest time.Time
}

// A placed version is one that stands in a body.
type placed struct {
	number         int64
	order          helm.Order
	from, url, end int // where its entry begins and ends, and where in it its address begins
	created        time.Time
}

// key is the name of a chart in the index, with what divides it from its
// versions.
func (v *versions) key(prefix string) []byte {
	// A name of a repository needs no escapes.
	return []byte(`"` + prefix + v.name + `":`)
}

// An item is a version on its way into a body: as it was in another one or, where
// it has an address, as the store has it.
type item struct {
	placed
	entry   []byte
	address string
}

// entryBytes is what a body has for a version beside its entry and its address.
const entryBytes = 20

// render returns the versions of a chart in their order.
func render(name string, items []item) *versions {
	slices.SortFunc(items, func(a, b item) int { return cmp.Or(b.order.Compare(a.order), cmp.Compare(b.number, a.number)) })
	size := 2
	for _, i := range items {
		size += len(i.entry) + len(i.address) + entryBytes
	}
	v := &versions{name: name, list: make([]placed, 0, len(items)), body: make([]byte, 0, size), oldest: items[0].created}
	v.body = append(v.body, '[')
	for n, i := range items {
		if n > 0 {
			v.body = append(v.body, ',')
		}
		at := i.placed
		at.from, at.url = len(v.body), len(v.body)+at.url-at.from
		if i.address == "" {
			v.body = append(v.body, i.entry...)
		} else {
			v.body, at.url = helm.Entry(i.entry).AppendTo(v.body, i.address)
		}
		at.end = len(v.body)
		v.list = append(v.list, at)
		v.last = max(v.last, at.number)
		if at.created.After(v.newest) {
			v.newest = at.created
		}
		if at.created.Before(v.oldest) {
			v.oldest = at.created
		}
	}
	v.body = append(v.body, ']')
	return v
}

// items returns the versions as they were before they were rendered, but for
// those that are gone.
func (v *versions) items(gone map[int64]bool) []item {
	items := make([]item, 0, len(v.list)+1)
	for _, at := range v.list {
		if !gone[at.number] {
			items = append(items, item{at, v.body[at.from:at.end], ""})
		}
	}
	return items
}

func itemOf(v Version) item {
	return item{placed{number: v.Number, order: helm.OrderOf(v.Version), created: v.Created}, v.Entry, "charts/" + helm.File(v.Name, v.Version)}
}

// with returns a shelf with other versions besides, and without those that are
// gone. Charts that nothing happened to are taken as they are.
func (s *shelf) with(come []Version, gone map[int64]bool) *shelf {
	added := map[string][]item{}
	for _, v := range come {
		added[v.Name] = append(added[v.Name], itemOf(v))
	}
	after := &shelf{}
	put := func(v *versions) {
		after.charts = append(after.charts, v)
		after.revision.Count += int64(len(v.list))
		after.revision.Last = max(after.revision.Last, v.last)
		after.size += len(v.body) + len(v.list)*versionBytes
	}
	for _, v := range s.charts {
		more := added[v.name]
		delete(added, v.name)
		if len(more) == 0 && !v.lost(gone) {
			put(v)
		} else if items := append(v.items(gone), more...); len(items) > 0 {
			put(render(v.name, items))
		}
	}
	for name, items := range added {
		put(render(name, items))
	}
	slices.SortFunc(after.charts, func(a, b *versions) int { return strings.Compare(a.name, b.name) })
	return after
}

func (v *versions) lost(gone map[int64]bool) bool {
	return len(gone) > 0 && slices.ContainsFunc(v.list, func(p placed) bool { return gone[p.number] })
}

// versionBytes is what a version takes in memory beside its entry, about.
const versionBytes = 200

// maxShelves bounds what is kept in memory of what projects list, in bytes. One
// shelf may be larger, and is then the only one.
const maxShelves = 64 << 20

// shelves keep what projects list, until others are asked for. The zero value
// works.
type shelves struct {
	mu    sync.Mutex
	kept  map[int64]*place
	clock int64
}

// A place is a project's among the shelves.
type place struct {
	turn chan struct{} // holds one while somebody brings the shelf up to date
	used int64         // by the clock of the shelves

	shelf *shelf // never nil; changed by who has the turn, under the lock of the shelves
}

// get returns what a project lists, of which now is the revision, or ErrTooMany.
// What is in memory is asked for once and then only brought up to date: versions
// never change, so that what has come has higher numbers, and what has gone is
// known by numbers that are not there.
func (s *shelves) get(ctx context.Context, store Store, project int64, now Revision) (*shelf, error) {
	p := s.place(project)
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-p.turn }()
	fresh, err := p.shelf.refreshed(ctx, store, project, now)
	if err == nil && fresh.size > MaxIndex {
		err = ErrTooMany.With("those of the project come to more than %d bytes", MaxIndex)
	}
	if err != nil {
		return nil, err
	}
	s.keep(project, p, fresh)
	return fresh, nil
}

func (s *shelf) refreshed(ctx context.Context, store Store, project int64, now Revision) (*shelf, error) {
	if now == s.revision {
		return s, nil
	}
	come, err := store.Since(ctx, project, s.revision.Last)
	if err != nil {
		return nil, err
	}
	if s.revision.Count+int64(len(come)) == now.Count {
		// Nothing is gone, if this is still the revision that was asked for.
		if after, err := store.Revision(ctx, project); err != nil || after == now {
			return s.with(come, nil), err
		}
	}
	// What comes from here on is not missed: its number is higher than all that are
	// here, so that it is asked for the next time.
	there, err := store.Numbers(ctx, project)
	if err != nil {
		return nil, err
	}
	here := func(number int64) bool { _, found := slices.BinarySearch(there, number); return found }
	come = slices.DeleteFunc(come, func(v Version) bool { return !here(v.Number) })
	return s.with(come, s.without(here)), nil
}

// without returns the numbers of the shelf that are not there any more.
func (s *shelf) without(here func(int64) bool) map[int64]bool {
	gone := map[int64]bool{}
	for _, v := range s.charts {
		for _, at := range v.list {
			if !here(at.number) {
				gone[at.number] = true
			}
		}
	}
	return gone
}

func (s *shelves) place(project int64) *place {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil {
		s.kept = map[int64]*place{}
	}
	p, ok := s.kept[project]
	if !ok {
		p = &place{turn: make(chan struct{}, 1), shelf: &shelf{}}
		s.kept[project] = p
	}
	s.clock++
	p.used = s.clock
	return p
}

// keep puts a shelf into its place, and forgets those that were not asked for
// the longest while all are too large.
func (s *shelves) keep(project int64, p *place, fresh *shelf) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.shelf = fresh
	total := 0
	for _, p := range s.kept {
		total += p.shelf.size + placeBytes
	}
	for total > maxShelves && len(s.kept) > 1 {
		oldest := project
		for id, other := range s.kept {
			if id != project && (oldest == project || other.used < s.kept[oldest].used) {
				oldest = id
			}
		}
		total -= s.kept[oldest].shelf.size + placeBytes
		delete(s.kept, oldest)
	}
}

// placeBytes is what the place of an empty shelf takes in memory, about.
const placeBytes = 300
