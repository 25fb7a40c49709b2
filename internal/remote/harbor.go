package remote

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
)

// api asks Harbor's own API, which takes the name and the password themselves.
func (r *Registry) api(ctx context.Context, method, path string, query url.Values, body any) (*http.Response, error) {
	to := r.base.JoinPath("api/v2.0", path)
	to.RawQuery = query.Encode()
	q := request{method: method, url: to.String(), whole: true, header: http.Header{}}
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		q.header.Set("Content-Type", "application/json")
		q.body, q.size = bytesOf(text), int64(len(text))
	}
	q.password = true
	return r.ask(ctx, q)
}

// checkHarbor asks what only somebody who has signed in may see, and robots too.
func checkHarbor(ctx context.Context, r *Registry) error {
	answer, err := r.api(ctx, http.MethodGet, "projects", url.Values{"page_size": {"1"}}, nil)
	if err != nil {
		return err
	}
	drain(answer)
	return nil
}

const harborPage = 100

// harborRepositories lists by Harbor's API, since its catalog is for
// administrators.
func harborRepositories(ctx context.Context, r *Registry, fn func([]string) error) error {
	return r.harborNames(ctx, "repositories", fn)
}

// harborNames calls fn for each page of a list of Harbor's API.
func (r *Registry) harborNames(ctx context.Context, path string, fn func([]string) error) error {
	for page := 1; page <= maxPages; page++ {
		names, err := r.harborPage(ctx, path, page)
		if err != nil {
			return err
		}
		full := len(names) == harborPage
		if err := fn(names); err != nil || !full {
			return err
		}
	}
	return ErrAnswer.With("its list has more than %d pages", maxPages)
}

func (r *Registry) harborPage(ctx context.Context, path string, page int) ([]string, error) {
	ctx, cancel := r.within(ctx)
	defer cancel()
	return r.names(ctx, path, url.Values{"page": {strconv.Itoa(page)}})
}

// names returns the names on a page of a list of Harbor's API.
func (r *Registry) names(ctx context.Context, path string, query url.Values) ([]string, error) {
	query.Set("page_size", strconv.Itoa(harborPage))
	query.Set("sort", "name")
	answer, err := r.api(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return nil, err
	}
	var body []struct{ Name string }
	if err := object(answer, maxList, &body); err != nil {
		return nil, err
	}
	names := make([]string, len(body))
	for i, b := range body {
		names[i] = b.Name
	}
	return names, nil
}

// Prepare makes what a repository needs that is to be written to: its project
// where the registry has projects, public or only for its members; or itself.
func (r *Registry) Prepare(ctx context.Context, repository string, public bool) error {
	if r.vendor.prepare == nil {
		return nil
	}
	return r.vendor.prepare(ctx, r, repository, public)
}

func prepareHarbor(ctx context.Context, r *Registry, repository string, public bool) error {
	if err := oci.CheckRepository(repository); err != nil {
		return err
	}
	project, _ := oci.SplitRepository(repository)
	ctx, cancel := r.within(ctx)
	defer cancel()
	answer, err := r.api(ctx, http.MethodHead, "projects", url.Values{"project_name": {project}}, nil)
	if err == nil {
		drain(answer)
		return nil
	}
	if !fault.OfKind(err, fault.NotFound) {
		return err
	}
	answer, err = r.api(ctx, http.MethodPost, "projects", nil, map[string]any{
		"project_name": project, "metadata": map[string]string{"public": strconv.FormatBool(public)},
	})
	if err != nil {
		if fault.OfKind(err, fault.Conflict) {
			return nil // somebody else has made it
		}
		return at(err, "project %s", project)
	}
	drain(answer)
	return nil
}

// harborArtifact returns where Harbor's API has an artifact.
func harborArtifact(repository, ref string) (string, error) {
	if err := oci.CheckRepository(repository); err != nil {
		return "", err
	}
	if _, err := oci.ParseReference(ref); err != nil {
		return "", err
	}
	project, rest := oci.SplitRepository(repository)
	// The name of a repository is escaped twice, so that no proxy in between makes
	// a path of it.
	return "projects/" + project + "/repositories/" + url.PathEscape(url.PathEscape(rest)) + "/artifacts/" + ref, nil
}

// Labels returns the names of the labels of an artifact, or nil where the registry
// has none.
func (r *Registry) Labels(ctx context.Context, repository, digest string) ([]string, error) {
	if r.kind != Harbor {
		return nil, nil
	}
	at, err := harborArtifact(repository, digest)
	if err != nil {
		return nil, err
	}
	ctx, cancel := r.within(ctx)
	defer cancel()
	answer, err := r.api(ctx, http.MethodGet, at, url.Values{"with_label": {"true"}}, nil)
	if err != nil {
		return nil, err
	}
	var body struct{ Labels []struct{ Name string } }
	if err := object(answer, maxList, &body); err != nil {
		return nil, err
	}
	var names []string
	for _, l := range body.Labels {
		names = append(names, l.Name)
	}
	return names, nil
}
