package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/fault"
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

// A plain registry keeps manifests, and no lists of what refers to them.
type plain struct {
	*upstream
	sync.Mutex
	kept map[string]string // by tags and digests
	wait func(r *http.Request)
}

func newPlain(t *testing.T) *plain {
	p := &plain{kept: map[string]string{}, wait: func(*http.Request) {}}
	p.upstream = serve(t, here, func(w http.ResponseWriter, r *http.Request) {
		ref, found := strings.CutPrefix(r.URL.Path, "/v2/a/b/manifests/")
		body, _ := io.ReadAll(r.Body)
		p.wait(r)
		p.Lock()
		defer p.Unlock()
		switch text, kept := p.kept[ref]; {
		case found && r.Method == http.MethodPut:
			p.kept[ref] = string(body)
			w.WriteHeader(http.StatusCreated)
		case kept:
			w.Header().Set("Content-Type", oci.MediaTypeImageIndex)
			fmt.Fprint(w, text)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	return p
}

// at returns what a tag names, and puts something else there where that is given.
func (p *plain) at(tag string, other ...string) string {
	p.Lock()
	defer p.Unlock()
	was := p.kept[tag]
	if len(other) > 0 {
		p.kept[tag] = other[0]
	}
	return was
}

// signed returns a manifest that refers to a subject.
func signed(subject oci.Digest, note string) []byte {
	return fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"artifactType":"x/sign","config":{"mediaType":%q,"digest":%q,"size":2},"layers":[],"subject":{"mediaType":%q,"digest":%q,"size":7},"annotations":{"note":%q}}`,
		oci.MediaTypeImageManifest, oci.MediaTypeEmpty, sum([]byte("{}")), oci.MediaTypeImageManifest, subject, note)
}

func pushSigned(ctx context.Context, r *remote.Registry, body []byte) error {
	return r.PushManifest(ctx, "a/b", string(sum(body)), oci.MediaTypeImageManifest, body)
}

const listedByOthers = `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:0000000000000000000000000000000000000000000000000000000000000001","size":7,"x-more":[1]}],"annotations":{"of":"others"},"x-odd":{"a":1}}`

// Where a registry keeps no lists, who writes referrers keeps one by a tag, as many
// as write at once.
func TestReferrersAreListedByATag(t *testing.T) {
	p := newPlain(t)
	r := connect(t, p.URL, "")
	subject := sum([]byte("subject"))
	tag := "sha256-" + subject.Hex()
	p.at(tag, listedByOthers)
	const n = 20
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for range 2 { // the second time it is there
				if err := pushSigned(t.Context(), r, signed(subject, strconv.Itoa(i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	all, err := r.Referrers(t.Context(), "a/b", subject)
	if err != nil || len(all) != 1+n {
		t.Fatalf("%d are listed, %v", len(all), err)
	}
	for i := range n {
		body := signed(subject, strconv.Itoa(i))
		at := slices.IndexFunc(all, func(d oci.Descriptor) bool { return d.Digest == sum(body) })
		if at < 0 || all[at].ArtifactType != "x/sign" || all[at].Size != int64(len(body)) || all[at].MediaType != oci.MediaTypeImageManifest || all[at].Annotations["note"] != strconv.Itoa(i) {
			t.Errorf("%d: %d of %+v", i, at, all)
		}
	}
	for _, part := range []string{`"x-more":[1]`, `"annotations":{"of":"others"}`, `"x-odd":{"a":1}`} {
		if text := p.at(tag); !strings.Contains(text, part) {
			t.Errorf("what others wrote is lost: %s in %s", part, text)
		}
	}

	long := oci.Sum(oci.SHA512, []byte("subject")) // which the tag has the beginning of
	body := signed(long, "")
	own := oci.Sum(oci.SHA512, body)
	if err := r.PushManifest(t.Context(), "a/b", string(own), oci.MediaTypeImageManifest, body); err != nil {
		t.Fatal(err)
	}
	if text := p.at("sha512-" + long.Hex()[:64]); !strings.Contains(text, string(own)) {
		t.Errorf("%q", text)
	}
}

// What is no list, or is full, stays as it is.
func TestListsOfReferrersThatCannotBeAddedTo(t *testing.T) {
	entry := func(i int, more string) string {
		return fmt.Sprintf(`{"mediaType":%q,"digest":"sha256:%064x","size":7%s}`, oci.MediaTypeImageManifest, i, more)
	}
	list := func(n int, more string) string {
		all := make([]string, n)
		for i := range all {
			all[i] = entry(i, more)
		}
		return strings.Replace(index, "[]", "["+strings.Join(all, ",")+"]", 1)
	}
	p := newPlain(t)
	r := connect(t, p.URL, "")
	subject := sum([]byte("subject"))
	tag, body := "sha256-"+subject.Hex(), signed(subject, "new")
	large := `,"annotations":{"a":"` + strings.Repeat("x", 1000) + `"}`
	for name, tt := range map[string]struct {
		there string
		want  error
	}{
		"no JSON":         {"<html>", remote.ErrAnswer},
		"empty":           {"", remote.ErrAnswer},
		"a list":          {"[]", remote.ErrAnswer},
		"an image":        {string(signed(subject, "other")), remote.ErrAnswer},
		"text":            {strings.Replace(index, "[]", `"x"`, 1), remote.ErrAnswer},
		"no digests":      {strings.Replace(list(1, ""), "sha256:", "sha256:../", 1), remote.ErrAnswer},
		"cut off":         {list(3, "")[:100], remote.ErrAnswer},
		"too many bytes":  {list(1, "") + strings.Repeat(" ", oci.MaxManifest), remote.ErrAnswer},
		"too many":        {list(10_001, ""), remote.ErrAnswer},
		"as many as may":  {list(10_000, ""), remote.ErrRejected},
		"no byte is left": {list(3500, large), remote.ErrRejected},
	} {
		if name == "no byte is left" { // the entry that is new does not fit
			tt.there = strings.Replace(tt.there, `"schemaVersion"`, `"x":"`+strings.Repeat("y", oci.MaxManifest-len(tt.there)-100)+`","schemaVersion"`, 1)
		}
		p.at(tag, tt.there)
		if err := pushSigned(t.Context(), r, body); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		if p.at(tag) != tt.there {
			t.Errorf("%s: the tag was moved", name)
		}
	}
	for name, there := range map[string]string{
		"none":           index,
		"null":           strings.Replace(index, "[]", "null", 1),
		"its own":        list(9_999, ""),
		"with a subject": strings.Replace(index, `"manifests"`, `"subject":`+entry(1, "")+`,"manifests"`, 1), // which is not followed
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		p.at(tag, there)
		if err := pushSigned(ctx, r, body); err != nil || !strings.Contains(p.at(tag), string(sum(body))) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}

// Who waits for another to write a list ends with his context.
func TestWaitingForAListOfReferrersEnds(t *testing.T) {
	p := newPlain(t)
	r := connect(t, p.URL, "")
	subject := sum([]byte("subject"))
	tag := "sha256-" + subject.Hex()
	entered, held := make(chan struct{}, 1), make(chan struct{})
	p.wait = func(r *http.Request) {
		if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, tag) {
			select {
			case entered <- struct{}{}:
			default:
			}
			<-held
		}
	}
	first := make(chan error, 1)
	go func() { first <- pushSigned(t.Context(), r, signed(subject, "first")) }()
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := pushSigned(ctx, r, signed(subject, "second")); !fault.OfKind(err, fault.Unavailable) {
		t.Errorf("past its time: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, stop)
	if err := pushSigned(ctx, r, signed(subject, "third")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	close(held)
	if err := <-first; err != nil {
		t.Error(err)
	}
	if all, err := r.Referrers(t.Context(), "a/b", subject); err != nil || len(all) != 1 {
		t.Errorf("%+v, %v", all, err)
	}
}
