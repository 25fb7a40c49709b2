// Package robot keeps the accounts of programs: their names, permissions,
// lifetimes and secrets. It promises that a secret is shown once and never kept,
// and that no robot makes another that may do more than itself. What a
// permission allows is access's to say.
package robot

import (
	"context"
	"slices"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/query"
	"github.com/berth-registry/berth/internal/secret"
)

// Prefix is what every robot's login name begins with, and no user's, where
// nobody has chosen another.
const Prefix = "robot$"

// The levels of robots: those of the system, those of one project, and those that
// are made for a single scan, which nobody sees.
const (
	LevelSystem  = "system"
	LevelProject = "project"
	LevelScan    = "scan"
)

// Who created a robot, as the API calls it in creator_type.
const (
	CreatorUser  = "local"
	CreatorRobot = "robot"
)

// Faults of robots.
var (
	ErrNotFound       = fault.New(fault.NotFound, "NOT_FOUND", "robot not found")
	ErrProjectUnknown = fault.New(fault.NotFound, "NOT_FOUND", "project not found")
	ErrExists         = fault.New(fault.Conflict, "CONFLICT", "a robot of that name exists")
	ErrInvalid        = fault.New(fault.Invalid, "BAD_REQUEST", "invalid robot")
	ErrExceeds        = fault.New(fault.Denied, "DENIED", "a robot cannot give another more than it may do itself")

	// ErrWrong is the answer to a wrong name and to a wrong secret alike. ErrDisabled
	// and ErrExpired are told only to those who know the secret.
	ErrWrong    = fault.New(fault.Unauthenticated, "UNAUTHORIZED", "the robot's name or its secret is not right")
	ErrDisabled = fault.New(fault.Unauthenticated, "UNAUTHORIZED", "the robot is disabled")
	ErrExpired  = fault.New(fault.Unauthenticated, "UNAUTHORIZED", "the robot has expired")
)

// A Robot is an account of a program. The hash of its secret is no part of it:
// only Store hands that out.
type Robot struct {
	ID          int64
	ProjectID   int64  // 0 for a robot of the system
	Project     string // the name of that project
	Name        string // as stored: "ci", or "library+ci" for one of a project
	Prefix      string // what its login name begins with; given by the Service
	Level       string // LevelSystem, LevelProject or LevelScan
	Description string
	Permissions []access.Permission // without those for projects that are gone
	Disabled    bool
	Duration    int64     // days from Created, or -1
	Expires     time.Time // zero for never

	CreatorKind string // CreatorUser or CreatorRobot
	CreatorID   int64  // 0 where the program itself created it

	Created, Updated time.Time
}

// Login returns the name with which the robot signs in: "robot$library+ci".
func (r Robot) Login() string { return r.Prefix + r.Name }

// Usable returns nil where the robot may act at that time, and else ErrDisabled
// or ErrExpired.
func (r Robot) Usable(now time.Time) error {
	switch {
	case r.Disabled:
		return ErrDisabled
	case !r.Expires.IsZero() && !now.Before(r.Expires):
		return ErrExpired
	}
	return nil
}

// A Store keeps robots. Each method is one transaction; each change also writes
// its event, but for robots of LevelScan. A robot whose project was deleted is as good as gone: all but
// Create return ErrNotFound for it.
//
// Permissions are kept by the ids of their projects, so that those for a
// project that is gone do not come back with another one of its name. Create and
// Update return ErrProjectUnknown where a namespace is no project.
type Store interface {
	// Create keeps a new robot with the hash of its secret, in the project named
	// by r.Project for one of a project. It returns the robot with its ids, or
	// ErrExists.
	Create(ctx context.Context, r Robot, hash string, by event.Actor) (Robot, error)
	// ByID returns a robot and the hash of its secret.
	ByID(ctx context.Context, id int64) (Robot, string, error)
	// ByName is ByID for the name as stored.
	ByName(ctx context.Context, name string) (Robot, string, error)
	// List returns a page of robots and how many there are on all pages, by name
	// where the query does not say otherwise.
	List(ctx context.Context, q query.Query) ([]Robot, int64, error)
	// Update keeps description, permissions, disabled, duration and expiry.
	Update(ctx context.Context, r Robot, e event.Event) error
	// SetSecret keeps the hash of a new secret.
	SetSecret(ctx context.Context, id int64, hash string, e event.Event) error
	// Delete ends a robot.
	Delete(ctx context.Context, id int64, e event.Event) error
	// EndScan ends a robot of LevelScan; one that is gone is no error.
	EndScan(ctx context.Context, id int64) error
	// ExpireScans ends up to n of LevelScan that have expired, whether or not there
	// is their project.
	ExpireScans(ctx context.Context, now time.Time, n int) (int64, error)
}

// Service is what the rest of the program asks about robots. The caller of the
// context is who makes a change; whether it may was decided before, but for
// what a robot gives to another.
type Service struct {
	store    Store
	hasher   *secret.Hasher
	throttle *secret.Throttle
	epoch    *access.Epoch
	prefix   func(context.Context) (string, error)
}

// New returns a service. What login names begin with is asked of prefix; nil
// stands for Prefix. It bumps the epoch after each change.
func New(store Store, hasher *secret.Hasher, prefix func(context.Context) (string, error), epoch *access.Epoch) *Service {
	return &Service{store: store, hasher: hasher, throttle: secret.NewThrottle(), prefix: prefix, epoch: epoch}
}

// A NewRobot is all that can be said of a robot that is being created. One of a
// project belongs to the project that its only permission names.
type NewRobot struct {
	Name        string // without a project: "ci"
	Level       string
	Description string
	Disabled    bool
	Duration    int64 // days, or -1 for no end
	Permissions []access.Permission
}

// Create makes a robot and draws its secret, which is returned here to be shown
// once. It returns ErrInvalid, ErrExceeds, ErrProjectUnknown or ErrExists.
func (s *Service) Create(ctx context.Context, n NewRobot) (Robot, secret.Text, error) {
	r := Robot{Name: n.Name, Level: n.Level, Description: n.Description, Disabled: n.Disabled, Duration: n.Duration}
	r.Permissions = merge(n.Permissions)
	if err := r.check(); err != nil {
		return Robot{}, secret.Text{}, err
	}
	if r.Level == LevelProject {
		r.Project = r.Permissions[0].Namespace
		r.Name = r.Project + "+" + n.Name
	}
	caller := access.From(ctx)
	if err := checkGiver(caller, r); err != nil {
		return Robot{}, secret.Text{}, err
	}
	r.CreatorKind, r.CreatorID = CreatorUser, caller.ID
	if caller.Kind == access.Robot {
		r.CreatorKind = CreatorRobot
	}
	var err error
	if r.Prefix, err = s.Prefix(ctx); err != nil {
		return Robot{}, secret.Text{}, err
	}
	r.Created = time.Now().UTC().Truncate(time.Microsecond)
	r.Updated, r.Expires = r.Created, expiry(r.Created, r.Duration)
	return s.keep(ctx, r, caller.Actor())
}

func (s *Service) keep(ctx context.Context, r Robot, by event.Actor) (Robot, secret.Text, error) {
	text, hash, err := s.draw(ctx)
	if err != nil {
		return Robot{}, secret.Text{}, err
	}
	r, err = s.store.Create(ctx, r, hash, by)
	if err != nil {
		return Robot{}, secret.Text{}, err
	}
	s.epoch.Bump()
	return r, text, nil
}

// ByID returns a robot, or ErrNotFound, as also for those of LevelScan.
func (s *Service) ByID(ctx context.Context, id int64) (Robot, error) {
	r, err := s.Holder(ctx, id)
	if err == nil && r.Level == LevelScan {
		return Robot{}, ErrNotFound.Saying("robot %d not found", id)
	}
	return r, err
}

// Holder returns a robot of whichever level, or ErrNotFound.
func (s *Service) Holder(ctx context.Context, id int64) (Robot, error) {
	prefix, err := s.Prefix(ctx)
	if err != nil {
		return Robot{}, err
	}
	r, _, err := s.store.ByID(ctx, id)
	r.Prefix = prefix
	return r, err
}

// Prefix returns what the login names of robots begin with at present.
func (s *Service) Prefix(ctx context.Context) (string, error) {
	if s.prefix == nil {
		return Prefix, nil
	}
	return s.prefix(ctx)
}

// Scope returns whose robots a list asks for: those of the system, unless it
// filters by level=project and by exactly one project_id. It returns ErrInvalid
// for anything between. Who asks must have the right to see just these.
func Scope(q query.Query) (level string, projectID int64, err error) {
	f, given := q.Filter("level")
	if !given {
		return LevelSystem, 0, nil
	}
	switch {
	case f.Op == query.Exact && f.Value == LevelSystem:
		return LevelSystem, 0, nil
	case f.Op != query.Exact || f.Value != LevelProject:
		return "", 0, ErrInvalid.Saying("the level must be system or project")
	}
	if p, given := q.Filter("project_id"); given && p.Op == query.Exact {
		projectID = id(p.Value)
	}
	if projectID <= 0 {
		return "", 0, ErrInvalid.Saying("the robots of a project are listed by level=project and project_id=<its id>")
	}
	return LevelProject, projectID, nil
}

// List returns a page of the robots of the query's Scope, and how many there are
// on all pages. It filters and sorts by name (as stored), description, disabled,
// duration, expires_at, creation_time, update_time and id; the order is by name
// where the query has none.
func (s *Service) List(ctx context.Context, q query.Query) ([]Robot, int64, error) {
	level, project, err := Scope(q)
	if err != nil {
		return nil, 0, err
	}
	q = q.Where(query.Filter{Field: "level", Value: level}).Where(query.Filter{Field: "project_id", Value: project})
	prefix, err := s.Prefix(ctx)
	if err != nil {
		return nil, 0, err
	}
	found, total, err := s.store.List(ctx, q)
	for i := range found {
		found[i].Prefix = prefix
	}
	return found, total, err
}

// A Change replaces what can be changed of a robot. Name and level cannot: they
// are here because a change that names others must fail.
type Change struct {
	Name        string // the login name or the stored one, or empty
	Level       string // as it is, or empty
	Description string
	Disabled    bool
	Duration    int64 // days from the robot's creation, -1 for no end; 0 leaves it as it is
	Permissions []access.Permission
}

// Update changes a robot. It returns ErrNotFound, ErrInvalid, ErrExceeds or
// ErrProjectUnknown.
func (s *Service) Update(ctx context.Context, id int64, c Change) error {
	old, err := s.ByID(ctx, id)
	if err != nil {
		return err
	}
	r, err := old.with(c)
	if err != nil {
		return err
	}
	caller := access.From(ctx)
	if err := checkGiver(caller, r); err != nil {
		return err
	}
	changed := differences(old, r)
	if len(changed) == 0 {
		return nil
	}
	return s.done(s.store.Update(ctx, r, updated(caller, r, changed...)))
}

func (r Robot) with(c Change) (Robot, error) {
	if c.Name != "" && c.Name != r.Login() && c.Name != r.Name {
		return Robot{}, ErrInvalid.Saying("a robot's name cannot be changed")
	}
	if c.Level != "" && c.Level != r.Level {
		return Robot{}, ErrInvalid.Saying("a robot's level cannot be changed")
	}
	r.Description, r.Disabled, r.Permissions = c.Description, c.Disabled, merge(c.Permissions)
	if c.Duration != 0 {
		r.Duration = c.Duration
		r.Expires = expiry(r.Created, r.Duration)
	}
	if err := r.checkRest(); err != nil {
		return Robot{}, err
	}
	if r.Level == LevelProject && r.Permissions[0].Namespace != r.Project {
		return Robot{}, ErrInvalid.Saying("a robot's project cannot be changed")
	}
	return r, nil
}

func differences(old, now Robot) (fields []string) {
	if old.Description != now.Description {
		fields = append(fields, "description")
	}
	if old.Disabled != now.Disabled {
		fields = append(fields, "disable")
	}
	if old.Duration != now.Duration {
		fields = append(fields, "duration")
	}
	if !slices.EqualFunc(old.Permissions, now.Permissions, samePermission) {
		fields = append(fields, "permissions")
	}
	return fields
}

// Delete ends a robot: its secret opens nothing any more, and its name is free.
// It returns ErrNotFound.
func (s *Service) Delete(ctx context.Context, id int64) error {
	r, err := s.ByID(ctx, id)
	if err != nil {
		return err
	}
	return s.done(s.store.Delete(ctx, id, event.New(access.From(ctx).Actor(), event.RobotDeleted{Robot: r.Fact()})))
}

// Fact returns the robot as events name it.
func (r Robot) Fact() event.Robot {
	return event.Robot{Where: event.Where{ProjectID: r.ProjectID, Project: r.Project}, ID: r.ID, Name: r.Login(), Stored: r.Name}
}

// done ends what was remembered about rights where a change succeeded.
func (s *Service) done(err error) error {
	if err == nil {
		s.epoch.Bump()
	}
	return err
}

func updated(caller access.Caller, r Robot, changed ...string) event.Event {
	return event.New(caller.Actor(), event.RobotUpdated{Robot: r.Fact(), Changed: changed})
}
