package access

import (
	"bufio"
	"os"
	"slices"
	"strings"
	"testing"
)

// columns are those of testdata/matrix.golden. The last is for whoever is no
// member of a public project.
var columns = []Role{ProjectAdmin, Maintainer, Developer, Guest, LimitedGuest, nobody}

// golden reads who may do what: for each action, its cells in the order of
// columns.
func golden(t *testing.T) map[Action][]bool {
	t.Helper()
	f, err := os.Open("testdata/matrix.golden")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	table := map[Action][]bool{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if words[0] == "#" {
			continue
		}
		if len(words) != 2+len(columns) {
			t.Fatalf("not a row: %s", lines.Text())
		}
		cells := make([]bool, len(columns))
		for i, w := range words[2:] {
			cells[i] = w == "x"
		}
		table[Action{words[0], words[1]}] = cells
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return table
}

func TestMatrixCellByCell(t *testing.T) {
	want := golden(t)
	if len(want) != len(matrix) || len(rights) != len(matrix) {
		t.Errorf("the matrix has %d rows for %d rights, the golden table has %d", len(matrix), len(rights), len(want))
	}
	for a, cells := range want {
		for i, role := range columns {
			closed := &Project{ID: 1, Name: "p"}
			open := &Project{ID: 1, Name: "p", Public: true}
			user := Caller{Kind: User, ID: 2, Name: "u"}
			if role != nobody {
				closed.Roles, open.Roles = []Role{role}, []Role{role}
			}
			inClosed, inOpen := cells[i], cells[i] || cells[len(columns)-1]
			if role == nobody {
				inClosed = false
			}
			if got := Allowed(user, OfProject(a.Resource, a.Action), closed); got != inClosed {
				t.Errorf("%v as %v in a private project: %v", a, role, got)
			}
			if got := Allowed(user, OfProject(a.Resource, a.Action), open); got != inOpen {
				t.Errorf("%v as %v in a public project: %v", a, role, got)
			}
		}
	}
}

// Whoever knows nothing of an action must refuse it: only administrators pass.
func TestUnknownActionIsNobodys(t *testing.T) {
	p := &Project{ID: 1, Name: "p", Public: true, Roles: Roles()}
	for _, a := range []Action{{"repository", "fly"}, {"moon", "read"}, {"", ""}, {"repository", "*"}, {"*", "*"}} {
		robot := Caller{Kind: Robot, ID: 1, Permissions: []Permission{permission(KindProject, EveryProject, a)}}
		for _, c := range []Caller{{}, {Kind: User, ID: 2}, robot} {
			if Allowed(c, OfProject(a.Resource, a.Action), p) {
				t.Errorf("%v is allowed to %+v", a, c)
			}
		}
	}
}

func TestRobotsCanBeGivenOnlyWhatTheMatrixKnows(t *testing.T) {
	system, project := Catalogue()
	for _, a := range project {
		if _, ok := rights[a]; !ok {
			t.Errorf("%v is in the catalogue and not in the matrix", a)
		}
	}
	if len(system) != 70 || len(project) != 70 {
		t.Errorf("the catalogue has %d and %d actions", len(system), len(project))
	}
	for _, list := range [][]Action{system, project} {
		seen := map[Action]bool{}
		for _, a := range list {
			if seen[a] {
				t.Errorf("%v is there twice", a)
			}
			seen[a] = true
		}
	}
	project[0] = Action{"changed", "by caller"}
	if _, again := Catalogue(); again[0] == project[0] {
		t.Error("a caller changed the catalogue")
	}
}

func TestRoles(t *testing.T) {
	want := map[Role]string{1: "projectAdmin", 2: "developer", 3: "guest", 4: "maintainer", 5: "limitedGuest"}
	for role, name := range want {
		if role.String() != name || !role.Valid() {
			t.Errorf("role %d is %q, valid %v", int(role), role, role.Valid())
		}
	}
	for _, r := range []Role{-1, 0, 6, 50} {
		if r.Valid() || r.Power() != 0 {
			t.Errorf("%v has power", r)
		}
	}
	sorted := []Role{5, 2, 1, 3, 4}
	slices.SortFunc(sorted, func(a, b Role) int { return b.Power() - a.Power() })
	if !slices.Equal(sorted, []Role{1, 4, 2, 3, 5}) || !slices.Equal(sorted, Roles()) {
		t.Errorf("by power: %v", sorted)
	}
}
