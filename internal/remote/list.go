package remote

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-registry/berth/internal/oci"
)

const (
	maxList      = 8 << 20 // bytes of a page
	maxPages     = 100_000
	pageSize     = 1000
	maxReferrers = 10_000
)

// Tags calls fn for each page of a repository's tags. Those that are none are
// left out.
func (r *Registry) Tags(ctx context.Context, repository string, fn func(tags []string) error) error {
	first, err := r.v2(repository, "tags/list")
	if err != nil {
		return err
	}
	return r.pages(ctx, first+"?n="+strconv.Itoa(pageSize), reading(repository), nil, func(answer *http.Response) error {
		var body struct{ Tags []string }
		if err := object(answer, maxList, &body); err != nil {
			return err
		}
		return fn(slices.DeleteFunc(body.Tags, func(t string) bool { return oci.CheckTag(t) != nil }))
	})
}

// Repositories calls fn for each page of the registry's repositories that the
// account may see. Names that are none are left out. It returns ErrUnsupported,
// or another fault of the registry's, where there is no such list.
func (r *Registry) Repositories(ctx context.Context, fn func(names []string) error) error {
	keep := func(names []string) error {
		return fn(slices.DeleteFunc(names, func(n string) bool { return checkRepository(n) != nil }))
	}
	if list := r.vendor.repositories; list != nil {
		return list(ctx, r, keep)
	}
	first := r.base.JoinPath("v2", "_catalog").String() + "?n=" + strconv.Itoa(pageSize)
	return r.pages(ctx, first, []string{"registry:catalog:*"}, nil, func(answer *http.Response) error {
		var body struct{ Repositories []string }
		if err := object(answer, maxList, &body); err != nil {
			return err
		}
		return keep(body.Repositories)
	})
}

// pages reads a list and what its answers' Link headers lead on to (RFC 8288),
// which is to be of the same server.
func (r *Registry) pages(ctx context.Context, first string, scopes []string, header http.Header, fn func(*http.Response) error) error {
	next, err := url.Parse(first)
	if err != nil {
		return ErrSettings.With("url")
	}
	for range maxPages {
		following, err := r.page(ctx, next, scopes, header, fn)
		if err != nil || following == nil {
			return err
		}
		if !r.ours(following) || following.String() == next.String() {
			return ErrAnswer.With("its list goes on elsewhere, or nowhere")
		}
		next = following
	}
	return ErrAnswer.With("its list has more than %d pages", maxPages)
}

func (r *Registry) page(ctx context.Context, at *url.URL, scopes []string, header http.Header, fn func(*http.Response) error) (next *url.URL, err error) {
	asking, cancel := r.within(ctx)
	defer cancel()
	answer, err := r.ask(asking, request{method: http.MethodGet, url: at.String(), scopes: scopes, header: header, as: http.StatusOK})
	if err != nil {
		return nil, err
	}
	if link := nextLink(answer.Header.Values("Link")); link != "" {
		if next, err = at.Parse(link); err != nil {
			answer.Body.Close()
			return nil, ErrAnswer.With("its list goes on at what is no URL")
		}
	}
	return next, fn(answer)
}

// nextLink returns the target of the link to the next page, or nothing. A target
// may have commas.
func nextLink(headers []string) string {
	for _, h := range headers {
		for {
			_, rest, _ := strings.Cut(h, "<")
			target, rest, found := strings.Cut(rest, ">")
			if !found {
				break
			}
			about, _, _ := strings.Cut(rest, "<")
			if strings.Contains(strings.ReplaceAll(about, `"`, ""), "rel=next") {
				return target
			}
			h = rest
		}
	}
	return ""
}
