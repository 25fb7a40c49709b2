package api

import (
	"context"
	"math"
	"net/url"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/project"
)

// members answers for /projects/{}/members.
type members struct{ projects *project.Service }

// MemberPath is the part of a request that names a member, who is looked up in
// the project alone.
type MemberPath struct {
	InProject
	ID int64 `path:"mid" doc:"id of the membership"`
}

type memberEntity struct {
	ID         int64  `json:"id"`
	ProjectID  int64  `json:"project_id"`
	EntityName string `json:"entity_name"`
	RoleName   string `json:"role_name"`
	RoleID     int    `json:"role_id"`
	EntityID   int64  `json:"entity_id"`
	EntityType string `json:"entity_type" doc:"u for a user, g for a group"`
}

func asMember(m project.Member) memberEntity {
	return memberEntity{
		ID: m.ID, ProjectID: m.ProjectID, EntityName: m.EntityName, RoleName: m.Role.String(), RoleID: int(m.Role),
		EntityID: m.EntityID, EntityType: m.Kind,
	}
}

type listMembers struct {
	InProject
	Paging
	Name string `query:"entityname" doc:"a part of the name"`
}

func (m members) list(ctx context.Context, in *listMembers) (*list[memberEntity], error) {
	q, err := ask(Filtering{}, in.Paging)
	if err != nil {
		return nil, err
	}
	found, total, err := m.projects.Members(ctx, in.project.ID, in.Name, q)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, asMember), nil
}

type createMember struct {
	InProject
	Body *newMember
}

type newMember struct {
	RoleID int64      `json:"role_id"`
	User   userEntity `json:"member_user"`
	Group  userGroup  `json:"member_group"`
}

type userEntity struct {
	ID   int64  `json:"user_id"`
	Name string `json:"username"`
}

func (m members) create(ctx context.Context, in *createMember) (*created, error) {
	if in.Body == nil {
		in.Body = &newMember{}
	}
	g := in.Body.Group
	id, err := m.projects.AddMember(ctx, in.project.ID, project.NewMember{
		UserID: in.Body.User.ID, UserName: in.Body.User.Name, Role: role(in.Body.RoleID),
		Group: project.GroupName{ID: g.ID, DN: g.DN, Name: g.Name, Kind: g.Type},
	})
	if err != nil {
		return nil, err
	}
	return &created{at("/projects/%s/members/%d", url.PathEscape(in.NameOrID), id)}, nil
}

// role returns the role of a number as it was sent, or none.
func role(id int64) access.Role {
	if id < 0 || id > math.MaxInt16 {
		return 0
	}
	return access.Role(id)
}

type getMember struct{ MemberPath }

type memberAnswer struct{ Body memberEntity }

func (m members) get(ctx context.Context, in *getMember) (*memberAnswer, error) {
	found, err := m.projects.Member(ctx, in.project.ID, in.ID)
	if err != nil {
		return nil, err
	}
	return &memberAnswer{asMember(found)}, nil
}

type updateMember struct {
	MemberPath
	Body *struct {
		RoleID int64 `json:"role_id"`
	} `nameHint:"RoleRequest"`
}

func (m members) update(ctx context.Context, in *updateMember) (*nothing, error) {
	var wanted access.Role
	if in.Body != nil {
		wanted = role(in.Body.RoleID)
	}
	return nil, m.projects.SetRole(ctx, in.project.ID, in.ID, wanted)
}

func (m members) delete(ctx context.Context, in *getMember) (*nothing, error) {
	return nil, m.projects.RemoveMember(ctx, in.project.ID, in.ID)
}
