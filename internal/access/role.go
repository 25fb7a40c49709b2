package access

import (
	"cmp"
	"slices"
	"strconv"
)

// A Role is what a member is in a project. Its number is stored, and is sent by
// the API as role_id.
type Role int16

// The roles. Their numbers do not tell which is stronger: see Power.
const (
	ProjectAdmin Role = 1
	Developer    Role = 2
	Guest        Role = 3
	Maintainer   Role = 4
	LimitedGuest Role = 5
)

// Roles returns all roles, strongest first.
func Roles() []Role {
	return []Role{ProjectAdmin, Maintainer, Developer, Guest, LimitedGuest}
}

// Valid reports whether r is one of the roles.
func (r Role) Valid() bool { return r >= ProjectAdmin && r <= LimitedGuest }

// Power orders the roles: the more, the stronger. What is no role has none.
func (r Role) Power() int {
	switch r {
	case ProjectAdmin:
		return 50
	case Maintainer:
		return 40
	case Developer:
		return 30
	case Guest:
		return 20
	case LimitedGuest:
		return 10
	}
	return 0
}

// Strongest returns the roles among those given, each once, strongest first; nil
// where there are none.
func Strongest(roles []Role) []Role {
	roles = slices.DeleteFunc(slices.Clone(roles), func(r Role) bool { return !r.Valid() })
	slices.SortFunc(roles, func(a, b Role) int { return cmp.Compare(b.Power(), a.Power()) })
	if len(roles) == 0 {
		return nil
	}
	return slices.Compact(roles)
}

// String returns the role as the API calls it in role_name.
func (r Role) String() string {
	switch r {
	case ProjectAdmin:
		return "projectAdmin"
	case Maintainer:
		return "maintainer"
	case Developer:
		return "developer"
	case Guest:
		return "guest"
	case LimitedGuest:
		return "limitedGuest"
	}
	return "role " + strconv.Itoa(int(r))
}
