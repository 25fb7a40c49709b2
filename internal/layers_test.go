// Package internal holds only this test, which reads LAYERS and holds the tree
// against it.
package internal

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
)

const (
	module   = "github.com/berth-registry/berth/"
	internal = module + "internal/"
)

// tests is the name of the line whose packages only tests may import.
const tests = "tests"

// A tree is what was found below a module's root.
type tree struct {
	imports  map[string][]string // package below internal -> packages below internal
	comments map[string][]string // any package -> its files with a package comment
}

func TestLayers(t *testing.T) {
	for _, complaint := range check(os.DirFS("..")) {
		t.Error(complaint)
	}
}

// check reads internal/LAYERS below root and returns what the tree does against
// it, in words.
func check(root fs.FS) []string {
	text, err := fs.ReadFile(root, "internal/LAYERS")
	if err != nil {
		return []string{err.Error()}
	}
	line, only, complaints := layers(string(text))
	found, err := read(root)
	if err != nil {
		return append(complaints, err.Error())
	}
	complaints = append(complaints, imports(line, only, found.imports)...)
	return append(complaints, comments(found.comments)...)
}

// layers parses LAYERS: the number of each package's line, and the packages of
// the line for tests.
func layers(text string) (line map[string]int, only map[string]bool, complaints []string) {
	line, only = map[string]int{}, map[string]bool{}
	for n, row := range strings.Split(text, "\n") {
		if row == "" || strings.HasPrefix(row, "#") {
			continue
		}
		name, packages, ok := strings.Cut(row, ":")
		if !ok {
			complaints = append(complaints, fmt.Sprintf("LAYERS line %d is not \"name: packages\": %s", n+1, row))
			continue
		}
		for p := range strings.FieldsSeq(packages) {
			if _, twice := line[p]; twice {
				complaints = append(complaints, "LAYERS names "+p+" twice")
			}
			line[p] = n
			only[p] = name == tests
		}
	}
	return line, only, complaints
}

// read parses every Go file below cmd and internal.
func read(root fs.FS) (tree, error) {
	found := tree{map[string][]string{}, map[string][]string{}}
	for _, top := range []string{"cmd", "internal"} {
		err := fs.WalkDir(root, top, func(name string, d fs.DirEntry, err error) error {
			if d != nil && d.Name() == "testdata" {
				return fs.SkipDir
			}
			if err != nil || d.IsDir() || path.Ext(name) != ".go" {
				return err
			}
			return found.file(root, name)
		})
		if err != nil {
			return found, err
		}
	}
	return found, nil
}

// file adds one Go file. Test files count only where a folder holds nothing
// else.
func (found tree) file(root fs.FS, name string) error {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return err
	}
	folder := path.Dir(name)
	if file.Doc != nil {
		found.comments[folder] = append(found.comments[folder], path.Base(name))
	} else if _, seen := found.comments[folder]; !seen {
		found.comments[folder] = nil
	}
	p, below := strings.CutPrefix(folder, "internal/")
	if !below || strings.HasSuffix(name, "_test.go") {
		return nil
	}
	found.imports[p] = append(found.imports[p], []string{}...)
	for _, spec := range file.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		if target, ours := strings.CutPrefix(target, internal); ours {
			found.imports[p] = append(found.imports[p], target)
		}
	}
	return nil
}

// imports returns the imports that look the wrong way, and where LAYERS and the
// tree name different packages.
func imports(line map[string]int, only map[string]bool, found map[string][]string) (complaints []string) {
	for _, p := range slices.Sorted(maps.Keys(line)) {
		if _, ok := found[p]; !ok {
			complaints = append(complaints, "LAYERS names "+p+", which does not exist")
		}
	}
	for _, p := range slices.Sorted(maps.Keys(found)) {
		at, ok := line[p]
		if !ok {
			complaints = append(complaints, p+" is not in LAYERS")
			continue
		}
		for _, target := range slices.Compact(slices.Sorted(slices.Values(found[p]))) {
			switch to, known := line[target]; {
			case !known || only[p]:
			case only[target]:
				complaints = append(complaints, p+" imports "+target+", which is for tests only")
			case to == at:
				complaints = append(complaints, p+" imports "+target+", its neighbour on the same line")
			case to > at:
				complaints = append(complaints, p+" imports "+target+", which is on a line below it")
			}
		}
	}
	return complaints
}

// comments returns the packages that have no comment, or more than one.
func comments(found map[string][]string) (complaints []string) {
	for _, p := range slices.Sorted(maps.Keys(found)) {
		switch files := found[p]; len(files) {
		case 0:
			complaints = append(complaints, p+" has no package comment")
		case 1:
		default:
			complaints = append(complaints, p+" has more than one package comment: "+strings.Join(files, ", "))
		}
	}
	return complaints
}

// TestLayersComplains breaks a small tree in each way that the rule knows.
func TestLayersComplains(t *testing.T) {
	const order = "low: fault\nmid: left right\ntop: app\ntests: left/lefttest\n"
	sound := map[string]string{
		"internal/LAYERS":                     order,
		"cmd/berth/main.go":                   "// Package main is it.\npackage main\nimport _ \"" + internal + "app\"",
		"internal/fault/fault.go":             "// Package fault is it.\npackage fault\nimport _ \"fmt\"",
		"internal/left/left.go":               "// Package left is it.\npackage left\nimport _ \"" + internal + "fault\"",
		"internal/left/left_test.go":          "package left_test\nimport _ \"" + internal + "app\"\nimport _ \"" + internal + "left/lefttest\"",
		"internal/left/testdata/odd/odd.go":   "package odd\nimport _ \"" + internal + "app\"",
		"internal/left/lefttest/lefttest.go":  "// Package lefttest is it.\npackage lefttest\nimport _ \"" + internal + "app\"",
		"internal/right/right.go":             "// Package right is it.\npackage right",
		"internal/app/app.go":                 "// Package app is it.\npackage app\nimport _ \"" + internal + "left\"\nimport _ \"" + internal + "right\"",
		"internal/app/second.go":              "package app\nimport _ \"" + internal + "left\"",
		"internal/app/a_readme_of_no_concern": "package",
	}
	cases := []struct{ name, file, text, want string }{
		{"sound", "", "", ""},
		{"upwards", "internal/fault/more.go", "package fault\nimport _ \"" + internal + "app\"",
			"fault imports app, which is on a line below it"},
		{"neighbour", "internal/left/more.go", "package left\nimport _ \"" + internal + "right\"",
			"left imports right, its neighbour on the same line"},
		{"test package", "internal/app/more.go", "package app\nimport _ \"" + internal + "left/lefttest\"",
			"app imports left/lefttest, which is for tests only"},
		{"unlisted", "internal/new/new.go", "// Package new is it.\npackage new", "new is not in LAYERS"},
		{"vanished", "internal/LAYERS", order + "more: gone\n", "LAYERS names gone, which does not exist"},
		{"twice", "internal/LAYERS", order + "more: fault\n", "LAYERS names fault twice"},
		{"garbled", "internal/LAYERS", order + "more\n", "LAYERS line 5 is not \"name: packages\": more"},
		{"no comment", "cmd/berth/main.go", "package main", "cmd/berth has no package comment"},
		{"two comments", "internal/app/second.go", "// Package app is that.\npackage app",
			"internal/app has more than one package comment: app.go, second.go"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			root := fstest.MapFS{}
			for name, text := range sound {
				root[name] = &fstest.MapFile{Data: []byte(text)}
			}
			if c.file != "" {
				root[c.file] = &fstest.MapFile{Data: []byte(c.text)}
			}
			got := check(root)
			switch {
			case c.want == "" && len(got) > 0:
				t.Errorf("a sound tree: %q", got)
			case c.want != "" && !slices.Contains(got, c.want):
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
