package inventory

import (
	"cmp"
	"slices"
	"strings"

	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/software"
)

// A Layer of an image.
type Layer struct {
	Digest oci.Digest
	Facts  *Facts
}

// Merge puts the layers of an image on each other, of which the lowest is the
// first, by the rules of the OCI image specification (layer.md, "Whiteouts"), and
// returns what is left. A path is what it says: one that leads through a symbolic
// link of another layer is not the same as that which the link leads to.
func Merge(layers []Layer) Inventory {
	root := &node{}
	for _, l := range layers {
		root.cover(l.Facts)
		for _, f := range l.Facts.files {
			f.layer = l.Digest
			root.put(f.path, &f)
		}
	}
	files := root.files(nil)
	inv := Inventory{Distribution: distribution(files), Problems: problems(layers)}
	owned := map[uint64]bool{}
	for _, f := range files {
		for _, h := range f.owned {
			owned[h] = true
		}
	}
	for _, f := range files {
		mine := inv.Distribution.Ecosystem != "" && owned[hash(merged(f.path))]
		for _, p := range f.packages {
			inv.Packages = append(inv.Packages, inv.Distribution.place(p, f, mine))
		}
	}
	slices.SortFunc(inv.Packages, compare)
	inv.Distribution.judge(inv.Packages)
	return inv
}

// cover removes what a layer hides of those below it.
func (n *node) cover(f *Facts) {
	if has(f.emptied, hash("")) {
		n.kids = nil
	}
	n.coverBelow("", f)
}

func (n *node) coverBelow(dir string, f *Facts) {
	for name, kid := range n.kids {
		name = dir + name
		h := hash(name)
		switch {
		case has(f.gone, h):
			delete(n.kids, name[len(dir):])
			continue
		case has(f.folders, h):
			kid.file = nil
		}
		if has(f.emptied, h) {
			kid.kids = nil
		}
		kid.coverBelow(name+"/", f)
	}
}

// problems returns the first problems with files that no layer above hides.
func problems(layers []Layer) (all []Problem) {
	for i, l := range layers {
		for _, p := range l.Facts.problems {
			hidden := slices.ContainsFunc(layers[i+1:], func(above Layer) bool { return above.Facts.covers(p.Path) })
			if !hidden {
				all = with(all, p)
			}
		}
	}
	return all
}

// place makes a package of the image of one that a file tells of.
func (d Distribution) place(p software.Package, f file, owned bool) Package {
	placed := Package{
		Type: p.Type, Name: p.Name, Version: p.Version, PURL: p.PURL, Source: p.Source, SourceVersion: p.SourceVersion,
		Ecosystem: p.Ecosystem, Path: printable(f.path, maxPath), Layer: f.layer, Licenses: p.Licenses, Owned: owned && !p.OS(),
	}
	if !p.OS() {
		return placed
	}
	placed.PURL = d.purl(p)
	if kinds[d.ID].packages == p.Type {
		placed.Ecosystem = d.Ecosystem
	}
	if p.Type == "rpm" && !kinds[d.ID].bySource {
		placed.Source, placed.SourceVersion = p.Name, p.Version
	}
	return placed
}

func compare(a, b Package) int {
	return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Name, b.Name),
		strings.Compare(a.Version, b.Version), strings.Compare(a.Path, b.Path), strings.Compare(a.PURL, b.PURL))
}
