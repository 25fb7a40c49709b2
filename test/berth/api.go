package berth

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"time"
)

// An API calls the REST API as one user.
type API struct {
	base, name, password string
	http                 *http.Client
}

// As calls the API as the named user.
func (s *Server) As(name, password string) *API {
	return &API{base: s.URL + "/api/v2.0", name: name, password: password, http: &http.Client{Timeout: 30 * time.Second}}
}

// Admin calls the API as the administrator.
func (s *Server) Admin() *API { return s.As("admin", AdminPassword) }

// Roles of a project's members, as the API numbers them.
const (
	ProjectAdmin = 1
	Developer    = 2
	Guest        = 3
	Maintainer   = 4
)

// A Robot is a robot account as the API describes it.
type Robot struct {
	ID          int64        `json:"id,omitempty"`
	Name        string       `json:"name"` // as given at its creation; afterwards the name to sign in with
	Secret      string       `json:"secret,omitempty"`
	Description string       `json:"description"`
	Level       string       `json:"level"`
	Disable     bool         `json:"disable"`
	Duration    int64        `json:"duration"` // in days, -1 for ever
	ExpiresAt   int64        `json:"expires_at,omitempty"`
	Permissions []Permission `json:"permissions"`
}

// A Permission is what a robot may do in one project.
type Permission struct {
	Kind      string   `json:"kind"`
	Namespace string   `json:"namespace"`
	Access    []Access `json:"access"`
}

// Access is one action on one kind of resource.
type Access struct {
	Resource string `json:"resource"`
	Action   string `json:"action"`
}

// CreateProject creates a project.
func (a *API) CreateProject(ctx context.Context, name string, public bool) error {
	_, err := a.Do(ctx, "POST", "/projects", map[string]any{
		"project_name": name,
		"metadata":     map[string]string{"public": strconv.FormatBool(public)},
	}, nil)
	return err
}

// CreateUser creates a user and returns its id.
func (a *API) CreateUser(ctx context.Context, name, password string) (int64, error) {
	header, err := a.Do(ctx, "POST", "/users", map[string]any{
		"username": name,
		"email":    name + "@example.com",
		"realname": name,
		"password": password,
	}, nil)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(path.Base(header.Get("Location")), 10, 64)
}

// AddMember gives a user a role in a project.
func (a *API) AddMember(ctx context.Context, project, user string, role int) error {
	_, err := a.Do(ctx, "POST", "/projects/"+project+"/members", map[string]any{
		"role_id":     role,
		"member_user": map[string]any{"username": user},
	}, nil)
	return err
}

// CreateRobot creates a robot of one project that may do the given actions on
// its repositories. The answer has the name to sign in with and the secret.
func (a *API) CreateRobot(ctx context.Context, project, name string, actions ...string) (Robot, error) {
	p := Permission{Kind: "project", Namespace: project}
	for _, action := range actions {
		p.Access = append(p.Access, Access{"repository", action})
	}
	var made Robot
	_, err := a.Do(ctx, "POST", "/robots", Robot{Name: name, Level: "project", Duration: 1, Permissions: []Permission{p}}, &made)
	return made, err
}

// DisableRobot switches a robot off.
func (a *API) DisableRobot(ctx context.Context, id int64) error {
	where := fmt.Sprintf("/robots/%d", id)
	var r Robot
	if _, err := a.Do(ctx, "GET", where, nil, &r); err != nil {
		return err
	}
	r.Disable = true
	_, err := a.Do(ctx, "PUT", where, r, nil)
	return err
}

// Do sends in as JSON to a path below /api/v2.0 and reads the answer into out,
// where they are not nil; into a *string as it is. A status of 400 or more is an error that quotes the
// answer.
func (a *API) Do(ctx context.Context, method, path string, in, out any) (http.Header, error) {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, body)
	if err != nil {
		return nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.SetBasicAuth(a.name, a.password)
	res, err := a.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 400 {
		return nil, fmt.Errorf("%s %s as %s: %s: %s", method, path, a.name, res.Status, answer)
	}
	if text, ok := out.(*string); ok {
		*text = string(answer)
	} else if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			return nil, fmt.Errorf("%s %s: %w in %q", method, path, err, answer)
		}
	}
	return res.Header, nil
}
