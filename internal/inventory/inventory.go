// Package inventory knows what is installed in an image. It reads each layer
// once, as a stream, into facts that are small and can be kept by the layer's
// digest; merging the facts of all layers, bottom up, gives the packages that
// a container of the image would see. It decides nothing about them.
//
// Layers come from strangers. Nothing of them is unpacked into a file system, no
// link is followed, and work, memory and time are bounded by limits. What goes
// wrong with one file is noted and loses nothing else; a layer that is damaged, or
// goes beyond a limit as a whole, gives an error and no facts.
package inventory

import (
	"slices"
	"strings"

	"github.com/berth-registry/berth/internal/oci"
)

// A Package is software that was found in an image.
type Package struct {
	Type    string // as in its package URL: deb, apk, rpm, golang, npm, pypi, maven, …
	Name    string // as its package manager says it; group:artifact with Maven
	Version string // with its epoch where that is not 0
	PURL    string // its package URL

	// Source and SourceVersion are what advisories know it by: the source package
	// of a distribution, the origin of Alpine; Name and Version where there is none.
	Source, SourceVersion string

	// Ecosystem is that of the advisories that may be about it, as OSV names it, with
	// the distribution's release: "Debian:12". Empty where there are none.
	Ecosystem string

	Path     string     // of the file that tells of it, without a leading slash
	Layer    oci.Digest // that brought it
	Licenses []string   // as the package says them
	Owned    bool       // a package of the operating system brought it, which tells of it too
}

// A Distribution is what an image's os-release says; empty where there is none.
type Distribution struct {
	ID      string // debian, alpine, almalinux
	Version string // of the release: 12, 3.19.1
	Name    string // for people

	// Ecosystem is that of advisories about its packages: "Debian:12". Where it is
	// empty and the image has packages of a distribution, Unsupported says why, for
	// people, and that such packages have no vulnerabilities must not be believed.
	Ecosystem   string
	Unsupported string
}

// An Inventory is all that is installed in an image.
type Inventory struct {
	Distribution Distribution
	Packages     []Package // by Type, Name, Version, Path
	Problems     []Problem // what could not be looked into, of files that are there; at most 100
}

// A Problem is a file that could not be looked into, or not into all of it.
type Problem struct {
	Path string // without a leading slash
	Text string // for people
}

// databases are the folders in which distributions keep what is installed.
var databases = []string{"lib/dpkg/", "lib/apk/db/", "lib/rpm/", "sysimage/rpm/", "lib/pacman/"}

// Unread returns a problem with what a distribution keeps of its packages: then some,
// or all of them, may be missing.
func (i Inventory) Unread() (p Problem, unread bool) {
	at := slices.IndexFunc(i.Problems, Problem.ofDatabase)
	if at < 0 {
		return p, false
	}
	return i.Problems[at], true
}

func (p Problem) ofDatabase() bool {
	return slices.ContainsFunc(databases, func(folder string) bool { return strings.Contains(p.Path, folder) })
}

// maxProblems is how many problems are kept, of a layer and of an image.
const maxProblems = 100

// with returns some problems and another one, unless there are many. The first with
// what a distribution keeps is there in any case: Unread is not to miss it.
func with(all []Problem, p Problem) []Problem {
	switch {
	case len(all) < maxProblems:
		all = append(all, p)
	case p.ofDatabase() && !slices.ContainsFunc(all, Problem.ofDatabase):
		all[maxProblems-1] = p
	}
	return all
}
