package advisory_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/feed"
	"github.com/berth-registry/berth/internal/feed/feedtest"
	"github.com/berth-registry/berth/internal/inventory"
	"github.com/berth-registry/berth/internal/outbound"
)

// A record as the tests make it.
type record struct {
	id, name, fixed string
	modified        time.Time
	more            string // further fields of JSON
}

// ago returns a time that many hours before now, as records have it.
func ago(hours int) time.Time {
	return time.Now().Add(-time.Duration(hours) * time.Hour).UTC().Truncate(time.Second)
}

func (r record) json(ecosystem string) string {
	events := `{"introduced":"0"}`
	if r.fixed != "" {
		events += `,{"fixed":"` + r.fixed + `"}`
	}
	return fmt.Sprintf(`{"id":%q,"modified":%q,"affected":[{"package":{"ecosystem":%q,"name":%q},"ranges":[{"type":"ECOSYSTEM","events":[%s]}]}]%s}`,
		r.id, r.modified.Format(time.RFC3339), ecosystem, r.name, events, r.more)
}

// A site serves the layout, and counts what is asked for.
type site struct {
	*feed.Web

	mu     sync.Mutex
	files  map[string][]byte
	asked  []string
	before func(w http.ResponseWriter, r *http.Request) (done bool)
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{files: map[string][]byte{}}
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(server.Close)
	out := outbound.New(outbound.ForSystem(), outbound.Limits{Whole: outbound.Unlimited})
	t.Cleanup(out.Close)
	web, err := feed.NewWeb(out, server.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.Web = web
	return s
}

func (s *site) serve(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	s.mu.Lock()
	s.asked = append(s.asked, name)
	text, ok := s.files[name]
	before := s.before
	s.mu.Unlock()
	if before != nil && before(w, r) {
		return
	}
	if !ok {
		http.NotFound(w, r)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
}

// put has all files of an ecosystem say the same.
func (s *site) put(t testing.TB, ecosystem string, all ...record) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.files {
		if strings.HasPrefix(name, ecosystem+"/") {
			delete(s.files, name)
		}
	}
	s.asked = nil
	var entries []string
	for _, r := range all {
		text := r.json(ecosystem)
		entries = append(entries, r.id+".json", text)
		s.files[ecosystem+"/"+r.id+".json"] = []byte(text)
	}
	s.files[feed.All(ecosystem)] = feedtest.Pack(t, entries...)
	s.files[feed.Listed(ecosystem)] = list(all...)
}

func (s *site) fetched() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.asked)
	s.asked = nil
	slices.Sort(all)
	return all
}

func list(all ...record) []byte {
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b record) int { return b.modified.Compare(a.modified) })
	var text bytes.Buffer
	for _, r := range all {
		fmt.Fprintf(&text, "%s,%s\n", r.modified.Format(time.RFC3339), r.id)
	}
	return text.Bytes()
}

// update brings up to date, and returns the outcome of the first source.
func update(t testing.TB, s *advisory.Service, f advisory.Feeds) (advisory.Generation, advisory.Outcome) {
	t.Helper()
	if len(f.Ecosystems) == 0 {
		f.Ecosystems = []string{"npm"}
	}
	g, outcomes, err := s.Update(t.Context(), f, nil)
	if err != nil {
		t.Fatal(err)
	}
	return g, outcomes[0]
}

func updated(t testing.TB, s *advisory.Service, f advisory.Feeds) (advisory.Generation, advisory.Outcome) {
	t.Helper()
	g, o := update(t, s, f)
	if o.Error != "" {
		t.Fatalf("%s: %s", o.Source, o.Error)
	}
	return g, o
}

// found returns "ID fixed" for version 1.0.0 of packages.
func found(t testing.TB, s *advisory.Service, ecosystem string, names ...string) (all []string) {
	t.Helper()
	var inv inventory.Inventory
	for _, name := range names {
		inv.Packages = append(inv.Packages, inventory.Package{Ecosystem: ecosystem, Name: name, Version: "1.0.0"})
	}
	f, err := s.Match(t.Context(), inv)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range f.Rows {
		all = append(all, strings.TrimSpace(v.ID+" "+v.Fixed))
	}
	slices.Sort(all)
	return all
}

func want(t testing.TB, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %q, not %q", what, got, want)
	}
}
