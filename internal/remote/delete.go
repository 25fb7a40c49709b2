package remote

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

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
	tags, err := r.TagsOf(ctx, repository, d)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(tags, func(other string) bool { return other != tag }); i >= 0 {
		return ErrConflict.With("the registry deletes no tags, and the tag %s names the same artifact", tags[i])
	}
	return r.DeleteManifest(ctx, repository, string(d))
}

// tagsAtOnce bounds how many tags are asked for at the same time.
const tagsAtOnce = 8

// TagsOf returns the tags that name an artifact. Where the registry has no list of
// these it is asked for each of the repository's tags.
func (r *Registry) TagsOf(ctx context.Context, repository string, d oci.Digest) (all []string, err error) {
	if r.kind == Harbor {
		at, err := harborArtifact(repository, string(d))
		if err != nil {
			return nil, err
		}
		err = r.harborNames(ctx, at+"/tags", func(names []string) error {
			all = append(all, names...)
			return nil
		})
		return all, err
	}
	var mu sync.Mutex
	err = r.Tags(ctx, repository, func(tags []string) error {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(tagsAtOnce)
		for _, tag := range tags {
			g.Go(func() error {
				is, err := r.digestOf(ctx, repository, tag)
				if err != nil && !fault.OfKind(err, fault.NotFound) {
					return err
				}
				if err == nil && is == d {
					mu.Lock()
					defer mu.Unlock()
					all = append(all, tag)
				}
				return nil
			})
		}
		return g.Wait()
	})
	slices.Sort(all)
	return all, err
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
	at, err := harborArtifact(repository, tag)
	if err != nil {
		return err
	}
	ctx, cancel := r.within(ctx)
	defer cancel()
	answer, err := r.api(ctx, http.MethodDelete, at+"/tags/"+tag, nil, nil)
	if err != nil {
		return err
	}
	drain(answer)
	return nil
}
