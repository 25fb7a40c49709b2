package software_test

import (
	"archive/zip"
	"bytes"
	"compress/zlib"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/rpm"
	"github.com/berth-registry/berth/internal/rpm/rpmtest"
	"github.com/berth-registry/berth/internal/software"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var limits = software.Limits{Binary: 256 << 20, Document: 16 << 20, Unpacked: 64 << 20, Depth: 8, Packages: 10_000}

// look looks into a file, as a layer's reader does.
func look(t testing.TB, name string, mode fs.FileMode, content []byte) (software.Found, error) {
	t.Helper()
	r, err := software.New(limits)
	if err != nil {
		t.Fatal(err)
	}
	f := software.File{Path: name, Size: int64(len(content)), Mode: mode}
	wants, err := r.Wants(f)
	if err != nil || !wants.Any() || wants.Peek() && !software.Executable(content) {
		return software.Found{}, err
	}
	return r.Read(t.Context(), wants, f, bytes.NewReader(content))
}

// line is what a test looks at of a package.
func line(p software.Package) string {
	s := p.Type + " " + p.Name + " " + p.Version
	if p.Source != p.Name || p.SourceVersion != p.Version {
		s += " of " + p.Source + " " + p.SourceVersion
	}
	if p.Ecosystem != "" {
		s += " in " + p.Ecosystem + " " + p.PURL
	}
	if len(p.Licenses) > 0 {
		s += " under " + strings.Join(p.Licenses, "; ")
	}
	return s
}

const apk = "P:busybox\nV:1.36.1-r5\nA:x86_64\nL:GPL-2.0-only\no:busybox\nF:bin\nR:busybox\nF:etc\nR:fstab\n\n" +
	"P:ssl_client\nV:1.36.1-r5\nA:x86_64\no:busybox\nF:usr/lib/python3/x.dist-info\nR:METADATA\n\n"

const dpkg = "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nSource: glibc (2.36-9)\nVersion: 2.36-9+b1\nDescription: C\n more\n\n" +
	"Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: bash\nStatus: install ok installed\nVersion: 5.2-2\n"

func TestFilesTellOfPackages(t *testing.T) {
	bash := rpm.Package{Name: "bash", Version: "5.1", Release: "6.el9", Epoch: 1, SourceRPM: "bash-src-5.1-6.el9.src.rpm", License: "GPLv3+", Files: []string{"/usr/bin/bash", "/usr/share/doc/bash"}}
	for _, test := range []struct {
		path    string
		content []byte
		want    []string
		owned   []string
	}{
		{"var/lib/dpkg/status", []byte(dpkg), []string{"deb bash 5.2-2", "deb libc6 2.36-9+b1 of glibc 2.36-9"}, nil},
		{"var/lib/dpkg/status.d/libc6", []byte("Package: libc6\nVersion: 2\n"), []string{"deb libc6 2"}, nil},
		{"var/lib/dpkg/status.d/libc6.md5sums", []byte("d41d8cd98f00b204e9800998ecf8427e  usr/bin/ldd\n"), nil, []string{"usr/bin/ldd"}},
		{"var/lib/dpkg/info/x.list", []byte("/.\n/usr\n/usr/share/doc/x\n/usr/bin/x\n/usr/lib/python3/dist-packages/x.egg-info\n/../bin/y\n"), nil,
			[]string{"bin/y", "usr", "usr/bin/x", "usr/lib/python3/dist-packages/x.egg-info"}},
		{"lib/apk/db/installed", []byte(apk), []string{"apk busybox 1.36.1-r5 under GPL-2.0-only", "apk ssl_client 1.36.1-r5 of busybox 1.36.1-r5"},
			[]string{"bin/busybox", "usr/lib/python3/x.dist-info/METADATA"}},
		{"usr/lib/sysimage/rpm/Packages.db", rpmtest.NDB(bash), []string{"rpm bash 1:5.1-6.el9 of bash-src 1:5.1-6.el9 under GPLv3+"}, []string{"usr/bin/bash"}},
		{"var/lib/pacman/local/zlib-1.3-1/desc", []byte("%NAME%\nzlib\n\n%VERSION%\n1:1.3-1\n\n"), []string{"alpm zlib 1:1.3-1"}, nil},
		{"app/package.json", []byte(`{"name":"@a/b","version":"1.0.0","license":"MIT"}`), []string{"npm @a/b 1.0.0 in npm pkg:npm/%40a/b@1.0.0?source=UNKNOWN under MIT"}, nil},
		{"app/package.json", []byte(`{"name":"b","version":"1.0.0","licenses":[{"type":"MIT"},{"type":"ISC"}]}`), []string{"npm b 1.0.0 in npm pkg:npm/b@1.0.0?source=UNKNOWN under MIT; ISC"}, nil},
		{"lib/A_b-1.dist-info/METADATA", []byte("Metadata-Version: 2.1\nName: A_b\nVersion: 1\nLicense: BSD\n\nName: no\n"), []string{"pypi A_b 1 of a-b 1 in PyPI pkg:pypi/a-b@1 under BSD"}, nil},
		{"lib/c.egg", zipOf(t, zip.Deflate, entry{"EGG-INFO/PKG-INFO", []byte("Name: c\nVersion: 2\nLicense-Expression: MIT\n")}), []string{"pypi c 2 in PyPI pkg:pypi/c@2 under MIT"}, nil},
		{"opt/envs/x/conda-meta/numpy.json", []byte(`{"name":"numpy","version":"1.26"}`), []string{"pypi numpy 1.26 in PyPI pkg:pypi/numpy@1.26"}, nil},
		{"usr/lib/ruby/gems/3.1.0/specifications/rake-13.0.6.gemspec", []byte("Gem::Specification.new do |s|\n s.name = \"rake\".freeze\n s.version = \"13.0.6\"\nend\n"),
			[]string{"gem rake 13.0.6 in RubyGems pkg:gem/rake@13.0.6"}, nil},
		{"usr/lib/ruby/gems/3.1.0/gems/rake-13.0.6/rake.gemspec", []byte("Gem::Specification.new do |s|\n s.name = \"rake\"\n s.version = Rake::VERSION\nend\n"), nil, nil},
		{"srv/composer.lock", []byte(`{"packages":[{"name":"a/B","version":"1.2.3","license":["MIT"]}],"packages-dev":[{"name":"a/c","version":"1"}]}`),
			[]string{"composer a/B 1.2.3 in Packagist pkg:composer/a/b@1.2.3 under MIT"}, nil},
		{"srv/vendor/composer/installed.json", []byte(`[{"name":"a/b","version":"v1","license":"MIT"}]`), []string{"composer a/b v1 in Packagist pkg:composer/a/b@v1 under MIT"}, nil},
		{"srv/x.deps.json", []byte(`{"libraries":{"Newtonsoft.Json/13.0.1":{"type":"package"}}}`), []string{"nuget Newtonsoft.Json 13.0.1 in NuGet pkg:nuget/Newtonsoft.Json@13.0.1"}, nil},
		{"srv/conan.lock", []byte(`{"version":"0.5","requires":["zlib/1.2.11#abc%1"]}`), []string{"conan zlib 1.2.11 in ConanCenter pkg:conan/zlib@1.2.11"}, nil},
		{"usr/lib/luarocks/rocks-5.4/lpeg/1.0-1/lpeg-1.0-1.rockspec", []byte("package = 'lpeg'"), []string{"lua lpeg 1.0-1"}, nil},
		{"opt/a.jar", jar("g", "a", "1"), []string{"maven g:a 1 in Maven pkg:maven/g/a@1"}, nil},
		{"opt/c-2.0.jar", zipOf(t, zip.Deflate, entry{"META-INF/MANIFEST.MF", []byte("Manifest-Version: 1.0\r\nBundle-SymbolicName: org.exa\r\n mple.c\r\nBundle-Version: 2.0\r\n\r\nName: x\r\n")}),
			[]string{"maven org.example.c:c 2.0 in Maven pkg:maven/org.example.c/c@2.0"}, nil},
		{"opt/e-3.0.jar", zipOf(t, zip.Deflate, entry{"x.class", nil}), []string{"maven e:e 3.0 in Maven pkg:maven/e/e@3.0"}, nil},
		{"opt/outer.war", zipOf(t, zip.Store, entry{"WEB-INF/lib/i.jar", jar("g", "inner", "1")}), []string{"maven g:inner 1 in Maven pkg:maven/g/inner@1"}, nil},
		{"opt/outer.war", zipOf(t, zip.Deflate, entry{"WEB-INF/lib/i.jar", jar("g", "inner", "1")}, entry{"WEB-INF/lib/j.jar", jar("g", "inner", "1")}),
			[]string{"maven g:inner 1 in Maven pkg:maven/g/inner@1"}, nil},
		{"usr/bin/rusty", rusty(t, `{"packages":[{"name":"libc","version":"0.2.1"},{"name":"cc","version":"1.0.0","kind":"build"}]}`), []string{"cargo libc 0.2.1 in crates.io pkg:cargo/libc@0.2.1"}, nil},
		{"etc/passwd", []byte("root:x:0:0::/:/bin/sh\n"), nil, nil},
		{"usr/bin/script", []byte("#!/bin/sh\n"), nil, nil},
	} {
		got, err := look(t, test.path, 0o755, test.content)
		if err != nil {
			t.Errorf("%s: %v", test.path, err)
		}
		var lines []string
		for _, p := range got.Packages {
			lines = append(lines, line(p))
		}
		if diff := cmp.Diff(test.want, lines); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.path, diff)
		}
		if diff := cmp.Diff(test.owned, got.Owned); diff != "" {
			t.Errorf("%s, owned (-want +got):\n%s", test.path, diff)
		}
	}
}

// The test's own program has the modules that it was built with.
func TestProgramsOfGoTellOfTheirModules(t *testing.T) {
	name, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !software.Executable(b) {
		t.Skip("not run: programs are not of ELF here")
	}
	found, err := look(t, "usr/bin/test", 0o755, b)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"golang go " + strings.TrimPrefix(runtime.Version(), "go"), "golang github.com/berth-registry/berth "}
	for _, w := range want {
		if !slices.ContainsFunc(found.Packages, func(p software.Package) bool { return strings.HasPrefix(line(p), w) }) {
			t.Errorf("no %s in %d packages", w, len(found.Packages))
		}
	}
	for _, p := range found.Packages {
		if p.Name == "go" && p.Source != "stdlib" {
			t.Errorf("advisories know Go itself as stdlib, not as %s", p.Source)
		}
	}
	if found, err := look(t, "usr/bin/test", 0o644, b); err != nil || len(found.Packages) > 0 {
		t.Errorf("a file that cannot be executed: %d packages, %v", len(found.Packages), err)
	}
}

func TestOneBadLineLosesNothingElse(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for name, content := range map[string]string{
		"var/lib/dpkg/status": "no field at all\nPackage: bad\nStatus: nonsense\nVersion: 1\n\nPackage: bad2\nStatus: install ok installed\nVersion: 1\nSource: x (\x01\n\n" +
			"Depends: " + long + "\n" + dpkg,
		"lib/apk/db/installed": "no field\np:" + long + "\n" + apk,
	} {
		found, err := look(t, name, 0, []byte(content))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range []string{"bash 5.2-2", "busybox 1.36.1-r5"} {
			if strings.HasPrefix(name, "var") == strings.HasPrefix(want, "bash") &&
				!slices.ContainsFunc(found.Packages, func(p software.Package) bool { return p.Name+" "+p.Version == want }) {
				t.Errorf("%s: no %s in %+v", name, want, found.Packages)
			}
		}
	}
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	deep := jar("g", "deepest", "1")
	for range 50 {
		deep = zipOf(t, zip.Store, entry{"x.jar", deep})
	}
	zeros := make([]byte, 40<<20)
	for _, test := range []struct {
		name, path string
		content    []byte
		limit      bool
	}{
		{"a database of no package", "var/lib/dpkg/status", []byte(strings.Repeat("x", 10<<20)), false},
		{"a database of zeros", "lib/apk/db/installed", []byte(strings.Repeat("\x01", 1<<20)), false},
		{"a database of nothing known", "var/lib/rpm/Packages", make([]byte, 1<<20), false},
		{"a document beyond its limit", "app/package.json", zeros[:17<<20], true},
		{"JSON that is cut off", "app/package.json", []byte(`{"name":"a"`), false},
		{"JSON that is deep", "app/package.json", bytes.Repeat([]byte(`{"a":`), 1<<20), false},
		{"an archive that is none", "a.jar", []byte(strings.Repeat("PK\x03\x04", 100)), false},
		{"archives 50 deep", "a.jar", deep, true},
		{"a bomb as an archive within", "a.jar", zipOf(t, zip.Deflate, entry{"b.jar", zeros}), true},
		{"a bomb as a description", "a.jar", zipOf(t, zip.Deflate, entry{"META-INF/maven/a/pom.properties", zeros}), true},
		{"a bomb as a manifest", "a.jar", zipOf(t, zip.Deflate, entry{"META-INF/MANIFEST.MF", zeros}), true},
		{"a bomb in a wheel", "a.whl", zipOf(t, zip.Deflate, entry{"a.dist-info/METADATA", zeros}), true},
		{"one archive many times", "a.jar", zipOf(t, zip.Deflate, slices.Repeat([]entry{{"b.jar", zeros[:8<<20]}}, 20)...), true},
		{"many small archives", "a.jar", zipOf(t, zip.Store, slices.Repeat([]entry{{"b.jar", []byte("x")}}, 60_000)...), true},
		{"a bomb as crates", "bin/a", rusty(t, `{"packages":[]`+strings.Repeat(" ", 20<<20)+`}`), true},
		{"crates that are no list", "bin/a", rusty(t, `[`), false},
		{"a gem of many lines", "specifications/a.gemspec", bytes.Repeat([]byte("require_relative 'a'\n"), 100_000), true},
		{"a long name", "app/package.json", fmt.Appendf(nil, `{"name":%q,"version":"1"}`, strings.Repeat("n", 1000)), false},
		{"a name of control characters", "app/package.json", []byte(`{"name":"a\u0000","version":"1"}`), false},
		{"more packages than are kept", "srv/composer.lock", manyPackages(20_000), true},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		_, err := look(t, test.path, 0o755, test.content)
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		if err == nil || errors.Is(err, software.ErrLimit) != test.limit {
			t.Errorf("%s: %v", test.name, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 600<<20 || took > 20*time.Second {
			t.Errorf("%s: %d MiB, %v", test.name, n>>20, took)
		}
	}
}

func manyPackages(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"packages":[{"name":"a/a","version":"1"}`)
	for i := range n {
		fmt.Fprintf(&b, `,{"name":"a/%d","version":"1"}`, i)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

func TestWhatIsWrongWithAPartOfAnArchiveLosesNothingElse(t *testing.T) {
	found, err := look(t, "a.war", 0, zipOf(t, zip.Deflate, entry{"lib/broken.jar", []byte("no archive")}, entry{"lib/good.jar", jar("g", "good", "1")}))
	if err == nil || !strings.Contains(err.Error(), "a.war/lib/broken.jar") {
		t.Errorf("error: %v", err)
	}
	if len(found.Packages) != 1 || found.Packages[0].Name != "g:good" {
		t.Errorf("packages: %+v", found.Packages)
	}
}

// Names of sections that are packed, many or long make readers of programs take
// all memory.
func TestProgramsThatNoToolWritesAreNotRead(t *testing.T) {
	plain := rusty(t, `{"packages":[{"name":"a","version":"1"}]}`)
	names := int(binary.LittleEndian.Uint64(plain[40:])) + 64*2
	for name, change := range map[string]func([]byte) []byte{
		"packed":       func(b []byte) []byte { b[names+9] |= 8; return b },
		"long":         func(b []byte) []byte { binary.LittleEndian.PutUint64(b[names+32:], 1<<40); return b },
		"counted else": func(b []byte) []byte { b[60] = 0; return b },
		"named else":   func(b []byte) []byte { b[62], b[63] = 0xff, 0xff; return b },
		"cut off":      func(b []byte) []byte { return b[:70] },
	} {
		found, err := look(t, "bin/a", 0o755, change(bytes.Clone(plain)))
		if err != nil || len(found.Packages) > 0 {
			t.Errorf("%s: %+v, %v", name, found, err)
		}
	}
}

type entry struct {
	name    string
	content []byte
}

func zipOf(t testing.TB, method uint16, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		w, err := z.CreateHeader(&zip.FileHeader{Name: e.name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jar(group, artifact, version string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, _ := z.Create("META-INF/maven/" + group + "/" + artifact + "/pom.properties")
	fmt.Fprintf(w, "version=%s\ngroupId=%s\nartifactId=%s\n", version, group, artifact)
	z.Close()
	return b.Bytes()
}

// rusty returns a program of ELF that has a list of crates, and nothing to run.
func rusty(t testing.TB, crates string) []byte {
	t.Helper()
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	if _, err := z.Write([]byte(crates)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	names := "\x00.dep-v0\x00.shstrtab\x00"
	data := append(packed.Bytes(), names...)
	sections := []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: 64, Size: uint64(packed.Len())},
		{Name: 9, Type: uint32(elf.SHT_STRTAB), Off: 64 + uint64(packed.Len()), Size: uint64(len(names))},
	}
	head := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT), Ehsize: 64,
		Shoff: 64 + uint64(len(data)), Shentsize: 64, Shnum: uint16(len(sections)), Shstrndx: 2,
	}
	var b bytes.Buffer
	for _, part := range []any{head, data, sections} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}
