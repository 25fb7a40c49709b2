package api

import (
	"context"
	"time"

	"github.com/berth-registry/berth/internal/allowlist"
)

// allowlists answers for the system's list of vulnerabilities that are let through.
// Those of projects are parts of projects.
type allowlists struct{ lists *allowlist.Service }

type cveAllowlist struct {
	ID        int64              `json:"id"`
	ProjectID int64              `json:"project_id" doc:"0 of the system's"`
	Expires   *int64             `json:"expires_at,omitempty" nullable:"true" doc:"seconds since 1970; missing or null: never"`
	Items     []cveAllowlistItem `json:"items" doc:"at most 5000"`
	Created   moment             `json:"creation_time"`
	Updated   moment             `json:"update_time"`
}

type cveAllowlistItem struct {
	ID string `json:"cve_id" doc:"at most 128 bytes; capitals make no difference"`
}

func asAllowlist(l allowlist.List) *cveAllowlist {
	b := &cveAllowlist{
		ID: l.ID, ProjectID: l.ProjectID, Created: moment(l.Created), Updated: moment(l.Updated),
		Items: all(l.Items, func(id string) cveAllowlistItem { return cveAllowlistItem{id} }),
	}
	if l.Expires != nil {
		seconds := l.Expires.Unix()
		b.Expires = &seconds
	}
	return b
}

// list returns what a client sent as a list of a project, or of the system.
func (b cveAllowlist) list(projectID int64) allowlist.List {
	l := allowlist.List{ProjectID: projectID, Items: all(b.Items, func(i cveAllowlistItem) string { return i.ID })}
	if b.Expires != nil {
		at := time.Unix(*b.Expires, 0)
		l.Expires = &at
	}
	return l
}

type allowlistAnswer struct {
	Body *cveAllowlist `nameHint:"CVEAllowlist"`
}

func (a allowlists) get(ctx context.Context, _ *struct{}) (*allowlistAnswer, error) {
	l, err := a.lists.Of(ctx, allowlist.System)
	return &allowlistAnswer{asAllowlist(l)}, err
}

type putAllowlist struct {
	Body cveAllowlist `nameHint:"CVEAllowlist"`
}

// put changes the list. Whose it is was decided by the path.
func (a allowlists) put(ctx context.Context, in *putAllowlist) (*nothing, error) {
	return nil, a.lists.Set(ctx, in.Body.list(allowlist.System))
}
