package app_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/feed"
	"github.com/berth-registry/berth/internal/feed/feedtest"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/storage/advisorydb"
)

// A lab is a server with advisories, and one who pushes to its project "library".
type lab struct {
	*apptest.Server
	*testing.T
}

// advisories are of Alpine 3.19.
var advisories = map[string]string{
	"ALPINE-CVE-2026-0001": `"summary":"a hole in openssl","severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
		"affected":[{"package":{"ecosystem":"Alpine:v3.19","name":"openssl"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"3.1.4-r5"}]}]}]`,
	"ALPINE-CVE-2026-0002": `"summary":"a smaller one","severity":[{"type":"CVSS_V3","score":"CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N"}],
		"affected":[{"package":{"ecosystem":"Alpine:v3.19","name":"zlib"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"9"}]}]}]`,
}

func startLab(t *testing.T) lab {
	t.Helper()
	l := lab{apptest.Start(t), t}
	l.advise(advisories)
	return l
}

// advise has the server know of records, by their ids.
func (l lab) advise(records map[string]string) {
	l.Helper()
	folder := l.TempDir()
	var all []feedtest.Record
	for id, rest := range records {
		r := feedtest.Record{ID: id, Modified: "2026-11-01T00:00:00Z"}
		r.Text = fmt.Sprintf(`{"schema_version":"1.6.0","id":%q,"modified":%q,"published":%q,"upstream":[%q],%s}`, id, r.Modified, r.Modified, strings.TrimPrefix(id, "ALPINE-"), rest)
		all = append(all, r)
	}
	feedtest.Write(l, folder, "Alpine", all...)
	l.learn(folder, "Alpine")
}

// learn has the server know what a folder has of ecosystems.
func (l lab) learn(folder string, ecosystems ...string) {
	l.Helper()
	store, err := advisorydb.New(filepath.Join(l.Config.Data, "advisories"))
	if err != nil {
		l.Fatal(err)
	}
	defer store.Close()
	s, err := advisory.New(store)
	if err != nil {
		l.Fatal(err)
	}
	origin, err := feed.OpenFolder(folder)
	if err != nil {
		l.Fatal(err)
	}
	defer origin.Close()
	_, outcomes, err := s.Update(l.Context(), advisory.Feeds{Origin: origin, Ecosystems: ecosystems}, nil)
	if err != nil || len(outcomes) != len(ecosystems) {
		l.Fatalf("%+v, %v", outcomes, err)
	}
	for _, o := range outcomes {
		if o.Error != "" {
			l.Fatalf("%+v", o)
		}
	}
}

// blob pushes one, and returns a descriptor of it.
func (l lab) blob(mediaType string, content []byte, more string) string {
	l.Helper()
	d := oci.Sum(oci.SHA256, content)
	r := l.Do("POST", "/v2/library/app/blobs/uploads/?digest="+string(d), apptest.Admin, l.Password, bytes.NewReader(content), "Content-Type", "application/octet-stream")
	if r.StatusCode != http.StatusCreated {
		l.Fatal(r.Status)
	}
	return fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d%s}`, mediaType, d, len(content), more)
}

// put pushes a manifest of any kind, and returns its digest.
func (l lab) put(tag, mediaType, rest string) string {
	l.Helper()
	body := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,%s}`, mediaType, rest)
	d := string(oci.Sum(oci.SHA256, []byte(body)))
	if tag == "" {
		tag = d
	}
	r := l.Do("PUT", "/v2/library/app/manifests/"+tag, apptest.Admin, l.Password, strings.NewReader(body), "Content-Type", mediaType)
	if text, _ := io.ReadAll(r.Body); r.StatusCode != http.StatusCreated {
		l.Fatalf("%s: %s", r.Status, text)
	}
	return d
}

// image pushes one of Alpine with packages, "name version", and returns its digest.
func (l lab) image(tag string, packages ...string) string {
	l.Helper()
	var installed strings.Builder
	for _, p := range packages {
		name, version, _ := strings.Cut(p, " ")
		fmt.Fprintf(&installed, "P:%s\nV:%s\nA:x86_64\nL:MIT\no:%s\n\n", name, version, name)
	}
	return l.layers(tag, packed(l.T, map[string]string{
		"etc/os-release": "ID=alpine\nVERSION_ID=3.19.1\nPRETTY_NAME=\"Alpine Linux v3.19\"\n", "lib/apk/db/installed": installed.String(),
	}))
}

// layers pushes an image of these, packed with gzip, and returns its digest.
func (l lab) layers(tag string, all ...[]byte) string {
	l.Helper()
	descriptors := make([]string, len(all))
	for i, one := range all {
		descriptors[i] = l.blob("application/vnd.oci.image.layer.v1.tar+gzip", one, "")
	}
	config := l.blob(oci.MediaTypeImageConfig, []byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`), "")
	return l.put(tag, oci.MediaTypeImageManifest, `"config":`+config+`,"layers":[`+strings.Join(descriptors, ",")+`]`)
}

func packed(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	g := gzip.NewWriter(&b)
	w := tar.NewWriter(g)
	for name, content := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const appArtifacts = "/projects/library/repositories/app/artifacts/"

// scan has an artifact examined, and waits.
func (l lab) scan(ref, kind string) {
	l.Helper()
	eventually(l.T, "the end of what was begun before", func() bool {
		resp := l.Do("POST", "/api/v2.0"+appArtifacts+ref+"/scan", apptest.Admin, l.Password, strings.NewReader(`{"scan_type":"`+kind+`"}`), "Content-Type", "application/json")
		if resp.StatusCode != http.StatusAccepted && resp.StatusCode != http.StatusConflict {
			l.Fatal(resp.Status)
		}
		return resp.StatusCode == http.StatusAccepted
	})
	eventually(l.T, "the end of the scan of "+ref, func() bool {
		text, _ := asked(l.T, l.Server, 200, "GET", appArtifacts+ref+"?with_scan_overview=true&with_sbom_overview=true", "")
		if strings.Contains(text, `"scan_status":"Error"`) {
			l.Fatal(text)
		}
		return strings.Contains(text, `"scan_status":"Success"`) && (kind != "sbom" || strings.Contains(text, `"sbom_digest":"sha256:`))
	})
}

// rules gives the project metadata.
func (l lab) rules(metadata string) {
	l.Helper()
	asked(l.T, l.Server, 200, "PUT", "/projects/library", `{"metadata":{`+metadata+`}}`)
}

// pulls wants the pull of a tag or digest to end with a status, and says what was
// answered.
func (l lab) pulls(ref string, status int, says string, header ...string) {
	l.Helper()
	for _, method := range []string{"HEAD", "GET"} {
		r := l.Do(method, "/v2/library/app/manifests/"+ref, apptest.Admin, l.Password, nil, header...)
		text, _ := io.ReadAll(r.Body)
		if r.StatusCode != status || method == "GET" && !strings.Contains(string(text), says) {
			l.Errorf("%s %s: %d, want %d and %q: %s", method, ref, r.StatusCode, status, says, text)
		}
	}
}

func TestWhatIsInstalledIsJudged(t *testing.T) {
	t.Parallel()
	l := startLab(t)
	l.image("v1", "openssl 3.1.4-r0", "zlib 1.3-r2", "musl 1.2.4-r0")
	l.scan("v1", "vulnerability")
	text, _ := asked(t, l.Server, 200, "GET", appArtifacts+"v1/additions/vulnerabilities", "")
	var reports map[string]struct {
		Severity        string
		Vulnerabilities []struct {
			ID, Package, Version, Severity string
			Fixed                          string `json:"fix_version"`
		}
	}
	if err := json.Unmarshal([]byte(text), &reports); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(reports["application/vnd.security.vulnerability.report; version=1.1"])
	if want := `{Critical [{CVE-2026-0001 openssl 3.1.4-r0 Critical 3.1.4-r5} {CVE-2026-0002 zlib 1.3-r2 Low 9}]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	l.scan("v1", "sbom")
	text, _ = asked(t, l.Server, 200, "GET", appArtifacts+"v1?with_accessory=true", "")
	if !strings.Contains(text, `"type":"sbom.harbor"`) {
		t.Error(text)
	}
}

func TestRulesAboutVulnerabilities(t *testing.T) {
	t.Parallel()
	l := startLab(t)
	bad, good := l.image("bad", "openssl 3.1.4-r0"), l.image("good", "openssl 3.1.4-r5", "zlib 1.3-r2")
	index := l.put("index", oci.MediaTypeImageIndex, fmt.Sprintf(`"manifests":[{"mediaType":%q,"digest":%q,"size":1},{"mediaType":%q,"digest":%q,"size":1}]`,
		oci.MediaTypeImageManifest, bad, oci.MediaTypeImageManifest, good))
	l.rules(`"prevent_vul":"true","severity":"high"`)
	l.pulls("good", 412, "The image was not scanned for vulnerabilities")
	l.rules(`"allow_unscanned":"true"`)
	l.pulls("good", 200, "")
	l.rules(`"allow_unscanned":"false"`)
	l.scan("index", "vulnerability")
	l.pulls("good", 200, "")
	l.pulls(good, 200, "")
	const refusal = "1 vulnerability of severity High or worse, the worst of them Critical"
	l.pulls("bad", 412, refusal)
	l.pulls(bad, 412, refusal)
	l.pulls(index, 412, refusal)
	l.pulls("bad", 412, "PROJECTPOLICYVIOLATION")
	config := l.blob(oci.MediaTypeImageConfig, []byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`), "")
	other := l.put("other", oci.MediaTypeImageManifest, `"artifactType":"application/x","config":`+config+`,"layers":[`+l.blob("application/vnd.oci.image.layer.v1.tar+gzip", packed(t, map[string]string{"bin/sh": "x"}), "")+`]`)
	l.pulls(other, 412, "The image was not scanned")
	l.put("file", oci.MediaTypeImageManifest, `"artifactType":"application/x","config":`+l.blob("application/vnd.oci.empty.v1+json", []byte("{}"), "")+`,"layers":[`+l.blob("application/vnd.oci.image.layer.v1.tar", []byte("a file"), "")+`]`)
	l.pulls("file", 200, "")

	l.rules(`"policy_audit_only":"true"`)
	l.pulls("bad", 200, "")
	eventually(t, "what would have been refused, in the audit log", func() bool {
		text, _ := asked(t, l.Server, 200, "GET", "/auditlog-exts?q=operation%3Dpull", "")
		return strings.Contains(text, "against the project's policy: The image has 1 vulnerability")
	})
	l.rules(`"policy_audit_only":"false","reuse_sys_cve_allowlist":"true"`)
	asked(t, l.Server, 200, "PUT", "/system/CVEAllowlist", `{"items":[{"cve_id":"CVE-2026-0001"}]}`)
	l.pulls("bad", 200, "")
	asked(t, l.Server, 200, "PUT", "/system/CVEAllowlist", `{"items":[{"cve_id":"CVE-2026-0001"}],"expires_at":1700000000}`)
	l.pulls("bad", 412, refusal)

	l.put("", oci.MediaTypeImageManifest, `"artifactType":"application/vnd.openvex+json","config":`+l.blob("application/vnd.oci.empty.v1+json", []byte("{}"), "")+
		`,"layers":[`+l.blob("application/vnd.openvex+json", []byte(`{"@context":"https://openvex.dev/ns/v0.2.0","@id":"https://example.org/1","author":"us","timestamp":"2026-11-01T00:00:00Z","version":1,
		"statements":[{"vulnerability":{"name":"CVE-2026-0001"},"products":[{"@id":"pkg:apk/alpine/openssl"}],"status":"not_affected","justification":"vulnerable_code_not_present"}]}`), "")+
		`],"subject":{"mediaType":"`+oci.MediaTypeImageManifest+`","digest":"`+bad+`","size":1}`)
	eventually(t, "the report that knows of the VEX document", func() bool {
		return l.Do("GET", "/v2/library/app/manifests/bad", apptest.Admin, l.Password, nil).StatusCode == http.StatusOK
	})
	text, _ := asked(t, l.Server, 200, "GET", appArtifacts+"bad/additions/vulnerabilities", "")
	if !strings.Contains(text, "CVE-2026-0001") || !strings.Contains(text, "not_affected") {
		t.Errorf("what does not count is still to be seen: %s", text)
	}
}

func TestRulesAboutSBOMs(t *testing.T) {
	t.Parallel()
	l := startLab(t)
	l.image("v1", "musl 1.2.4-r0")
	l.rules(`"prevent_no_sbom":"true"`)
	l.pulls("v1", 412, "The image has no SBOM")
	l.scan("v1", "sbom")
	l.pulls("v1", 200, "")
	text, _ := asked(t, l.Server, 200, "GET", appArtifacts+"v1?with_sbom_overview=true", "")
	_, digest, _ := strings.Cut(text, `"sbom_digest":"`)
	digest, _, _ = strings.Cut(digest, `"`)
	l.pulls(digest, 200, "")
}

// sign signs an artifact as cosign does.
func (l lab) sign(key *ecdsa.PrivateKey, digest string) {
	l.Helper()
	payload := fmt.Appendf(nil, `{"critical":{"identity":{"docker-reference":"registry.example.org/library/app"},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, digest)
	sum := sha256.Sum256(payload)
	signature, err := key.Sign(rand.Reader, sum[:], crypto.SHA256)
	if err != nil {
		l.Fatal(err)
	}
	layer := l.blob("application/vnd.dev.cosign.simplesigning.v1+json", payload, fmt.Sprintf(`,"annotations":{"dev.cosignproject.cosign/signature":%q}`, base64.StdEncoding.EncodeToString(signature)))
	l.put(strings.Replace(digest, ":", "-", 1)+".sig", oci.MediaTypeImageManifest, `"config":`+l.blob(oci.MediaTypeImageConfig, []byte(`{}`), "")+`,"layers":[`+layer+`]`)
}

func newKey(t *testing.T) (key *ecdsa.PrivateKey, public string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return key, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestRulesAboutSignatures(t *testing.T) {
	t.Parallel()
	l := startLab(t)
	key, public := newKey(t)
	other, _ := newKey(t)
	image, wrong := l.image("v1", "musl 1.2.4-r0"), l.image("wrong", "musl 1.2.4-r1")
	index := l.put("index", oci.MediaTypeImageIndex, fmt.Sprintf(`"manifests":[{"mediaType":%q,"digest":%q,"size":1}]`, oci.MediaTypeImageManifest, image))
	l.rules(`"enable_content_trust_cosign":"true"`)
	l.pulls("v1", 412, "The image is not signed by cosign.")
	r := l.Do("GET", "/v2/library/app/manifests/v1", apptest.Admin, l.Password, nil, "User-Agent", "cosign/v2.6.1")
	if r.StatusCode != http.StatusOK {
		t.Errorf("%d: who signs has to read it", r.StatusCode)
	}
	l.sign(key, index)
	l.sign(other, wrong)
	l.pulls("index", 412, "project library trusts nobody")
	body, err := json.Marshal(map[string]string{"name": "ci", "kind": "key", "content": public})
	if err != nil {
		t.Fatal(err)
	}
	asked(t, l.Server, 201, "POST", "/projects/library/trust", string(body))
	l.pulls("index", 200, "")
	l.pulls("v1", 200, "")
	l.pulls(image, 200, "")
	l.pulls("wrong", 412, "by anybody whom project library trusts")
	l.pulls(strings.Replace(wrong, ":", "-", 1)+".sig", 200, "")
	disguised := l.put("disguised", oci.MediaTypeImageManifest, `"artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json","config":`+l.blob(oci.MediaTypeImageConfig, []byte(`{}`), "")+
		`,"layers":[`+l.blob("application/vnd.oci.image.layer.v1.tar+gzip", packed(t, map[string]string{"bin/sh": "bad"}), "")+`],"subject":{"mediaType":"`+oci.MediaTypeImageManifest+`","digest":"`+image+`","size":1}`)
	l.pulls("disguised", 412, "The image is not signed by cosign.")
	l.pulls(disguised, 412, "The image is not signed by cosign.")
	layer := packed(t, map[string]string{"bin/sh": "worse"})
	twice := l.put("", oci.MediaTypeImageManifest, `"artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json","config":`+l.blob(oci.MediaTypeImageConfig, []byte(`{}`), "")+
		`,"layers":[`+l.blob("application/vnd.cyclonedx+json", layer, "")+`,`+l.blob("application/vnd.oci.image.layer.v1.tar+gzip", layer, "")+`],"subject":{"mediaType":"`+oci.MediaTypeImageManifest+`","digest":"`+image+`","size":1}`)
	l.pulls(twice, 412, "The image is not signed by cosign.")
	asked(t, l.Server, 201, "POST", "/projects", `{"project_name":"open"}`)
	asked(t, l.Server, 412, "POST", "/projects/open/repositories/app/artifacts?from="+url.QueryEscape("library/app@"+wrong), "")
	l.rules(`"content_trust_any_signer":"true"`)
	l.pulls("wrong", 200, "")
	l.rules(`"content_trust_any_signer":"false","enable_content_trust":"true"`)
	l.pulls("index", 412, "The image is not signed by notation.")
}
