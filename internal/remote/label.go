package remote

import (
	"context"
	"net/url"
)

// GlobalLabels returns the names of the labels of all projects, the first hundred,
// or nil where the registry has none.
func (r *Registry) GlobalLabels(ctx context.Context) ([]string, error) {
	if r.kind != Harbor {
		return nil, nil
	}
	ctx, cancel := r.within(ctx)
	defer cancel()
	return r.names(ctx, "labels", url.Values{"scope": {"g"}})
}
