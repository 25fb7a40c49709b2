package project

import (
	"errors"
	"regexp"
	"strconv"

	"github.com/berth-registry/berth/internal/pattern"
	"github.com/berth-registry/berth/internal/remote"
)

// Cacheable reports whether there can be caches of registries of a kind.
func Cacheable(k remote.Kind) bool {
	switch k {
	case remote.DockerHub, remote.Harbor, remote.Azure, remote.Alibaba, remote.Amazon, remote.Google, remote.Distribution,
		remote.GitHub, remote.JFrog, remote.Quay, remote.GitLab:
		return true
	}
	return false
}

// CacheRules say how a project fetches what it lacks.
type CacheRules struct {
	Speed           int64 // KB/s of each connection; 0: unlimited
	Connections     int   // at once; 0: any number
	LocalOnNotFound bool  // what is here is served where the upstream has it no more
	Referrers       bool  // the upstream is asked what refers to an artifact

	allows func(repository string) bool // nil: all
}

// Cache reads the rules of a project out of its metadata. Those of one that is no
// cache are what a new cache has.
func (p Project) Cache() CacheRules {
	speed, _ := strconv.ParseInt(p.Metadata[metaSpeed], 10, 64) // which was checked, or is not there
	connections, _ := strconv.Atoi(p.Metadata[metaConnections])
	allows, err := chooser(p.Metadata)
	if err != nil { // nor is this one
		allows = func(string) bool { return false }
	}
	return CacheRules{
		Speed: max(speed, 0), Connections: max(connections, 0),
		LocalOnNotFound: p.Metadata[metaLocalOnNotFound] == "true", Referrers: p.Metadata[metaReferrers] == "true",
		allows: allows,
	}
}

// Allows reports whether a repository may be fetched from the upstream, by its
// name there: "library/alpine".
func (r CacheRules) Allows(repository string) bool { return r.allows == nil || r.allows(repository) }

// The kinds of patterns. The first one is that of a pattern of which nothing else
// is said.
const (
	doublestar = "doublestar"
	regex      = "regex"
)

var errRegex = errors.New("the pattern must be a regular expression of the form that RE2 has")

// chooser returns what the pattern among metadata chooses names by, whole ones. It
// is nil where there is no pattern, and chooses all.
func chooser(metadata map[string]string) (func(name string) bool, error) {
	text := metadata[metaPattern]
	if text == "" {
		return nil, nil
	}
	if metadata[metaPatternKind] != regex {
		glob := pattern.Pattern{Glob: text}
		return glob.Matches, glob.Check()
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, errRegex
	}
	re.Longest() // or "a|ab" would stop too early
	return func(name string) bool {
		at := re.FindStringIndex(name)
		return at != nil && at[0] == 0 && at[1] == len(name)
	}, nil
}
