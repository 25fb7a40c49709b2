package inventory

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"path"
	"slices"
	"strings"
	"unicode"

	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/software"
)

// Facts are what matters of one layer. They depend on nothing but its content,
// the limits and Version, and do not change.
type Facts struct {
	files []file // that tell something, by path

	// What the layer does to those below it, as hashes of paths, sorted: gone are
	// whiteouts and whatever is no folder, which leave nothing at or below their
	// path; emptied are folders of which nothing below stays; folders take the place
	// of what is no folder.
	gone, emptied, folders []uint64

	problems []Problem
}

// A file tells of packages, of what they own, or of the distribution.
type file struct {
	path     string
	packages []software.Package
	owned    []uint64 // hashes of paths
	release  string   // what an os-release says

	layer oci.Digest // that brought it, once layers are merged
}

// facts returns what was read.
func (l *layer) facts() *Facts {
	return &Facts{files: l.found.files(nil), gone: l.gone.sorted(), emptied: l.emptied.sorted(), folders: l.folders.sorted(), problems: l.problems}
}

// hash is how a path is remembered: the first bytes of its SHA-256, so that
// nobody finds a harmless path that hides another.
func hash(name string) uint64 {
	sum := sha256.Sum256([]byte(name))
	return binary.BigEndian.Uint64(sum[:])
}

// hashes returns the hashes of paths that packages own, sorted. Distributions
// have moved /bin and the like below /usr, but not all of their lists.
func hashes(names []string) []uint64 {
	all := make([]uint64, 0, len(names))
	for _, name := range names {
		all = append(all, hash(merged(name)))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// merged returns the path of a file where folders of the root are below /usr.
func merged(name string) string {
	switch top, _, _ := strings.Cut(name, "/"); top {
	case "bin", "sbin", "lib", "lib64", "lib32", "libx32":
		return "usr/" + name
	}
	return name
}

// A set of paths, by their hashes.
type set map[uint64]struct{}

// add adds a path, and reports whether it was not there.
func (s set) add(name string) bool {
	h := hash(name)
	if _, is := s[h]; is {
		return false
	}
	s[h] = struct{}{}
	return true
}

func (s set) sorted() []uint64 { return slices.Sorted(maps.Keys(s)) }

func has(sorted []uint64, h uint64) bool {
	_, ok := slices.BinarySearch(sorted, h)
	return ok
}

// covers reports whether a layer leaves nothing of what is at a path below it.
func (f *Facts) covers(name string) bool {
	if h := hash(name); has(f.gone, h) || has(f.folders, h) {
		return true
	}
	for name != "" {
		if name = path.Dir(name); name == "." {
			name = ""
		}
		if h := hash(name); has(f.gone, h) || has(f.emptied, h) {
			return true
		}
	}
	return false
}

// A node of a tree of files that tell something. Folders are there only as far as
// they lead to such files.
type node struct {
	kids map[string]*node
	file *file
}

// at returns the file at a path, or nil.
func (n *node) at(name string) *file {
	if n = n.walk(name); n == nil {
		return nil
	}
	return n.file
}

// walk returns the node at a path, or nil. The root's is empty.
func (n *node) walk(name string) *node {
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." {
			continue
		}
		if n = n.kids[part]; n == nil {
			return nil
		}
	}
	return n
}

// put puts a file at a path, in the place of all that was at or below it.
func (n *node) put(name string, f *file) {
	for part := range strings.SplitSeq(name, "/") {
		n.file = nil
		if n.kids == nil {
			n.kids = map[string]*node{}
		}
		next := n.kids[part]
		if next == nil {
			next = &node{}
			n.kids[part] = next
		}
		n = next
	}
	n.kids, n.file = nil, f
}

// remove removes what is at and below a path.
func (n *node) remove(name string) {
	dir, base := path.Split(name)
	if n = n.walk(dir); n != nil {
		delete(n.kids, base)
	}
}

// folder makes a path a folder, as are those that it is in: no file is left there.
func (n *node) folder(name string) {
	for part := range strings.SplitSeq(name, "/") {
		if n = n.kids[part]; n == nil {
			return
		}
		n.file = nil
	}
}

// files appends all files, by path.
func (n *node) files(all []file) []file {
	all = n.gather(all)
	slices.SortFunc(all, func(a, b file) int { return strings.Compare(a.path, b.path) })
	return all
}

func (n *node) gather(all []file) []file {
	if n.file != nil {
		all = append(all, *n.file)
	}
	for _, kid := range n.kids {
		all = kid.gather(all)
	}
	return all
}

// printable returns a text that every store and page can hold, of at most so many
// bytes.
func printable(s string, most int) string {
	s = strings.ToValidUTF8(s[:min(len(s), most)], "\uFFFD")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
}
