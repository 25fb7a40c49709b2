package replication

import (
	"slices"
	"strings"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/pattern"
)

// A FilterType is what a filter looks at.
type FilterType string

// The types.
const (
	ByName     FilterType = "name" // of a repository, whole
	ByTag      FilterType = "tag"
	ByLabel    FilterType = "label"
	ByResource FilterType = "resource"
)

// The patterns of ByResource.
const (
	Image    = "image"    // images of containers, and indexes of them
	Artifact = "artifact" // everything else
)

// A Filter chooses some of what there is. What is copied, all filters of a policy
// have chosen.
type Filter struct {
	Type     FilterType
	Pattern  string   // of ByName and ByTag, a glob with ** and {a,b}; of ByResource, Image or Artifact; empty: everything
	Labels   []string // of ByLabel: names, all of which an artifact has
	Excludes bool     // of ByTag and ByLabel: everything else
}

// Wants reports whether a policy is about a repository, by its full name at the
// source.
func (p Policy) Wants(repository string) bool {
	return p.all(ByName, func(f Filter) bool { return pattern.Pattern{Glob: f.Pattern}.Matches(repository) })
}

// WantsTag reports whether it is about what has a tag. An empty one stands for an
// artifact without tags.
func (p Policy) WantsTag(tag string) bool {
	return p.all(ByTag, func(f Filter) bool {
		return f.Pattern == "" || pattern.Pattern{Glob: f.Pattern, Except: f.Excludes}.Matches(tag)
	})
}

// WantsLabels reports whether it is about what has some labels.
func (p Policy) WantsLabels(labels []string) bool {
	return p.all(ByLabel, func(f Filter) bool {
		lacks := slices.ContainsFunc(f.Labels, func(l string) bool { return !slices.Contains(labels, l) })
		return lacks == f.Excludes
	})
}

// AsksLabels reports whether it depends on labels what a policy is about.
func (p Policy) AsksLabels() bool { return p.asks(ByLabel) }

// AsksTags reports whether it depends on tags.
func (p Policy) AsksTags() bool { return p.asks(ByTag) }

// AsksType reports whether it depends on types.
func (p Policy) AsksType() bool { return p.asks(ByResource) }

func (p Policy) asks(t FilterType) bool {
	return slices.ContainsFunc(p.Filters, func(f Filter) bool { return f.Type == t && (f.Pattern != "" || len(f.Labels) > 0) })
}

// WantsPlatform reports whether it is about the children of indexes that are for a
// platform.
func (p Policy) WantsPlatform(of oci.Platform) bool {
	name := of.OS + "/" + of.Architecture
	return len(p.Platforms) == 0 || slices.Contains(p.Platforms, name) || of.Variant != "" && slices.Contains(p.Platforms, name+"/"+of.Variant)
}

// WantsType reports whether it is about artifacts of a type, as artifact.Facts
// names it.
func (p Policy) WantsType(artifactType string) bool {
	return p.all(ByResource, func(f Filter) bool {
		return f.Pattern == "" || (f.Pattern == Image) == (artifactType == artifact.TypeImage)
	})
}

func (p Policy) all(t FilterType, holds func(Filter) bool) bool {
	return !slices.ContainsFunc(p.Filters, func(f Filter) bool { return f.Type == t && !holds(f) })
}

// Names returns the names of the repositories that a policy is about, where its
// filters name them one by one, so that nobody needs to list what a registry has.
// It returns false where they do not.
func (p Policy) Names() ([]string, bool) {
	for _, f := range p.Filters {
		if f.Type != ByName || f.Pattern == "" || strings.ContainsAny(f.Pattern, `*?[\`) {
			continue
		}
		var names []string
		for _, name := range alternatives(f.Pattern) {
			if name != "" && p.Wants(name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		return names, true
	}
	return nil, false
}

// alternatives returns what a checked pattern without wildcards matches.
func alternatives(glob string) []string {
	open := strings.IndexByte(glob, '{')
	if open < 0 {
		return []string{glob}
	}
	var inner []string
	depth, begin, end := 1, open+1, open+1
	for ; depth > 0; end++ {
		switch c := glob[end]; {
		case c == '{':
			depth++
		case c == '}':
			depth--
		case c == ',' && depth == 1:
			inner = append(inner, glob[begin:end])
			begin = end + 1
		}
	}
	inner = append(inner, glob[begin:end-1])
	var whole []string
	for _, one := range inner {
		whole = append(whole, alternatives(glob[:open]+one+glob[end:])...)
	}
	return whole
}

// Target returns under which name a repository is kept at the destination, or
// ErrTarget. Of a/b/c/img, Namespace n makes n/img where Replace is below 0, and
// otherwise takes the place of as many components as that says.
func (p Policy) Target(repository string) (string, error) {
	target := repository
	if p.Namespace != "" {
		parts := strings.Split(repository, "/")
		from := p.Replace
		if from < 0 {
			from = len(parts) - 1
		}
		if from > len(parts)-1 {
			return "", ErrTarget.With("dest_namespace_replace_count is %d, and %.255s has %d components before its last", p.Replace, repository, len(parts)-1)
		}
		target = p.Namespace + "/" + strings.Join(parts[from:], "/")
	}
	if err := oci.CheckRepository(target); err != nil {
		return "", ErrTarget.With("%v", err)
	}
	return target, nil
}
