package api

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/robot"
	"github.com/berth-registry/berth/internal/secret"
)

// robots answers for /robots.
type robots struct{ robots *robot.Service }

// RobotPath is the part of a request that names the robot it is about.
type RobotPath struct {
	ID int64 `path:"robot_id" doc:"id of the robot"`

	robot *robot.Robot // as the rule found it
}

func (p *RobotPath) asked() *RobotPath { return p }

// needOn is the rule of requests about one robot: what they need depends on
// where the robot belongs. Of one that does not exist only those learn so who
// have the right over the system.
func needOn[I any](s *robot.Service, action string) rule[I] {
	return by(perhapsInProject("robot", action), func(ctx context.Context, in *I) (access.Need, where, error) {
		p := any(in).(interface{ asked() *RobotPath }).asked()
		r, err := s.ByID(ctx, p.ID)
		if errors.Is(err, robot.ErrNotFound) {
			return access.OfSystem("robot", action), where{}, nil
		}
		p.robot = &r
		if r.Level == robot.LevelProject {
			return access.OfProject("robot", action), where{r.Project, true}, err
		}
		return access.OfSystem("robot", action), where{}, err
	})
}

func (r robots) needToList(_ context.Context, in *listRobots) (access.Need, where, error) {
	q, err := ask(in.Filtering, in.Paging)
	if err != nil {
		return access.Need{}, where{}, err
	}
	level, projectID, err := robot.Scope(q)
	if level == robot.LevelProject {
		return access.OfProject("robot", "list"), where{project: strconv.FormatInt(projectID, 10)}, err
	}
	return access.OfSystem("robot", "list"), where{}, err
}

func (r robots) needToCreate(_ context.Context, in *createRobot) (access.Need, where, error) {
	switch {
	case in.Body.Level != robot.LevelProject:
		return access.OfSystem("robot", "create"), where{}, nil
	case len(in.Body.Permissions) == 0:
		return access.Need{}, where{}, robot.ErrInvalid.With("permissions are needed")
	}
	return access.OfProject("robot", "create"), where{in.Body.Permissions[0].Namespace, true}, nil
}

// robotBody is a robot as it is shown, and as it is sent back to be changed.
type robotBody struct {
	ID          int64             `json:"id"`
	Name        string            `json:"name" doc:"login name"`
	Description string            `json:"description"`
	Secret      string            `json:"secret,omitempty" doc:"never shown here"`
	Level       string            `json:"level"`
	Duration    *int64            `json:"duration" doc:"days, -1 for no end"`
	Editable    bool              `json:"editable"`
	Disabled    bool              `json:"disable"`
	Expires     int64             `json:"expires_at" doc:"seconds since 1970, -1 for never"`
	Permissions []robotPermission `json:"permissions"`
	CreatorKind string            `json:"creator_type"`
	CreatorID   int64             `json:"creator_ref"`
	Created     moment            `json:"creation_time"`
	Updated     moment            `json:"update_time"`
}

type robotPermission struct {
	Kind      string        `json:"kind" doc:"system or project"`
	Namespace string        `json:"namespace" doc:"/ for the system, the name of a project, or * for all"`
	Access    []robotAccess `json:"access"`
}

type robotAccess struct {
	Resource string `json:"resource"`
	Action   string `json:"action"`
	Effect   string `json:"effect,omitempty" doc:"allow, which is all there is"`
}

func asRobot(r robot.Robot) robotBody {
	return robotBody{
		ID: r.ID, Name: r.Login(), Description: r.Description, Level: r.Level, Duration: &r.Duration,
		Editable: true, Disabled: r.Disabled, Expires: seconds(r.Expires), Permissions: asPermissions(r.Permissions),
		CreatorKind: r.CreatorKind, CreatorID: r.CreatorID, Created: moment(r.Created), Updated: moment(r.Updated),
	}
}

func asPermissions(perms []access.Permission) []robotPermission {
	out := make([]robotPermission, len(perms))
	for i, p := range perms {
		out[i] = robotPermission{Kind: p.Kind, Namespace: p.Namespace, Access: make([]robotAccess, len(p.Access))}
		for j, a := range p.Access {
			out[i].Access[j] = robotAccess{Resource: a.Resource, Action: a.Action, Effect: "allow"}
		}
	}
	return out
}

// permissions reads what asPermissions writes. An effect other than to allow is
// none that a robot can be given.
func permissions(perms []robotPermission) ([]access.Permission, error) {
	out := make([]access.Permission, len(perms))
	for i, p := range perms {
		out[i] = access.Permission{Kind: p.Kind, Namespace: p.Namespace}
		for _, a := range p.Access {
			if a.Effect != "" && a.Effect != "allow" {
				return nil, robot.ErrInvalid.With("the effect of a permission can only be allow")
			}
			out[i].Access = append(out[i].Access, access.Action{Resource: a.Resource, Action: a.Action})
		}
	}
	return out, nil
}

// seconds returns an end as the API has it.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return -1
	}
	return t.Unix()
}

type listRobots struct {
	Filtering
	Paging
}

func (r robots) list(ctx context.Context, in *listRobots) (*list[robotBody], error) {
	q, err := ask(in.Filtering, in.Paging)
	if err != nil {
		return nil, err
	}
	found, total, err := r.robots.List(ctx, q)
	if err != nil {
		return nil, err
	}
	return page(in.Paging, found, total, asRobot), nil
}

type createRobot struct {
	Body struct {
		Name        string            `json:"name"`
		Description string            `json:"description"`
		Secret      string            `json:"secret" doc:"not looked at: the server draws the secret"`
		Level       string            `json:"level" doc:"system or project"`
		Disabled    bool              `json:"disable"`
		Duration    int64             `json:"duration" doc:"days, -1 for no end"`
		Permissions []robotPermission `json:"permissions"`
	} `nameHint:"RobotCreate"`
}

type robotCreated struct {
	Location string `header:"Location" doc:"path of what was created"`
	Body     struct {
		ID      int64  `json:"id"`
		Name    string `json:"name" doc:"login name"`
		Secret  string `json:"secret" doc:"shown here and never again"`
		Created moment `json:"creation_time"`
		Expires int64  `json:"expires_at" doc:"seconds since 1970, -1 for never"`
	} `nameHint:"RobotCreated"`
}

func (r robots) create(ctx context.Context, in *createRobot) (*robotCreated, error) {
	perms, err := permissions(in.Body.Permissions)
	if err != nil {
		return nil, err
	}
	made, text, err := r.robots.Create(ctx, robot.NewRobot{
		Name: in.Body.Name, Level: in.Body.Level, Description: in.Body.Description, Disabled: in.Body.Disabled,
		Duration: in.Body.Duration, Permissions: perms,
	})
	if err != nil {
		return nil, err
	}
	out := &robotCreated{Location: at("/robots/%d", made.ID)}
	out.Body.ID, out.Body.Name, out.Body.Secret = made.ID, made.Login(), text.Reveal()
	out.Body.Created, out.Body.Expires = moment(made.Created), seconds(made.Expires)
	return out, nil
}

type getRobot struct{ RobotPath }

type robotAnswer struct {
	Body robotBody `nameHint:"Robot"`
}

func (r robots) get(_ context.Context, in *getRobot) (*robotAnswer, error) {
	if in.robot == nil {
		return nil, robot.ErrNotFound
	}
	return &robotAnswer{asRobot(*in.robot)}, nil
}

type updateRobot struct {
	RobotPath
	Body robotBody
}

func (r robots) update(ctx context.Context, in *updateRobot) (*nothing, error) {
	perms, err := permissions(in.Body.Permissions)
	if err != nil {
		return nil, err
	}
	change := robot.Change{
		Name: in.Body.Name, Level: in.Body.Level, Description: in.Body.Description, Disabled: in.Body.Disabled,
		Permissions: perms,
	}
	if d := in.Body.Duration; d != nil {
		if *d == 0 {
			return nil, robot.ErrInvalid.With("the duration must be -1, or at least one day")
		}
		change.Duration = *d
	}
	return nil, r.robots.Update(ctx, in.ID, change)
}

type refreshRobot struct {
	RobotPath
	Body robotSec
}

type robotSec struct {
	Secret string `json:"secret" doc:"the new one; where it is empty, the server draws one and shows it"`
}

type robotSecAnswer struct{ Body robotSec }

func (r robots) refresh(ctx context.Context, in *refreshRobot) (*robotSecAnswer, error) {
	text, err := r.robots.Refresh(ctx, in.ID, secret.New(in.Body.Secret))
	if err != nil {
		return nil, err
	}
	return &robotSecAnswer{robotSec{text.Reveal()}}, nil
}

func (r robots) delete(ctx context.Context, in *getRobot) (*nothing, error) {
	return nil, r.robots.Delete(ctx, in.ID)
}
