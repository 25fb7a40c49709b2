package access

// A Need is the right that an operation asks for. The zero Need is none that
// anybody has: a route must name one.
type Need struct {
	scope  scope
	Action      // for needs of a project or the system
	known  bool // see AndLoggedIn
}

type scope uint8

const (
	_ scope = iota
	anyone
	loggedIn
	ofProject
	ofSystem
)

// Anyone needs nothing; LoggedIn needs an identity.
var (
	Anyone   = Need{scope: anyone}
	LoggedIn = Need{scope: loggedIn}
)

// OfProject needs a permission in the project that the request names. The
// resource "project" is the project itself.
func OfProject(resource, action string) Need {
	return Need{scope: ofProject, Action: Action{resource, action}}
}

// OfSystem needs a permission of the system.
func OfSystem(resource, action string) Need {
	return Need{scope: ofSystem, Action: Action{resource, action}}
}

// AndLoggedIn is the need and an identity: in public projects, some rights are
// those of everybody.
func (n Need) AndLoggedIn() Need {
	n.known = true
	return n
}

// String says in words what is needed, for the API's document: "nothing", "an
// identity", "repository:push in the project", "quota:list of the system".
func (n Need) String() string {
	switch n.scope {
	case anyone:
		return "nothing"
	case loggedIn:
		return "an identity"
	case ofProject:
		words := n.Resource + ":" + n.Action.Action + " in the project"
		if n.known {
			words += ", with an identity"
		}
		return words
	case ofSystem:
		return n.Resource + ":" + n.Action.Action + " of the system"
	}
	return "what nobody has"
}

// InProject reports whether the need is judged in a project.
func (n Need) InProject() bool { return n.scope == ofProject }

// Declared reports whether the need is one at all.
func (n Need) Declared() bool { return n.scope != 0 }
