package inventory_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/inventory"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/google/go-cmp/cmp"
)

const mediaTypeTar = "application/vnd.oci.image.layer.v1.tar"

// An item of a recipe is what a layer has.
type item struct {
	Kind, Path, Name, Version, Dir, Target, Text, Image string
	Layer                                               int
	Gavs, Nested                                        [][]string
	Modules                                             map[string]string
}

// TestInventoriesOfKnownImages builds images by the recipe in folder
// scan/images of BERTH_TEST_FACTS, and holds what is found in them against the
// lists in scan/expected, which two other programs agree on.
func TestInventoriesOfKnownImages(t *testing.T) {
	facts := os.Getenv("BERTH_TEST_FACTS")
	if facts == "" {
		t.Skip("not run: BERTH_TEST_FACTS names no folder with images and what is in them")
	}
	scan := filepath.Join(facts, "scan")
	var recipe struct{ Images map[string][][]item }
	b, err := os.ReadFile(filepath.Join(scan, "images", "recipe.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &recipe); err != nil {
		t.Fatal(err)
	}
	for name, layers := range recipe.Images {
		t.Run(name, func(t *testing.T) {
			kitchen := kitchen{t: t, files: filepath.Join(scan, "images", "files"), images: recipe.Images}
			var stack []inventory.Layer
			for i, items := range layers {
				digest := oci.Sum(oci.SHA256, []byte{byte(i)})
				stack = append(stack, inventory.Layer{Digest: digest, Facts: read(t, kitchen.layer(items))})
			}
			inv := inventory.Merge(stack)
			if len(inv.Problems) > 0 {
				t.Errorf("problems: %+v", inv.Problems)
			}
			if inv.Distribution.Ecosystem == "" || inv.Distribution.Unsupported != "" {
				t.Errorf("distribution: %+v", inv.Distribution)
			}
			var got []string
			for _, p := range inv.Packages {
				version := p.Version
				if p.Type == "rpm" { // the lists have the epoch in the package URL only
					version = version[strings.Index(version, ":")+1:]
				}
				got = append(got, toolchain(strings.Join([]string{p.PURL, p.Name, version, p.Path}, "\t")))
			}
			slices.Sort(got)
			if diff := cmp.Diff(rows(t, filepath.Join(scan, "expected", name+".packages.tsv")), got); diff != "" {
				t.Errorf("packages (-expected +found):\n%s", diff)
			}
			for _, row := range rows(t, filepath.Join(scan, "expected", name+".must-not-report.tsv")) {
				f := strings.Split(row, "\t")
				for _, p := range inv.Packages {
					if p.Ecosystem == f[0] && p.Name == f[1] && p.Version == f[2] {
						t.Errorf("%s %s is found in %s of layer %s, but %s", p.Name, p.Version, p.Path, p.Layer, f[3])
					}
				}
			}
		})
	}
}

// toolchain makes a row about Go's own version the same for all versions.
func toolchain(row string) string { return goVersion.ReplaceAllString(row, "VERSION") }

var goVersion = regexp.MustCompile(`(pkg:golang/go@|\tgo\t)[0-9.]+`)

// rows returns the rows of a list, sorted; none where there is no such file.
func rows(t *testing.T, name string) (all []string) {
	b, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "#") {
			all = append(all, toolchain(strings.TrimSuffix(line, "\n")))
		}
	}
	slices.Sort(all)
	return all
}

// read returns the facts of an uncompressed layer, after they were kept.
func read(t testing.TB, layer []byte) *inventory.Facts {
	t.Helper()
	f, err := inventory.ReadLayer(t.Context(), bytes.NewReader(layer), mediaTypeTar, inventory.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if f, err = inventory.Decode(kept); err != nil {
		t.Fatal(err)
	}
	return f
}

// A kitchen makes layers of recipes.
type kitchen struct {
	t      *testing.T
	files  string
	images map[string][][]item
}

func (k kitchen) layer(items []item) []byte {
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
	for name, content := range entries {
		w, err := z.Create(name)
		if err != nil {
			k.t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
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
