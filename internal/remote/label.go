package remote

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// GlobalLabels returns the names of the labels of all projects, the first hundred,
// or nil where the registry has none.
func (r *Registry) GlobalLabels(ctx context.Context) ([]string, error) {
	if r.kind != Harbor {
		return nil, nil
	}
	ctx, cancel := r.within(ctx)
	defer cancel()
	query := url.Values{"scope": {"g"}, "page_size": {strconv.Itoa(harborPage)}, "sort": {"name"}}
	answer, err := r.api(ctx, http.MethodGet, "labels", query, nil)
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
