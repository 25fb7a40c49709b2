package inventory

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/rpm"
	"github.com/berth-registry/berth/internal/rpm/rpmtest"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestLayersCoverEachOther(t *testing.T) {
	base := []any{"d/", npm{"d/a/package.json", "a"}, npm{"d/b/package.json", "b"}, npm{"e/package.json", "e"}}
	a, b, e := "a d/a/package.json a", "b d/b/package.json a", "e e/package.json a"
	for name, test := range map[string]struct {
		upper []any
		want  []string
	}{
		"nothing":                             {nil, []string{a, b, e}},
		"a whiteout of a file":                {[]any{"d/a/.wh.package.json"}, []string{b, e}},
		"a whiteout of a folder":              {[]any{"d/.wh.a"}, []string{b, e}},
		"a whiteout of a folder of folders":   {[]any{".wh.d"}, []string{e}},
		"a whiteout of what is not there":     {[]any{"d/.wh.c", ".wh.d2"}, []string{a, b, e}},
		"an opaque folder":                    {[]any{"d/.wh..wh..opq"}, []string{e}},
		"an opaque folder within":             {[]any{"d/a/.wh..wh..opq"}, []string{b, e}},
		"an opaque root":                      {[]any{".wh..wh..opq"}, nil},
		"an opaque folder, and new content":   {[]any{npm{"d/a/package.json", "new"}, "d/.wh..wh..opq"}, []string{e, "new d/a/package.json b"}},
		"a whiteout, and new content":         {[]any{npm{"d/a/package.json", "new"}, "d/.wh.a"}, []string{b, e, "new d/a/package.json b"}},
		"what AUFS keeps":                     {[]any{".wh..wh.plnk/", ".wh..wh.aufs", npm{".wh..wh.plnk/package.json", "x"}}, []string{a, b, e}},
		"another description":                 {[]any{npm{"d/a/package.json", "new"}}, []string{b, e, "new d/a/package.json b"}},
		"a description that says nothing":     {[]any{"d/a/package.json"}, []string{b, e}},
		"a description that is a link":        {[]any{link{tar.TypeSymlink, "d/a/package.json", "../b/package.json"}}, []string{b, e}},
		"a file where a folder was":           {[]any{"d"}, []string{e}},
		"a link where a folder was":           {[]any{link{tar.TypeSymlink, "d", "e"}}, []string{e}},
		"a folder where a description was":    {[]any{"e/package.json/"}, []string{a, b}},
		"a folder that is meant there":        {[]any{npm{"e/package.json/package.json", "in"}}, []string{a, b, "in e/package.json/package.json b"}},
		"a folder that was there":             {[]any{"d/", "d/a/", "e/"}, []string{a, b, e}},
		"a file, and then a folder":           {[]any{"d", "d/", npm{"d/a/package.json", "new"}}, []string{e, "new d/a/package.json b"}},
		"a description twice in a layer":      {[]any{npm{"f/package.json", "old"}, npm{"f/package.json", "new"}}, []string{a, b, e, "new f/package.json b"}},
		"a description, then a file above it": {[]any{npm{"f/package.json", "old"}, "f"}, []string{a, b, e}},
		"a description, then a folder there":  {[]any{npm{"f/package.json", "old"}, "f/package.json/"}, []string{a, b, e}},
	} {
		slices.Sort(test.want)
		got := names(image(t, archive(t, base...), archive(t, test.upper...)))
		slices.Sort(got)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWhatIsGoneMayComeBack(t *testing.T) {
	a := archive(t, npm{"d/package.json", "x"})
	inv := image(t, a, archive(t, ".wh.d"), a)
	if got := names(inv); !slices.Equal(got, []string{"x d/package.json c"}) {
		t.Errorf("%v", got)
	}
}

// A system is files by their paths: a name, or "" for a folder. It is changed as a
// container's runtime does it, entry by entry.
type system map[string]string

func (s system) remove(name string) {
	delete(s, name)
	s.empty(name)
}

func (s system) empty(dir string) {
	maps.DeleteFunc(s, func(p, _ string) bool { return strings.HasPrefix(p, dir+"/") })
}

func (s system) folder(name string) {
	for ; name != "."; name = path.Dir(name) {
		s[name] = ""
	}
}

// apply puts a layer on the system: what it hides first.
func (s system) apply(entries []any) {
	for _, e := range entries {
		h, _ := header(e)
		dir, base := path.Split(h.Name)
		switch {
		case base == ".wh..wh..opq":
			s.empty(path.Clean(dir))
		case strings.HasPrefix(base, ".wh."):
			s.remove(dir + base[4:])
		}
	}
	for _, e := range entries {
		h, content := header(e)
		name := path.Clean(h.Name)
		s.folder(path.Dir(name))
		switch {
		case strings.HasPrefix(path.Base(name), ".wh."):
		case h.Typeflag == tar.TypeDir:
			s.folder(name)
		default:
			s.remove(name)
			s[name] = "file " + string(content)
		}
	}
}

// flat returns one layer that has what the system has.
func (s system) flat() (entries []any) {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		text, isFile := strings.CutPrefix(s[name], "file ")
		if isFile {
			entries = append(entries, content{name, text})
		} else {
			entries = append(entries, name+"/")
		}
	}
	return entries
}

// Merging the facts of layers gives what reading the whole file system gives.
func TestMergingIsReadingTheWhole(t *testing.T) {
	part := rapid.SampledFrom([]string{"a", "b", "package.json"})
	name := rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(part, 1, 4).Draw(t, "parts"), "/") })
	entry := rapid.Custom(func(t *rapid.T) any {
		p := name.Draw(t, "path")
		switch rapid.IntRange(0, 6).Draw(t, "kind") {
		case 0:
			return p + "/"
		case 1:
			return path.Join(path.Dir(p), ".wh."+path.Base(p))
		case 2:
			return p + "/.wh..wh..opq"
		case 3:
			return p
		case 4:
			return link{tar.TypeSymlink, p, "a"}
		}
		return npm{path.Join(p, "package.json"), fmt.Sprintf("p%d", rapid.IntRange(0, 3).Draw(t, "name"))}
	})
	rapid.Check(t, func(rt *rapid.T) {
		layers := rapid.SliceOfN(rapid.SliceOfN(entry, 0, 8), 1, 4).Draw(rt, "layers")
		whole := system{}
		var all []Layer
		for _, entries := range layers {
			whole.apply(entries)
			kept, err := facts(t, archive(t, entries...)).Encode()
			if err != nil {
				rt.Fatal(err)
			}
			f, err := Decode(kept)
			if err != nil {
				rt.Fatal(err)
			}
			all = append(all, Layer{"x", f})
		}
		want := names(Merge([]Layer{{"x", facts(t, archive(t, whole.flat()...))}}))
		if diff := cmp.Diff(want, names(Merge(all))); diff != "" {
			rt.Errorf("(-whole +merged):\n%s", diff)
		}
	})
}

func TestDistributionsHaveEcosystems(t *testing.T) {
	for release, want := range map[string]string{
		"ID=debian\nVERSION_ID=\"12\"\n":                                     "Debian:12",
		"ID=debian\nVERSION_CODENAME=trixie\n":                               "Debian:13",
		"ID=debian\nVERSION_CODENAME=sid\n":                                  "",
		"ID=ubuntu\nVERSION_ID=\"22.04\"\nVERSION=\"22.04.3 LTS (Jammy)\"\n": "Ubuntu:22.04:LTS",
		"ID=ubuntu\nVERSION_ID='24.04'\n":                                    "Ubuntu:24.04:LTS",
		"ID=ubuntu\nVERSION_ID=23.04\n":                                      "Ubuntu:23.04",
		"ID=ubuntu\nVERSION_ID=22.10\n":                                      "Ubuntu:22.10",
		"ID=alpine\nVERSION_ID=3.19.1\n":                                     "Alpine:v3.19",
		"ID=alpine\nVERSION_ID=3.22.0_alpha20250108\n":                       "",
		"ID=\"almalinux\"\nVERSION_ID=\"9.3\"\n":                             "AlmaLinux:9",
		"ID=rocky\nVERSION_ID=9.3\n":                                         "Rocky Linux:9",
		"ID=rhel\nVERSION_ID=9.4\n":                                          "Red Hat:enterprise_linux:9",
		"ID=wolfi\nVERSION_ID=20230201\n":                                    "Wolfi",
		"ID=chainguard\nVERSION_ID=20230214\n":                               "Chainguard",
		"ID=opensuse-leap\nVERSION_ID=15.5\n":                                "openSUSE:Leap 15.5",
		"ID=opensuse-tumbleweed\nVERSION_ID=20240101\n":                      "openSUSE:Tumbleweed",
		"ID=sles\nVERSION_ID=15.5\n":                                         "SUSE:Linux Enterprise Server 15 SP5",
		"ID=sles\nVERSION_ID=15\n":                                           "SUSE:Linux Enterprise Server 15",
		"ID=fedora\nVERSION_ID=40\n":                                         "",
		"ID=amzn\nVERSION_ID=2023\n":                                         "",
		"ID=debian\nVERSION_ID=12:Injected\n":                                "",
		"#ID=debian\nnonsense\n\x00ID=x\n":                                   "",
	} {
		d := parseRelease(release)
		if d.Ecosystem != want || (d.Unsupported == "") != (want != "") {
			t.Errorf("%q: %q, unsupported: %q", release, d.Ecosystem, d.Unsupported)
		}
	}
}

const (
	debian = "ID=debian\nVERSION_ID=12\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"
	status = "Package: libssl3\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl (3.0-1)\nVersion: 1:3.0-1+b1\n"
	apk    = "P:musl-utils\nV:1.2-r0\nA:x86_64\no:musl\nL:MIT\nF:usr/lib/node_modules/n\nR:package.json\n\n"
)

func TestPackagesOfDistributionsAreNamedByThem(t *testing.T) {
	bash := rpm.Package{Name: "bash-sh", Version: "5", Release: "1", Arch: "x86_64", Epoch: 2, SourceRPM: "bash-5-1.src.rpm"}
	for name, test := range map[string]struct {
		release, path, database string
		want                    Package
		unsupported             bool
	}{
		"Debian": {release: debian, path: "var/lib/dpkg/status", database: status, want: Package{
			Type: "deb", Name: "libssl3", Version: "1:3.0-1+b1", PURL: "pkg:deb/debian/libssl3@1%3A3.0-1+b1?arch=amd64&distro=debian-12",
			Source: "openssl", SourceVersion: "3.0-1", Ecosystem: "Debian:12"}},
		"Alpine": {release: "ID=alpine\nVERSION_ID=3.19.1\n", path: "lib/apk/db/installed", database: apk, want: Package{
			Type: "apk", Name: "musl-utils", Version: "1.2-r0", PURL: "pkg:apk/alpine/musl-utils@1.2-r0?arch=x86_64&distro=alpine-3.19.1",
			Source: "musl", SourceVersion: "1.2-r0", Ecosystem: "Alpine:v3.19", Licenses: []string{"MIT"}}},
		"Rocky, whose advisories name packages": {release: "ID=rocky\nVERSION_ID=9.3\n", path: "var/lib/rpm/Packages.db", database: string(rpmtest.NDB(bash)), want: Package{
			Type: "rpm", Name: "bash-sh", Version: "2:5-1", PURL: "pkg:rpm/rocky/bash-sh@5-1?arch=x86_64&distro=rocky-9.3&epoch=2",
			Source: "bash-sh", SourceVersion: "2:5-1", Ecosystem: "Rocky Linux:9"}},
		"SUSE, whose advisories name sources": {release: "ID=sles\nVERSION_ID=15.5\n", path: "var/lib/rpm/Packages.db", database: string(rpmtest.NDB(bash)), want: Package{
			Type: "rpm", Name: "bash-sh", Version: "2:5-1", PURL: "pkg:rpm/sles/bash-sh@5-1?arch=x86_64&distro=sles-15.5&epoch=2",
			Source: "bash", SourceVersion: "2:5-1", Ecosystem: "SUSE:Linux Enterprise Server 15 SP5"}},
		"a distribution without advisories": {release: "ID=fedora\nVERSION_ID=40\n", path: "var/lib/rpm/Packages.db", database: string(rpmtest.NDB(bash)), unsupported: true, want: Package{
			Type: "rpm", Name: "bash-sh", Version: "2:5-1", PURL: "pkg:rpm/fedora/bash-sh@5-1?arch=x86_64&distro=fedora-40&epoch=2", Source: "bash-sh", SourceVersion: "2:5-1"}},
		"packages of another kind": {release: debian, path: "lib/apk/db/installed", database: apk, unsupported: true, want: Package{
			Type: "apk", Name: "musl-utils", Version: "1.2-r0", PURL: "pkg:apk/debian/musl-utils@1.2-r0?arch=x86_64&distro=debian-12",
			Source: "musl", SourceVersion: "1.2-r0", Licenses: []string{"MIT"}}},
		"no os-release": {path: "lib/apk/db/installed", database: apk, unsupported: true, want: Package{
			Type: "apk", Name: "musl-utils", Version: "1.2-r0", PURL: "pkg:apk/musl-utils@1.2-r0?arch=x86_64", Source: "musl", SourceVersion: "1.2-r0", Licenses: []string{"MIT"}}},
	} {
		inv := image(t, archive(t, content{"usr/lib/os-release", test.release}, content{test.path, test.database}))
		test.want.Path, test.want.Layer = test.path, "a"
		if diff := cmp.Diff([]Package{test.want}, inv.Packages); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if (inv.Distribution.Unsupported != "") != test.unsupported || (inv.Distribution.Ecosystem == "") != test.unsupported {
			t.Errorf("%s: %+v", name, inv.Distribution)
		}
	}
}

func TestAnImageWithoutADistributionIsNotUnsupported(t *testing.T) {
	if d := image(t, archive(t, npm{"a/package.json", "a"})).Distribution; d != (Distribution{}) {
		t.Errorf("%+v", d)
	}
}

func TestTheReleaseBelowEtcCounts(t *testing.T) {
	usr, etc := content{"usr/lib/os-release", debian}, content{"etc/os-release", "ID=alpine\nVERSION_ID=3.19\n"}
	for name, test := range map[string]struct {
		layers [][]byte
		want   string
	}{
		"both":                       {[][]byte{archive(t, usr, etc)}, "alpine"},
		"a link":                     {[][]byte{archive(t, usr, link{tar.TypeSymlink, "etc/os-release", "../usr/lib/os-release"})}, "debian"},
		"removed by a layer":         {[][]byte{archive(t, usr, etc), archive(t, "etc/.wh.os-release")}, "debian"},
		"replaced by a layer's link": {[][]byte{archive(t, usr, etc), archive(t, link{tar.TypeSymlink, "etc/os-release", "../usr/lib/os-release"})}, "debian"},
		"another layer's":            {[][]byte{archive(t, usr), archive(t, etc)}, "alpine"},
	} {
		if got := image(t, test.layers...).Distribution.ID; got != test.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestWhatPackagesOfTheDistributionBroughtIsOwned(t *testing.T) {
	release, list := content{"etc/os-release", debian}, content{"var/lib/dpkg/info/x.list", "/.\n/lib/n/package.json\n/usr/lib/o/package.json\n"}
	database := content{"var/lib/dpkg/status", status}
	files := []any{npm{"usr/lib/n/package.json", "n"}, npm{"usr/lib/o/package.json", "o"}, npm{"usr/lib/p/package.json", "p"}}
	owned := func(inv Inventory) (names []string) {
		for _, p := range inv.Packages {
			if p.Owned {
				names = append(names, p.Name)
			}
		}
		return names
	}
	if got := owned(image(t, archive(t, release, database, list), archive(t, files...))); !slices.Equal(got, []string{"n", "o"}) {
		t.Errorf("owned: %v", got)
	}
	if got := owned(image(t, archive(t, release, database, list), archive(t, files...), archive(t, "var/lib/dpkg/info/.wh.x.list"))); got != nil {
		t.Errorf("owned by a package that is gone: %v", got)
	}
	if got := owned(image(t, archive(t, content{"etc/os-release", "ID=unknown\n"}, database, list), archive(t, files...))); got != nil {
		t.Errorf("owned by a distribution that has no advisories: %v", got)
	}
	alpine := archive(t, content{"etc/os-release", "ID=alpine\nVERSION_ID=3.19.1\n"}, content{"lib/apk/db/installed", apk}, npm{"usr/lib/node_modules/n/package.json", "n"})
	if got := owned(image(t, alpine)); !slices.Equal(got, []string{"n"}) {
		t.Errorf("owned by a package of Alpine: %v", got)
	}
}

func TestFactsThatCannotBeUsedSayThatTheLayerIsToBeReadAgain(t *testing.T) {
	f := facts(t, archive(t, npm{"a/package.json", "a"}, "b", "c/.wh.d"))
	kept, err := f.Encode()
	if err != nil {
		t.Fatal(err)
	}
	older := bytes.Clone(kept)
	binary.BigEndian.PutUint32(older[len(factsMagic):], Version+1)
	for name, b := range map[string][]byte{"none": nil, "another file": []byte("PK"), "another version": older, "cut": kept[:len(kept)-5], "longer": append(bytes.Clone(kept), 0)} {
		if _, err := Decode(b); !errors.Is(err, ErrFacts) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range kept {
		if _, err := Decode(flipped(kept, i)); !errors.Is(err, ErrFacts) {
			t.Errorf("byte %d is another, and %v", i, err)
		}
	}
}

func TestFactsOfTheSameLayerAreTheSame(t *testing.T) {
	layer := archive(t, npm{"a/package.json", "a"}, npm{"b/package.json", "b"}, content{"srv/x.deps.json", `{"libraries":{"A/1":{},"B/1":{},"C/1":{}}}`}, "x/", "y")
	one, err := facts(t, layer).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if two, err := facts(t, layer).Encode(); err != nil || !bytes.Equal(one, two) {
			t.Fatalf("they differ, %v", err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	facts, err := ReadLayer(f.Context(), bytes.NewReader(archive(f, npm{"a/package.json", "a"}, "b", "c/.wh.d", content{"x.jar", "x"})), typeTar, Limits{})
	if err != nil {
		f.Fatal(err)
	}
	kept, err := facts.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(kept)
	f.Fuzz(func(t *testing.T, kept []byte) {
		facts, err := Decode(kept)
		if err != nil {
			if !errors.Is(err, ErrFacts) {
				t.Error(err)
			}
			return
		}
		again, err := facts.Encode()
		if err != nil {
			t.Fatal(err)
		}
		twice, err := Decode(again)
		if err != nil {
			t.Fatal(err)
		}
		want, got := Merge([]Layer{{oci.Digest("a"), facts}}), Merge([]Layer{{oci.Digest("a"), twice}})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("facts differ:\n%s", diff)
		}
	})
}
