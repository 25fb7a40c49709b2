package immutable_test

import (
	"testing"

	"github.com/berth-registry/berth/internal/immutable"
)

func TestWhatARuleMatches(t *testing.T) {
	all := immutable.Pattern{}
	for _, c := range []struct {
		tags, repositories immutable.Pattern
		repository, tag    string
		want               bool
	}{
		{all, all, "p/app", "1", true},
		{immutable.Pattern{Glob: "v*"}, all, "p/app", "v1", true},
		{immutable.Pattern{Glob: "v*"}, all, "p/app", "latest", false},
		{immutable.Pattern{Glob: "latest", Except: true}, all, "p/app", "v1", true},
		{immutable.Pattern{Glob: "latest", Except: true}, all, "p/app", "latest", false},
		{immutable.Pattern{Glob: "{v*,stable}"}, all, "p/app", "stable", true},
		{all, immutable.Pattern{Glob: "lib/**"}, "p/lib/a/b", "1", true},
		{all, immutable.Pattern{Glob: "lib/*"}, "p/lib/a/b", "1", false},
		{all, immutable.Pattern{Glob: "p/app"}, "p/app", "1", false}, // without the project
		{all, immutable.Pattern{Glob: "app", Except: true}, "p/app", "1", false},
		{immutable.Pattern{Except: true}, all, "p/app", "1", false},
	} {
		rules := immutable.Rules{{Tags: c.tags, Repositories: c.repositories}}
		if got := rules.In(c.repository).Match(c.tag); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
