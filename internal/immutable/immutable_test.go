package immutable_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/immutable"
	"github.com/berth-registry/berth/internal/pattern"
)

func TestWhatARuleMatches(t *testing.T) {
	all := pattern.Pattern{}
	for _, c := range []struct {
		tags, repositories pattern.Pattern
		repository, tag    string
		want               bool
	}{
		{all, all, "p/app", "1", true},
		{pattern.Pattern{Glob: "v*"}, all, "p/app", "v1", true},
		{pattern.Pattern{Glob: "v*"}, all, "p/app", "latest", false},
		{pattern.Pattern{Glob: "latest", Except: true}, all, "p/app", "v1", true},
		{pattern.Pattern{Glob: "latest", Except: true}, all, "p/app", "latest", false},
		{pattern.Pattern{Glob: "{v*,stable}"}, all, "p/app", "stable", true},
		{all, pattern.Pattern{Glob: "lib/**"}, "p/lib/a/b", "1", true},
		{all, pattern.Pattern{Glob: "lib/*"}, "p/lib/a/b", "1", false},
		{all, pattern.Pattern{Glob: "p/app"}, "p/app", "1", false}, // without the project
		{all, pattern.Pattern{Glob: "app", Except: true}, "p/app", "1", false},
		{pattern.Pattern{Except: true}, all, "p/app", "1", false},
	} {
		rules := immutable.Rules{{Tags: c.tags, Repositories: c.repositories}}
		if got := rules.In(c.repository).Match(c.tag); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestPatternsThatCostTooMuchAreRefused(t *testing.T) {
	for glob, refused := range map[string]bool{
		strings.Repeat("{a,a}", 100) + "b": true, strings.Repeat("{*,a}", 20) + "b": true, strings.Repeat("{a,{b,c}}", 8): true,
		"{v*,stable,latest}": false, "{1,2}.{3,4}": false, strings.Repeat("*a", 100): false,
	} {
		_, err := immutable.New(nothing{}).Create(t.Context(), immutable.Rule{Tags: pattern.Pattern{Glob: glob}})
		if errors.Is(err, immutable.ErrInvalid) != refused {
			t.Errorf("%.40s: %v", glob, err)
		}
	}
}

// nothing keeps nothing.
type nothing struct{ immutable.Store }

func (nothing) Create(context.Context, immutable.Rule, time.Time, event.Actor) (int64, error) {
	return 1, nil
}
