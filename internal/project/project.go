// Package project keeps projects, their members and their metadata. It promises
// that a name has one project at most, that whatever changes what somebody may
// do there ends what was remembered of it, and that only the visible is listed.
// What a member may do is access's to say, and what is in a project artifact's.
package project

import (
	"cmp"
	"context"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/query"
)

// Faults of projects.
var (
	ErrNotFound   = fault.New(fault.NotFound, "NOT_FOUND", "project not found")
	ErrExists     = fault.New(fault.Conflict, "CONFLICT", "a project of that name exists")
	ErrInvalid    = fault.New(fault.Invalid, "BAD_REQUEST", "invalid project")
	ErrRestricted = fault.New(fault.Denied, "FORBIDDEN", "Only system admin can create project")
	ErrNotEmpty   = fault.New(fault.Precondition, "PRECONDITION", "the project contains repositories, which must be deleted first")

	// ErrCache is for whoever brings something to a project that is a cache.
	ErrCache = fault.New(fault.Denied, "DENIED", "the project is a cache of a registry and takes no pushes")
	// ErrNoUpstream is of a new project that is to be a cache of nothing.
	ErrNoUpstream = fault.New(fault.Invalid, "BAD_REQUEST", "there is no such registry")
)

// A Project is a namespace of repositories with an owner, members and settings.
type Project struct {
	ID        int64
	Name      string
	OwnerID   int64 // a user, who need not be a member any more
	OwnerName string
	Public    bool              // everybody may read and pull; Metadata says the same
	Metadata  map[string]string // the keys that are set, and always MetaPublic
	RepoCount int64             // repositories with something in them
	Upstream  int64             // id of the endpoint that it is a cache of; 0: none. It never changes
	Limit     int64             // bytes that a new one may store, below 0 for any number; afterwards its quota tells

	// Roles are those of the user who asked for a list; elsewhere they are
	// empty, and Service.Access tells them.
	Roles []access.Role

	Created, Updated time.Time
}

// Where returns the project as facts name it.
func (p Project) Where() event.Where { return event.Where{ProjectID: p.ID, Project: p.Name} }

// Visible says which projects a list shows: all, or the public ones with those
// of a member and those of the names.
type Visible struct {
	All    bool
	UserID int64 // of the member; 0 for none
	Names  []string
}

// A Store keeps projects. Each method is one transaction; each change also
// raises the version of the rights and writes its event, made by the actor. All
// return ErrNotFound for a project that does not exist or was deleted.
type Store interface {
	// Create keeps a new project with its owner as project administrator. Where
	// OwnerID is 0, the owner is the first of the system's administrators. It
	// returns ErrExists, ErrInvalid where there is no such owner, and
	// ErrNoUpstream where there is no such endpoint.
	Create(ctx context.Context, p Project, by event.Actor) (int64, error)
	// ByID returns a project.
	ByID(ctx context.Context, id int64) (Project, error)
	// ByName returns the project of exactly that name.
	ByName(ctx context.Context, name string) (Project, error)
	// List returns a page of the visible projects and how many there are on all
	// pages, by name where the query does not say otherwise.
	List(ctx context.Context, v Visible, q query.Query) ([]Project, int64, error)
	// Counts counts the visible projects.
	Counts(ctx context.Context, v Visible) (Counts, error)
	// Update applies the change to the metadata as they then are.
	Update(ctx context.Context, id int64, c Change, by event.Actor) error
	// Delete frees the project's name and its upstream, and ends its members and
	// robots. It returns ErrNotEmpty.
	Delete(ctx context.Context, id int64, by event.Actor) error
	// Rights returns what must be known to decide what a user may do in a
	// project; the id is 0 for whoever is no user.
	Rights(ctx context.Context, name string, userID int64) (access.Project, error)

	MemberStore
}

// People tells who users and groups are. Its methods return faults of the kind
// NotFound.
type People interface {
	// User returns the id and the login name of the user of an id or, where that
	// is 0, of a login name.
	User(ctx context.Context, id int64, name string) (int64, string, error)
	// Group returns the id and the name of a group.
	Group(ctx context.Context, g GroupName) (int64, string, error)
}

// A Service is what the rest of the program asks about projects. The caller of
// the context is who makes a change; whether it may was decided before, but for
// creating projects. It is safe for concurrent use.
type Service struct {
	store  Store
	people People
	closed Restriction
	limit  Limit
	epoch  *access.Epoch
	rights *access.Memory[rightsKey, access.Project]
}

// rightsKey names an answer of Access. All who are no users share one.
type rightsKey struct {
	user int64
	name string
}

// remembered bounds the answers of Access that are kept, each some 200 bytes.
const remembered = 20_000

// A Restriction tells whether projects are created by administrators alone, and
// by the robots that were given it.
type Restriction func(ctx context.Context) (bool, error)

// A Limit tells how many bytes a new project may store, -1 for any number.
type Limit func(ctx context.Context) (int64, error)

// New returns a service. Without a restriction every user may create projects,
// and without a limit they may store any number of bytes. The service bumps the
// epoch after each change, and after each
// that failed: the answer to a commit may have been lost.
func New(store Store, people People, closed Restriction, limit Limit, epoch *access.Epoch) *Service {
	return &Service{store: store, people: people, closed: closed, limit: limit, epoch: epoch,
		rights: access.NewMemory[rightsKey, access.Project](epoch, remembered)}
}

var namePattern = regexp.MustCompile(`^[a-z0-9]+(?:[._-][a-z0-9]+)*$`)

const maxName = 255

// validName reports whether a project may be called so. No other name can be
// found.
func validName(s string) bool { return len(s) <= maxName && namePattern.MatchString(s) }

// A NewProject is all that can be said of a project that is being created.
type NewProject struct {
	Name     string
	Public   bool              // where Metadata does not say
	Metadata map[string]string // may be nil
	Limit    int64             // bytes that it may store, -1 for any number; 0 leaves it to the settings
	Upstream int64             // id of the endpoint that it is a cache of; 0: none
}

// Create makes a project and returns its id. Its owner and first administrator
// is the calling user or, where a robot of the system calls that may create
// projects, or the program itself, the first of the system's administrators. It
// returns ErrInvalid, ErrExists, ErrNoUpstream, ErrRestricted,
// access.ErrUnauthenticated or access.ErrDenied. Whether the caller may have a
// project of that upstream, and whether that is of a kind that there can be caches
// of, was decided before.
func (s *Service) Create(ctx context.Context, n NewProject) (int64, error) {
	caller := access.From(ctx)
	if err := s.mayCreate(ctx, caller); err != nil {
		return 0, err
	}
	if !validName(n.Name) {
		return 0, ErrInvalid.With("a name has 1 to %d small letters and digits, with single dots, dashes and underscores between them", maxName)
	}
	if v, ok := n.Metadata[MetaPublic]; ok && v != "true" && v != "false" {
		return 0, ErrInvalid.With("metadata %s must be true or false", MetaPublic)
	}
	metadata, _, err := Change{Set: n.Metadata}.Apply(map[string]string{MetaPublic: strconv.FormatBool(n.Public)}, n.Upstream != 0)
	if err != nil {
		return 0, err
	}
	if n.Limit == 0 && s.limit != nil {
		if n.Limit, err = s.limit(ctx); err != nil {
			return 0, err
		}
	}
	p := Project{Name: n.Name, Metadata: metadata, Limit: cmp.Or(n.Limit, -1), Upstream: n.Upstream, Created: time.Now()}
	if caller.Kind == access.User {
		p.OwnerID = caller.ID
	}
	id, err := s.store.Create(ctx, p, caller.Actor())
	s.epoch.Bump()
	return id, err
}

// mayCreate lets users create projects unless that is restricted, and always
// administrators and robots that were given it.
func (s *Service) mayCreate(ctx context.Context, c access.Caller) error {
	if c.Kind == access.Server {
		return nil
	}
	if c.Kind != access.User {
		return access.Check(c, access.OfSystem("project", "create"), nil)
	}
	if err := access.Check(c, access.LoggedIn, nil); err != nil || c.Admin || s.closed == nil {
		return err
	}
	closed, err := s.closed(ctx)
	if err == nil && closed {
		err = ErrRestricted
	}
	return err
}

// ByID returns a project, or ErrNotFound.
func (s *Service) ByID(ctx context.Context, id int64) (Project, error) {
	return s.store.ByID(ctx, id)
}

// ByName returns the project of exactly that name, or ErrNotFound.
func (s *Service) ByName(ctx context.Context, name string) (Project, error) {
	if !validName(name) {
		return Project{}, ErrNotFound
	}
	return s.store.ByName(ctx, name)
}

// ByNameOrID returns the project that s names: by its id where s looks like a
// number and is not said to be a name. It returns ErrNotFound, and ErrInvalid
// for a name with a space.
func (s *Service) ByNameOrID(ctx context.Context, nameOrID string, isName bool) (Project, error) {
	if id, err := strconv.ParseInt(nameOrID, 10, 64); err == nil && !isName {
		return s.ByID(ctx, id)
	}
	if strings.Contains(nameOrID, " ") {
		return Project{}, ErrInvalid.With("a name has no spaces")
	}
	return s.ByName(ctx, nameOrID)
}

// List returns a page of the projects that the caller may see, with the
// caller's roles, and how many there are on all pages. It filters and sorts by
// name, project_id, owner (a login name), owner_id, public, repo_count,
// registry_id (0 is that of projects that are no caches), creation_time and
// update_time; the order is by name where the query has none.
func (s *Service) List(ctx context.Context, c access.Caller, q query.Query) ([]Project, int64, error) {
	return s.store.List(ctx, VisibleTo(c), q)
}

// VisibleTo returns what a caller may see: robots see the projects that their
// permissions name.
func VisibleTo(c access.Caller) Visible {
	v := Visible{All: access.Allowed(c, access.OfSystem("project", "list"), nil)}
	switch c.Kind {
	case access.User:
		v.UserID = c.ID
	case access.Robot:
		names, every := c.Projects(access.Action{})
		v.Names, v.All = names, v.All || every
	}
	return v
}

// Counts are numbers of projects and of their repositories. Bytes is what all of
// them use, known only where All is set: then it is all that there is.
type Counts struct {
	PublicProjects, PublicRepositories   int64
	PrivateProjects, PrivateRepositories int64
	All                                  bool
	Bytes                                int64
}

// Counts counts the projects that the caller may see, and their repositories.
func (s *Service) Counts(ctx context.Context, c access.Caller) (Counts, error) {
	return s.store.Counts(ctx, VisibleTo(c))
}

// Update changes a project's metadata, and with MetaPublic who may see it. It
// returns ErrNotFound or ErrInvalid.
func (s *Service) Update(ctx context.Context, id int64, c Change) error {
	err := s.store.Update(ctx, id, c, access.From(ctx).Actor())
	s.epoch.Bump()
	return err
}

// Delete ends a project, its members and its robots. Another may then have its
// name, and is another project. It returns ErrNotFound or ErrNotEmpty.
func (s *Service) Delete(ctx context.Context, id int64) error {
	err := s.store.Delete(ctx, id, access.From(ctx).Actor())
	s.epoch.Bump()
	return err
}

// Deletable returns nil where Delete would succeed now, and else its error.
func (s *Service) Deletable(ctx context.Context, id int64) error {
	p, err := s.ByID(ctx, id)
	if err == nil && p.RepoCount > 0 {
		return ErrNotEmpty
	}
	return err
}

// A Summary counts what a project has.
type Summary struct {
	Repositories int64
	Members      map[access.Role]int64 // roles that nobody holds are missing
}

// Summary counts a project's repositories and members, or returns ErrNotFound.
func (s *Service) Summary(ctx context.Context, id int64) (Summary, error) {
	p, err := s.ByID(ctx, id)
	if err != nil {
		return Summary{}, err
	}
	members, err := s.store.CountMembers(ctx, id)
	return Summary{p.RepoCount, members}, err
}

// Access returns what must be known to decide what the caller may do in a
// project, or ErrNotFound. It is remembered until rights change; the roles are
// not to be written to.
func (s *Service) Access(ctx context.Context, c access.Caller, name string) (access.Project, error) {
	key := rightsKey{name: name}
	if c.Kind == access.User {
		key.user = c.ID
	}
	return s.rights.Get(ctx, key, func(ctx context.Context) (access.Project, error) {
		if !validName(name) {
			return access.Project{}, ErrNotFound
		}
		return s.store.Rights(ctx, name, key.user)
	})
}
