//go:build e2e

package sign

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/test/berth"
)

const project = "signed"

// A desk is somebody who signs, with files of their own.
type desk struct {
	t      *testing.T
	ctx    context.Context
	server *berth.Server
	admin  *berth.API
	home   string
}

func newDesk(t *testing.T, env ...string) *desk {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute)
	t.Cleanup(cancel)
	d := &desk{t: t, ctx: ctx, server: berth.Run(t, berth.Options{Env: env}), home: t.TempDir()}
	d.admin = d.server.Admin()
	if err := d.admin.CreateProject(ctx, project, false); err != nil {
		t.Fatal(err)
	}
	robot, err := d.admin.CreateRobot(ctx, project, "ci", "pull", "push")
	if err != nil {
		t.Fatal(err)
	}
	login := base64.StdEncoding.EncodeToString([]byte(robot.Name + ":" + robot.Secret))
	d.write("docker/config.json", fmt.Appendf(nil, `{"auths":{%q:{"auth":%q}}}`, d.server.Host, login))
	return d
}

func (d *desk) path(name string) string { return filepath.Join(d.home, name) }

func (d *desk) write(name string, content []byte) string {
	d.t.Helper()
	path := d.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		d.t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		d.t.Fatal(err)
	}
	return path
}

func (d *desk) read(name string) string {
	d.t.Helper()
	content, err := os.ReadFile(d.path(name))
	if err != nil {
		d.t.Fatal(err)
	}
	return string(content)
}

// run runs one of the pinned tools, which must succeed, and returns what it
// printed.
func (d *desk) run(env []string, name string, args ...string) string {
	d.t.Helper()
	tool, err := berth.Tool(name)
	if err != nil {
		d.t.Fatal(err)
	}
	cmd := exec.CommandContext(d.ctx, tool, args...)
	cmd.Dir = d.home
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "HOME=" + d.home, "XDG_CONFIG_HOME=" + d.path("config"), "XDG_CACHE_HOME=" + d.path("cache"),
		"DOCKER_CONFIG=" + d.path("docker"), "COSIGN_PASSWORD=secret", "TUF_ROOT=" + d.path("tuf"),
	}, env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		d.t.Fatalf("%s: %v\n%s%s", strings.Join(cmd.Args, " "), err, &out, &errs)
	}
	return out.String()
}

// image pushes one of a file and returns how it is called by its digest.
func (d *desk) image(name string) string { return d.imageWith(name, "name.txt", name) }

// imageWith pushes one with a file of some content.
func (d *desk) imageWith(name, file, content string) string {
	d.t.Helper()
	var layer, all bytes.Buffer
	pack := func(to *bytes.Buffer, name string, content []byte) {
		w := tar.NewWriter(to)
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			d.t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			d.t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			d.t.Fatal(err)
		}
	}
	pack(&layer, file, []byte(content))
	layer.Write(make([]byte, 1024))
	ref := d.server.Host + "/" + project + "/" + name + ":v1"
	config := fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%x"]}}`, sha256.Sum256(layer.Bytes()))
	pack(&all, "config.json", config)
	pack(&all, "layer.tar", layer.Bytes())
	pack(&all, "manifest.json", fmt.Appendf(nil, `[{"Config":"config.json","RepoTags":[%q],"Layers":["layer.tar"]}]`, ref))
	all.Write(make([]byte, 1024))
	d.run(nil, "crane", "push", d.write(name+".tar", all.Bytes()), ref)
	return strings.TrimSuffix(ref, ":v1") + "@" + strings.TrimSpace(d.run(nil, "crane", "digest", ref))
}

type signatures struct {
	Verified, Trusting bool
	Signatures         []struct {
		Kind, Type, Reason string
		Verified           bool
		VerifiedBy         struct{ Name string } `json:"verified_by"`
		Signer             struct{ Fingerprint, Subject, Issuer string }
	}
}

// of is what the API says of an image.
func (d *desk) of(name string) signatures {
	d.t.Helper()
	var s signatures
	if _, err := d.admin.Do(d.ctx, "GET", "/projects/"+project+"/repositories/"+name+"/artifacts/v1/signatures", nil, &s); err != nil {
		d.t.Fatal(err)
	}
	return s
}

func (d *desk) trust(entry map[string]any) {
	d.t.Helper()
	if _, err := d.admin.Do(d.ctx, "POST", "/projects/"+project+"/trust", entry, nil); err != nil {
		d.t.Fatal(err)
	}
}

// TestSignaturesOfRealTools signs an image in each way, and looks at it before
// and after the project trusts who signed.
func TestSignaturesOfRealTools(t *testing.T) {
	d := newDesk(t)
	d.run(nil, "cosign", "generate-key-pair")
	cosign := func(name string, env []string, more ...string) {
		args := append([]string{"sign", "--yes", "--tlog-upload=false", "--allow-http-registry", "--allow-insecure-registry"}, more...)
		d.run(env, "cosign", append(args, d.image(name))...)
	}
	cosign("by-tag", nil, "--key", "cosign.key")
	cosign("by-referrer", []string{"COSIGN_EXPERIMENTAL=1"}, "--key", "cosign.key", "--registry-referrers-mode", "oci-1-1")
	cosign("bundle", nil, "--key", "cosign.key", "--new-bundle-format")
	authority, certificate, key := issue(t, "release@example.org")
	d.run(nil, "cosign", "import-key-pair", "--key", d.write("person.pem", key), "--output-key-prefix", "person")
	cosign("by-authority", nil, "--key", "person.key", "--certificate", d.write("person.crt", certificate), "--certificate-chain", d.write("authority.crt", authority))

	d.run(nil, "notation", "cert", "generate-test", "--default", "release.example.org")
	for _, format := range []string{"jws", "cose"} {
		d.run(nil, "notation", "sign", "--insecure-registry", "--signature-format", format, d.image(format))
	}

	images := []struct{ name, kind, entry, subject string }{
		{"by-tag", "cosign", "key", ""}, {"by-referrer", "cosign", "key", ""}, {"bundle", "bundle", "key", ""}, {"by-authority", "cosign", "authority", "release@example.org"},
		{"jws", "notation", "notation", "CN=release.example.org,O=Notary,L=Seattle,ST=WA,C=US"}, {"cose", "notation", "notation", "CN=release.example.org,O=Notary,L=Seattle,ST=WA,C=US"},
	}
	for _, i := range images {
		if s := d.of(i.name); s.Verified || s.Trusting || len(s.Signatures) != 1 || s.Signatures[0].Kind != i.kind || s.Signatures[0].Verified || s.Signatures[0].Reason == "" {
			t.Errorf("%s, while nothing is trusted: %+v", i.name, s)
		}
	}

	d.run([]string{"COSIGN_PASSWORD="}, "cosign", "generate-key-pair", "--output-key-prefix", "other")
	d.trust(map[string]any{"name": "other", "kind": "key", "content": d.read("other.pub")})
	for _, i := range images {
		if s := d.of(i.name); s.Verified || !s.Trusting || len(s.Signatures) != 1 || s.Signatures[0].Verified {
			t.Errorf("%s, while another is trusted: %+v", i.name, s)
		}
	}

	d.trust(map[string]any{"name": "key", "kind": "key", "content": d.read("cosign.pub")})
	d.trust(map[string]any{"name": "authority", "kind": "authority", "content": string(authority), "identities": []any{map[string]any{"subject": "*@example.org"}}})
	d.trust(map[string]any{
		"name": "notation", "kind": "notation", "content": d.read("config/notation/localkeys/release.example.org.crt"),
		"identities": []any{map[string]any{"subject": "CN=release.example.org,O=Notary,ST=WA,C=US"}},
	})
	for _, i := range images {
		s := d.of(i.name)
		if !s.Verified || len(s.Signatures) != 1 || !s.Signatures[0].Verified || s.Signatures[0].VerifiedBy.Name != i.entry || s.Signatures[0].Signer.Subject != i.subject || len(s.Signatures[0].Signer.Fingerprint) != 64 {
			t.Errorf("%s: %+v", i.name, s)
		}
	}

	// The tools find again what they signed.
	for _, name := range []string{"by-tag", "by-authority"} {
		pub := map[string]string{"by-tag": "cosign.pub", "by-authority": "person.pub"}[name]
		d.run(nil, "cosign", "verify", "--key", pub, "--insecure-ignore-tlog", "--allow-http-registry", d.server.Host+"/"+project+"/"+name+":v1")
	}
	if out := d.run(nil, "notation", "list", "--insecure-registry", d.server.Host+"/"+project+"/jws:v1"); !strings.Contains(out, "application/vnd.cncf.notary.signature") {
		t.Errorf("notation lists\n%s", out)
	}
}

// TestAnAttestationOfCosignIsNoSignature lets cosign attest something of an image,
// with a key that is trusted.
func TestAnAttestationOfCosignIsNoSignature(t *testing.T) {
	d := newDesk(t)
	d.run(nil, "cosign", "generate-key-pair")
	d.trust(map[string]any{"name": "key", "kind": "key", "content": d.read("cosign.pub")})
	predicate := d.write("predicate.json", []byte(`{"found":"nothing"}`))
	d.run(nil, "cosign", "attest", "--yes", "--tlog-upload=false", "--allow-http-registry", "--key", "cosign.key", "--predicate", predicate, "--type", "custom", d.image("attested"))
	if s := d.of("attested"); s.Verified || !s.Trusting {
		t.Errorf("%+v", s)
	}
	d.run(nil, "cosign", "attest", "--yes", "--tlog-upload=false", "--allow-http-registry", "--new-bundle-format", "--key", "cosign.key", "--predicate", predicate, "--type", "custom", d.image("bundled"))
	if s := d.of("bundled"); s.Verified || len(s.Signatures) != 1 {
		t.Errorf("%+v", s)
	}
}

// issue makes an authority and a person with a key, all in PEM.
func issue(t *testing.T, address string) (authority, certificate, key []byte) {
	t.Helper()
	newKey := func() *ecdsa.PrivateKey {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	sign := func(c, parent *x509.Certificate, of, by *ecdsa.PrivateKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, c, parent, of.Public(), by)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	rootKey, ownKey := newKey(), newKey()
	top := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	own := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "person"}, EmailAddresses: []string{address}, NotBefore: top.NotBefore, NotAfter: top.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
	}
	der, err := x509.MarshalPKCS8PrivateKey(ownKey)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}) }
	return block("CERTIFICATE", sign(top, top, rootKey, rootKey)), block("CERTIFICATE", sign(own, top, ownKey, rootKey)), block("PRIVATE KEY", der)
}
