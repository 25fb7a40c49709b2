package app

import (
	"context"

	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/ldap"
	"github.com/berth-registry/berth/internal/project"
)

// people answers project's questions about users and groups. Those that only the
// directory knows become known.
type people struct {
	accounts  *account.Service
	directory *ldap.Service
}

// User implements project.People.
func (p people) User(ctx context.Context, id int64, name string) (int64, string, error) {
	if id != 0 {
		u, err := p.accounts.ByID(ctx, id)
		return u.ID, u.Name, err
	}
	u, err := p.accounts.ByName(ctx, name)
	if err == nil && u.Name == name {
		return u.ID, u.Name, nil
	}
	// It may be an e-mail address, whose owner is not to be learned this way.
	asked, failed := p.directory.Asked(ctx)
	switch {
	case failed != nil:
		return 0, "", failed
	case err == nil || !asked:
		return 0, "", account.ErrNotFound.Saying("user %s not found", name)
	}
	u, err = p.directory.Onboard(ctx, name)
	return u.ID, u.Name, err
}

// Group implements project.People.
func (p people) Group(ctx context.Context, n project.GroupName) (id int64, name string, err error) {
	var g account.Group
	switch {
	case n.ID != 0:
		g, err = p.accounts.Group(ctx, n.ID)
	case n.DN != "":
		g, err = p.directory.Group(ctx, n.DN)
	default:
		g, err = p.accounts.GroupByKey(ctx, account.GroupKind(min(max(n.Kind, 0), 9)), n.Name)
	}
	return g.ID, g.Name, err
}
