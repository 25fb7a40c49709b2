package api

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
)

func TestTrustIsRefusedWithWhatIsWrong(t *testing.T) {
	w := newWorld(t)
	as := func(old, new string) string {
		t.Helper()
		if !strings.Contains(newTrust, old) {
			t.Fatalf("there is no %s", old)
		}
		return "POST /projects/alpha/trust\n\n" + strings.Replace(newTrust, old, new, 1)
	}
	w.walk([]step{
		{"alice", as("", ""), 201, ""},
		{"alice", as("", ""), 409, "CONFLICT"},
		{"bob", strings.Replace(as("", ""), "alpha", "beta", 1), 201, ""},
		{"alice", as(`"ci"`, `""`), 400, "name"},
		{"alice", as(`"key"`, `"secret"`), 400, "kind"},
		{"alice", as(`MCow`, `MCox`), 400, "public key cannot be read"},
		{"alice", as(`-----BEGIN PUBLIC`, `x-----BEGIN PUBLIC`), 400, "must be PEM"},
		{"alice", as(`"key"`, `"authority"`), 400, "identities"},
		{"alice", as(`"key"`, `"keyless","identities":[{"subject":"a@example.org"}]`), 400, "issuer"},
		{"alice", as(`"key"`, `"key","identities":[{"subject":"a@example.org"}]`), 400, "identities"},
		{"alice", as(`"key"`, `"key","timestamps":"x"`), 400, "timestamps"},
		{"alice", as(`"ci"`, `"`+strings.Repeat("x", 65)+`"`), 400, "name"},
		{"alice", "PUT /projects/alpha/trust/1\n\n" + strings.Replace(newTrust, `"key"`, `"notation"`, 1), 400, "kind"},
		{"alice", "PUT /projects/alpha/trust/2\n\n" + newTrust, 404, "trust entry 2 not found"},
		{"alice", "GET /projects/alpha/trust?sort=-name&page_size=1", 200, `"name":"ci"`},
		{"alice", "GET /projects/alpha/trust?q=kind%3Dnotation", 200, "[]"},
		{"robot:1", "GET /projects/alpha/trust", 403, ""},
		{"", "GET /projects/open/repositories/app/artifacts/1/signatures", 200, `{"verified":false,"trusting":false,"more":false,"signatures":[]}`},
	})
}

// TestAPrivateKeyIsKeptNowhere looks for one in answers, rows, audit rows and the
// log.
func TestAPrivateKeyIsKeptNowhere(t *testing.T) {
	w := newWorld(t)
	aTrust(w)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var shown strings.Builder
	for _, kind := range []string{"PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED SIGSTORE PRIVATE KEY", "Private Key"} {
		secret := string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
		for _, field := range []string{"content", "timestamps", "description", "name"} {
			var body map[string]any
			if err := json.Unmarshal([]byte(newTrust), &body); err != nil {
				t.Fatal(err)
			}
			body[field] = secret
			text, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			for _, request := range []string{"POST /projects/alpha/trust", "PUT /projects/alpha/trust/1"} {
				a := w.want(400, "alice", request+"\n\n"+string(text))
				if !strings.Contains(a.Body.String(), "private key") {
					t.Errorf("%s of %s: %s", kind, field, a.Body)
				}
				shown.WriteString(a.Body.String())
			}
		}
	}
	remembered(t.Context(), w.db, &err)
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"trust_entry", "audit_log"} {
		for _, key := range slices.Sorted(maps.Keys(w.rows(table))) {
			shown.WriteString(w.rows(table)[key])
		}
	}
	shown.WriteString(w.log.String())
	if canary := base64.StdEncoding.EncodeToString(der)[:40]; strings.Contains(shown.String(), canary) {
		t.Errorf("the key is shown: %s", shown.String())
	}
}

// TestSignaturesAreVerifiedByWhatTheProjectTrusts signs an image as cosign does.
func TestSignaturesAreVerifiedByWhatTheProjectTrusts(t *testing.T) {
	w := newWorld(t)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	image := w.digest("alpha")
	signature := cosigned(w, artifact.Repo{ProjectID: 1, Name: "alpha/app"}, image, key)
	const path = "GET /projects/alpha/repositories/app/artifacts/1/signatures"
	w.walk([]step{{"lim", path, 200, `{"verified":false,"trusting":false,"more":false,"signatures":[{"kind":"cosign","type":"signature.cosign","artifact_digest":"` + string(signature)}})
	aTrust(w)
	w.walk([]step{{"lim", path, 200, `"verified":false,"reason":"ci: it was not made with this key`}})
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{"name": "release", "kind": "key", "content": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))})
	if err != nil {
		t.Fatal(err)
	}
	w.walk([]step{
		{"alice", "POST /projects/alpha/trust\n\n" + string(text), 201, ""},
		{"lim", path, 200, fmt.Sprintf(`"verified":true,"verified_by":{"id":2,"name":"release"},"signer":{"fingerprint":"%x"}}`, sha256.Sum256(der))},
		{"alice", "DELETE /projects/alpha/trust/2", 200, ""},
		{"lim", path, 200, `{"verified":false,"trusting":true`},
		{"lim", strings.Replace(path, "/1/", "/"+string(signature)+"/", 1), 200, `"signatures":[]`},
		{"lim", strings.Replace(path, "/1/", "/2/", 1), 404, ""},
	})
}

// cosigned signs an image of a repository as cosign does, and returns the digest
// of the signature.
func cosigned(w *world, repo artifact.Repo, image string, key *ecdsa.PrivateKey) oci.Digest {
	w.t.Helper()
	ctx := access.With(w.t.Context(), access.Caller{Kind: access.User, ID: idOf("root"), Name: "root", Admin: true})
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"berth.test/%s"},"image":{"docker-manifest-digest":"%s"},"type":"cosign container image signature"},"optional":null}`, repo.Name, image)
	sum := sha256.Sum256(payload)
	signed, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	if err != nil {
		w.t.Fatal(err)
	}
	layer, err := pushBlob(ctx, w.content, repo, payload)
	if err != nil {
		w.t.Fatal(err)
	}
	config, err := pushBlob(ctx, w.content, repo, []byte(`{}`))
	if err != nil {
		w.t.Fatal(err)
	}
	config.MediaType, layer.MediaType = "application/vnd.oci.image.config.v1+json", "application/vnd.dev.cosign.simplesigning.v1+json"
	layer.Annotations = map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(signed)}
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(map[string]any{"schemaVersion": 2, "mediaType": oci.MediaTypeImageManifest, "config": config, "layers": []any{layer}}); err != nil {
		w.t.Fatal(err)
	}
	done, err := w.content.PushManifest(ctx, repo, registry.PushRequest{
		Ref: oci.Reference{Tag: strings.Replace(image, ":", "-", 1) + ".sig"}, MediaType: oci.MediaTypeImageManifest, Body: body.Bytes(),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return done.Digest
}
