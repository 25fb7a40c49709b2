package sign_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/sign"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
)

// trusting returns a world that trusts one key.
func trusting(t *testing.T) (*world, signer) {
	t.Helper()
	w, s := newWorld(t), signer{ecKey(t, elliptic.P256()), crypto.SHA256}
	w.trusts(sign.Entry{Name: "ours", Kind: sign.Key, Content: s.pem(t)})
	return w, s
}

func TestOfThousandsOfSignaturesTheFirstCount(t *testing.T) {
	w, s := trusting(t)
	other := signer{ecKey(t, elliptic.P256()), crypto.SHA256}

	of := w.image()
	junk := slices.Repeat([]layer{simple(payload(of), other.sign(t, []byte("x")))}, 2000)
	w.tagged(of, append(junk, simple(payload(of), s.sign(t, payload(of))))...)
	v := w.verdict(of)
	if v.Verified() || len(v.Signatures) != sign.MaxSignatures || !v.More {
		t.Errorf("%d signatures, more: %t, verified: %t", len(v.Signatures), v.More, v.Verified())
	}
	if w.opens > sign.MaxSignatures {
		t.Errorf("%d blobs were read", w.opens)
	}

	first, last := w.image(), w.image()
	w.referring(first, typeReferrer, simple(payload(first), s.sign(t, payload(first))))
	for i := range sign.MaxSignatures + 10 {
		for _, of := range []oci.Descriptor{first, last} {
			w.referring(of, typeReferrer, simple(payload(of), other.sign(t, []byte{byte(i)})))
		}
	}
	w.referring(last, typeReferrer, simple(payload(last), s.sign(t, payload(last))))
	w.finds = 0
	if v := w.verdict(first); !v.Verified() || len(v.Signatures) != sign.MaxSignatures || !v.More {
		t.Errorf("the first of many: %d, more: %t, verified: %t", len(v.Signatures), v.More, v.Verified())
	}
	if v := w.verdict(last); v.Verified() || len(v.Signatures) != sign.MaxSignatures || !v.More {
		t.Errorf("the last of many: %d, more: %t, verified: %t", len(v.Signatures), v.More, v.Verified())
	}
	if w.finds > 2*(sign.MaxSignatures+1) {
		t.Errorf("%d manifests were read", w.finds)
	}
}

func TestAManifestThatIsTooLargeIsNotLookedAt(t *testing.T) {
	w, s := trusting(t)
	of := w.image()
	l := simple(payload(of), s.sign(t, payload(of)), "org.example.note", strings.Repeat("x", 1<<20))
	w.tagged(of, l)
	w.refused("a manifest of more than a MiB", of, "too large")
	if w.opens != 0 {
		t.Errorf("%d blobs were read", w.opens)
	}
}

// TestOnlyTheRepositoryIsRead has a manifest say that its content is elsewhere,
// where a server waits, and content of another repository.
func TestOnlyTheRepositoryIsRead(t *testing.T) {
	w, s := trusting(t)
	var asked atomic.Int64
	of := w.image()
	content := payload(of)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = rw.Write(content)
	}))
	defer server.Close()
	d := oci.Sum(oci.SHA256, content)
	elsewhere := artifact.Repo{ProjectID: w.repo.ProjectID, Name: "library/other"}
	if _, err := w.PushBlob(w.ctx, elsewhere, d, registry.Chunk{From: registry.Any, Size: int64(len(content)), Body: bytes.NewReader(content)}); err != nil {
		t.Fatal(err)
	}
	l := map[string]any{"mediaType": typeSimple, "digest": d, "size": len(content), "urls": []string{server.URL}, "annotations": simple(content, s.sign(t, content)).annotations, "data": content}
	lenient := registry.New(registry.Config{AllowMissingBlobs: true}, sqlstore.NewArtifacts(w.db), sqlstore.NewBlobs(w.db), nil, nil)
	body, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": oci.MediaTypeImageManifest, "artifactType": typeReferrer, "config": w.blob(typeEmpty, []byte(`{}`)), "layers": []any{l}, "subject": of,
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lenient.PushManifest(w.ctx, w.repo, registry.PushRequest{Ref: oci.Reference{Digest: oci.Sum(oci.SHA256, body)}, MediaType: oci.MediaTypeImageManifest, Body: body}); err != nil {
		t.Fatal(err)
	}
	w.refused("content elsewhere", of, "blob not known to this repository")
	if asked.Load() != 0 {
		t.Error("the server was asked")
	}
}

// A reading is a blob that is another one than it should be.
type reading struct {
	*bytes.Reader
	size int64
	err  error
}

func (r reading) Size() int64  { return r.size }
func (r reading) Close() error { return nil }

func (r reading) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	return r.Reader.Read(p)
}

func TestContentThatIsBrokenIsNotVerified(t *testing.T) {
	w, s := trusting(t)
	of := w.image()
	w.tagged(of, simple(payload(of), s.sign(t, payload(of))))
	var give reading
	broken := sign.New(sqlstore.NewTrust(w.db), sqlstore.NewArtifacts(w.db), func(context.Context, artifact.Repo, oci.Digest) (blob.Reader, error) { return give, nil })
	for what, c := range map[string]struct {
		content []byte
		size    int64
		reason  string
	}{
		"another content":       {[]byte("x"), 1, "not what its digest says"},
		"nothing":               {nil, 0, "not what its digest says"},
		"more than it says":     {append(payload(of), make([]byte, 2<<20)...), 1, "not what its digest says"},
		"more than it may have": {nil, 2 << 20, "too large"},
	} {
		give = reading{Reader: bytes.NewReader(c.content), size: c.size}
		fresh := sign.New(sqlstore.NewTrust(w.db), sqlstore.NewArtifacts(w.db), func(context.Context, artifact.Repo, oci.Digest) (blob.Reader, error) { return give, nil })
		v, err := fresh.Verdict(w.ctx, w.repo, of.Digest)
		if err != nil || v.Verified() || len(v.Signatures) != 1 || !strings.Contains(v.Signatures[0].Reason, c.reason) {
			t.Errorf("%s: %+v, %v", what, v, err)
		}
	}
	// What fails for a while is no verdict, and is not remembered.
	failure := errors.New("the disk is gone")
	give = reading{Reader: bytes.NewReader(nil), err: failure}
	if v, err := broken.Verdict(w.ctx, w.repo, of.Digest); !errors.Is(err, failure) || v.Verified() {
		t.Errorf("%+v, %v", v, err)
	}
	give = reading{Reader: bytes.NewReader(payload(of)), size: 1}
	if v, err := broken.Verdict(w.ctx, w.repo, of.Digest); err != nil || !v.Verified() {
		t.Errorf("afterwards: %+v, %v", v, err)
	}
}

func TestWhoGoesAwayGetsNoVerdict(t *testing.T) {
	w, s := trusting(t)
	of := w.image()
	w.tagged(of, simple(payload(of), s.sign(t, payload(of))))
	gone, cancel := context.WithCancel(w.ctx)
	cancel()
	if v, err := w.sign.Verdict(gone, w.repo, of.Digest); err == nil || v.Verified() {
		t.Errorf("%+v, %v", v, err)
	}
	w.verified("afterwards", of)
}

func TestAVerdictIsRememberedUntilWhatItRestsOnChanges(t *testing.T) {
	w, s := trusting(t)
	of := w.image()
	w.tagged(of, simple(payload(of), s.sign(t, payload(of))))
	looks := func() bool {
		t.Helper()
		w.finds, w.opens = 0, 0
		w.verdict(of)
		return w.finds+w.opens > 0
	}
	if !looks() {
		t.Error("it is known before it was looked at")
	}
	for range 3 {
		if looks() {
			t.Error("it is not remembered")
		}
	}
	w.referring(of, typeReferrer, simple(payload(of), []byte("x")))
	if !looks() || looks() {
		t.Error("a new signature")
	}
	id := w.trusts(sign.Entry{Name: "another", Kind: sign.Key, Content: signer{ecKey(t, elliptic.P256()), crypto.SHA256}.pem(t)})
	if !looks() || looks() {
		t.Error("something more is trusted")
	}
	elsewhere := sqlstore.NewTrust(w.db) // as another node does
	if err := elsewhere.Delete(w.ctx, w.repo.ProjectID, id, event.Actor{Name: "alice"}); err != nil {
		t.Fatal(err)
	}
	if !looks() || looks() {
		t.Error("something is trusted no more")
	}
	e, err := w.sign.ByID(w.ctx, w.repo.ProjectID, id-1)
	if err != nil {
		t.Fatal(err)
	}
	e.Content = signer{ecKey(t, elliptic.P256()), crypto.SHA256}.pem(t)
	if err := w.sign.Update(w.ctx, e); err != nil {
		t.Fatal(err)
	}
	if v := w.verdict(of); v.Verified() {
		t.Errorf("by a key that is trusted no more: %+v", v)
	}
}

func TestAVerdictIsForOneArtifactOfOneRepository(t *testing.T) {
	w, s := trusting(t)
	of, other := w.image(), w.image()
	in := w.tagged(of, simple(payload(of), s.sign(t, payload(of))))
	w.verified("the image", of)
	for what, d := range map[string]oci.Descriptor{"another one": other, "the signature itself": in} {
		if v := w.verdict(d); v.Verified() || len(v.Signatures) != 0 {
			t.Errorf("%s: %+v", what, v)
		}
	}
	elsewhere := artifact.Repo{ProjectID: w.repo.ProjectID, Name: "library/other"}
	if v, err := w.sign.Verdict(w.ctx, elsewhere, of.Digest); !errors.Is(err, artifact.ErrRepositoryUnknown) || v.Verified() {
		t.Errorf("another repository: %+v, %v", v, err)
	}
	unknown := oci.Sum(oci.SHA256, []byte("x"))
	if v, err := w.sign.Verdict(w.ctx, w.repo, unknown); !errors.Is(err, artifact.ErrUnknown) || v.Verified() {
		t.Errorf("an artifact that is not there: %+v, %v", v, err)
	}
}

// TestManyMayAskAtOnce under the race detector, while what is trusted changes.
func TestManyMayAskAtOnce(t *testing.T) {
	w, s := trusting(t)
	of := w.image()
	w.tagged(of, simple(payload(of), s.sign(t, payload(of))))
	open := func(ctx context.Context, repo artifact.Repo, d oci.Digest) (blob.Reader, error) {
		_, r, err := w.OpenBlob(ctx, repo, d)
		return r, err
	}
	service := sign.New(sqlstore.NewTrust(w.db), sqlstore.NewArtifacts(w.db), open)
	more := signer{ecKey(t, elliptic.P256()), crypto.SHA256}.pem(t)
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if i%5 == 0 {
				if _, err := service.Create(w.ctx, sign.Entry{ProjectID: w.repo.ProjectID, Name: string(rune('a' + i)), Kind: sign.Key, Content: more}); err != nil {
					t.Error(err)
				}
			}
			if v, err := service.Verdict(w.ctx, w.repo, of.Digest); err != nil || !v.Verified() {
				t.Errorf("%+v, %v", v, err)
			}
		})
	}
	all.Wait()
}
