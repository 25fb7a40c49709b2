package remote_test

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/remote"
)

func TestReferrers(t *testing.T) {
	subject := []byte("subject")
	short, long := sum(subject), oci.Sum(oci.SHA512, subject)
	child := func(i int) string {
		return fmt.Sprintf(`{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"%s","size":7,"artifactType":"x/y"}`, sum([]byte{byte(i), byte(i >> 8)}))
	}
	list := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, child(i))
		}
		return strings.Replace(index, "[]", "["+strings.Join(all, ",")+"]", 1)
	}
	var answers map[string]string // by path; "405": the status
	var endlessly bool
	registry := serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		text, ok := answers[strings.TrimPrefix(r.URL.Path, "/v2/a/b/")]
		switch {
		case !ok:
			w.WriteHeader(http.StatusNotFound)
		case len(text) == 3:
			code, _ := strconv.Atoi(text)
			w.WriteHeader(code)
		default:
			if endlessly || r.URL.RawQuery == "" && strings.Contains(text, "paged") {
				w.Header().Set("Link", fmt.Sprintf(`<?p=%s1>; rel="next"`, r.URL.Query().Get("p")))
			}
			w.Header().Set("Content-Type", oci.MediaTypeImageIndex)
			fmt.Fprint(w, text)
		}
	})
	r := connect(t, registry.URL, "")
	tag := "manifests/sha256-" + short.Hex()
	for name, tt := range map[string]struct {
		answers map[string]string
		digest  oci.Digest
		want    int // -1: an error
	}{
		"by the list":      {map[string]string{"referrers/" + string(short): list(3), tag: list(1)}, short, 3},
		"in pages":         {map[string]string{"referrers/" + string(short): list(2) + strings.Repeat(" ", 3) + "\n"}, short, 2},
		"by the tag":       {map[string]string{tag: list(2)}, short, 2},
		"405":              {map[string]string{"referrers/" + string(short): "405", tag: list(2)}, short, 2},
		"neither":          {nil, short, 0},
		"sha512":           {map[string]string{"manifests/sha512-" + long.Hex()[:64]: list(2)}, long, 2},
		"refused":          {map[string]string{"referrers/" + string(short): "403", tag: list(2)}, short, -1},
		"no index":         {map[string]string{"referrers/" + string(short): `{"manifests":"x"}`}, short, -1},
		"no digests":       {map[string]string{"referrers/" + string(short): strings.Replace(list(1), "sha256:", "sha256:../", 1)}, short, -1},
		"the tag is wrong": {map[string]string{tag: `{"schemaVersion":2,"config":{}}`}, short, -1},
		"the tag fails":    {map[string]string{tag: "500"}, short, -1},
	} {
		answers = tt.answers
		all, err := r.Referrers(t.Context(), "a/b", tt.digest)
		if (tt.want < 0) != (err != nil) || len(all) != max(tt.want, 0) {
			t.Errorf("%s: %d, %v", name, len(all), err)
		}
		if len(all) > 0 && (all[0].Digest != sum([]byte{0, 0}) || all[0].ArtifactType != "x/y" || all[0].Size != 7) {
			t.Errorf("%s: %+v", name, all[0])
		}
	}
	endlessly, answers = true, map[string]string{"referrers/" + string(short): list(3000)}
	registry.take()
	if all, err := r.Referrers(t.Context(), "a/b", short); !errors.Is(err, remote.ErrAnswer) || all != nil {
		t.Errorf("%d, %v", len(all), err)
	}
	if got := registry.lines(); len(got) != 4 {
		t.Errorf("%d pages of a list without an end were read", len(got))
	}
}
