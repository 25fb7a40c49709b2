package remote_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/remote"
)

// Registries that delete by digests alone lose no tag but the one that is meant.
func TestTagsThatCannotBeDeleted(t *testing.T) {
	one, two := strings.Replace(index, "{", "{ ", 1), strings.Replace(index, "{", "{  ", 1)
	digest := func(text string) string { return string(sum([]byte(text))) }
	for name, tt := range map[string]struct {
		tags     map[string]string
		byTag    int    // what the registry says of a deletion by a tag
		byDigest int    // and by a digest
		list     int    // and of its list; 0: it is there
		silent   bool   // it does not say digests of tags
		fails    string // a tag that it cannot be asked for
		want     error
		left     string
	}{
		"by the tag":                 {tags: map[string]string{"v1": one, "v2": one}, byTag: 202, left: "v2"},
		"405":                        {tags: map[string]string{"v1": one, "v2": two}, byTag: 405, byDigest: 202, left: "v2"},
		"400":                        {tags: map[string]string{"v1": one, "v2": two}, byTag: 400, byDigest: 202, left: "v2"},
		"without digests":            {tags: map[string]string{"v1": one, "v2": two}, byTag: 405, byDigest: 202, silent: true, left: "v2"},
		"another tag":                {tags: map[string]string{"v1": one, "v2": two, "v3": one}, byTag: 405, byDigest: 202, want: remote.ErrConflict, left: "v1 v2 v3"},
		"another, without digests":   {tags: map[string]string{"v1": one, "v2": two, "v3": one}, byTag: 405, byDigest: 202, silent: true, want: remote.ErrConflict, left: "v1 v2 v3"},
		"it deletes nothing":         {tags: map[string]string{"v1": one}, byTag: 405, byDigest: 405, want: remote.ErrUnsupported, left: "v1"},
		"not allowed":                {tags: map[string]string{"v1": one}, byTag: 403, byDigest: 202, want: remote.ErrRefused, left: "v1"},
		"it fails":                   {tags: map[string]string{"v1": one}, byTag: 500, byDigest: 202, want: remote.ErrUnavailable, left: "v1"},
		"there is no such tag":       {tags: map[string]string{"v2": two}, byTag: 405, byDigest: 202, want: remote.ErrNotFound, left: "v2"},
		"the list is not to be had":  {tags: map[string]string{"v1": one}, byTag: 405, byDigest: 202, list: 403, want: remote.ErrRefused, left: "v1"},
		"a tag is not to be had":     {tags: map[string]string{"v1": one, "v2": two}, byTag: 405, byDigest: 202, fails: "v2", want: remote.ErrUnavailable, left: "v1 v2"},
		"a tag that is gone by then": {tags: map[string]string{"v1": one, "v2": ""}, byTag: 405, byDigest: 202, left: "v2"},
	} {
		tags := maps.Clone(tt.tags)
		registry := serve(t, here, func(w http.ResponseWriter, r *http.Request) {
			ref, _ := strings.CutPrefix(r.URL.Path, "/v2/a/b/manifests/")
			_, err := oci.ParseDigest(ref)
			switch text := tags[ref]; {
			case strings.HasSuffix(r.URL.Path, "/tags/list") && tt.list != 0:
				w.WriteHeader(tt.list)
			case strings.HasSuffix(r.URL.Path, "/tags/list"):
				writeJSON(w, map[string]any{"tags": slices.Sorted(maps.Keys(tags))})
			case r.Method == http.MethodDelete && err == nil:
				if tt.byDigest == http.StatusAccepted {
					maps.DeleteFunc(tags, func(_, text string) bool { return digest(text) == ref })
				}
				w.WriteHeader(tt.byDigest)
			case r.Method == http.MethodDelete:
				if tt.byTag == http.StatusAccepted {
					delete(tags, ref)
				}
				w.WriteHeader(tt.byTag)
			case ref == tt.fails:
				w.WriteHeader(http.StatusBadGateway)
			case text == "":
				w.WriteHeader(http.StatusNotFound)
			default:
				if !tt.silent {
					w.Header().Set("Docker-Content-Digest", digest(text))
				}
				w.Header().Set("Content-Length", strconv.Itoa(len(text)))
				fmt.Fprint(w, text)
			}
		})
		err := connect(t, registry.URL, "").DeleteTag(t.Context(), "a/b", "v1")
		if !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		if left := strings.Join(slices.Sorted(maps.Keys(tags)), " "); left != tt.left {
			t.Errorf("%s: %s are left", name, left)
		}
	}
}
