package robot

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/berth-registry/berth/internal/access"
)

var namePattern = regexp.MustCompile(`^[a-z0-9]+(?:[._-][a-z0-9]+)*$`)

const (
	maxName        = 255
	maxDescription = 1024 // characters
	maxDuration    = 2147483646
	// maxExpiry, 100,000 years, keeps the end of a robot within what a time in
	// microseconds can say.
	maxExpiry = 36_500_000
)

// check refuses what no new robot may be; Name is still without a project.
func (r Robot) check() error {
	if len(r.Name) > maxName || !namePattern.MatchString(r.Name) {
		return ErrInvalid.With("a name has at most %d small letters and digits, with single dots, dashes and underscores between them", maxName)
	}
	if r.Level != LevelSystem && r.Level != LevelProject {
		return ErrInvalid.With("the level must be system or project")
	}
	return r.checkRest()
}

// checkRest refuses what may not become of any robot.
func (r Robot) checkRest() error {
	if utf8.RuneCountInString(r.Description) > maxDescription || !utf8.ValidString(r.Description) ||
		strings.ContainsRune(r.Description, 0) {
		return ErrInvalid.With("a description has at most %d characters", maxDescription)
	}
	if r.Duration != -1 && (r.Duration < 1 || r.Duration > maxDuration) {
		return ErrInvalid.With("the duration must be -1, or from 1 to %d days", maxDuration)
	}
	return checkPermissions(r.Level, r.Permissions)
}

func checkPermissions(level string, perms []access.Permission) error {
	if len(perms) == 0 {
		return ErrInvalid.With("permissions are needed")
	}
	if level == LevelProject && (len(perms) != 1 || perms[0].Kind != access.KindProject || perms[0].Namespace == access.EveryProject) {
		return ErrInvalid.With("a robot of a project has one permission, for that project")
	}
	system, project := access.Catalogue()
	for _, p := range perms {
		known := project
		switch {
		case p.Kind == access.KindSystem && p.Namespace == access.SystemNamespace:
			known = system
		case p.Kind != access.KindProject || p.Namespace == "" || p.Namespace == access.SystemNamespace:
			return ErrInvalid.With(`a permission is of the kind "system" for "/", or of the kind "project" for a project or "*"`)
		}
		if len(p.Access) == 0 {
			return ErrInvalid.With("the permission for %.80q allows nothing", p.Namespace)
		}
		for _, a := range p.Access {
			if !slices.Contains(known, a) {
				return ErrInvalid.With("no permission of the kind %s is %.80q on %.80q", p.Kind, a.Action, a.Resource)
			}
		}
	}
	return nil
}

// merge returns the permissions with one for each namespace and each action once,
// in the order of their first mention. It copies.
func merge(perms []access.Permission) []access.Permission {
	var out []access.Permission
	places := map[right]int{} // without action
	seen := map[right]bool{}
	for _, p := range perms {
		at, known := places[right{kind: p.Kind, namespace: p.Namespace}]
		if !known {
			at = len(out)
			places[right{kind: p.Kind, namespace: p.Namespace}] = at
			out = append(out, access.Permission{Kind: p.Kind, Namespace: p.Namespace})
		}
		for _, a := range p.Access {
			if r := (right{p.Kind, p.Namespace, a}); !seen[r] {
				seen[r] = true
				out[at].Access = append(out[at].Access, a)
			}
		}
	}
	return out
}

func samePermission(a, b access.Permission) bool {
	return a.Kind == b.Kind && a.Namespace == b.Namespace && slices.Equal(a.Access, b.Access)
}

// A right is one thing that a robot may do.
type right struct {
	kind, namespace string
	access.Action
}

// checkGiver returns ErrExceeds where a robot would give r more than it has
// itself. What users may give was decided where they were let in.
func checkGiver(giver access.Caller, r Robot) error {
	if giver.Kind != access.Robot {
		return nil
	}
	held := rights(giver.Permissions, giver.ProjectID != 0)
	for given := range rights(r.Permissions, r.Level == LevelProject) {
		everywhere := right{access.KindProject, access.EveryProject, given.Action}
		if held[given] || given.kind == access.KindProject && giver.ProjectID == 0 && held[everywhere] {
			continue
		}
		return ErrExceeds.With("%s on %s in %s", given.Action.Action, given.Resource, given.namespace)
	}
	return nil
}

// rights returns what permissions come to. For a robot of a project, that is to
// pull where it may push.
func rights(perms []access.Permission, ofProject bool) map[right]bool {
	all := map[right]bool{}
	for _, p := range perms {
		for _, a := range p.Access {
			all[right{p.Kind, p.Namespace, a}] = true
			if ofProject && a == (access.Action{Resource: "repository", Action: "push"}) {
				all[right{p.Kind, p.Namespace, access.Action{Resource: "repository", Action: "pull"}}] = true
			}
		}
	}
	return all
}

// expiry returns the end of a robot that lives so many days, or the zero time.
func expiry(created time.Time, days int64) time.Time {
	if days < 0 {
		return time.Time{}
	}
	return created.UTC().AddDate(0, 0, int(min(days, maxExpiry)))
}

// id returns what a filter gives for an id, or 0.
func id(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case string:
		n, _ := strconv.ParseInt(v, 10, 64) // an error leaves 0, or a number that no row has
		return n
	}
	return 0
}
