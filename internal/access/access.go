// Package access answers one question: may this caller do that? It holds the
// roles, the permission matrix and the rules for robots, tokens and public
// projects. It asks no database: who is calling comes from identity, and what
// they are in a project comes from project.
package access

import (
	"context"
	"strconv"

	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
)

// ErrUnauthenticated is returned to a caller without identity, ErrDenied to one
// whose rights do not suffice.
var (
	ErrUnauthenticated = fault.New(fault.Unauthenticated, "UNAUTHORIZED", "unauthorized")
	ErrDenied          = fault.New(fault.Denied, "FORBIDDEN", "forbidden")
)

// A Kind says what sort of caller it is.
type Kind uint8

// The kinds of caller. The zero Kind is Nobody.
const (
	Nobody Kind = iota
	User
	Robot
	Server // this program itself, which has no rights to be judged
)

// A Caller is who makes a request. The zero Caller is anonymous. It is a value:
// changing one changes nobody else's.
type Caller struct {
	Kind  Kind
	ID    int64  // of the user or robot
	Name  string // login name: "alice", "robot$library+ci"
	Admin bool   // a system administrator; never a robot

	// ProjectID is the project of a project robot; 0 for system robots and users.
	ProjectID   int64
	Permissions []Permission // of a robot

	// Grants are what the caller's bearer token allows; nil where the request
	// carried none. A token only narrows what its holder may do.
	Grants []Grant
	Bearer bool // the request carried a token, whatever it grants

	Address string // IP address of the client
	Request string // id of the request
}

// A Permission lets a robot act on some projects, or on the system.
type Permission struct {
	Kind      string // "system" or "project"
	Namespace string // a project's name, "*" for all projects, "/" for the system
	Access    []Action

	// Repository is the only one in the project that the permission is about, in
	// full; empty for all of the project. Only scanners' robots have such.
	Repository string
}

// An Action is something that can be done to a resource: {"repository", "pull"}.
type Action struct {
	Resource string
	Action   string
}

// A Grant is what a token allows on one resource, as in the claim "access" of
// the registry token specification.
type Grant struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

// A Project is what must be known of a project to decide: its name, whether it
// is public, and the roles that the caller holds in it. Beside these it says whether
// the project is a cache, which doors must know that serve its content.
type Project struct {
	ID     int64
	Name   string
	Public bool
	Roles  []Role // strongest first; empty for a non-member

	Upstream int64 // id of the endpoint that the project is a cache of; 0: none
}

// Principal names the caller for all time, unlike Name, which another may bear
// later: "user:1", "robot:7", "" for nobody.
func (c Caller) Principal() string {
	switch c.Kind {
	case User:
		return "user:" + strconv.FormatInt(c.ID, 10)
	case Robot:
		return "robot:" + strconv.FormatInt(c.ID, 10)
	}
	return ""
}

// Anonymous reports whether nobody is known to be calling.
func (c Caller) Anonymous() bool { return c.Kind == Nobody }

// Actor returns the caller as the one who made a fact true.
func (c Caller) Actor() event.Actor {
	name := c.Name
	if c.Kind == Nobody {
		name = "anonymous"
	}
	return event.Actor{Name: name, Address: c.Address, Request: c.Request}
}

type callerKey struct{}

// With returns a context that carries the caller.
func With(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// From returns the context's caller, or nobody.
func From(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}
