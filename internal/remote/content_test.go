package remote_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/remote"
)

const index = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`

func TestManifestsHaveTheirDigests(t *testing.T) {
	body := []byte(index)
	right, wrong := string(sum(body)), string(sum([]byte("x")))
	long := string(oci.Sum(oci.SHA512, body))
	var header, sent string
	registry := serve(t, here, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", oci.MediaTypeImageIndex)
		if header != "" {
			w.Header().Set("Docker-Content-Digest", header)
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(sent)))
		fmt.Fprint(w, sent)
	})
	r := connect(t, registry.URL, "")
	for _, tt := range []struct {
		ref, header, sent string
		digest, stat      string // empty: ErrAnswer; of stat, "none": an empty digest
	}{
		{"latest", right, index, right, right},
		{"latest", "", index, right, "none"},
		{"latest", long, index, long, long},
		{"latest", wrong, index, "", wrong},
		{"latest", right, index + " ", "", right},
		{"latest", "sha256:../../etc/passwd", index, "", ""},
		{"latest", "md5:d41d8cd98f00b204e9800998ecf8427e", index, "", ""},
		{"latest", strings.ToUpper(right), index, "", ""},
		{right, right, index, right, right},
		{right, "", index, right, right},
		{right, long, index, right, right}, // by another algorithm: its canonical digest
		{right, wrong, index, right, ""},   // what was sent is what was asked for
		{right, right, index + " ", "", right},
		{right, right, "", "", right},
		{long, right, index, long, long},
	} {
		header, sent = tt.header, tt.sent
		m, err := r.Manifest(t.Context(), "a/b", tt.ref)
		switch {
		case tt.digest == "":
			if !errors.Is(err, remote.ErrAnswer) {
				t.Errorf("%+v: %v", tt, err)
			}
		case err != nil || string(m.Digest) != tt.digest || string(m.Body) != tt.sent || m.Size != int64(len(m.Body)) || m.MediaType != oci.MediaTypeImageIndex:
			t.Errorf("%+v: %+v, %v", tt, m, err)
		}
		m, err = r.StatManifest(t.Context(), "a/b", tt.ref)
		switch {
		case tt.stat == "":
			if !errors.Is(err, remote.ErrAnswer) {
				t.Errorf("stat of %+v: %v", tt, err)
			}
		case err != nil || string(m.Digest) != strings.Replace(tt.stat, "none", "", 1) || m.Size != int64(len(tt.sent)) || m.Body != nil:
			t.Errorf("stat of %+v: %+v, %v", tt, m, err)
		}
		err = r.PushManifest(t.Context(), "a/b", "latest", oci.MediaTypeImageIndex, body)
		if ok := header == "" || header == right || header == long; ok != (err == nil) || err != nil && !errors.Is(err, remote.ErrAnswer) {
			t.Errorf("push of %+v: %v", tt, err)
		}
	}
}

// What is no name never becomes a path, least of all one with credentials.
func TestNamesAreNoPaths(t *testing.T) {
	registry := serve(t, here, func(http.ResponseWriter, *http.Request) {})
	r := connectTo(t, remote.Settings{Kind: remote.Harbor, URL: registry.URL + "/path", Account: account})
	ctx := t.Context()
	all := func(repository, ref string, d oci.Digest) []error {
		var errs [9]error
		_, errs[0] = r.Manifest(ctx, repository, ref)
		_, errs[1] = r.StatManifest(ctx, repository, ref)
		errs[2] = r.PushManifest(ctx, repository, ref, "text/plain", nil)
		errs[3] = r.DeleteManifest(ctx, repository, ref)
		_, _, errs[4] = r.Blob(ctx, repository, d, 0)
		_, errs[5] = r.StatBlob(ctx, repository, d)
		_, errs[6] = r.Referrers(ctx, repository, d)
		_, errs[7] = r.PushBlob(ctx, repository, remote.Source{Digest: d})
		_, errs[8] = r.Labels(ctx, repository, ref)
		return errs[:]
	}
	good := sum(nil)
	for _, bad := range []string{"", ".", "..", "../x", "sha256:../../etc", "sha256:" + strings.Repeat("A", 64), "a/../../b", "a?b", "a#b", "a%2fb", "a b", "A/B/..", "//x", "a\n"} {
		for i, err := range all("a/b", bad, oci.Digest(bad)) {
			if !fault.OfKind(err, fault.Invalid) {
				t.Errorf("%q as a reference, %d: %v", bad, i, err)
			}
		}
		for i, err := range all(bad, "latest", good) {
			if !fault.OfKind(err, fault.Invalid) {
				t.Errorf("%q as a repository, %d: %v", bad, i, err)
			}
		}
		if err := r.Tags(ctx, bad, nil); !fault.OfKind(err, fault.Invalid) {
			t.Errorf("%q as a repository: %v", bad, err)
		}
	}
	if arrived := registry.lines(); len(arrived) > 0 {
		t.Errorf("%q", arrived)
	}
	if _, err := r.StatBlob(ctx, "one", good); err != nil {
		t.Error(err)
	}
	if arrived := registry.lines(); !slices.Equal(arrived, []string{"HEAD /path/v2/one/blobs/" + string(good)}) {
		t.Errorf("%q", arrived)
	}
}
