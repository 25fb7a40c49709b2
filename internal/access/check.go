package access

import "slices"

// What a robot's permission may be about, and how it names more than one
// project.
const (
	KindSystem      = "system"
	KindProject     = "project"
	EveryProject    = "*"
	SystemNamespace = "/"
)

var (
	pull = Action{"repository", "pull"}
	push = Action{"repository", "push"}
	del  = Action{"repository", "delete"}
)

// Check returns nil where the caller may do what the need says,
// ErrUnauthenticated where it is unknown who calls, and ErrDenied otherwise. It
// is judged as by Allowed.
func Check(c Caller, n Need, p *Project) error {
	switch {
	case Allowed(c, n, p):
		return nil
	case c.Anonymous():
		return ErrUnauthenticated
	}
	return ErrDenied
}

// Allowed reports whether the caller may do what the need says, in the project
// where it is one of a project. A project that does not exist is nil: only
// administrators may ask for it, and so learn that it is not there.
//
// Whoever shows a bearer token may do nothing here but read the catalog where
// the token grants that: repositories are judged by AllowedRepository.
func Allowed(c Caller, n Need, p *Project) bool {
	if n.known && c.Anonymous() {
		return false
	}
	switch n.scope {
	case anyone:
		return true
	case loggedIn:
		return !c.Anonymous() && !c.Bearer && !slices.ContainsFunc(c.Permissions, func(p Permission) bool { return p.Repository != "" })
	case ofProject:
		return !c.Bearer && inProject(c, n.Action, p)
	case ofSystem:
		return (!c.Bearer || n.Action == Action{"catalog", "read"} && grantsCatalog(c)) && inSystem(c, n.Action)
	}
	return false
}

// AllowedRepository reports whether the caller may pull, push or delete in a
// repository of the project, which it names in full: "library/app". A bearer
// token must grant the action on exactly that repository, and its holder must
// have the right besides. No other action is ever allowed.
func AllowedRepository(c Caller, p *Project, repository, action string) bool {
	a := Action{"repository", action}
	if p == nil || a != pull && a != push && a != del {
		return false
	}
	return (!c.Bearer || c.granted("repository", repository, action)) && (inProject(c, a, p) || a == pull && c.Scans(p, repository))
}

// ScannerPull is what a scanner's robot may do in its repository: pull, also what a
// project's policy refuses to others. No role holds it, and no robot can be given it.
var ScannerPull = Action{"repository", "scanner-pull"}

// Scans reports whether the caller is the robot of a scanner that examines what is in
// a repository of the project.
func (c Caller) Scans(p *Project, repository string) bool {
	return c.Kind == Robot && c.ProjectID == p.ID && slices.ContainsFunc(c.Permissions, func(perm Permission) bool {
		return perm.Kind == KindProject && perm.Namespace == p.Name && perm.Repository == repository && slices.Contains(perm.Access, ScannerPull)
	})
}

// Permissions returns what the caller may do in the project, in the order of
// the matrix. A bearer token has none: it is for repositories only.
func Permissions(c Caller, p *Project) []Action {
	var held []Action
	for _, r := range matrix {
		if Allowed(c, Need{scope: ofProject, Action: r.Action}, p) {
			held = append(held, r.Action)
		}
	}
	return held
}

// SystemPermissions returns what the caller may do to the system, of all that
// Catalogue names. An administrator may do more than that.
func SystemPermissions(c Caller) []Action {
	var held []Action
	for _, a := range systemCatalogue {
		if Allowed(c, Need{scope: ofSystem, Action: a}, nil) {
			held = append(held, a)
		}
	}
	return held
}

// administers reports whether the caller is a system administrator, which no
// robot is, whatever it says.
func (c Caller) administers() bool { return c.Kind == User && c.Admin }

// inProject judges the caller's live rights in a project.
func inProject(c Caller, a Action, p *Project) bool {
	if c.administers() {
		return true
	}
	if p == nil {
		return false
	}
	r, known := rights[a]
	if !known {
		return false
	}
	var roles []Role
	if c.Kind == User {
		roles = p.Roles
	}
	return r.heldBy(roles, p.Public) || c.Kind == Robot && robotInProject(c, a, p)
}

// inSystem judges the caller's live rights over the system.
func inSystem(c Caller, a Action) bool {
	if c.administers() {
		return true
	}
	if c.Kind != Robot || c.ProjectID != 0 {
		return false
	}
	return slices.ContainsFunc(c.Permissions, func(p Permission) bool {
		return p.Kind == KindSystem && p.Namespace == SystemNamespace && slices.Contains(p.Access, a)
	})
}

// robotInProject reports whether a robot's permissions allow an action. Robots
// of a project may pull where they may push; robots of the system need both.
func robotInProject(c Caller, a Action, p *Project) bool {
	if c.ProjectID != 0 && c.ProjectID != p.ID {
		return false
	}
	for _, perm := range c.Permissions {
		if !perm.covers(c, p) {
			continue
		}
		if slices.Contains(perm.Access, a) || a == pull && c.ProjectID != 0 && slices.Contains(perm.Access, push) {
			return true
		}
	}
	return false
}

// Projects returns the names of the projects that the permissions of a robot are
// about which hold an action, and whether those of all projects are. The zero
// Action stands for any. Nobody else has permissions.
func (c Caller) Projects(a Action) (names []string, every bool) {
	for _, p := range c.Permissions {
		switch {
		case p.Kind != KindProject || p.Repository != "" || a != (Action{}) && !slices.Contains(p.Access, a):
		case p.Namespace != EveryProject:
			names = append(names, p.Namespace)
		case c.ProjectID == 0:
			every = true
		}
	}
	return names, every
}

// covers reports whether a permission of c is about the project as a whole. That of
// a project's robot is about its own project alone, and never about all.
func (p Permission) covers(c Caller, in *Project) bool {
	if p.Kind != KindProject || p.Repository != "" {
		return false
	}
	return p.Namespace == in.Name || p.Namespace == EveryProject && c.ProjectID == 0
}

// granted reports whether the caller's token grants an action.
func (c Caller) granted(kind, name, action string) bool {
	return slices.ContainsFunc(c.Grants, func(g Grant) bool {
		return g.Type == kind && g.Name == name && (slices.Contains(g.Actions, action) || slices.Contains(g.Actions, "*"))
	})
}

// grantsCatalog reports whether the caller's token is for the catalog.
func grantsCatalog(c Caller) bool { return c.granted("registry", "catalog", "*") }
