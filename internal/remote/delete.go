package remote

import (
	"context"
	"net/http"
	"net/url"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
)

// DeleteManifest deletes what a tag or a digest names. By a tag, only that goes
// where the registry can do so; where it cannot, the error is ErrUnsupported.
func (r *Registry) DeleteManifest(ctx context.Context, repository, ref string) error {
	to, err := r.manifest(repository, ref)
	if err != nil {
		return err
	}
	ctx, cancel := r.within(ctx)
	defer cancel()
	answer, err := r.ask(ctx, request{
		method: http.MethodDelete, url: to, scopes: []string{"repository:" + repository + ":delete,pull"}, whole: true,
	})
	if err != nil {
		return err
	}
	drain(answer)
	return nil
}

// DeleteTag deletes a tag, and leaves its artifact where that has another. Some
// registries delete by digests alone: there the artifact goes with the tag, or,
// where another tag names it, the error is ErrConflict and nothing goes.
func (r *Registry) DeleteTag(ctx context.Context, repository, tag string) error {
	if r.kind == Harbor {
		return r.deleteHarborTag(ctx, repository, tag)
	}
	err := r.DeleteManifest(ctx, repository, tag)
	if !fault.OfKind(err, fault.Unsupported) && !fault.OfKind(err, fault.Invalid) {
		return err
	}
	d, err := r.digestOf(ctx, repository, tag)
	if err != nil {
		return err
	}
	err = r.Tags(ctx, repository, func(tags []string) error {
		for _, other := range tags {
			if other == tag {
				continue
			}
			o, err := r.digestOf(ctx, repository, other)
			if err != nil && !fault.OfKind(err, fault.NotFound) {
				return err
			}
			if err == nil && o == d {
				return ErrConflict.With("the registry deletes no tags, and the tag %s names the same artifact", other)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return r.DeleteManifest(ctx, repository, string(d))
}

// digestOf returns the digest of what a tag names, also where the registry does
// not say it.
func (r *Registry) digestOf(ctx context.Context, repository, tag string) (oci.Digest, error) {
	m, err := r.StatManifest(ctx, repository, tag)
	if err == nil && m.Digest == "" {
		m, err = r.Manifest(ctx, repository, tag)
	}
	return m.Digest, err
}

// deleteHarborTag deletes by Harbor's API: its registry takes digests alone.
func (r *Registry) deleteHarborTag(ctx context.Context, repository, tag string) error {
	ctx, cancel := r.within(ctx)
	defer cancel()
	project, rest := oci.SplitRepository(repository)
	path := "projects/" + project + "/repositories/" + url.PathEscape(url.PathEscape(rest)) + "/artifacts/" + tag + "/tags/" + tag
	answer, err := r.api(ctx, http.MethodDelete, path, nil, nil)
	if err != nil {
		return err
	}
	drain(answer)
	return nil
}
