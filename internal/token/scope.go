package token

import (
	"context"
	"slices"
	"strings"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/oci"
)

const (
	maxScopes  = 100
	maxScope   = 1024 // bytes of one
	maxActions = 16   // on one resource
)

// actions are what can be done to a repository; "*" asks for all.
var actions = []string{"pull", "push", "delete"}

// ParseScopes reads scopes of the registry token protocol, "type:name:actions",
// each parameter holding one or several, separated by spaces. The name may
// contain colons, the actions are separated by commas and may be none; a class,
// as in "repository(plugin)", is left out. What is asked for one resource in
// several scopes becomes one grant. It returns ErrScope for anything else, for
// more than 100 scopes, for one of more than 1024 bytes, and for more than 16
// actions on a resource.
func ParseScopes(params []string) ([]access.Grant, error) {
	var asked []access.Grant
	n := 0
	for _, param := range params {
		for scope := range strings.SplitSeq(param, " ") {
			if scope == "" {
				continue
			}
			if n++; n > maxScopes {
				return nil, ErrScope.With("more than %d", maxScopes)
			}
			g, err := parseScope(scope)
			if err != nil {
				return nil, err
			}
			if asked, err = join(asked, g); err != nil {
				return nil, err
			}
		}
	}
	return asked, nil
}

func parseScope(scope string) (access.Grant, error) {
	if len(scope) > maxScope {
		return access.Grant{}, ErrScope.With("longer than %d bytes", maxScope)
	}
	first, last := strings.IndexByte(scope, ':'), strings.LastIndexByte(scope, ':')
	if first == last || strings.ContainsFunc(scope, unprintable) {
		return access.Grant{}, ErrScope.With("%.100q is not type:name:actions", scope)
	}
	kind, class, classed := strings.Cut(scope[:first], "(")
	name := scope[first+1 : last]
	if kind == "" || name == "" || classed && strings.IndexByte(class, ')') != len(class)-1 {
		return access.Grant{}, ErrScope.With("%.100q is not type:name:actions", scope)
	}
	return access.Grant{Type: kind, Name: name, Actions: strings.Split(scope[last+1:], ",")}, nil
}

// unprintable is what no scope holds: it is printable ASCII.
func unprintable(r rune) bool { return r <= ' ' || r > '~' }

// join adds a grant to those of other resources, or its actions to those of the
// same one, each once.
func join(grants []access.Grant, g access.Grant) ([]access.Grant, error) {
	i := slices.IndexFunc(grants, func(have access.Grant) bool { return have.Type == g.Type && have.Name == g.Name })
	if i < 0 {
		i = len(grants)
		grants = append(grants, access.Grant{Type: g.Type, Name: g.Name, Actions: []string{}})
	}
	to := &grants[i]
	for _, a := range g.Actions {
		if a == "" || slices.Contains(to.Actions, a) {
			continue
		}
		if len(to.Actions) == maxActions {
			return nil, ErrScope.With("more than %d actions on %.100q", maxActions, g.Name)
		}
		to.Actions = append(to.Actions, a)
	}
	return grants, nil
}

// Grant returns for each resource what of the asked actions the caller may do
// there now, and nothing else. A resource that is unknown looks like one that is
// closed: it is granted no action.
func (s *Service) Grant(ctx context.Context, c access.Caller, asked []access.Grant) ([]access.Grant, error) {
	granted := make([]access.Grant, 0, len(asked))
	for _, g := range asked {
		held, err := s.held(ctx, c, g)
		if err != nil {
			return nil, err
		}
		granted = append(granted, access.Grant{Type: g.Type, Name: g.Name, Actions: held})
	}
	return granted, nil
}

func (s *Service) held(ctx context.Context, c access.Caller, g access.Grant) ([]string, error) {
	switch {
	case g.Type == "repository":
		return s.heldInRepository(ctx, c, g)
	case g.Type == "registry" && g.Name == "catalog" && slices.Contains(g.Actions, "*") &&
		access.Allowed(c, access.OfSystem("catalog", "read"), nil):
		return []string{"*"}, nil
	}
	return []string{}, nil
}

func (s *Service) heldInRepository(ctx context.Context, c access.Caller, g access.Grant) ([]string, error) {
	held := []string{}
	if oci.CheckRepository(g.Name) != nil {
		return held, nil
	}
	project, _ := oci.SplitRepository(g.Name)
	p, err := s.projects.Access(ctx, c, project)
	if fault.OfKind(err, fault.NotFound) {
		return held, nil
	}
	if err != nil {
		return nil, err
	}
	for _, a := range actions {
		asked := slices.Contains(g.Actions, a) || slices.Contains(g.Actions, "*")
		if asked && access.AllowedRepository(c, &p, g.Name, a) {
			held = append(held, a)
		}
	}
	return held, nil
}
