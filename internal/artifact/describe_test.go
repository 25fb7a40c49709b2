package artifact_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/oci"
)

const (
	hex    = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	digest = "sha256:" + hex
)

// image returns a manifest with a configuration and a layer; extra is further
// members of the manifest, and of the two descriptors.
func image(t *testing.T, config, extra, ofConfig, ofLayer string) oci.Manifest {
	t.Helper()
	return parse(t, oci.MediaTypeImageManifest, fmt.Sprintf(`{"schemaVersion":2,%s
		"config":{"mediaType":%q,"digest":%q,"size":10%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:%s","size":5%s}]}`,
		extra, config, digest, ofConfig, strings.Repeat("a", 64), ofLayer))
}

func parse(t *testing.T, mediaType, body string) oci.Manifest {
	t.Helper()
	m, err := oci.ParseManifest(mediaType, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTypes(t *testing.T) {
	index := func(annotations string) oci.Manifest {
		return parse(t, oci.MediaTypeImageIndex, `{"schemaVersion":2,"manifests":[],"annotations":{`+annotations+`}}`)
	}
	for name, c := range map[string]struct {
		manifest oci.Manifest
		want     string
	}{
		"an image":              {image(t, oci.MediaTypeImageConfig, "", "", ""), "IMAGE"},
		"Docker's image":        {image(t, oci.MediaTypeDockerConfig, "", "", ""), "IMAGE"},
		"an index":              {index(""), "IMAGE"},
		"a bundle":              {index(`"org.opencontainers.artifactType":"application/vnd.cnab.manifest.v1"`), "CNAB"},
		"a chart":               {image(t, "application/vnd.cncf.helm.config.v1+json", "", "", ""), "CHART"},
		"WebAssembly":           {image(t, "application/vnd.wasm.config.v1+json", "", "", ""), "WASM"},
		"WebAssembly, as image": {image(t, oci.MediaTypeImageConfig, `"annotations":{"run.oci.handler":"wasm"},`, "", ""), "WASM"},
		"a model":               {image(t, "application/vnd.cncf.model.config.v1+json", `"artifactType":"application/vnd.cncf.model.manifest.v1+json",`, "", ""), "CNAI"},
		"an SBOM":               {image(t, "application/vnd.oci.empty.v1+json", `"artifactType":"application/vnd.goharbor.harbor.sbom.v1",`, "", ""), "SBOM"},
		"one's own":             {image(t, "application/vnd.acme.rocket.config.v1+json", "", "", ""), "ROCKET"},
		"bundle of a chart":     {image(t, "application/vnd.cncf.helm.config.v1+json", `"artifactType":"application/x",`, "", ""), "HELM"},
		"not said to be one":    {image(t, oci.MediaTypeDockerConfig, `"artifactType":"application/x",`, "", ""), "UNKNOWN"},
		"one's own, declared":   {image(t, oci.MediaTypeImageConfig, `"artifactType":"application/vnd.acme.rocket.config.v1+json",`, "", ""), "ROCKET"},
		"a chart, declared":     {image(t, "application/vnd.oci.empty.v1+json", `"artifactType":"application/vnd.cncf.helm.config.v1+json",`, "", ""), "CHART"},
		"nothing that is known": {image(t, "application/vnd.oci.empty.v1+json", `"artifactType":"application/x",`, "", ""), "UNKNOWN"},
	} {
		if got := artifact.Describe(c.manifest, "", nil, nil).Type; got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestMediaTypesThatAnnotationsSay(t *testing.T) {
	index := func(value string) oci.Manifest {
		return parse(t, oci.MediaTypeImageIndex, `{"schemaVersion":2,"manifests":[],"annotations":{"org.opencontainers.artifactType":"`+value+`"}}`)
	}
	const compat = `"annotations":{"module.wasm.image/variant":"compat"},`
	for name, c := range map[string]struct {
		manifest oci.Manifest
		want     string
	}{
		"an index":              {parse(t, oci.MediaTypeImageIndex, `{"schemaVersion":2,"manifests":[]}`), ""},
		"a bundle":              {index("application/vnd.cnab.manifest.v1"), "application/vnd.cnab.manifest.v1"},
		"one's own":             {index("application/x"), "application/x"},
		"no text":               {index(`a\u0000b`), ""},
		"far too long":          {index(strings.Repeat("x", 300)), ""},
		"an image":              {image(t, oci.MediaTypeImageConfig, "", "", ""), ""},
		"WebAssembly":           {image(t, "application/vnd.wasm.config.v1+json", "", "", ""), ""},
		"WebAssembly, as image": {image(t, oci.MediaTypeImageConfig, compat, "", ""), "application/vnd.wasm.config.v1+json"},
		"Docker's":              {image(t, oci.MediaTypeDockerConfig, compat, "", ""), "application/vnd.wasm.config.v1+json"},
		"a chart":               {image(t, "application/vnd.cncf.helm.config.v1+json", compat, "", ""), ""},
	} {
		if got := artifact.Describe(c.manifest, "", nil, nil).MediaType; got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestAttributes(t *testing.T) {
	configuration := `{"created":"2026-01-02T03:04:05Z","architecture":"arm64","os":"linux","history":[{}],"config":{"Cmd":["x"],"Labels":{"maintainer":"M"}}}`
	chart := "application/vnd.cncf.helm.config.v1+json"
	for name, c := range map[string]struct {
		manifest      oci.Manifest
		configuration string
		want          string
	}{
		"an image": {image(t, oci.MediaTypeImageConfig, "", "", ""), configuration,
			`{"created":"2026-01-02T03:04:05Z","architecture":"arm64","os":"linux","config":{"Cmd":["x"],"Labels":{"maintainer":"M"}},"author":"M"}`},
		"its author":        {image(t, oci.MediaTypeImageConfig, "", "", ""), `{"author":"A","config":null}`, `{"author":"A"}`},
		"a chart":           {image(t, chart, "", "", ""), `{"name":"n","version":"1"}`, `{"name":"n","version":"1"}`},
		"what is skipped":   {image(t, "application/vnd.acme.rocket.config.v1+json", "", `,"annotations":{"io.goharbor.artifact.v1alpha1.skip-list":"a, b"}`, ""), `{"a":1,"b":2,"c":3}`, `{"c":3}`},
		"what is no object": {image(t, chart, "", "", ""), `[1]`, `{}`},
		"what is null":      {image(t, chart, "", "", ""), `null`, `{}`},
		"what is no JSON":   {image(t, chart, "", "", ""), `{`, `{}`},
		"what is too large": {image(t, chart, "", "", ""), `{"name":"n","long":"` + strings.Repeat("x", 70_000) + `"}`, `{"name":"n"}`},
		"what is not UTF-8": {image(t, chart, "", "", ""), "{\"name\":\"\xff\"}", `{}`},
		"far too large":     {image(t, chart, "", "", ""), `{"name":"` + strings.Repeat("x", artifact.MaxConfig) + `"}`, `{}`},
	} {
		got := artifact.Describe(c.manifest, "", nil, []byte(c.configuration)).Attrs
		if d := cmp.Diff(object(t, c.want), object(t, string(got))); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func object(t *testing.T, text string) (v map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestIcon(t *testing.T) {
	m := image(t, "application/vnd.acme.rocket.config.v1+json", "", "", `,"annotations":{"io.goharbor.artifact.v1alpha1.icon":""}`)
	if got := artifact.Describe(m, "", nil, nil).Icon; got != oci.Digest("sha256:"+strings.Repeat("a", 64)) {
		t.Errorf("%q", got)
	}
}

func TestAccessories(t *testing.T) {
	subject := `"subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"` + digest + `","size":5},`
	empty := "application/vnd.oci.empty.v1+json"
	simple := parse(t, oci.MediaTypeImageManifest, `{"schemaVersion":2,"config":{"mediaType":"`+oci.MediaTypeImageConfig+`","digest":"`+digest+`","size":10},
		"layers":[{"mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","digest":"sha256:`+strings.Repeat("b", 64)+`","size":10}]}`)
	tag := "sha256-" + hex
	for name, c := range map[string]struct {
		manifest oci.Manifest
		own      oci.Digest
		tags     []string
		want     string
	}{
		"nothing":              {image(t, empty, "", "", ""), "", []string{"1", "sha256-abc.sig"}, ""},
		"by its subject":       {image(t, empty, subject, "", ""), "", nil, "subject.accessory"},
		"of Notation":          {image(t, empty, subject+`"artifactType":"application/vnd.cncf.notary.signature",`, "", ""), "", nil, "signature.notation"},
		"of Notation's config": {image(t, "application/vnd.cncf.notary.signature", subject, "", ""), "", nil, "signature.notation"},
		"of cosign":            {image(t, empty, subject+`"artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json",`, "", ""), "", nil, "signature.cosign"},
		"an SBOM":              {image(t, empty, subject+`"artifactType":"application/vnd.goharbor.harbor.sbom.v1",`, "", ""), "", nil, "sbom.harbor"},
		"nydus":                {image(t, oci.MediaTypeImageConfig, subject, "", `,"annotations":{"containerd.io/snapshot/nydus-bootstrap":"true"}`), "", nil, "accelerator.nydus"},
		"cosign's tag":         {simple, "", []string{tag + ".sig"}, "signature.cosign"},
		"a name beside it":     {simple, "", []string{"x", tag + ".sig"}, ""},
		"its own tag":          {simple, digest, []string{tag + ".sig"}, ""},
		"its own attestation":  {simple, digest, []string{tag + ".att"}, ""},
		"no signature in it":   {image(t, empty, "", "", ""), "", []string{tag + ".sig"}, ""},
		"an attestation's tag": {image(t, empty, "", "", ""), "", []string{tag + ".att"}, "subject.accessory"},
	} {
		f := artifact.Describe(c.manifest, c.own, c.tags, nil)
		if f.AccessoryType != c.want || (f.AccessoryOf == digest) != (c.want != "") {
			t.Errorf("%s: %q of %q, want %q", name, f.AccessoryType, f.AccessoryOf, c.want)
		}
	}
}

// A configuration of a megabyte may have a hundred thousand members.
func TestManyAttributesAreSortedOutAtOnce(t *testing.T) {
	var many strings.Builder
	many.WriteString(`{"":0`)
	for i := 0; many.Len() < artifact.MaxConfig-20; i++ {
		fmt.Fprintf(&many, `,"%x":1`, i)
	}
	many.WriteString(`}`)
	got := artifact.Describe(image(t, "application/vnd.acme.rocket.config.v1+json", "", "", ""), "", nil, []byte(many.String())).Attrs
	if len(got) < 60_000 || len(got) > 64<<10 {
		t.Errorf("%d bytes are kept", len(got))
	}
}

// FuzzDescribe holds what is kept of a push against what a database takes.
func FuzzDescribe(f *testing.F) {
	manifest := func(config string) []byte {
		return fmt.Appendf(nil, `{"schemaVersion":2,"config":{"mediaType":%q,"digest":%q,"size":10},"layers":[]}`, config, digest)
	}
	f.Add(manifest(oci.MediaTypeImageConfig), "1", []byte(`{"created":1,"author":"a","config":{"Labels":{"maintainer":"m"}}}`))
	f.Add(manifest("application/vnd.cncf.helm.config.v1+json"), "sha256-"+hex+".att", []byte("{\"a\":\"\xff\"}"))
	f.Add(manifest("application/vnd.acme.rocket.config.v1+json"), "sha256-"+hex+".sig", []byte(`{"<":"<","\u0000":null}`))
	f.Fuzz(func(t *testing.T, body []byte, tag string, configuration []byte) {
		m, err := oci.ParseManifest(oci.MediaTypeImageManifest, body)
		if err != nil {
			return
		}
		d := artifact.Describe(m, "", []string{tag}, configuration)
		var attrs map[string]any
		if len(d.Attrs) > 64<<10 || !utf8.Valid(d.Attrs) || json.Unmarshal(d.Attrs, &attrs) != nil || attrs == nil {
			t.Errorf("attributes of %d bytes: %.200q", len(d.Attrs), d.Attrs)
		}
		if d.Type == "" || d.Type != strings.ToUpper(d.Type) || (d.AccessoryOf == "") != (d.AccessoryType == "") {
			t.Errorf("%+v", d)
		}
		if d.AccessoryOf != "" {
			if _, err := oci.ParseDigest(string(d.AccessoryOf)); err != nil {
				t.Error(err)
			}
		}
	})
}
