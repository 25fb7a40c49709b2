package retention_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/pattern"
	"github.com/berth-registry/berth/internal/retention"
)

var now = time.Date(2026, 6, 15, 12, 0, 0, 0, time.UTC)

func days(n int) time.Time { return now.AddDate(0, 0, -n) }

// artifacts are named by the first letter of their digest.
var artifacts = []retention.Artifact{
	{Digest: "a", Tags: []string{"v1", "stable"}, Pushed: days(100), Pulled: days(1)},
	{Digest: "b", Tags: []string{"v2"}, Pushed: days(50), Pulled: days(40)},
	{Digest: "c", Tags: []string{"v3"}, Pushed: days(10)},
	{Digest: "d", Tags: []string{"dev-1"}, Pushed: days(2)},
	{Digest: "e", Pushed: days(5), Pulled: days(4)}, // without a tag
}

func rule(t retention.Template, n int64, tags string) retention.Rule {
	return retention.Rule{Template: t, Param: n, Tags: pattern.Pattern{Glob: tags}, Untagged: true, Repositories: pattern.Pattern{Glob: "**"}}
}

func TestWhatRulesKeep(t *testing.T) {
	tagged := func(r retention.Rule) retention.Rule { r.Untagged = false; return r }
	except := func(r retention.Rule) retention.Rule { r.Tags.Except = true; return r }
	disabled := func(r retention.Rule) retention.Rule { r.Disabled = true; return r }
	elsewhere := func(r retention.Rule) retention.Rule { r.Repositories.Glob = "other/**"; return r }
	for _, tt := range []struct {
		rules []retention.Rule
		keep  string
	}{
		{[]retention.Rule{rule(retention.LatestPushed, 2, "**")}, "de"},
		{[]retention.Rule{tagged(rule(retention.LatestPushed, 2, "**"))}, "cd"},
		{[]retention.Rule{rule(retention.LatestPushed, 0, "**")}, ""},
		{[]retention.Rule{rule(retention.LatestPushed, 99, "**")}, "abcde"},
		{[]retention.Rule{tagged(rule(retention.LatestPushed, 1, "v*"))}, "c"},
		{[]retention.Rule{rule(retention.LatestPulled, 2, "**")}, "ae"},
		{[]retention.Rule{tagged(rule(retention.LatestActive, 2, "**"))}, "ad"},
		{[]retention.Rule{tagged(rule(retention.PushedWithin, 10, "**"))}, "cd"},
		{[]retention.Rule{tagged(rule(retention.PushedWithin, 9, "**"))}, "d"},
		{[]retention.Rule{tagged(rule(retention.PulledWithin, 40, "**"))}, "ab"}, // c and d never were
		{[]retention.Rule{rule(retention.ActiveWithin, 5, "**")}, "de"},
		{[]retention.Rule{tagged(rule(retention.Always, 0, "stable"))}, "a"}, // with all its tags
		{[]retention.Rule{tagged(except(rule(retention.Always, 0, "v*")))}, "ad"},
		{[]retention.Rule{except(rule(retention.Always, 0, "{v*,dev-*}"))}, "ae"},
		{[]retention.Rule{tagged(rule(retention.LatestPushed, 1, "v*")), tagged(rule(retention.Always, 0, "dev-*"))}, "cd"},
		{[]retention.Rule{disabled(rule(retention.Always, 0, "**")), tagged(rule(retention.Always, 0, "dev-*"))}, "d"},
		{[]retention.Rule{elsewhere(rule(retention.Always, 0, "**")), tagged(rule(retention.Always, 0, "dev-*"))}, "d"},
		{[]retention.Rule{rule(retention.Always, 0, "")}, "abcde"},
	} {
		var kept strings.Builder
		for _, v := range (retention.Policy{Rules: tt.rules}).Judge("app", artifacts, now) {
			if v.Rule != nil {
				kept.WriteString(v.Digest)
			}
		}
		if kept.String() != tt.keep {
			t.Errorf("%v keep %q, want %q", tt.rules, kept.String(), tt.keep)
		}
	}
}

func TestWhatNoRuleIsAboutIsLeftAlone(t *testing.T) {
	one := rule(retention.Always, 0, "**")
	one.Repositories.Glob = "lib/**"
	p := retention.Policy{Rules: []retention.Rule{one}}
	for name, want := range map[string]bool{"lib/a": true, "lib/a/b": true, "app": false} {
		if p.About(name) != want {
			t.Errorf("about %s: %t", name, !want)
		}
	}
	p.Rules[0].Disabled = true
	if p.About("lib/a") {
		t.Error("a disabled rule is about something")
	}
}

func TestIndexesKeepTheirChildren(t *testing.T) {
	all := []retention.Artifact{
		{ID: 1, Digest: "child", Tags: []string{"x"}, Indexes: []int64{3}},
		{ID: 2, Digest: "of a child", Tags: []string{"y"}, Indexes: []int64{1}},
		{ID: 3, Digest: "index", Tags: []string{"v1"}},
		{ID: 4, Digest: "of one that goes", Tags: []string{"z"}, Indexes: []int64{5}},
		{ID: 5, Digest: "another index", Tags: []string{"w"}},
	}
	var held []string
	for _, v := range (retention.Policy{Rules: []retention.Rule{rule(retention.Always, 0, "v*")}}).Judge("app", all, now) {
		if v.Held {
			held = append(held, v.Digest)
		}
	}
	if fmt.Sprint(held) != "[child of a child]" {
		t.Errorf("held are %q", held)
	}
}

func TestManyTagsAreJudged(t *testing.T) {
	all := make([]retention.Artifact, 100_000)
	for i := range all {
		all[i] = retention.Artifact{Digest: fmt.Sprint(i), Tags: []string{fmt.Sprintf("v1.%d.0", i)}, Pushed: now.Add(-time.Duration(i) * time.Minute)}
	}
	p := retention.Policy{Rules: []retention.Rule{rule(retention.LatestPushed, 10, "v1.*"), rule(retention.PushedWithin, 1, "**")}}
	kept := 0
	for _, v := range p.Judge("app", all, now) {
		if v.Rule != nil {
			kept++
		}
	}
	if kept != 24*60+1 {
		t.Errorf("%d are kept", kept)
	}
}
