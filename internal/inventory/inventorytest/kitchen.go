package inventorytest

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"testing"
)

// An item of a recipe is what a layer has.
type item struct {
	Kind, Path, Name, Version, Dir, Target, Text, Image string
	Layer                                               int
	Gavs, Nested                                        [][]string
	Modules                                             map[string]string
}

// A kitchen makes layers of recipes.
type kitchen struct {
	t      testing.TB
	files  string
	images map[string][][]item
}

func (k kitchen) layer(items []item) []byte {
	k.t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, i := range items {
		if i.Kind == "ref" {
			return k.layer(k.images[i.Image][i.Layer])
		}
		h, content := k.entry(i)
		h.Size = int64(len(content))
		if err := w.WriteHeader(h); err != nil {
			k.t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			k.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		k.t.Fatal(err)
	}
	return b.Bytes()
}

func (k kitchen) entry(i item) (*tar.Header, []byte) {
	h := &tar.Header{Name: i.Path, Mode: 0o644}
	switch i.Kind {
	case "file":
		b, err := os.ReadFile(filepath.Join(k.files, i.Name))
		if err != nil {
			k.t.Fatal(err)
		}
		return h, b
	case "text":
		return h, []byte(i.Text)
	case "symlink":
		return &tar.Header{Name: i.Path, Linkname: i.Target, Typeflag: tar.TypeSymlink}, nil
	case "npm":
		h.Name += "/package.json"
		return h, fmt.Appendf(nil, `{"name":%q,"version":%q}`, i.Name, i.Version)
	case "wheel":
		h.Name = path.Join(i.Dir, i.Name+"-"+i.Version+".dist-info/METADATA")
		return h, fmt.Appendf(nil, "Metadata-Version: 2.1\nName: %s\nVersion: %s\n", i.Name, i.Version)
	case "jar":
		return h, k.jar(i)
	case "gobinary":
		h.Mode = 0o755
		return h, k.program(i.Modules)
	case "whiteout":
		h.Name = path.Join(path.Dir(i.Path), ".wh."+path.Base(i.Path))
		return h, nil
	case "opaque":
		h.Name = path.Join(i.Path, ".wh..wh..opq")
		return h, nil
	}
	k.t.Fatalf("the recipe has an unknown kind of item: %q", i.Kind)
	return nil, nil
}

func (k kitchen) jar(i item) []byte {
	entries := map[string][]byte{"META-INF/MANIFEST.MF": []byte("Manifest-Version: 1.0\n")}
	for _, gav := range i.Gavs {
		entries["META-INF/maven/"+gav[0]+"/"+gav[1]+"/pom.properties"] =
			fmt.Appendf(nil, "version=%s\ngroupId=%s\nartifactId=%s\n", gav[2], gav[0], gav[1])
	}
	for _, gav := range i.Nested {
		entries["BOOT-INF/lib/"+gav[1]+"-"+gav[2]+".jar"] = k.jar(item{Gavs: [][]string{gav}})
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		w, err := z.Create(name)
		if err != nil {
			k.t.Fatal(err)
		}
		if _, err := w.Write(entries[name]); err != nil {
			k.t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		k.t.Fatal(err)
	}
	return b.Bytes()
}

const program = `package main

import (
	_ "github.com/dgrijalva/jwt-go"
	_ "golang.org/x/crypto/ssh"
	_ "golang.org/x/net/http2"
	_ "golang.org/x/text/language"
	_ "gopkg.in/yaml.v2"
)

func main() {}
`

// program builds a program of Go with modules of these versions, which are
// fetched where they are not at hand.
func (k kitchen) program(modules map[string]string) []byte {
	dir := k.t.TempDir()
	mod := "module example.com/goapp\n\ngo 1.21\n\n"
	for name, version := range modules {
		mod += "require " + name + " " + version + "\n"
	}
	for name, text := range map[string]string{"go.mod": mod, "main.go": program} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			k.t.Fatal(err)
		}
	}
	build := exec.CommandContext(k.t.Context(), "go", "build", "-mod=mod", "-buildvcs=false", "-ldflags=-s -w", "-o", "goapp", ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		k.t.Fatalf("building a program of Go: %v\n%s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, "goapp"))
	if err != nil {
		k.t.Fatal(err)
	}
	return b
}
