// Package pattern chooses names by globs, as rules of projects do. What is
// chosen, and what for, is for the rules to say.
package pattern

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
)

const maxBytes = 1024

// A Pattern is a glob with ** and {a,b}. An empty one matches everything.
type Pattern struct {
	Glob   string
	Except bool // everything but what it matches
}

// Matches reports whether a checked pattern chooses a name.
func (p Pattern) Matches(name string) bool {
	ok := p.Glob == ""
	if !ok {
		ok, _ = doublestar.Match(p.Glob, name) // of a pattern that was checked
	}
	return ok != p.Except
}

// Check says what is wrong with a pattern, in words for whoever wrote it.
func (p Pattern) Check() error {
	if len(p.Glob) > maxBytes || !utf8.ValidString(p.Glob) || strings.ContainsRune(p.Glob, 0) || !doublestar.ValidatePattern(p.Glob) {
		return fmt.Errorf("the pattern must be a glob of at most %d bytes", maxBytes)
	}
	if alternatives(p.Glob) > maxAlternatives {
		return errAlternatives
	}
	return nil
}

// maxAlternatives bounds what matching costs, which may be done while others wait
// to write: a matcher tries each combination of alternatives.
const maxAlternatives = 64

var errAlternatives = errors.New("the pattern may have at most 64 combinations of alternatives in braces")

// alternatives returns no less than the number of combinations that a pattern's
// braces make: each comma within them counts as one more in its group.
func alternatives(glob string) int {
	product, open := 1, []int{}
	for _, c := range glob {
		switch {
		case c == '{':
			open = append(open, 1)
		case c == ',' && len(open) > 0:
			open[len(open)-1]++
		case c == '}' && len(open) > 0:
			product = min(product*open[len(open)-1], maxAlternatives+1)
			open = open[:len(open)-1]
		}
	}
	return product
}
