package replication_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/replication"
)

func named(globs ...string) (p replication.Policy) {
	for _, g := range globs {
		p.Filters = append(p.Filters, replication.Filter{Type: replication.ByName, Pattern: g})
	}
	return p
}

func filtered(filters ...replication.Filter) replication.Policy {
	return replication.Policy{Filters: filters}
}

func tag(glob string) replication.Filter {
	return replication.Filter{Type: replication.ByTag, Pattern: glob}
}

func noTag(glob string) replication.Filter {
	return replication.Filter{Type: replication.ByTag, Pattern: glob, Excludes: true}
}

func label(names ...string) replication.Filter {
	return replication.Filter{Type: replication.ByLabel, Labels: names}
}

func noLabel(names ...string) replication.Filter {
	return replication.Filter{Type: replication.ByLabel, Labels: names, Excludes: true}
}

func resource(kind string) replication.Filter {
	return replication.Filter{Type: replication.ByResource, Pattern: kind}
}

func TestWantsRepositories(t *testing.T) {
	for _, tt := range []struct {
		policy     replication.Policy
		repository string
		want       bool
	}{
		{named(), "library/app", true},
		{named(""), "library/app", true},
		{named("library/*"), "library/app", true},
		{named("library/*"), "library/lib/base", false},
		{named("library/*"), "other/app", false},
		{named("library/**"), "library/lib/base", true},
		{named("**"), "library/lib/base", true},
		{named("*"), "app", true},
		{named("*"), "library/app", false},
		{named("library/{app,web}"), "library/web", true},
		{named("library/{app,web}"), "library/db", false},
		{named("library/app"), "library/app2", false},
		{named("library/**", "**/app"), "library/app", true},
		{named("library/**", "**/app"), "library/web", false},
		{filtered(tag("x"), label("y"), resource(replication.Image)), "library/app", true},
	} {
		if got := tt.policy.Wants(tt.repository); got != tt.want {
			t.Errorf("%+v wants %s: %t", tt.policy.Filters, tt.repository, got)
		}
	}
}

func TestWantsTags(t *testing.T) {
	for _, tt := range []struct {
		policy replication.Policy
		tag    string
		want   bool
	}{
		{filtered(), "v1", true},
		{filtered(), "", true},
		{filtered(tag("")), "v1", true},
		{filtered(noTag("")), "v1", true},
		{filtered(tag("v*")), "v1", true},
		{filtered(tag("v*")), "latest", false},
		{filtered(tag("v*")), "", false},
		{filtered(tag("**")), "", true},
		{filtered(noTag("v*")), "v1", false},
		{filtered(noTag("v*")), "latest", true},
		{filtered(noTag("v*")), "", true},
		{filtered(tag("{v1,v2}")), "v2", true},
		{filtered(tag("v*"), noTag("*-rc")), "v1", true},
		{filtered(tag("v*"), noTag("*-rc")), "v1-rc", false},
		{named("v*"), "latest", true},
	} {
		if got := tt.policy.WantsTag(tt.tag); got != tt.want {
			t.Errorf("%+v wants the tag %q: %t", tt.policy.Filters, tt.tag, got)
		}
	}
}

func TestWantsLabels(t *testing.T) {
	for _, tt := range []struct {
		policy replication.Policy
		labels string
		want   bool
	}{
		{filtered(), "", true},
		{filtered(label("a")), "", false},
		{filtered(label("a")), "a b", true},
		{filtered(label("a", "b")), "b a", true},
		{filtered(label("a", "b")), "a", false},
		{filtered(noLabel("a")), "", true},
		{filtered(noLabel("a")), "a b", false},
		{filtered(noLabel("a", "b")), "a", true}, // which has not all of them
		{filtered(noLabel("a", "b")), "a b c", false},
		{filtered(label("a"), noLabel("b")), "a", true},
		{filtered(label("a"), noLabel("b")), "a b", false},
	} {
		if got := tt.policy.WantsLabels(strings.Fields(tt.labels)); got != tt.want {
			t.Errorf("%+v wants the labels %q: %t", tt.policy.Filters, tt.labels, got)
		}
		if got := tt.policy.AsksLabels(); got != (len(tt.policy.Filters) > 0) {
			t.Errorf("%+v asks for labels: %t", tt.policy.Filters, got)
		}
	}
	if filtered(tag("v*"), named("a").Filters[0]).AsksLabels() {
		t.Error("a policy without a filter by labels asks for them")
	}
}

func TestWantsTypes(t *testing.T) {
	for _, tt := range []struct {
		policy       replication.Policy
		image, chart bool
	}{
		{filtered(), true, true},
		{filtered(resource("")), true, true},
		{filtered(resource(replication.Image)), true, false},
		{filtered(resource(replication.Artifact)), false, true},
		{filtered(resource(replication.Image), resource(replication.Artifact)), false, false},
	} {
		if image, chart := tt.policy.WantsType("IMAGE"), tt.policy.WantsType("CHART"); image != tt.image || chart != tt.chart {
			t.Errorf("%+v wants images: %t, charts: %t", tt.policy.Filters, image, chart)
		}
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		policy replication.Policy
		want   string
		known  bool
	}{
		{named(), "", false},
		{named(""), "", false},
		{named("library/*"), "", false},
		{named("library/a?p"), "", false},
		{named("library/[ab]"), "", false},
		{named(`library/\{a`), "", false},
		{named("{library/app,library/*}"), "", false},
		{named("library/app"), "library/app", true},
		{named("{app}"), "app", true},
		{named("library/{app,web}"), "library/app library/web", true},
		{named("{library,team}/{app,web}"), "library/app library/web team/app team/web", true},
		{named("library/{app,web{1,2}}-x"), "library/app-x library/web1-x library/web2-x", true},
		{named("library/app{,-debug}"), "library/app library/app-debug", true},
		{named("library/{app,app}"), "library/app", true},
		{named("a,b"), "a,b", true},
		{named("**", "{library/app,team/app}"), "library/app team/app", true},
		{named("library/**", "{library/app,team/app}"), "library/app", true},
		{filtered(tag("v1"), label("x")), "", false},
	} {
		got, known := tt.policy.Names()
		if known != tt.known || strings.Join(got, " ") != tt.want {
			t.Errorf("%+v names %q, %t", tt.policy.Filters, got, known)
		}
		for _, name := range got {
			if !tt.policy.Wants(name) {
				t.Errorf("%+v names %s, which it does not want", tt.policy.Filters, name)
			}
		}
	}
}

func TestTarget(t *testing.T) {
	for _, tt := range []struct {
		namespace  string
		replace    int
		repository string
		want       string // empty: there is none
	}{
		{"", -1, "a/b/c/img", "a/b/c/img"},
		{"", 3, "a/b/c/img", "a/b/c/img"},
		{"", -1, "img", ""},
		{"n", -1, "a/b/c/img", "n/img"},
		{"n", 0, "a/b/c/img", "n/a/b/c/img"},
		{"n", 1, "a/b/c/img", "n/b/c/img"},
		{"n", 2, "a/b/c/img", "n/c/img"},
		{"n", 3, "a/b/c/img", "n/img"},
		{"n", 4, "a/b/c/img", ""},
		{"n/m", 1, "a/img", "n/m/img"},
		{"n", -1, "img", "n/img"},
		{"n", 0, "img", "n/img"},
		{"n", 1, "img", ""},
		{"n", 0, "A/img", ""},
		{"n", 0, "a//img", ""},
		{"n", 0, "../img", ""},
		{"n", 0, strings.Repeat("a", 252) + "/i", ""},
	} {
		p := replication.Policy{Namespace: tt.namespace, Replace: tt.replace}
		got, err := p.Target(tt.repository)
		if got != tt.want || errors.Is(err, replication.ErrTarget) != (tt.want == "") {
			t.Errorf("%s for %d components of %s: %q, %v", tt.namespace, tt.replace, tt.repository, got, err)
		}
	}
	_, err := replication.Policy{Namespace: "n", Replace: 4}.Target("a/img")
	if text := err.Error(); !strings.Contains(text, "a/img") || !strings.Contains(text, "dest_namespace_replace_count is 4") {
		t.Errorf("it does not say why: %s", text)
	}
}

// FuzzNames holds that what stands for a name is wanted, and is no pattern.
func FuzzNames(f *testing.F) {
	for _, glob := range []string{"a/{b,c{d,e}}", "{,a}{b,}", "a", "{{a}}"} {
		f.Add(glob)
	}
	f.Fuzz(func(t *testing.T, glob string) {
		p := named(glob)
		if p.Check() != nil {
			t.Skip()
		}
		names, _ := p.Names()
		if slices.ContainsFunc(names, func(n string) bool { return !p.Wants(n) || strings.ContainsAny(n, "{}*?[") }) {
			t.Errorf("%q names %q", glob, names)
		}
	})
}
