package oci

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const (
	dA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	dB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	dC = "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

	ociLayer      = "application/vnd.oci.image.layer.v1.tar+gzip"
	foreignLayer  = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
	nondistLayer  = "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
	mediaTypeSBOM = "application/vnd.example.sbom.v1+json"
)

// desc writes a descriptor.
func desc(mediaType, digest string, size int) string {
	return fmt.Sprintf(`{"mediaType": %q, "digest": %q, "size": %d}`, mediaType, digest, size)
}

// image writes an image manifest; extra is further members with a comma in front.
func image(mediaType, extra string, layers ...string) string {
	return fmt.Sprintf(`{"schemaVersion": 2, "mediaType": %q, "config": %s, "layers": [%s]%s}`,
		mediaType, desc(MediaTypeImageConfig, dA, 7), strings.Join(layers, ", "), extra)
}

func index(mediaType, extra string, children ...string) string {
	return fmt.Sprintf(`{"schemaVersion": 2, "mediaType": %q, "manifests": [%s]%s}`,
		mediaType, strings.Join(children, ", "), extra)
}

// manifestCases are manifests and what becomes of them: either want, or a
// refusal whose message holds refused.
var manifestCases = []struct {
	name, contentType, body string
	want                    func(*Manifest) // changes what is expected, from plain
	refused                 string
}{
	// Accepted.
	{name: "OCI image", contentType: MediaTypeImageManifest, body: image(MediaTypeImageManifest, "", desc(ociLayer, dB, 9)),
		want: blobs(dA, dB)},
	{name: "Docker image", contentType: MediaTypeDockerManifest, body: image(MediaTypeDockerManifest, "", desc(ociLayer, dB, 9)),
		want: also(blobs(dA, dB), func(m *Manifest) { m.MediaType = MediaTypeDockerManifest })},
	{name: "no layers", contentType: MediaTypeImageManifest, body: image(MediaTypeImageManifest, ""), want: blobs(dA)},
	{name: "layers are null", contentType: MediaTypeImageManifest,
		body: `{"schemaVersion":2,"config":` + desc(MediaTypeImageConfig, dA, 7) + `,"layers":null}`, want: blobs(dA)},
	{name: "the same layer twice", contentType: MediaTypeImageManifest,
		body: image(MediaTypeImageManifest, "", desc(ociLayer, dB, 9), desc(ociLayer, dB, 9), desc(ociLayer, dC, 9)),
		want: blobs(dA, dB, dC)},
	{name: "configuration is a layer too", contentType: MediaTypeImageManifest,
		body: image(MediaTypeImageManifest, "", desc(MediaTypeEmpty, dA, 7)), want: blobs(dA)},
	{name: "empty blob", contentType: MediaTypeImageManifest, body: image(MediaTypeImageManifest, "", desc(ociLayer, dB, 0)),
		want: also(blobs(dA, dB), func(m *Manifest) { m.Blobs[1].Size = 0 })},
	{name: "sha512", contentType: MediaTypeImageManifest, body: image(MediaTypeImageManifest, "", desc(ociLayer, "sha512:"+hex128, 9)),
		want: blobs(dA, Digest("sha512:"+hex128))},
	{name: "parameters", contentType: MediaTypeImageManifest + `; charset="utf-8"`,
		body: image(MediaTypeImageManifest, ""), want: blobs(dA)},
	{name: "upper case", contentType: strings.ToUpper(MediaTypeImageManifest), body: image(MediaTypeImageManifest, ""), want: blobs(dA)},
	{name: "general type", contentType: "application/json; charset=utf-8", body: image(MediaTypeImageManifest, ""), want: blobs(dA)},
	{name: "no type outside", body: image(MediaTypeImageManifest, ""), want: blobs(dA)},
	{name: "no type inside", contentType: MediaTypeImageManifest,
		body: strings.Replace(image("x", ""), `"mediaType": "x", `, "", 1), want: blobs(dA)},
	{name: "no type at all, image", body: strings.Replace(image("x", ""), `"mediaType": "x", `, "", 1), want: blobs(dA)},
	{name: "custom fields", contentType: MediaTypeImageManifest,
		body: image(MediaTypeImageManifest, `, "x": {"layers": 1, "mediaType": [{"deep": "\"}]"}]}, "y": "\\", "fslayers2": null`), want: blobs(dA)},
	{name: "data and custom fields in a descriptor", contentType: MediaTypeImageManifest,
		body: image(MediaTypeImageManifest, "", `{"x": [1, {"digest": "y"}], "data": "e30=", "size": 9, "digest": "`+dB+`", "mediaType": "`+ociLayer+`"}`),
		want: blobs(dA, dB)},
	{name: "escaped keys and values", contentType: MediaTypeImageManifest,
		body: image(MediaTypeImageManifest, `, "s\u0075bject": {"digest": "sha256\u003a`+dC[7:]+`", "size": 1}`),
		want: also(blobs(dA), func(m *Manifest) { m.Subject = &Descriptor{Digest: dC, Size: 1} })},
	{name: "foreign layers", contentType: MediaTypeDockerManifest,
		body: image(MediaTypeDockerManifest, "",
			`{"mediaType": "`+foreignLayer+`", "digest": "`+dB+`", "size": 9, "urls": ["http://169.254.169.254/"]}`, desc(nondistLayer, dC, 9)),
		want: also(blobs(dA, dB, dC), func(m *Manifest) {
			m.MediaType = MediaTypeDockerManifest
			m.Blobs[1].MediaType, m.Blobs[1].Foreign, m.Blobs[1].URLs = foreignLayer, true, []string{"http://169.254.169.254/"}
			m.Blobs[2].MediaType, m.Blobs[2].Foreign = nondistLayer, true
		})},
	{name: "foreign once, and not once", contentType: MediaTypeDockerManifest,
		body: image(MediaTypeDockerManifest, "", desc(foreignLayer, dB, 9), desc(ociLayer, dB, 9)),
		want: also(blobs(dA, dB), func(m *Manifest) { m.MediaType, m.Blobs[1].MediaType = MediaTypeDockerManifest, foreignLayer })},
	{name: "artifact type, subject, annotations", contentType: MediaTypeImageManifest,
		body: image(MediaTypeImageManifest, `, "artifactType": "`+mediaTypeSBOM+`", "annotations": {"a": "b"}, "subject": `+desc(MediaTypeImageIndex, dC, 5)),
		want: also(blobs(dA), func(m *Manifest) {
			m.ArtifactType, m.Annotations = mediaTypeSBOM, map[string]string{"a": "b"}
			m.Subject = &Descriptor{MediaType: MediaTypeImageIndex, Digest: dC, Size: 5}
		})},
	{name: "subject is null", contentType: MediaTypeImageManifest, body: image(MediaTypeImageManifest, `, "subject": null, "annotations": null, "manifests": null`), want: blobs(dA)},
	{name: "OCI index", contentType: MediaTypeImageIndex, body: index(MediaTypeImageIndex, "", desc(MediaTypeImageManifest, dB, 3), desc(MediaTypeImageManifest, dB, 3)),
		want: children(MediaTypeImageIndex, Descriptor{MediaType: MediaTypeImageManifest, Digest: dB, Size: 3}, Descriptor{MediaType: MediaTypeImageManifest, Digest: dB, Size: 3})},
	{name: "Docker list with platforms", contentType: MediaTypeDockerList,
		body: index(MediaTypeDockerList, "", `{"mediaType": "`+MediaTypeDockerManifest+`", "digest": "`+dB+`", "size": 3, "platform":
			{"architecture": "arm64", "os": "linux", "variant": "v8", "os.version": "1", "os.features": ["f"], "features": ["sse4"]}}`),
		want: children(MediaTypeDockerList, Descriptor{MediaType: MediaTypeDockerManifest, Digest: dB, Size: 3,
			Platform: &Platform{Architecture: "arm64", OS: "linux", Variant: "v8", OSVersion: "1", OSFeatures: []string{"f"}}})},
	{name: "empty index", contentType: MediaTypeImageIndex, body: index(MediaTypeImageIndex, ""), want: children(MediaTypeImageIndex)},
	{name: "index of null", contentType: MediaTypeImageIndex, body: `{"schemaVersion":2,"manifests":null}`, want: children(MediaTypeImageIndex)},
	{name: "index with artifact type and subject", contentType: MediaTypeImageIndex,
		body: index(MediaTypeImageIndex, `, "artifactType": "`+mediaTypeSBOM+`", "subject": `+desc(MediaTypeImageManifest, dC, 5)),
		want: also(children(MediaTypeImageIndex), func(m *Manifest) {
			m.ArtifactType, m.Subject = mediaTypeSBOM, &Descriptor{MediaType: MediaTypeImageManifest, Digest: dC, Size: 5}
		})},
	{name: "no type at all, index", body: `{"schemaVersion":2,"manifests":[]}`, want: children(MediaTypeImageIndex)},
	{name: "artifact manifest", contentType: MediaTypeArtifactManifest,
		body: `{"mediaType": "` + MediaTypeArtifactManifest + `", "artifactType": "` + mediaTypeSBOM + `", "blobs": [` + desc(ociLayer, dB, 9) + `], "subject": ` + desc(MediaTypeImageManifest, dC, 5) + `}`,
		want: func(m *Manifest) {
			*m = Manifest{MediaType: MediaTypeArtifactManifest, ArtifactType: mediaTypeSBOM,
				Blobs:   []Blob{{Descriptor: Descriptor{MediaType: ociLayer, Digest: dB, Size: 9}}},
				Subject: &Descriptor{MediaType: MediaTypeImageManifest, Digest: dC, Size: 5}}
		}},
	{name: "artifact manifest without blobs", contentType: MediaTypeArtifactManifest, body: `{"artifactType": "a/b"}`,
		want: func(m *Manifest) {
			*m = Manifest{MediaType: MediaTypeArtifactManifest, ArtifactType: "a/b"}
		}},
	{name: "unknown type", contentType: "application/vnd.example.thing", body: ` {"layers": "three", "config": 7, "subject": {}, "annotations": {"a": 1}, "schemaVersion": 1}`,
		want: func(m *Manifest) { *m = Manifest{MediaType: "application/vnd.example.thing"} }},
	{name: "unknown type with blobs", contentType: "application/vnd.example.thing", body: image("application/vnd.example.thing", `, "blobs": [`+desc(ociLayer, dC, 9)+`]`, desc(ociLayer, dB, 9)),
		want: also(blobs(dA, dB, dC), func(m *Manifest) { m.MediaType = "application/vnd.example.thing" })},
	{name: "unknown type with a digest that is none", contentType: "application/vnd.example.thing", body: image("application/vnd.example.thing", "", desc(ociLayer, dB, 9), desc(ociLayer, "blake3:00", 9)),
		want: also(blobs(dA), func(m *Manifest) { m.MediaType = "application/vnd.example.thing" })},
	{name: "unknown type with children", contentType: "application/vnd.example.thing", body: index("application/vnd.example.thing", "", desc(MediaTypeImageManifest, dB, 3)),
		want: children("application/vnd.example.thing", Descriptor{MediaType: MediaTypeImageManifest, Digest: dB, Size: 3})},
	{name: "any JSON object", contentType: "application/json", body: "{}",
		want: func(m *Manifest) { *m = Manifest{MediaType: "application/json"} }},

	// Not JSON, or not an object.
	{name: "nothing", contentType: MediaTypeImageManifest, body: "", refused: "it is not JSON"},
	{name: "half", contentType: MediaTypeImageManifest, body: image(MediaTypeImageManifest, "")[:50], refused: "it is not JSON"},
	{name: "two", contentType: MediaTypeImageManifest, body: "{}{}", refused: "it is not JSON"},
	{name: "not UTF-8", contentType: MediaTypeImageManifest, body: image(MediaTypeImageManifest, ", \"x\": \"\xff\""), refused: "it is not JSON"},
	{name: "too deep", contentType: "application/vnd.example.thing", body: `{"x": ` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + "}", refused: "it is not JSON"},
	{name: "array", contentType: "application/vnd.example.thing", body: "[]", refused: "it is not a JSON object"},
	{name: "null", contentType: "application/vnd.example.thing", body: "null", refused: "it is not a JSON object"},
	{name: "string", contentType: "application/vnd.example.thing", body: `"config"`, refused: "it is not a JSON object"},

	// The kind is not known, not one, or not supported.
	{name: "no type and no content", body: "{}", refused: "mediaType: neither"},
	{name: "types differ", contentType: MediaTypeImageIndex, body: image(MediaTypeImageManifest, ""), refused: "mediaType: it is"},
	{name: "OCI in Docker", contentType: MediaTypeDockerManifest, body: image(MediaTypeImageManifest, ""), refused: "mediaType: it is"},
	{name: "type is a number", contentType: MediaTypeImageManifest, body: `{"mediaType": 7}`, refused: "mediaType: it is not a string"},
	{name: "type has controls", contentType: MediaTypeImageManifest, body: `{"mediaType": "a\u0000b"}`, refused: "mediaType: it is not a media type"},
	{name: "type is long", contentType: strings.Repeat("a", 256), body: "{}", refused: "Content-Type: it is longer"},
	{name: "type is not ASCII", contentType: "application/é", body: "{}", refused: "Content-Type: it is not a media type"},
	{name: "form", contentType: "application/x-www-form-urlencoded", body: "{}", refused: "Content-Type: it must be"},
	{name: "schema 1", contentType: "application/vnd.docker.distribution.manifest.v1+json", body: `{"schemaVersion": 1}`, refused: "Docker image manifest version 2, schema 1 is not supported: push"},
	{name: "schema 1, signed", contentType: "application/vnd.docker.distribution.manifest.v1+prettyjws", body: `{"schemaVersion": 1, "fsLayers": []}`, refused: "Docker image manifest version 2, schema 1 is not supported: push"},
	{name: "schema 1 by content", contentType: "application/json", body: `{"schemaVersion": 1, "fsLayers": [], "history": []}`, refused: "Docker image manifest version 2, schema 1 is not supported: push"},
	{name: "schema 1 under another name", contentType: MediaTypeDockerManifest, body: `{"schemaVersion": 1}`, refused: "Docker image manifest version 2, schema 1 is not supported: push"},
	{name: "schema 3", contentType: MediaTypeImageManifest, body: `{"schemaVersion": 3}`, refused: "schemaVersion: it must be 2"},

	// Two readers could see two things.
	{name: "image and index", contentType: MediaTypeImageManifest, body: image(MediaTypeImageManifest, `, "manifests": []`), refused: "manifests: a manifest of this media type does not have it"},
	{name: "image and schema 1", contentType: MediaTypeDockerManifest, body: image(MediaTypeDockerManifest, `, "fsLayers": []`), refused: "fsLayers: "},
	{name: "index and config", contentType: MediaTypeImageIndex, body: index(MediaTypeImageIndex, `, "config": {}`), refused: "config: "},
	{name: "index and layers", contentType: MediaTypeDockerList, body: index(MediaTypeDockerList, `, "layers": []`), refused: "layers: "},
	{name: "artifact and layers", contentType: MediaTypeArtifactManifest, body: `{"blobs": [], "layers": []}`, refused: "layers: "},
	{name: "unknown with both", contentType: "a/b", body: index("a/b", `, "layers": [`+desc(ociLayer, dB, 3)+`]`, desc(ociLayer, dB, 3)), refused: "manifests: "},
	{name: "type twice", body: image(MediaTypeImageManifest, `, "mediaType": "`+MediaTypeDockerManifest+`"`), refused: "mediaType: it is given twice"},
	{name: "config twice", body: image(MediaTypeImageManifest, `, "config": {}`), refused: "config: it is given twice"},
	{name: "layers twice", body: image(MediaTypeImageManifest, `, "layers": []`), refused: "layers: it is given twice"},
	{name: "layers twice, the last null", body: image(MediaTypeImageManifest, `, "layers": null`), refused: "layers: it is given twice"},
	{name: "layers twice, escaped", body: image(MediaTypeImageManifest, `, "l\u0061yers": []`), refused: "layers: it is given twice"},
	{name: "manifests twice", body: index(MediaTypeImageIndex, `, "manifests": []`), refused: "manifests: it is given twice"},
	{name: "subject twice", body: image(MediaTypeImageManifest, `, "subject": null, "subject": null`), refused: "subject: it is given twice"},
	{name: "upper case", body: image(MediaTypeImageManifest, `, "Layers": []`), refused: `the field "Layers" must be spelled "layers"`},
	{name: "upper case alone", contentType: MediaTypeImageManifest, body: `{"CONFIG": {}}`, refused: `the field "CONFIG" must be spelled "config"`},
	{name: "long s", body: image(MediaTypeImageManifest, `, "manifeſts": []`), refused: `the field "manife\u017fts" must be spelled "manifests"`},
	{name: "unknown type, twice", contentType: "a/b", body: `{"layers": 1, "layers": 2}`, refused: "layers: it is given twice"},
	{name: "digest twice", body: image(MediaTypeImageManifest, "", `{"digest": "`+dB+`", "digest": "`+dC+`", "size": 1}`), refused: "layers[0].digest: it is given twice"},
	{name: "digest in another case", body: image(MediaTypeImageManifest, "", `{"digest": "`+dB+`", "Digest": "`+dC+`", "size": 1}`), refused: `layers[0]: the field "Digest" must be spelled "digest"`},
	{name: "two sizes of one blob", body: image(MediaTypeImageManifest, "", desc(ociLayer, dB, 9), desc(ociLayer, dB, 8)), refused: "layers[1].size: the same digest"},

	// Descriptors that are none.
	{name: "no config", contentType: MediaTypeImageManifest, body: `{"layers": []}`, refused: "config: it is missing"},
	{name: "config is null", contentType: MediaTypeImageManifest, body: `{"config": null}`, refused: "config: it is missing"},
	{name: "config is a string", contentType: MediaTypeImageManifest, body: `{"config": "x"}`, refused: "config: it is not an object"},
	{name: "config is empty", contentType: MediaTypeImageManifest, body: `{"config": {}}`, refused: "config.digest: it is missing"},
	{name: "layers is an object", body: strings.Replace(image(MediaTypeImageManifest, ""), "[]", "{}", 1), refused: "layers: it is not an array"},
	{name: "layer is null", body: image(MediaTypeImageManifest, "", desc(ociLayer, dB, 1), "null"), refused: "layers[1]: it is not an object"},
	{name: "negative size", body: image(MediaTypeImageManifest, "", desc(ociLayer, dB, 9), desc(ociLayer, dC, -1)), refused: "layers[1].size: it is negative"},
	{name: "no size", body: image(MediaTypeImageManifest, "", `{"digest": "`+dB+`"}`), refused: "layers[0].size: it is missing"},
	{name: "size with a fraction", body: image(MediaTypeImageManifest, "", `{"digest": "`+dB+`", "size": 1.5}`), refused: "layers[0].size: it is not a whole number"},
	{name: "size is a string", body: image(MediaTypeImageManifest, "", `{"digest": "`+dB+`", "size": "1"}`), refused: "layers[0].size: it is not a whole number"},
	{name: "size beyond 64 bits", body: image(MediaTypeImageManifest, "", `{"digest": "`+dB+`", "size": 9223372036854775808}`), refused: "layers[0].size: it is not a whole number"},
	{name: "size whose sum would overflow", body: image(MediaTypeImageManifest, "", `{"digest": "`+dB+`", "size": 9223372036854775807}`), refused: "layers[0].size: it is more than"},
	{name: "bad digest", body: image(MediaTypeImageManifest, "", desc(ociLayer, dB, 9), desc(ociLayer, dC, 9), desc(ociLayer, dA, 7), desc(ociLayer, "sha256:../../x", 9)), refused: "layers[3].digest: "},
	{name: "digest of another algorithm", body: image(MediaTypeImageManifest, "", desc(ociLayer, "blake3:"+hex64, 9)), refused: `layers[0].digest: algorithm "blake3" is not supported`},
	{name: "digest is a number", body: image(MediaTypeImageManifest, "", `{"digest": 1, "size": 1}`), refused: "layers[0].digest: it is not a string"},
	{name: "bad child", body: index(MediaTypeImageIndex, "", desc(MediaTypeImageManifest, "x", 3)), refused: "manifests[0].digest: "},
	{name: "bad platform", body: index(MediaTypeImageIndex, "", `{"digest": "`+dB+`", "size": 1, "platform": "linux"}`), refused: "manifests[0].platform: "},
	{name: "no manifests", contentType: MediaTypeImageIndex, body: "{}", refused: "manifests: it is missing"},
	{name: "bad subject", body: image(MediaTypeImageManifest, `, "subject": {"digest": "`+dB+`", "size": -5}`), refused: "subject.size: it is negative"},
	{name: "bad annotations", body: image(MediaTypeImageManifest, `, "annotations": {"a": 1}`), refused: "annotations: "},
	{name: "bad annotations of a layer", body: image(MediaTypeImageManifest, "", `{"digest": "`+dB+`", "size": 1, "annotations": []}`), refused: "layers[0].annotations: "},
	{name: "bad urls", body: image(MediaTypeImageManifest, "", `{"digest": "`+dB+`", "size": 1, "urls": "x"}`), refused: "layers[0].urls: "},
	{name: "bad media type of a layer", body: image(MediaTypeImageManifest, "", `{"mediaType": [], "digest": "`+dB+`", "size": 1}`), refused: "layers[0].mediaType: "},
	{name: "bad artifact type", body: image(MediaTypeImageManifest, `, "artifactType": "\n"`), refused: "artifactType: "},
	{name: "too many layers", body: image(MediaTypeImageManifest, "", slices.Repeat([]string{desc("", dB, 1)}, 10_001)...), refused: "layers: it has more than 10000"},
	{name: "too many children", body: index(MediaTypeImageIndex, "", slices.Repeat([]string{desc("", dB, 1)}, 10_001)...), refused: "manifests: it has more than 10000"},
}

// blobs expects an image whose configuration has 7 bytes and whose layers have
// 9 each.
func blobs(digests ...Digest) func(*Manifest) {
	return func(m *Manifest) {
		*m = Manifest{MediaType: MediaTypeImageManifest, ArtifactType: MediaTypeImageConfig, ConfigMediaType: MediaTypeImageConfig}
		for i, d := range digests {
			b := Blob{Descriptor: Descriptor{MediaType: ociLayer, Digest: d, Size: 9}}
			if i == 0 {
				b.MediaType, b.Size = MediaTypeImageConfig, 7
			}
			m.Blobs = append(m.Blobs, b)
		}
	}
}

func children(mediaType string, list ...Descriptor) func(*Manifest) {
	return func(m *Manifest) { *m = Manifest{MediaType: mediaType, Children: list, Index: true} }
}

func also(fs ...func(*Manifest)) func(*Manifest) {
	return func(m *Manifest) {
		for _, f := range fs {
			f(m)
		}
	}
}

func TestParseManifest(t *testing.T) {
	for _, c := range manifestCases {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseManifest(c.contentType, []byte(c.body))
			if c.want == nil {
				if !errors.Is(err, ErrManifestInvalid) || !strings.Contains(err.Error(), "invalid manifest: "+c.refused) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var want Manifest
			c.want(&want)
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseManifestRefusesLargeOnes(t *testing.T) {
	fits := image(MediaTypeImageManifest, "")
	fits += strings.Repeat(" ", MaxManifest-len(fits))
	if _, err := ParseManifest("", []byte(fits)); err != nil {
		t.Errorf("4 MiB: %v", err)
	}
	if _, err := ParseManifest("", []byte(fits+" ")); !errors.Is(err, ErrManifestTooLarge) {
		t.Errorf("4 MiB and a byte: %v", err)
	}
}

func TestRefusalsDoNotRepeatWhatWasSent(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for _, body := range []string{
		image(MediaTypeImageManifest, "", desc(ociLayer, long, 9)),
		image(MediaTypeImageManifest, "", desc(ociLayer, long+":"+long, 9)),
		image(long, ""),
	} {
		if _, err := ParseManifest("", []byte(body)); err == nil || len(err.Error()) > 1000 {
			t.Errorf("the message has %d bytes", len(err.Error()))
		}
	}
}

func BenchmarkParseManifest(b *testing.B) {
	var layers, platforms []string
	for i := range 10 {
		d := string(Sum(SHA256, []byte{byte(i)}))
		layers = append(layers, desc(ociLayer, d, 1<<20+i))
		platforms = append(platforms, fmt.Sprintf(`{"mediaType": %q, "digest": %q, "size": 528, "platform": {"architecture": "arm64", "os": "linux"}}`, MediaTypeImageManifest, d))
	}
	for name, body := range map[string]string{
		"image of ten layers":  image(MediaTypeImageManifest, "", layers...),
		"index of ten entries": index(MediaTypeImageIndex, "", platforms...),
		"10000 layers":         image(MediaTypeImageManifest, "", slices.Repeat(layers, 1000)...),
	} {
		b.Run(name, func(b *testing.B) {
			text := []byte(body)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseManifest("", text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
