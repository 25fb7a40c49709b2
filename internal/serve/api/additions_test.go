package api

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/registry"
)

// push pushes a manifest to alpha/app, with {} as the content of its
// configuration and its layer.
func (w *world) push(ref oci.Reference, mediaType string, manifest map[string]any) oci.Digest {
	w.t.Helper()
	ctx := access.With(w.t.Context(), access.Caller{Kind: access.User, ID: idOf("root"), Name: "root", Admin: true})
	repo := artifact.Repo{ProjectID: 1, Name: "alpha/app"}
	if _, err := pushBlob(ctx, w.content, repo, []byte("{}")); err != nil {
		w.t.Fatal(err)
	}
	manifest["schemaVersion"], manifest["mediaType"] = 2, mediaType
	body, err := json.Marshal(manifest)
	if err != nil {
		w.t.Fatal(err)
	}
	done, err := w.content.PushManifest(ctx, repo, registry.PushRequest{Ref: ref, MediaType: mediaType, Body: body})
	if err != nil {
		w.t.Fatal(err)
	}
	return done.Digest
}

// configured is a manifest with a configuration of a media type, and an
// artifact type where one is given.
func configured(mediaType, artifactType string) map[string]any {
	m := map[string]any{"config": oci.Descriptor{MediaType: mediaType, Digest: oci.Sum(oci.SHA256, []byte("{}")), Size: 2}, "layers": []any{}}
	if artifactType != "" {
		m["artifactType"] = artifactType
	}
	return m
}

func TestAnArtifactLinksExactlyTheAdditionsThatItAnswers(t *testing.T) {
	const image, empty = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.empty.v1+json"
	w := newWorld(t)
	for name, push := range map[string]struct {
		mediaType string
		manifest  map[string]any
		links     string
	}{
		"image":        {oci.MediaTypeImageManifest, configured(image, ""), "build_history layers"},
		"index":        {oci.MediaTypeImageIndex, map[string]any{"manifests": []any{}}, ""},
		"typed-index":  {oci.MediaTypeImageIndex, map[string]any{"manifests": []any{}, "artifactType": image}, ""},
		"bundle":       {oci.MediaTypeImageIndex, map[string]any{"manifests": []any{}, "annotations": map[string]string{"org.opencontainers.artifactType": image}}, ""},
		"list":         {oci.MediaTypeDockerList, map[string]any{"manifests": []any{}}, ""},
		"chart":        {oci.MediaTypeImageManifest, configured("application/vnd.cncf.helm.config.v1+json", ""), "dependencies layers provenance readme.md values.yaml"},
		"model":        {oci.MediaTypeImageManifest, configured(empty, "application/vnd.cncf.model.manifest.v1+json"), "files layers license readme.md"},
		"inventory":    {oci.MediaTypeImageManifest, configured(empty, "application/vnd.goharbor.harbor.sbom.v1"), "layers sbom"},
		"unknown":      {oci.MediaTypeImageManifest, configured(empty, "application/x"), "layers"},
		"unknown-type": {oci.MediaTypeImageManifest, configured(image, "application/x"), "layers"},
		"known-type":   {oci.MediaTypeImageManifest, configured(empty, "application/vnd.cncf.helm.config.v1+json"), "dependencies layers provenance readme.md values.yaml"},
		"own":          {oci.MediaTypeImageManifest, configured("application/vnd.acme.image.config.v1+json", ""), "layers"},
		"opaque":       {"application/vnd.acme.thing.v1+json", configured(image, ""), "build_history layers"},
	} {
		w.push(oci.Reference{Tag: name}, push.mediaType, push.manifest)
		path := "/projects/alpha/repositories/app/artifacts/" + name
		links := into[struct {
			Additions map[string]additionLink `json:"addition_links"`
		}](t, w.want(200, "root", "GET "+path)).Additions
		if got := strings.Join(slices.Sorted(maps.Keys(links)), " "); got != push.links {
			t.Errorf("%s links %q, want %q", name, got, push.links)
		}
		for _, a := range []string{"build_history", "values.yaml", "readme.md", "dependencies", "provenance", "license", "files", "sbom", "layers"} {
			_, linked := links[a]
			refused := strings.Contains(w.do("root", "GET "+path+"/additions/"+a).Body.String(), "the artifact has no such addition")
			if linked == refused {
				t.Errorf("%s: %s is linked: %v, refused: %v", name, a, linked, refused)
			}
		}
	}
}

func TestArtifactsAreShownAndFoundByTheMediaTypesThatAnnotationsSay(t *testing.T) {
	const bundle, wasm = "application/vnd.cnab.manifest.v1", "application/vnd.wasm.config.v1+json"
	w := newWorld(t)
	w.push(oci.Reference{Tag: "bundle"}, oci.MediaTypeImageIndex, map[string]any{"manifests": []any{}, "annotations": map[string]string{"org.opencontainers.artifactType": bundle}})
	module := configured("application/vnd.oci.image.config.v1+json", "")
	module["annotations"] = map[string]string{"run.oci.handler": "wasm"}
	w.push(oci.Reference{Tag: "module"}, oci.MediaTypeImageManifest, module)
	const list = "GET /projects/alpha/repositories/app/artifacts"
	w.walk([]step{
		{"lim", list + "/bundle", 200, `"type":"CNAB","media_type":"` + bundle + `","manifest_media_type":"` + oci.MediaTypeImageIndex + `","artifact_type":""`},
		{"lim", list + "/module", 200, `"type":"WASM","media_type":"` + wasm + `","manifest_media_type":"` + oci.MediaTypeImageManifest + `","artifact_type":"application/vnd.oci.image.config.v1+json"`},
		{"lim", list + "?q=media_type%3D" + url.QueryEscape(bundle), 200, `"name":"bundle"`},
		{"lim", list + "?q=media_type%3D" + url.QueryEscape(url.QueryEscape(wasm)), 200, `"name":"module"`},
	})
}
