package pattern_test

import (
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/pattern"
)

func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		glob, name string
		want       bool
	}{
		{"", "anything", true},
		{"v*", "v1.2", true}, {"v*", "latest", false},
		{"{v*,stable}", "stable", true},
		{"lib/*", "lib/a/b", false}, {"lib/**", "lib/a/b", true},
	} {
		if got := (pattern.Pattern{Glob: tt.glob}).Matches(tt.name); got != tt.want {
			t.Errorf("%q of %q: %t", tt.glob, tt.name, got)
		}
		if got := (pattern.Pattern{Glob: tt.glob, Except: true}).Matches(tt.name); got == tt.want {
			t.Errorf("all but %q of %q: %t", tt.glob, tt.name, got)
		}
	}
}

func TestCheck(t *testing.T) {
	for glob, want := range map[string]bool{
		"": true, "**": true, "{a,b}": true, strings.Repeat("x", 1024): true,
		"[": false, "{a": false, "a\x00": false, "\xff": false, strings.Repeat("x", 1025): false,
		strings.Repeat("{a,b}", 6): true, strings.Repeat("{a,b}", 7): false,
	} {
		if err := (pattern.Pattern{Glob: glob}).Check(); (err == nil) != want {
			t.Errorf("%.40q: %v", glob, err)
		}
	}
}
