package storetest

import (
	"context"

	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/project"
)

// People finds users and groups for projects, whoever they are. It is a
// project.People that asks no directory.
type People struct{ Accounts *account.Service }

// User implements project.People.
func (p People) User(ctx context.Context, id int64, name string) (int64, string, error) {
	u, err := p.Accounts.ByName(ctx, name)
	if id != 0 {
		u, err = p.Accounts.ByID(ctx, id)
	}
	return u.ID, u.Name, err
}

// Group implements project.People.
func (p People) Group(ctx context.Context, n project.GroupName) (int64, string, error) {
	g, err := p.Accounts.GroupByKey(ctx, account.GroupKind(n.Kind), n.Name)
	if n.ID != 0 {
		g, err = p.Accounts.Group(ctx, n.ID)
	}
	return g.ID, g.Name, err
}
