package addition

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/helm"
	"github.com/berth-registry/berth/internal/helm/helmtest"
	"github.com/berth-registry/berth/internal/oci"
)

// A shelf has one manifest and the blobs that were put on it.
type shelf struct {
	body  []byte
	blobs map[oci.Digest][]byte
}

func (s *shelf) Find(context.Context, string, oci.Reference, bool) (artifact.Artifact, []byte, error) {
	return artifact.Artifact{}, s.body, nil
}

type content struct{ *bytes.Reader }

func (content) Close() error { return nil }

var errGone = fault.New(fault.NotFound, "BLOB_UNKNOWN", "gone")

func (s *shelf) open(_ context.Context, _ artifact.Repo, d oci.Digest) (blob.Reader, error) {
	data, ok := s.blobs[d]
	if !ok {
		return nil, errGone
	}
	return content{bytes.NewReader(data)}, nil
}

// A part is a blob of an artifact.
type part struct {
	mediaType, data string
	annotations     map[string]string
}

// put makes the manifest of a configuration and layers.
func put(t testing.TB, artifactType string, config part, layers ...part) *shelf {
	t.Helper()
	s := &shelf{blobs: map[oci.Digest][]byte{}}
	keep := func(p part) oci.Descriptor {
		d := oci.Sum(oci.SHA256, []byte(p.data))
		s.blobs[d] = []byte(p.data)
		return oci.Descriptor{MediaType: p.mediaType, Digest: d, Size: int64(len(p.data)), Annotations: p.annotations}
	}
	m := map[string]any{"schemaVersion": 2, "mediaType": oci.MediaTypeImageManifest, "config": keep(config)}
	if artifactType != "" {
		m["artifactType"] = artifactType
	}
	all := []oci.Descriptor{}
	for _, l := range layers {
		all = append(all, keep(l))
	}
	m["layers"] = all
	var err error
	if s.body, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shelf) get(name string) (Content, error) {
	return New(s, s.open).Get(context.Background(), artifact.Repo{Name: "p/a"}, oci.Reference{Tag: "1"}, name)
}

// want holds an addition against a body, or against an error.
func (s *shelf) want(t *testing.T, name, mediaType, body string, err error) {
	t.Helper()
	c, got := s.get(name)
	if !errors.Is(got, err) || err == nil && (got != nil || c.MediaType != mediaType || string(c.Body) != body) {
		t.Errorf("%s: %s %q, %v; want %s %q, %v", name, c.MediaType, c.Body, got, mediaType, body, err)
	}
}

// A file is an entry of an archive.
type file = helmtest.File

func pack(t testing.TB, files ...file) string { return string(helmtest.Pack(t, files...)) }

func putChart(t testing.TB, archive string) *shelf {
	return put(t, "", part{mediaType: helm.ConfigType, data: "{}"}, part{mediaType: helm.ContentType, data: archive})
}

func TestHistory(t *testing.T) {
	for config, want := range map[string]string{
		`{"history":[{"created_by":"a","empty_layer":true,"x":1},{"comment":"b"}]}`: `[{"created_by":"a","empty_layer":true},{"comment":"b"}]`,
		`{}`:               `[]`,
		`{"history":null}`: `[]`,
	} {
		put(t, "", part{mediaType: ociConfig, data: config}).want(t, "BUILD_History", jsonContent, want, nil)
	}
	put(t, "", part{mediaType: dockerConfig, data: `{"history":{}}`}).want(t, "build_history", "", "", ErrUnreadable)
	put(t, "", part{mediaType: wasmConfig, data: strings.Repeat(" ", maxConfig+1)}).want(t, "build_history", "", "", ErrTooLarge)
	s := put(t, "", part{mediaType: ociConfig})
	clear(s.blobs)
	s.want(t, "build_history", "", "", errGone)
}

func TestChartsOfBothVersions(t *testing.T) {
	s := putChart(t, pack(t, file{"app/Chart.yaml", "apiVersion: v2\nname: app\ndependencies:\n- name: db\n  version: 1.0\n  repository: https://example.org\n"},
		file{"app/values.yaml", "a: 1\n"}, file{"app/ReadMe.md", "wrong"}, file{"app/README.md", "# app"}, file{"app/readme.MD", "wrong"},
		file{"app/charts/db/values.yaml", "b: 1\n"}, file{"app/charts/db/README.md", "# db"}))
	s.want(t, "VALUES.yaml", textContent, "a: 1\n", nil)
	s.want(t, "readme.md", markdownContent, "# app", nil)
	s.want(t, "dependencies", jsonContent, `[{"name":"db","version":"1.0","repository":"https://example.org"}]`, nil)

	s = putChart(t, pack(t, file{"app/Chart.yaml", "name: app\n"}, file{"app/requirements.yaml", "dependencies:\n- name: old\n"}))
	s.want(t, "dependencies", jsonContent, `[{"name":"old","version":"","repository":""}]`, nil)
	s.want(t, "readme.md", markdownContent, "", nil)
	putChart(t, pack(t, file{"app/Chart.yaml", "name: app\n"})).want(t, "dependencies", jsonContent, `[]`, nil)
}

func TestChartsThatAreNone(t *testing.T) {
	bare := pack(t, file{"app/Chart.yaml", "name: app\n"})
	for want, s := range map[error]*shelf{
		helm.ErrInvalid:  putChart(t, "hello"),
		helm.ErrTooLarge: putChart(t, pack(t, file{"app/other", strings.Repeat("\x00", 40<<20)})),
		ErrMissing:       put(t, "", part{mediaType: helm.ConfigType}, part{mediaType: "text/plain"}),
	} {
		s.want(t, "values.yaml", "", "", want)
		s.want(t, "dependencies", "", "", want)
	}
	putChart(t, bare).want(t, "provenance", "", "", ErrMissing)
	put(t, "", part{mediaType: helm.ConfigType}, part{mediaType: helm.ContentType, data: bare}, part{mediaType: helm.ProvenanceType, data: "signed"}).
		want(t, "provenance", textContent, "signed", nil)
}

func at(path string) map[string]string { return map[string]string{filePaths[0]: path} }

func TestModels(t *testing.T) {
	archive := func(name, text string) string {
		unzip, err := gzip.NewReader(strings.NewReader(pack(t, file{name, text})))
		if err != nil {
			t.Fatal(err)
		}
		plain, err := io.ReadAll(unzip)
		if err != nil {
			t.Fatal(err)
		}
		return string(plain)
	}
	weight := part{"application/vnd.cncf.model.weight.v1.raw", "w", map[string]string{filePaths[1]: "a/b/w", fileFacts[0]: `{"size":7}`}}
	s := put(t, modelType, part{mediaType: "application/vnd.cncf.model.config.v1+json", data: "{}"},
		part{docLayer + "tar", archive("README.md", "# m"), at("README.md")}, part{docLayer + "raw", "MIT", at("LICENSE")},
		weight, part{"application/octet-stream", "xy", at("a/x")}, part{"application/octet-stream", "o", at("../out")}, part{"application/octet-stream", "n", nil})
	s.want(t, "readme.md", markdownContent, "# m", nil)
	s.want(t, "license", textContent, "MIT", nil)
	s.want(t, "files", jsonContent, `[{"name":"a","type":"directory","children":[{"name":"b","type":"directory","children":[{"name":"w","type":"file","size":7}]},`+
		`{"name":"x","type":"file","size":2}]},{"name":"LICENSE","type":"file","size":3},{"name":"README.md","type":"file","size":2048}]`, nil)

	config := part{mediaType: "application/vnd.cncf.model.config.v1+json", data: "{}"}
	s = put(t, modelType, config, part{docLayer + "tar+gzip", pack(t, file{"README.md", strings.Repeat("x", maxDocument+1)}), at("README.md")},
		part{docLayer + "raw", strings.Repeat("x", maxDocument+1), at("LICENSE")})
	s.want(t, "readme.md", "", "", ErrTooLarge)
	s.want(t, "license", "", "", ErrTooLarge)
	s = put(t, modelType, config, part{docLayer + "tar+lz4", "x", at("README.md")})
	s.want(t, "readme.md", "", "", ErrUnreadable)
	s.want(t, "license", "", "", ErrMissing)

	for _, tt := range []struct {
		data, want string
		err        error
	}{
		{inZstd(t, archive("README.md", "# m")), "# m", nil},
		{"no zstd", "", ErrUnreadable},
		{inZstd(t, archive("README.md", "# m"))[:20], "", ErrUnreadable},
		{inZstd(t, archive("README.md", strings.Repeat("x", maxDocument+1))), "", ErrTooLarge},
		{"\x28\xb5\x2f\xfd\x00\xf8", "", ErrUnreadable}, // a window of two terabytes
	} {
		mediaType := ""
		if tt.err == nil {
			mediaType = markdownContent
		}
		put(t, modelType, config, part{docLayer + "tar+zstd", tt.data, at("README.md")}).want(t, "readme.md", mediaType, tt.want, tt.err)
	}
}

func inZstd(t *testing.T, text string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(text), nil))
}

func TestInventories(t *testing.T) {
	config := part{mediaType: sbomType, data: "{}"}
	put(t, "", config, part{mediaType: "application/spdx+json", data: `{"spdxVersion":"2.3"}`}).want(t, "sbom", sbomType, `{"spdxVersion":"2.3"}`, nil)
	put(t, "", config).want(t, "sbom", "", "", ErrMissing)
}

func TestLayersAreThoseOfTheManifest(t *testing.T) {
	title := map[string]string{annotationTitle: "notes.txt"}
	s := put(t, "application/x", part{mediaType: "application/vnd.oci.empty.v1+json", data: "{}"}, part{mediaType: "text/plain", data: "abc", annotations: title}, part{mediaType: "a/b", data: ""})
	d := func(data string) string { return string(oci.Sum(oci.SHA256, []byte(data))) }
	want := `[{"media_type":"text/plain","digest":"` + d("abc") + `","size":3,"title":"notes.txt"},{"media_type":"a/b","digest":"` + d("") + `","size":0}]`
	s.want(t, "layers", jsonContent, want, nil)
	clear(s.blobs) // which nobody reads for this
	s.want(t, "LAYERS", jsonContent, want, nil)
	put(t, "", part{mediaType: ociConfig, data: "{}"}).want(t, "layers", jsonContent, "[]", nil)
}

func TestWhatATypeDoesNotHaveIsRefusedByName(t *testing.T) {
	_, err := put(t, "", part{mediaType: helm.ConfigType}).get("build_history")
	if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "it has values.yaml, readme.md, dependencies") {
		t.Error(err)
	}
	put(t, "", part{mediaType: "application/vnd.example.config.v1+json"}).want(t, "files", "", "", ErrUnsupported)
	index := &shelf{body: []byte(`{"schemaVersion":2,"mediaType":"` + oci.MediaTypeImageIndex + `","manifests":[]}`)}
	index.want(t, "build_history", "", "", ErrUnsupported)
	index.want(t, "layers", "", "", ErrUnsupported)
}
