package addition

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/fault"
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
type file struct{ name, data string }

func pack(t testing.TB, files ...file) string {
	t.Helper()
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	w := tar.NewWriter(zip)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: 0o644, Size: int64(len(f.data))}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func putChart(t testing.TB, archive string) *shelf {
	return put(t, "", part{mediaType: helmConfig, data: "{}"}, part{mediaType: chartLayers[0], data: archive})
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

func TestHostileCharts(t *testing.T) {
	chartYAML := file{"app/Chart.yaml", "name: app\n"}
	many := make([]file, 0, maxEntries+1)
	for i := range maxEntries + 1 {
		many = append(many, file{fmt.Sprintf("app/%d", i), ""})
	}
	good := pack(t, chartYAML, file{"app/values.yaml", strings.Repeat("a: 1 # and so on\n", 500)})
	for name, tt := range map[string]struct {
		archive string
		want    error
	}{
		"no gzip":        {"hello", ErrUnreadable},
		"empty":          {"", ErrUnreadable},
		"no chart":       {pack(t, file{"app/values.yaml", ""}), ErrUnreadable},
		"not in folder":  {pack(t, file{"Chart.yaml", "name: app"}), ErrUnreadable},
		"cut off":        {good[:len(good)/2], ErrUnreadable},
		"out of folder":  {pack(t, chartYAML, file{"app/../../values.yaml", "x"}), ErrUnreadable},
		"absolute":       {pack(t, chartYAML, file{"/app/values.yaml", "x"}), ErrUnreadable},
		"out by windows": {pack(t, chartYAML, file{`app\..\..\values.yaml`, "x"}), ErrUnreadable},
		"many files":     {pack(t, many...), ErrTooLarge},
		"large file":     {pack(t, chartYAML, file{"app/values.yaml", strings.Repeat("x", maxFile+1)}), ErrTooLarge},
		"bomb":           {pack(t, chartYAML, file{"app/other", strings.Repeat("\x00", 40<<20)}), ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) { putChart(t, tt.archive).want(t, "values.yaml", "", "", tt.want) })
	}
	for text, want := range map[string]error{
		"dependencies:\n" + strings.Repeat("- name: a\n", maxDependencies+1):        ErrTooLarge,
		"a: &a " + strings.Repeat("x", maxText+1) + "\ndependencies:\n- name: *a\n": ErrTooLarge,
		"dependencies: [": ErrUnreadable,
	} {
		putChart(t, pack(t, file{"app/Chart.yaml", text})).want(t, "dependencies", "", "", want)
	}
	// To compare each key with each other one would take minutes.
	keys := strings.Repeat("dependencies:\n", 70_000)
	putChart(t, pack(t, file{"app/Chart.yaml", keys})).want(t, "dependencies", jsonContent, "[]", nil)
	putChart(t, pack(t, file{"app/Chart.yaml", strings.Repeat("#", maxYAML+1)})).want(t, "dependencies", "", "", ErrTooLarge)
	put(t, "", part{mediaType: helmConfig}, part{mediaType: "text/plain"}).want(t, "values.yaml", "", "", ErrMissing)
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

func TestWhatATypeDoesNotHaveIsRefusedByName(t *testing.T) {
	_, err := put(t, "", part{mediaType: helmConfig}).get("build_history")
	if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "it has values.yaml, readme.md, dependencies") {
		t.Error(err)
	}
	put(t, "", part{mediaType: "application/vnd.example.config.v1+json"}).want(t, "files", "", "", ErrUnsupported)
	index := &shelf{body: []byte(`{"schemaVersion":2,"mediaType":"` + oci.MediaTypeImageIndex + `","manifests":[]}`)}
	index.want(t, "build_history", "", "", ErrUnsupported)
}

func FuzzChart(f *testing.F) {
	f.Add([]byte(pack(f, file{"app/Chart.yaml", "dependencies:\n- name: a\n"}, file{"app/README.md", "x"})))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := readChart(bytes.NewReader(data), int64(len(data)))
		if err == nil {
			_, err = c.dependencies()
		}
		var known *fault.Fault
		if err != nil && !errors.As(err, &known) {
			t.Errorf("%v is no fault", err)
		}
	})
}
