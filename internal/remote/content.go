package remote

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/berth-registry/berth/internal/oci"
)

// A Manifest is one of a registry. Its digest is that of its body, where there is
// one; else what the registry says.
type Manifest struct {
	Digest    oci.Digest
	MediaType string
	Size      int64
	Body      []byte // nil where only its facts were asked for
}

var accept = []string{strings.Join([]string{
	oci.MediaTypeImageIndex, oci.MediaTypeDockerList, oci.MediaTypeImageManifest, oci.MediaTypeDockerManifest, oci.MediaTypeArtifactManifest, "*/*;q=0.1",
}, ", ")}

// v2 returns the URL of something of a repository. What is no name leads to none,
// so that none reaches another path.
func (r *Registry) v2(repository, what string) (string, error) {
	if err := checkRepository(repository); err != nil {
		return "", err
	}
	return r.base.JoinPath("v2", repository, what).String(), nil
}

// checkRepository is oci.CheckRepository for registries that have no projects:
// one component is enough.
func checkRepository(name string) error {
	if oci.CheckRepository("r/"+name) != nil {
		return oci.ErrNameInvalid.With("%q", short(name))
	}
	return nil
}

func (r *Registry) manifest(repository, ref string) (string, error) {
	if _, err := oci.ParseReference(ref); err != nil {
		return "", err
	}
	return r.v2(repository, "manifests/"+ref)
}

func (r *Registry) blob(repository string, d oci.Digest) (string, error) {
	if _, err := oci.ParseDigest(string(d)); err != nil {
		return "", err
	}
	return r.v2(repository, "blobs/"+string(d))
}

func reading(repository string) []string { return []string{"repository:" + repository + ":pull"} }

func writing(repository string) []string { return []string{"repository:" + repository + ":pull,push"} }

func (r *Registry) askManifest(ctx context.Context, method, repository, ref string) (*http.Response, error) {
	to, err := r.manifest(repository, ref)
	if err != nil {
		return nil, err
	}
	return r.ask(ctx, request{method: method, url: to, scopes: reading(repository), header: http.Header{"Accept": accept}, as: http.StatusOK})
}

// StatManifest returns what the registry says of a manifest, which costs no pull
// of those that a registry counts. ref is a tag or a digest. Of a tag, the digest
// is empty where the registry does not say it.
func (r *Registry) StatManifest(ctx context.Context, repository, ref string) (Manifest, error) {
	ctx, cancel := r.within(ctx)
	defer cancel()
	answer, err := r.askManifest(ctx, http.MethodHead, repository, ref)
	if err != nil {
		return Manifest{}, err
	}
	answer.Body.Close()
	m := Manifest{MediaType: answer.Header.Get("Content-Type"), Size: answer.ContentLength}
	if m.Digest, err = said(answer); err != nil {
		return Manifest{}, err
	}
	if d, err := oci.ParseDigest(ref); err == nil {
		if m.Digest != "" && m.Digest != d && m.Digest.Algorithm() == d.Algorithm() {
			return Manifest{}, ErrAnswer.With("it says that the manifest has the digest %s", m.Digest)
		}
		m.Digest = d
	}
	return m, nil
}

// said returns the digest that an answer names, or nothing. For what was asked for
// by its digest it may be one of another algorithm.
func said(answer *http.Response) (oci.Digest, error) {
	text := answer.Header.Get("Docker-Content-Digest")
	if text == "" {
		return "", nil
	}
	d, err := oci.ParseDigest(text)
	if err != nil {
		return "", ErrAnswer.With("its digest of the manifest is none: %q", short(text))
	}
	return d, nil
}

// Manifest returns a manifest of at most oci.MaxManifest bytes. One that was asked
// for by its digest has it; of one that was asked for by a tag the registry does
// not say another.
func (r *Registry) Manifest(ctx context.Context, repository, ref string) (Manifest, error) {
	ctx, cancel := r.within(ctx)
	defer cancel()
	answer, err := r.askManifest(ctx, http.MethodGet, repository, ref)
	if err != nil {
		return Manifest{}, err
	}
	defer answer.Body.Close()
	body, err := content(answer, oci.MaxManifest)
	if err != nil {
		return Manifest{}, err
	}
	want, err := oci.ParseDigest(ref)
	if err != nil {
		if want, err = said(answer); err != nil {
			return Manifest{}, err
		}
	}
	d := oci.Sum(cmp.Or(want.Algorithm(), oci.SHA256), body)
	if want != "" && d != want {
		return Manifest{}, ErrAnswer.With("the manifest should have the digest %s and has %s", want, d)
	}
	return Manifest{Digest: d, MediaType: answer.Header.Get("Content-Type"), Size: int64(len(body)), Body: body}, nil
}
