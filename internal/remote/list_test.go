package remote_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/remote"
)

func TestLists(t *testing.T) {
	var many []string
	for i := range 2500 {
		many = append(many, fmt.Sprintf("t%04d", i))
	}
	many[7] = "../../etc"
	many[8] = "a,b"
	registry := serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.URL.Query().Get("n"))
		from := 0
		if last := r.URL.Query().Get("last"); last != "" {
			from, _ = strconv.Atoi(strings.Split(last, ",")[1])
		}
		to := min(from+n, len(many))
		if to < len(many) {
			w.Header().Add("Link", `<https://other.example>; rel="help"`)
			w.Header().Add("Link", fmt.Sprintf(`</x,y>; rel="prev", <%s?n=%d&last=a,%d>; rel="next"`, r.URL.Path, n, to))
		}
		writeJSON(w, map[string]any{"name": "a/b", "tags": many[from:to], "repositories": many[from:to]})
	})
	r := connect(t, registry.URL, "")
	want := slices.Concat(many[:7], many[9:])
	for name, list := range map[string]func(context.Context, func([]string) error) error{
		"tags":         func(ctx context.Context, fn func([]string) error) error { return r.Tags(ctx, "a/b", fn) },
		"repositories": r.Repositories,
	} {
		var got []string
		pages := 0
		if err := list(t.Context(), func(names []string) error {
			pages++
			got = append(got, names...)
			return nil
		}); err != nil {
			t.Error(err)
		}
		if !slices.Equal(got, want) || pages != 3 {
			t.Errorf("%s: %d in %d pages", name, len(got), pages)
		}
		enough := errors.New("enough")
		if err := list(t.Context(), func([]string) error { return enough }); err != enough {
			t.Errorf("%s: %v", name, err)
		}
	}
	registry.take()
	if n := registry.connections.Load(); n != 1 {
		t.Errorf("%d connections for one question after the other", n)
	}
}

func TestListsGoOnAtTheSameServerOnly(t *testing.T) {
	other := serve(t, elsewhere, func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, map[string]any{}) })
	var link string
	registry := serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		if !asking(w, r, "Basic x") {
			w.Header().Set("Link", link)
			writeJSON(w, map[string]any{"tags": []string{"a"}})
		}
	})
	r := connect(t, registry.URL, account)
	for _, link = range []string{
		"<" + other.URL + "/v2/a/b/tags/list>; rel=next", "<//" + strings.TrimPrefix(other.URL, "http://") + ">; rel=\"next\"",
		"<" + strings.Replace(registry.URL, "http", "https", 1) + "/v2/>; rel=next", "<?n=1000>; rel=next", "<:>; rel=next",
	} {
		pages := 0
		err := r.Tags(t.Context(), "a/b", func([]string) error { pages++; return nil })
		if !errors.Is(err, remote.ErrAnswer) || pages > 1 {
			t.Errorf("%s: %d pages, %v", link, pages, err)
		}
	}
	if got := other.lines(); len(got) > 0 {
		t.Errorf("%q", got)
	}
}
