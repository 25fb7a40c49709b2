package sign_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/blob/disk"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
	"github.com/berth-registry/berth/internal/sign"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
)

// What signatures are kept as.
const (
	typeImage     = "application/vnd.oci.image.config.v1+json"
	typeEmpty     = "application/vnd.oci.empty.v1+json"
	typeSimple    = "application/vnd.dev.cosign.simplesigning.v1+json"
	typeReferrer  = "application/vnd.dev.cosign.artifact.sig.v1+json"
	typeBundle    = "application/vnd.dev.sigstore.bundle.v0.3+json"
	typeNotation  = "application/vnd.cncf.notary.signature"
	typeJWS       = "application/jose+json"
	typeCOSE      = "application/cose"
	noteSignature = "dev.cosignproject.cosign/signature"
)

// A world is a repository over a real database and a real folder, and what
// verifies its signatures. It counts what is read of it.
type world struct {
	*registry.Service
	t     *testing.T
	ctx   context.Context
	db    *db.DB
	repo  artifact.Repo
	sign  *sign.Service
	finds int // of manifests
	opens int // of blobs
	made  int

	blobs map[oci.Digest]bool // that are there
}

func newWorld(t *testing.T) *world {
	t.Helper()
	d := storetest.SQLite(t)
	w := &world{t: t, db: d, repo: artifact.Repo{Name: "library/app"}, blobs: map[oci.Digest]bool{}}
	w.ctx = access.With(t.Context(), access.Caller{Kind: access.User, ID: 1, Name: "alice"})
	err := d.Write(w.ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(`INSERT INTO account (id, name, created, updated) VALUES (1, 'alice', 0, 0)`); err != nil {
			return err
		}
		if err := tx.QueryRow(`INSERT INTO project (name, owner_id, created, updated) VALUES ('library', 1, 0, 0) RETURNING id`).Scan(&w.repo.ProjectID); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO quota (project_id, hard, created, updated) VALUES (?, -1, 0, 0)`, w.repo.ProjectID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := disk.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	artifacts := sqlstore.NewArtifacts(d)
	w.Service = registry.New(registry.Config{}, artifacts, sqlstore.NewBlobs(d), blobs, registry.NewPulls(artifacts, nil, slog.New(slog.DiscardHandler)))
	w.sign = sign.New(sqlstore.NewTrust(d), counted{artifacts, &w.finds}, func(ctx context.Context, repo artifact.Repo, d oci.Digest) (blob.Reader, error) {
		w.opens++
		_, r, err := w.OpenBlob(ctx, repo, d)
		return r, err
	})
	return w
}

// counted counts how often a manifest is looked for.
type counted struct {
	sign.Artifacts
	n *int
}

func (c counted) Find(ctx context.Context, repository string, ref oci.Reference, withBody bool) (artifact.Artifact, []byte, error) {
	*c.n++
	return c.Artifacts.Find(ctx, repository, ref, withBody)
}

func (w *world) blob(mediaType string, content []byte) oci.Descriptor {
	w.t.Helper()
	d := oci.Sum(oci.SHA256, content)
	if !w.blobs[d] {
		if _, err := w.PushBlob(w.ctx, w.repo, d, registry.Chunk{From: registry.Any, Size: int64(len(content)), Body: bytes.NewReader(content)}); err != nil {
			w.t.Fatal(err)
		}
	}
	w.blobs[d] = true
	return oci.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(content))}
}

// push pushes a manifest under a tag, or by its digest.
func (w *world) push(tag string, m map[string]any) oci.Descriptor {
	w.t.Helper()
	m["schemaVersion"], m["mediaType"] = 2, oci.MediaTypeImageManifest
	body, err := json.Marshal(m)
	if err != nil {
		w.t.Fatal(err)
	}
	d := oci.Sum(oci.SHA256, body)
	ref := oci.Reference{Tag: tag}
	if tag == "" {
		ref.Digest = d
	}
	if _, err := w.PushManifest(w.ctx, w.repo, registry.PushRequest{Ref: ref, MediaType: oci.MediaTypeImageManifest, Body: body}); err != nil {
		w.t.Fatal(err)
	}
	return oci.Descriptor{MediaType: oci.MediaTypeImageManifest, Digest: d, Size: int64(len(body))}
}

// image pushes one that is like no other.
func (w *world) image() oci.Descriptor {
	w.t.Helper()
	w.made++
	config := w.blob(typeImage, fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","author":"%d"}`, w.made))
	return w.push(fmt.Sprint("v", w.made), map[string]any{"config": config, "layers": []any{}})
}

// A layer is a part of what is kept as a signature.
type layer struct {
	mediaType   string
	content     []byte
	annotations map[string]string
}

func (w *world) layers(all []layer) []any {
	w.t.Helper()
	out := []any{}
	for _, l := range all {
		d := w.blob(l.mediaType, l.content)
		d.Annotations = l.annotations
		out = append(out, d)
	}
	return out
}

// tagged keeps layers beside an image as cosign does, by a tag.
func (w *world) tagged(of oci.Descriptor, all ...layer) oci.Descriptor {
	w.t.Helper()
	return w.push(strings.Replace(string(of.Digest), ":", "-", 1)+".sig", map[string]any{"config": w.blob(typeImage, []byte(`{}`)), "layers": w.layers(all)})
}

// referring keeps layers beside an image as something that refers to it.
func (w *world) referring(of oci.Descriptor, artifactType string, all ...layer) oci.Descriptor {
	w.t.Helper()
	m := map[string]any{"artifactType": artifactType, "config": w.blob(typeEmpty, []byte(`{}`)), "layers": w.layers(all), "subject": of}
	if artifactType == typeNotation {
		m["config"] = w.blob(typeNotation, []byte(`{}`))
		delete(m, "artifactType")
	}
	return w.push("", m)
}

// trusts lets the project trust something.
func (w *world) trusts(e sign.Entry) int64 {
	w.t.Helper()
	e.ProjectID = w.repo.ProjectID
	if e.Name == "" {
		w.made++
		e.Name = fmt.Sprint("entry ", w.made)
	}
	id, err := w.sign.Create(w.ctx, e)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

func (w *world) verdict(of oci.Descriptor) sign.Verdict {
	w.t.Helper()
	v, err := w.sign.Verdict(w.ctx, w.repo, of.Digest)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// verified expects one signature of an image, which is.
func (w *world) verified(what string, of oci.Descriptor) sign.Signature {
	w.t.Helper()
	v := w.verdict(of)
	if !v.Verified() || len(v.Signatures) != 1 || v.Signatures[0].Reason != "" || v.Signatures[0].EntryID == 0 {
		w.t.Errorf("%s: %+v", what, v)
		return sign.Signature{}
	}
	return v.Signatures[0]
}

// refused expects signatures of an image of which none is verified, and one is
// not for a reason.
func (w *world) refused(what string, of oci.Descriptor, reason string) {
	w.t.Helper()
	v := w.verdict(of)
	if v.Verified() || len(v.Signatures) == 0 {
		w.t.Errorf("%s: %+v", what, v)
		return
	}
	for _, s := range v.Signatures {
		if s.Verified || s.Reason == "" || s.EntryID != 0 || s.Signer != (sign.Signer{}) {
			w.t.Errorf("%s: %+v", what, s)
		}
		if strings.Contains(s.Reason, reason) {
			return
		}
	}
	w.t.Errorf("%s: nothing says %q in %+v", what, reason, v.Signatures)
}

// payload is what cosign signs of an image.
func payload(of oci.Descriptor) []byte {
	return fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"berth.test/library/app"},"image":{"docker-manifest-digest":"%s"},"type":"cosign container image signature"},"optional":null}`, of.Digest)
}

// statement is what Sigstore's tools sign of an image where they make bundles.
func statement(of oci.Descriptor, predicate string) []byte {
	return fmt.Appendf(nil, `{"_type":"https://in-toto.io/Statement/v1","subject":[{"digest":{"sha256":"%s"}}],"predicateType":%q,"predicate":{}}`, of.Digest.Hex(), predicate)
}

const signed = "https://sigstore.dev/cosign/sign/v1"

// simple is the layer of a payload with a signature.
func simple(content, signature []byte, more ...string) layer {
	l := layer{typeSimple, content, map[string]string{noteSignature: base64.StdEncoding.EncodeToString(signature)}}
	for i := 0; i+1 < len(more); i += 2 {
		l.annotations[more[i]] = more[i+1]
	}
	return l
}
