package api

import (
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/pattern"
)

// Selectors are the part of a rule that says which tags and repositories of a
// project it is about: a pattern of each.
type Selectors struct {
	Tags         []selector            `json:"tag_selectors" maxItems:"1"`
	Repositories map[string][]selector `json:"scope_selectors" doc:"one selector, as repository"`
}

type selector struct {
	Kind       string `json:"kind" doc:"doublestar"`
	Decoration string `json:"decoration" doc:"matches or excludes; of repositories, repoMatches or repoExcludes"`
	Pattern    string `json:"pattern" doc:"a glob with ** and {a,b}; everything where it is empty"`
	Extras     string `json:"extras"`
}

const doublestar = "doublestar"

// How selectors have their patterns: what matches, and what does not.
var (
	ofTags         = [2]string{"matches", "excludes"}
	ofRepositories = [2]string{"repoMatches", "repoExcludes"}
)

// selecting returns the selectors of patterns.
func selecting(tags pattern.Pattern, extras string, repositories pattern.Pattern) Selectors {
	one := func(p pattern.Pattern, decorations [2]string, extras string) []selector {
		decoration := decorations[0]
		if p.Except {
			decoration = decorations[1]
		}
		return []selector{{doublestar, decoration, p.Glob, extras}}
	}
	return Selectors{one(tags, ofTags, extras), map[string][]selector{"repository": one(repositories, ofRepositories, "")}}
}

// chosen returns the patterns of selectors. Where they cannot be meant, the error
// is the fault, with the reason.
func (s Selectors) chosen(invalid *fault.Fault) (tags, repositories pattern.Pattern, err error) {
	if len(s.Tags) != 1 || len(s.Repositories["repository"]) != 1 {
		return tags, repositories, invalid.With("tag_selectors and scope_selectors.repository must have one selector each")
	}
	if tags, err = s.Tags[0].chosen("tag_selectors", ofTags, invalid); err == nil {
		repositories, err = s.Repositories["repository"][0].chosen("scope_selectors", ofRepositories, invalid)
	}
	return tags, repositories, err
}

func (s selector) chosen(field string, decorations [2]string, invalid *fault.Fault) (pattern.Pattern, error) {
	if s.Kind != "" && s.Kind != doublestar {
		return pattern.Pattern{}, invalid.With("%s: the kind must be %s", field, doublestar)
	}
	if s.Decoration != decorations[0] && s.Decoration != decorations[1] {
		return pattern.Pattern{}, invalid.With("%s: the decoration must be %s or %s", field, decorations[0], decorations[1])
	}
	return pattern.Pattern{Glob: s.Pattern, Except: s.Decoration == decorations[1]}, nil
}
