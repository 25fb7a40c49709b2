package api

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/setting"
)

// Faults of users as the API has them.
var (
	errNoPerson = fault.New(fault.Precondition, "PRECONDITION", "the caller is not a user")
	errNoOIDC   = fault.New(fault.Precondition, "PRECONDITION", "users do not sign in by OIDC here, so they have no CLI secret")
)

// users answers for /users.
type users struct {
	accounts *account.Service
	settings *setting.Service
	resolve  func(context.Context, access.Caller, where) (access.Project, error)
}

// UserPath is the part of a request that names the user it is about.
type UserPath struct {
	ID int64 `path:"user_id" doc:"id of the user"`
}

func (p *UserPath) user() int64 { return p.ID }

// selfOr is the rule of what users may do to themselves, and those with a right
// of the system to all.
func selfOr[I any](action string) rule[I] {
	of := access.OfSystem("user", action)
	return by(of.String()+", or to be that user", func(ctx context.Context, in *I) (access.Need, where, error) {
		c := access.From(ctx)
		if c.Kind == access.User && c.ID == any(in).(interface{ user() int64 }).user() {
			return access.LoggedIn, where{}, nil
		}
		return of, where{}, nil
	})
}

// appoint is to make somebody an administrator of the system. It is in no
// catalogue, so that no robot can be given it: a robot that may change users is
// not to become more than it is.
var appoint = access.OfSystem("user", "appoint")

// needToSetPassword is selfOr, but that who sets an administrator's password
// could sign in as one.
func (u users) needToSetPassword(ctx context.Context, in *setPassword) (access.Need, where, error) {
	need, at, err := selfOr[setPassword]("update").need(ctx, in)
	if err != nil || access.From(ctx).Kind != access.Robot {
		return need, at, err
	}
	found, err := u.accounts.ByID(ctx, in.ID)
	if errors.Is(err, account.ErrNotFound) {
		return need, at, nil
	}
	if found.Administers() {
		need = appoint
	}
	return need, at, err
}

type userResp struct {
	ID        int64         `json:"user_id"`
	Name      string        `json:"username"`
	Email     string        `json:"email"`
	RealName  string        `json:"realname"`
	Comment   string        `json:"comment"`
	Admin     bool          `json:"sysadmin_flag"`
	AuthAdmin bool          `json:"admin_role_in_auth" doc:"whether the directory that the user signed in by makes an administrator of them"`
	OIDC      *oidcUserInfo `json:"oidc_user_meta,omitempty"`
	Created   moment        `json:"creation_time"`
	Updated   moment        `json:"update_time"`
}

type oidcUserInfo struct {
	ID      int64  `json:"id"`
	UserID  int64  `json:"user_id"`
	Subject string `json:"subiss"`
	Secret  string `json:"secret"`
	Created moment `json:"creation_time"`
	Updated moment `json:"update_time"`
}

func asUser(u account.User) userResp {
	return userResp{
		ID: u.ID, Name: u.Name, Email: u.Email, RealName: u.RealName, Comment: u.Comment, Admin: u.Admin, AuthAdmin: u.DirectoryAdmin,
		Created: moment(u.Created), Updated: moment(u.Updated),
	}
}

type listUsers struct {
	Filtering
	Paging
	Name  string `query:"username" doc:"a part of the name"`
	Email string `query:"email" doc:"a part of the e-mail address"`
}

func (u users) list(ctx context.Context, in *listUsers) (*list[userResp], error) {
	q, err := ask(in.Filtering, in.Paging)
	if err != nil {
		return nil, err
	}
	if in.Name != "" {
		q = q.Where(query.Filter{Field: "username", Op: query.Fuzzy, Value: in.Name})
	}
	if in.Email != "" {
		q = q.Where(query.Filter{Field: "email", Op: query.Fuzzy, Value: in.Email})
	}
	found, total, err := u.accounts.List(ctx, q)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, asUser), nil
}

type createUser struct {
	Body struct {
		Name     string `json:"username" maxLength:"255"`
		Email    string `json:"email" maxLength:"255"`
		RealName string `json:"realname"`
		Comment  string `json:"comment"`
		Password string `json:"password"`
	} `nameHint:"UserCreationReq"`
}

// registration reports whether people may make accounts for themselves.
func (u users) registration(ctx context.Context) (bool, error) {
	v, err := u.settings.Get(ctx)
	return v.Registration(), err
}

func (u users) create(ctx context.Context, in *createUser) (*created, error) {
	create := u.accounts.Create
	if access.From(ctx).Anonymous() {
		create = u.accounts.Register
	}
	id, err := create(ctx, account.NewUser{
		Name: in.Body.Name, Email: in.Body.Email, RealName: in.Body.RealName, Comment: in.Body.Comment,
		Password: secret.New(in.Body.Password),
	})
	if err != nil {
		return nil, err
	}
	return &created{at("/users/%d", id)}, nil
}

type userAnswer struct{ Body userResp }

func (u users) current(ctx context.Context, _ *struct{}) (*userAnswer, error) {
	c := access.From(ctx)
	if c.Kind != access.User {
		return nil, errNoPerson
	}
	return u.get(ctx, &getUser{UserPath{c.ID}})
}

type getUser struct{ UserPath }

func (u users) get(ctx context.Context, in *getUser) (*userAnswer, error) {
	found, err := u.accounts.ByID(ctx, in.ID)
	if err != nil {
		return nil, in.named(err)
	}
	return &userAnswer{asUser(found)}, nil
}

// named says which user was not found.
func (p *UserPath) named(err error) error {
	if errors.Is(err, account.ErrNotFound) {
		return account.ErrNotFound.Saying("user %d not found", p.ID)
	}
	return err
}

type searchUsers struct {
	Name string `query:"username" required:"true" doc:"a part of the name"`
	Paging
}

type userSearchItem struct {
	ID   int64  `json:"user_id"`
	Name string `json:"username"`
}

func (u users) search(ctx context.Context, in *searchUsers) (*list[userSearchItem], error) {
	found, total, err := u.accounts.Search(ctx, in.Name, in.Page, in.Size)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, func(f account.Found) userSearchItem { return userSearchItem(f) }), nil
}

type updateUser struct {
	UserPath
	Body struct {
		Email    string `json:"email"`
		RealName string `json:"realname"`
		Comment  string `json:"comment"`
	} `nameHint:"UserProfile"`
}

func (u users) update(ctx context.Context, in *updateUser) (*nothing, error) {
	profile := account.Profile{Email: in.Body.Email, RealName: in.Body.RealName, Comment: in.Body.Comment}
	return nil, in.named(u.accounts.UpdateProfile(ctx, in.ID, profile))
}

func (u users) delete(ctx context.Context, in *getUser) (*nothing, error) {
	return nil, in.named(u.accounts.Delete(ctx, in.ID))
}

type setAdmin struct {
	UserPath
	Body struct {
		Admin bool `json:"sysadmin_flag"`
	} `nameHint:"UserSysAdminFlag"`
}

func (u users) setAdmin(ctx context.Context, in *setAdmin) (*nothing, error) {
	return nil, in.named(u.accounts.SetAdmin(ctx, in.ID, in.Body.Admin))
}

type setPassword struct {
	UserPath
	Body struct {
		Old string `json:"old_password" doc:"needed of those who change their own"`
		New string `json:"new_password"`
	} `nameHint:"PasswordReq"`
}

func (u users) setPassword(ctx context.Context, in *setPassword) (*nothing, error) {
	c, wanted := access.From(ctx), secret.New(in.Body.New)
	if c.Kind == access.User && c.ID == in.ID {
		return nil, u.accounts.SetPassword(ctx, in.ID, secret.New(in.Body.Old), wanted)
	}
	return nil, in.named(u.accounts.ResetPassword(ctx, in.ID, wanted))
}

type setCLISecret struct {
	UserPath
	Body struct {
		Secret string `json:"secret"`
	} `nameHint:"OIDCCliSecretReq"`
}

func (users) setCLISecret(context.Context, *setCLISecret) (*nothing, error) { return nil, errNoOIDC }

type ownPermissions struct {
	Scope    string `query:"scope" doc:"/project/<id> or /system"`
	Relative bool   `query:"relative" doc:"whether resources are named without the scope"`
}

type permissionsAnswer struct{ Body []permission }

type permission struct {
	Resource string `json:"resource"`
	Action   string `json:"action"`
}

// permissions tells what the caller may do in a scope. In one that is none, or
// that the caller cannot see, that is nothing.
func (u users) permissions(ctx context.Context, in *ownPermissions) (*permissionsAnswer, error) {
	scope := strings.TrimSuffix(in.Scope, "/")
	held, err := u.held(ctx, scope)
	if err != nil {
		return nil, err
	}
	out := &permissionsAnswer{Body: make([]permission, len(held))}
	for i, a := range held {
		out.Body[i] = permission{a.Resource, a.Action}
		switch self := a.Resource == "project" && scope != "/system"; {
		case self && in.Relative:
			out.Body[i].Resource = "."
		case self:
			out.Body[i].Resource = scope
		case !in.Relative:
			out.Body[i].Resource = scope + "/" + a.Resource
		}
	}
	return out, nil
}

func (u users) held(ctx context.Context, scope string) ([]access.Action, error) {
	caller := access.From(ctx)
	if scope == "/system" {
		return access.SystemPermissions(caller), nil
	}
	id, ok := strings.CutPrefix(scope, "/project/")
	if _, err := strconv.ParseInt(id, 10, 64); !ok || err != nil {
		return nil, nil
	}
	p, err := u.resolve(ctx, caller, where{project: id})
	if errors.Is(err, project.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return access.Permissions(caller, &p), nil
}
