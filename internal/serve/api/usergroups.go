package api

import (
	"context"

	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/ldap"
	"github.com/berth-registry/berth/internal/query"
)

// userGroups answers for /usergroups.
type userGroups struct {
	accounts  *account.Service
	directory *ldap.Service
}

// GroupPath is the part of a request that names the group it is about.
type GroupPath struct {
	ID int64 `path:"group_id" doc:"id of the user group"`
}

type userGroup struct {
	ID   int64  `json:"id"`
	Name string `json:"group_name"`
	Type int64  `json:"group_type" doc:"1 for LDAP, 2 for HTTP authentication, 3 for OIDC"`
	DN   string `json:"ldap_group_dn" doc:"of an LDAP group"`
}

func asGroup(g account.Group) userGroup { return userGroup{g.ID, g.Name, int64(g.Kind), g.DN} }

type listUserGroups struct {
	Paging
	DN   string `query:"ldap_group_dn" doc:"the whole distinguished name"`
	Name string `query:"group_name" doc:"a part of the name"`
}

func (u userGroups) list(ctx context.Context, in *listUserGroups) (*list[userGroup], error) {
	q, err := ask(Filtering{}, in.Paging)
	if err != nil {
		return nil, err
	}
	if in.DN != "" {
		key, err := ldap.Key(in.DN)
		if err != nil {
			return nil, err
		}
		q = q.Where(query.Filter{Field: "key", Value: key})
	}
	if in.Name != "" {
		q = q.Where(query.Filter{Field: "group_name", Op: query.Fuzzy, Value: in.Name})
	}
	found, total, err := u.accounts.Groups(ctx, q)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, asGroup), nil
}

type searchUserGroups struct {
	Paging
	Name string `query:"groupname" required:"true" minLength:"1" doc:"a part of the name"`
}

type userGroupSearchItem struct {
	ID   int64  `json:"id"`
	Name string `json:"group_name"`
	Type int64  `json:"group_type"`
}

func (u userGroups) search(ctx context.Context, in *searchUserGroups) (*list[userGroupSearchItem], error) {
	q, err := ask(Filtering{}, in.Paging)
	if err != nil {
		return nil, err
	}
	found, total, err := u.accounts.Groups(ctx, q.Where(query.Filter{Field: "group_name", Op: query.Fuzzy, Value: in.Name}))
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, func(g account.Group) userGroupSearchItem {
		return userGroupSearchItem{g.ID, g.Name, int64(g.Kind)}
	}), nil
}

type createUserGroup struct{ Body *userGroup }

func (u userGroups) create(ctx context.Context, in *createUserGroup) (*created, error) {
	var wanted userGroup
	if in.Body != nil {
		wanted = *in.Body
	}
	kind := account.GroupKind(min(max(wanted.Type, 0), 9))
	var id int64
	var err error
	if kind == account.LDAPGroup {
		id, err = u.directory.CreateGroup(ctx, wanted.DN, wanted.Name)
	} else {
		id, err = u.accounts.CreateGroup(ctx, account.Group{Kind: kind, Name: wanted.Name})
	}
	if err != nil {
		return nil, err
	}
	return &created{at("/usergroups/%d", id)}, nil
}

type getUserGroup struct{ GroupPath }

type userGroupAnswer struct{ Body userGroup }

func (u userGroups) get(ctx context.Context, in *getUserGroup) (*userGroupAnswer, error) {
	found, err := u.accounts.Group(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &userGroupAnswer{asGroup(found)}, nil
}

type updateUserGroup struct {
	GroupPath
	Body *userGroup
}

// update renames, and changes nothing else.
func (u userGroups) update(ctx context.Context, in *updateUserGroup) (*nothing, error) {
	name := ""
	if in.Body != nil {
		name = in.Body.Name
	}
	return nil, u.accounts.RenameGroup(ctx, in.ID, name)
}

func (u userGroups) delete(ctx context.Context, in *getUserGroup) (*nothing, error) {
	return nil, u.accounts.DeleteGroup(ctx, in.ID)
}
