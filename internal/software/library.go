package software

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"time"

	pb "github.com/google/osv-scalibr/binary/proto/config_go_proto"
	"github.com/google/osv-scalibr/extractor"
	"github.com/google/osv-scalibr/extractor/filesystem"
	"github.com/google/osv-scalibr/extractor/filesystem/language/cpp/conanlock"
	"github.com/google/osv-scalibr/extractor/filesystem/language/dotnet/depsjson"
	"github.com/google/osv-scalibr/extractor/filesystem/language/golang/gobinary"
	"github.com/google/osv-scalibr/extractor/filesystem/language/java/archive"
	"github.com/google/osv-scalibr/extractor/filesystem/language/javascript/packagejson"
	"github.com/google/osv-scalibr/extractor/filesystem/language/lua/luarocks"
	"github.com/google/osv-scalibr/extractor/filesystem/language/python/condameta"
	"github.com/google/osv-scalibr/extractor/filesystem/language/python/wheelegg"
	"github.com/google/osv-scalibr/extractor/filesystem/language/ruby/gemspec"
	"github.com/google/osv-scalibr/extractor/filesystem/os/apk"
	apkmeta "github.com/google/osv-scalibr/extractor/filesystem/os/apk/metadata"
	"github.com/google/osv-scalibr/extractor/filesystem/os/dpkg"
	dpkgmeta "github.com/google/osv-scalibr/extractor/filesystem/os/dpkg/metadata"
	"github.com/google/osv-scalibr/extractor/filesystem/os/pacman"
	"github.com/google/osv-scalibr/extractor/filesystem/simplefileapi"
	"github.com/google/osv-scalibr/log"
)

// libraryFormats returns the formats that the library knows and that need one
// file each. What it would do without bounds, or lose much by, is prepared for it.
func libraryFormats(limits Limits) ([]format, error) {
	quiet()
	hash := false // nobody asks for it
	jars := &pb.PluginConfig{PluginSpecific: []*pb.PluginSpecificConfig{{Config: &pb.PluginSpecificConfig_JavaArchive{
		JavaArchive: &pb.JavaArchiveConfig{HashJars: &hash},
	}}}}
	z := zips{limits}
	list := []struct {
		name   string
		new    func(*pb.PluginConfig) (filesystem.Extractor, error)
		config *pb.PluginConfig
		adapt  func(format, filesystem.Extractor) format
	}{
		{"dpkg", dpkg.New, nil, distribution(thinDpkg)},
		{"apk", apk.New, nil, distribution(thinAPK)},
		{"pacman", pacman.New, nil, distribution(asIs)},
		{"go", gobinary.New, nil, goBinary},
		{"java", archive.New, jars, z.java},
		{"python", wheelegg.New, nil, z.python},
		{"conda", condameta.New, nil, document},
		{"npm", packagejson.New, nil, documentWith(npmLicenses)},
		{"gem", gemspec.New, nil, installedGem},
		{"nuget", depsjson.New, nil, document},
		{"conan", conanlock.New, nil, document},
		{"lua", luarocks.New, nil, document},
	}
	var formats []format
	for _, l := range list {
		if l.config == nil {
			l.config = &pb.PluginConfig{}
		}
		e, err := l.new(l.config)
		if err != nil {
			return nil, err
		}
		formats = append(formats, l.adapt(format{name: l.name, wants: wantedBy(e)}, e))
	}
	return formats, nil
}

// wantedBy asks an extractor which files it wants.
func wantedBy(e filesystem.Extractor) func(File) bool {
	return func(f File) bool { return e.FileRequired(simplefileapi.New(f.Path, info{f})) }
}

// document is a format whose extractor is given the whole file.
func document(f format, e filesystem.Extractor) format { return documentWith(nil)(f, e) }

// maxGem is how many bytes what RubyGems writes of a gem may have: the time that
// the library takes grows by the square of its lines.
const maxGem = 512 << 10

// installedGem is the format of what RubyGems writes of a gem that it installs.
// Gems themselves have such files too, which say the same or less.
func installedGem(f format, e filesystem.Extractor) format {
	f.most = maxGem
	f.wants = func(f File) bool {
		dir := strings.TrimSuffix(path.Dir(f.Path), "/default")
		return path.Ext(f.Path) == ".gemspec" && path.Base(dir) == "specifications"
	}
	return document(f, e)
}

// documentWith is one that says the licences of its only package too.
func documentWith(licenses func([]byte) []string) func(format, filesystem.Extractor) format {
	return func(f format, e filesystem.Extractor) format {
		f.read = func(ctx context.Context, file File, content *io.SectionReader) (Found, error) {
			b, err := io.ReadAll(content)
			if err != nil {
				return Found{}, err
			}
			packages, err := run(ctx, e, file, b)
			if licenses != nil && len(packages) == 1 {
				packages[0].Licenses = licenses(b)
			}
			return Found{Packages: packages}, err
		}
		return f
	}
}

// run runs an extractor on content.
func run(ctx context.Context, e filesystem.Extractor, f File, content []byte) ([]Package, error) {
	f.Size = int64(len(content))
	return runOn(ctx, e, f, bytes.NewReader(content))
}

// runOn runs an extractor on content that may be on disk.
func runOn(ctx context.Context, e filesystem.Extractor, f File, content io.Reader) ([]Package, error) {
	found, err := e.Extract(ctx, &filesystem.ScanInput{FS: nothing{}, Path: f.Path, Info: info{f}, Reader: content})
	var packages []Package
	for _, p := range found.Packages {
		if p != nil {
			packages = append(packages, convert(p))
		}
	}
	return packages, err
}

// ecosystems are the names that OSV has for what is installed by anything but a
// distribution's package manager.
var ecosystems = map[string]string{
	"cargo": "crates.io", "composer": "Packagist", "conan": "ConanCenter", "gem": "RubyGems", "golang": "Go",
	"maven": "Maven", "npm": "npm", "nuget": "NuGet", "pypi": "PyPI",
}

// convert makes a Package of what the library has.
func convert(p *extractor.Package) Package {
	c := Package{Type: p.PURLType, Name: p.Name, Version: p.Version, Licenses: p.Licenses, Ecosystem: ecosystems[p.PURLType]}
	if c.Type == "pacman" {
		c.Type = "alpm" // as package URLs have it
	}
	switch m := p.Metadata.(type) {
	case *dpkgmeta.Metadata:
		c.Arch, c.Source, c.SourceVersion = m.Architecture, m.SourceName, m.SourceVersion
	case *apkmeta.Metadata:
		c.Arch, c.Source = m.Architecture, m.OriginName
	}
	switch {
	case p.PURLType == "pypi":
		c.Source = pypiName(p.Name)
	case p.PURLType == "golang" && p.Name == "go":
		c.Source = "stdlib"
	}
	c.Source, c.SourceVersion = or(c.Source, c.Name), or(c.SourceVersion, c.Version)
	if !c.OS() {
		if url := p.PURL(); url != nil {
			c.PURL = url.String()
		}
	}
	return c
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// info is what the library is told of a file.
type info struct{ f File }

func (i info) Name() string       { return path.Base(i.f.Path) }
func (i info) Size() int64        { return i.f.Size }
func (i info) Mode() fs.FileMode  { return i.f.Mode }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return false }
func (i info) Sys() any           { return nil }

// nothing is the file system that the library may look around in: there is no
// other file.
type nothing struct{}

func (nothing) Open(name string) (fs.File, error)          { return nil, absent("open", name) }
func (nothing) ReadDir(name string) ([]fs.DirEntry, error) { return nil, absent("readdir", name) }
func (nothing) Stat(name string) (fs.FileInfo, error)      { return nil, absent("stat", name) }

func absent(op, name string) error {
	return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

// quiet keeps the library from writing into the log of the process what an image
// says. Its logger is a variable of its own, so that this is done once only.
var quiet = sync.OnceFunc(func() { log.SetLogger(silence{}) })

type silence struct{}

func (silence) Errorf(string, ...any) {}
func (silence) Error(...any)          {}
func (silence) Warnf(string, ...any)  {}
func (silence) Warn(...any)           {}
func (silence) Infof(string, ...any)  {}
func (silence) Info(...any)           {}
func (silence) Debugf(string, ...any) {}
func (silence) Debug(...any)          {}

// errEmpty is returned for databases in which no package could be read.
var errEmpty = errors.New("it tells of no package")
