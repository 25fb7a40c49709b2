package chart

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/berth-registry/berth/internal/helm"
)

// An Index is what projects list, as one moment had it. It is written as JSON,
// which is YAML as well, and which Helm reads many times faster.
type Index struct {
	parts     []part
	validator string
	known     bool
}

// A part is what one project lists, under a prefix of names and addresses.
type part struct {
	prefix string // "", "library/"
	*shelf
}

// Index returns what one project lists, or only its validator where known says
// that it is.
func (s *Service) Index(ctx context.Context, p Project, known func(validator string) bool) (Index, error) {
	now, err := s.store.Revision(ctx, p.ID)
	if err != nil {
		return Index{}, err
	}
	if v := tag(p, now); known(v) {
		return Index{validator: v, known: true}, nil
	}
	shelf, err := s.shelves.get(ctx, s.store, p.ID, now)
	if err != nil {
		return Index{}, err
	}
	return Index{parts: []part{{"", shelf}}, validator: tag(p, shelf.revision)}, nil
}

// Merged is Index for what all projects list of which visible says so. Names and
// addresses have the project's name before them. It returns ErrTooMany where all
// of them come to more than MaxIndex.
func (s *Service) Merged(ctx context.Context, visible func(project string) (bool, error), known func(validator string) bool) (Index, error) {
	all, err := s.store.Listings(ctx)
	if err != nil {
		return Index{}, err
	}
	seen := all[:0]
	for _, l := range all {
		ok, err := visible(l.Name)
		if err != nil {
			return Index{}, err
		}
		if ok {
			seen = append(seen, l)
		}
	}
	if v := tagOf(seen); known(v) {
		return Index{validator: v, known: true}, nil
	}
	x, size := Index{}, 0
	for i, l := range seen {
		shelf, err := s.shelves.get(ctx, s.store, l.ID, l.Revision)
		if err != nil {
			return Index{}, err
		}
		if size += shelf.size; size > MaxIndex {
			return Index{}, ErrTooMany.With("ask for the index of each project")
		}
		seen[i].Revision = shelf.revision
		x.parts = append(x.parts, part{l.Name + "/", shelf})
	}
	x.validator = tagOf(seen)
	return x, nil
}

// format is part of every validator, and changes with what is written.
const format = 1

func tag(p Project, r Revision) string {
	return fmt.Sprintf("%d-%d-%d-%d", format, p.ID, r.Last, r.Count)
}

func tagOf(all []Listing) string {
	sum := sha256.New()
	for _, l := range all {
		fmt.Fprintf(sum, "%s/%s ", l.Name, tag(l.Project, l.Revision))
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// Known reports whether the client has the index already, so that it is not here.
func (x Index) Known() bool { return x.known }

// Validator names the index: two with the same one are the same, byte by byte.
func (x Index) Validator() string { return x.validator }

// WriteTo implements io.WriterTo.
func (x Index) WriteTo(w io.Writer) (int64, error) {
	c := &counter{w: w}
	c.text(`{"apiVersion":"v1","entries":{`)
	newest, first := time.Unix(0, 0), true
	for _, p := range x.parts {
		for _, chart := range p.charts {
			if !first {
				c.text(",")
			}
			first = false
			c.write(chart.key(p.prefix))
			if p.prefix == "" {
				c.write(chart.body)
			} else {
				c.prefixed(chart, p.prefix)
			}
			if chart.newest.After(newest) {
				newest = chart.newest
			}
		}
	}
	// The time of the newest version and not this one, so that the same index has
	// the same bytes.
	c.text(`},"generated":"` + newest.UTC().Format(time.RFC3339Nano) + `","serverInfo":{}}` + "\n")
	return c.n, c.err
}

// A counter writes until the first failure.
type counter struct {
	w   io.Writer
	n   int64
	err error
}

func (c *counter) write(p []byte) {
	if c.err == nil {
		var n int
		n, c.err = c.w.Write(p)
		c.n += int64(n)
	}
}

func (c *counter) text(s string) { c.write([]byte(s)) }

// prefixed writes the versions of a chart with a prefix before their addresses.
func (c *counter) prefixed(chart *versions, prefix string) {
	from := 0
	for _, v := range chart.list {
		c.write(chart.body[from:v.url])
		c.text(prefix)
		from = v.url
	}
	c.write(chart.body[from:])
}

// A Summary is what is told of a chart in a list.
type Summary struct {
	Name          string
	Versions      int
	Latest        helm.Listed // the first in the order of versions
	First, Newest time.Time   // when the oldest and the newest version came
}

// Summaries returns at most n of the charts that a project lists, behind the first
// offset, by name.
func (s *Service) Summaries(ctx context.Context, p Project, offset, n int) ([]Summary, error) {
	now, err := s.store.Revision(ctx, p.ID)
	if err != nil {
		return nil, err
	}
	shelf, err := s.shelves.get(ctx, s.store, p.ID, now)
	if err != nil {
		return nil, err
	}
	charts := shelf.charts[min(offset, len(shelf.charts)):]
	charts = charts[:min(n, len(charts))]
	some := make([]Summary, len(charts))
	for i, c := range charts {
		some[i] = Summary{Name: c.name, Versions: len(c.list), First: c.oldest, Newest: c.newest}
		if err := json.Unmarshal(c.body[c.list[0].from:c.list[0].end], &some[i].Latest); err != nil {
			return nil, fmt.Errorf("entry of %s: %w", c.name, err)
		}
	}
	return some, nil
}
