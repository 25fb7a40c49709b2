package software

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/berth-registry/berth/internal/rpm"
	"github.com/google/osv-scalibr/extractor/filesystem"
)

// A thin leaves of a database the lines that matter, in the form that the library
// reads, and returns the files that packages brought. The library would lose a
// whole database by one line that is too long or is no field.
type thin func(content []byte) (lines []byte, owned []string)

func asIs(content []byte) ([]byte, []string) { return content, nil }

// distribution is the format of a package manager's database.
func distribution(thin thin) func(format, filesystem.Extractor) format {
	return func(f format, e filesystem.Extractor) format {
		f.read = func(ctx context.Context, file File, content *io.SectionReader) (Found, error) {
			b, err := io.ReadAll(content)
			if err != nil {
				return Found{}, err
			}
			lines, owned := thin(b)
			if len(bytes.TrimSpace(b)) > 0 && len(lines) == 0 {
				return Found{}, errEmpty
			}
			packages, err := run(ctx, e, file, lines)
			return Found{Packages: packages, Owned: owned}, err
		}
		return f
	}
}

var dpkgFields = []string{"package", "status", "version", "source", "architecture"}

// thinDpkg keeps five fields of each paragraph of a status file.
func thinDpkg(content []byte) (lines []byte, _ []string) {
	for line := range bytes.Lines(content) {
		line = bytes.TrimRight(line, "\r\n")
		field, value, ok := bytes.Cut(line, []byte(":"))
		switch {
		case len(bytes.TrimSpace(line)) == 0:
			if len(lines) > 0 {
				lines = append(lines, '\n')
			}
		case ok && sound(strings.ToLower(string(field)), string(value)):
			lines = append(append(lines, line...), '\n')
		}
	}
	return lines, nil
}

// sound reports whether a field is one that matters, and of its right form.
func sound(field, value string) bool {
	switch {
	case !slices.Contains(dpkgFields, field) || !isText(value, maxName):
		return false
	case field == "status":
		return len(strings.Fields(value)) == 3
	case field == "source":
		return !strings.Contains(value, " (") || strings.HasSuffix(value, ")")
	}
	return true
}

// thinAPK keeps five fields of each paragraph of Alpine's database, and puts the
// folders (F) and names (R) of files together.
func thinAPK(content []byte) (lines []byte, files []string) {
	folder := ""
	for line := range bytes.Lines(content) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			if folder = ""; len(lines) > 0 {
				lines = append(lines, '\n')
			}
			continue
		}
		if len(line) < 2 || line[1] != ':' || len(line) > maxPath {
			continue
		}
		switch line[0] {
		case 'P', 'V', 'A', 'L', 'o':
			lines = append(append(lines, line...), '\n')
		case 'F':
			folder = string(line[2:])
		case 'R':
			if file := path.Join(folder, string(line[2:])); tells(file) {
				files = append(files, file)
			}
		}
	}
	return lines, files
}

// maxPath is how long a path may be that is looked at.
const maxPath = 4096

// isOwnedList reports whether a file lists what a package of dpkg brought.
func isOwnedList(f File) bool {
	dir, name := path.Split(f.Path)
	return dir == "var/lib/dpkg/info/" && strings.HasSuffix(name, ".list") ||
		dir == "var/lib/dpkg/status.d/" && strings.HasSuffix(name, ".md5sums")
}

// owned reads such a list: paths, or hashes and paths.
func owned(_ context.Context, f File, content *io.SectionReader) (found Found, err error) {
	b, err := io.ReadAll(content)
	if err != nil {
		return Found{}, err
	}
	for line := range bytes.Lines(b) {
		file := strings.TrimRight(string(line[:min(len(line), maxPath)]), "\r\n")
		if strings.HasSuffix(f.Path, ".md5sums") {
			_, file, _ = strings.Cut(file, "  ")
		}
		if file = strings.TrimPrefix(path.Clean("/"+file), "/"); tells(file) {
			found.Owned = append(found.Owned, file)
		}
	}
	return found, nil
}

// tells reports whether a file of this name may tell of packages. Of programs,
// only those are known by their names that are where programs are.
func tells(file string) bool {
	name := path.Base(file)
	switch name {
	case "package.json", "METADATA", "PKG-INFO", "composer.lock", "conan.lock":
		return true
	}
	switch path.Ext(name) {
	case ".jar", ".war", ".ear", ".egg-info", ".egg", ".whl", ".gemspec", ".rockspec", ".so":
		return true
	case ".json":
		return strings.HasSuffix(name, ".deps.json") || path.Base(path.Dir(file)) == "conda-meta"
	case "":
		top, _, _ := strings.Cut(strings.TrimPrefix(file, "usr/"), "/")
		return top != "share" && top != "etc" && top != "var"
	}
	return strings.HasSuffix(path.Dir(file), "bin")
}

var rpmFolders = []string{"usr/lib/sysimage/rpm/", "var/lib/rpm/", "usr/share/rpm/"}

// isRPM reports whether a file is rpm's database.
func isRPM(f File) bool {
	dir, name := path.Split(f.Path)
	return slices.Contains(rpmFolders, dir) && (name == "Packages" || name == "Packages.db" || name == "rpmdb.sqlite")
}

// rpm reads rpm's database.
func (r *Reader) rpm(ctx context.Context, f File, content *io.SectionReader) (found Found, err error) {
	err = rpm.Read(ctx, content, f.Size, func(p rpm.Package) error {
		if len(found.Packages) == r.limits.Packages {
			return fmt.Errorf("%w: it tells of more than %d packages", ErrLimit, r.limits.Packages)
		}
		found.Packages = append(found.Packages, fromRPM(p))
		for _, file := range p.Files {
			if file = strings.TrimPrefix(path.Clean("/"+file), "/"); tells(file) {
				found.Owned = append(found.Owned, file)
			}
		}
		return nil
	})
	return found, err
}

// fromRPM converts a package. The source is the name and version of the file
// that it was built from, name-version-release.src.rpm.
func fromRPM(p rpm.Package) Package {
	version := p.Version
	if p.Release != "" {
		version += "-" + p.Release
	}
	epoch := ""
	if p.Epoch > 0 {
		epoch = fmt.Sprintf("%d:", p.Epoch)
	}
	c := Package{Type: "rpm", Name: p.Name, Version: epoch + version, Arch: p.Arch, Source: p.Name, SourceVersion: epoch + version, Licenses: []string{p.License}}
	source := strings.TrimSuffix(strings.TrimSuffix(p.SourceRPM, ".rpm"), ".src")
	if release := strings.LastIndexByte(source, '-'); release > 0 {
		if v := strings.LastIndexByte(source[:release], '-'); v > 0 {
			c.Source, c.SourceVersion = source[:v], epoch+source[v+1:]
		}
	}
	return c
}
