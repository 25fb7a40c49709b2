package sign

import (
	"context"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berth-registry/berth/internal/artifact"
)

func TestASubjectIsMatchedWhole(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"a@example.org", "a@example.org", true},
		{"a@example.org", "a@exampleXorg", false},
		{"a@example.org", "xa@example.org", false},
		{"a@example.org", "a@example.org ", false},
		{"*@example.org", "a@example.org", true}, {"*@example.org", "@example.org", true},
		{"*@example.org", "a/b@example.org", false}, {"**@example.org", "a/b@example.org", true},
		{"*@example.org", "a@example.org.evil", false},
		{"https://ci.example.org/*/main", "https://ci.example.org/app/main", true},
		{"https://ci.example.org/*/main", "https://ci.example.org/evil/app/main", false},
		{"https://ci.example.org/**", "https://ci.example.org/app/main", true},
		{"https://ci.example.org/**", "https://ci.example.orgevil/", false},
		{"https://ci.example.org/a?b[c]{d,e}", "https://ci.example.org/a?b[c]{d,e}", true},
		{"a?b", "axb", false}, {"[ab]", "a", false}, {"{a,b}", "a", false}, {"a\\*", "a*", false}, {".*", "x", false},
		{"a*b*c", "abc", true}, {"a*b*c", "aXbYbZc", true}, {"a*b*c", "aXbYbZ", false}, {"a**b", "a/b", true}, {"***", "a/b", true},
		{"", "", true}, {"", "a", false}, {"*", "", true},
	} {
		if got := match(tt.pattern, tt.text); got != tt.want {
			t.Errorf("%q of %q: %t", tt.pattern, tt.text, got)
		}
	}
}

// TestMatchingIsNeverSlow where patterns with many stars would be with a matcher
// that goes back.
func TestMatchingIsNeverSlow(t *testing.T) {
	began := time.Now()
	if match(strings.Repeat("**a", 170)+"b", strings.Repeat("a", 10_000)) {
		t.Error("it matches")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestWithoutStarsAPatternIsItself(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern, text := rapid.StringMatching(`[a-c/.?\[\]]{0,6}`).Draw(t, "pattern"), rapid.StringMatching(`[a-c/.?\[\]]{0,6}`).Draw(t, "text")
		if match(pattern, text) != (pattern == text) {
			t.Errorf("%q of %q", pattern, text)
		}
		if !match(pattern+"**", pattern+text) || !match("**"+text, pattern+text) {
			t.Errorf("%q and %q", pattern, text)
		}
	})
}

func TestOnlyWhatCanBeSeenIsSomebody(t *testing.T) {
	anybody := []Identity{{Subject: "**"}}
	for subject, want := range map[string]bool{
		"a@example.org": true, "é@example.org": true,
		"": false, "a\n": false, "\ta": false, "a\x00b": false, "a\u2028b": false, "a\u202eb": false, "\xff": false,
	} {
		if allows(anybody, "", subject) != want {
			t.Errorf("%q: %t", subject, !want)
		}
	}
	if allows(anybody, "i\n", "a") || !allows([]Identity{{Issuer: "i", Subject: "a"}}, "i", "a") || allows([]Identity{{Issuer: "i", Subject: "a"}}, "I", "a") || allows(nil, "", "a") {
		t.Error("issuers")
	}
}

// panicking is a check that a hostile signature takes a library by surprise in.
type panicking struct{}

func (panicking) fits(material) bool { return true }

func (panicking) verify(context.Context, material, artifact.Artifact) (outcome, error) {
	var nothing *material
	return outcome{signer: Signer{Subject: nothing.Name}}, nil
}

func TestALibraryThatPanicsHasVerifiedNothing(t *testing.T) {
	c := candidate{check: panicking{}}
	s := c.judge(t.Context(), artifact.Artifact{}, trust{materials: []material{{Entry: Entry{Name: "ours"}}}})
	if s.Verified || s.Reason != "ours: it cannot be understood" || s.Signer != (Signer{}) {
		t.Errorf("%+v", s)
	}
}

// patient is a check that would find everything good.
type patient struct{ panicking }

func (patient) verify(context.Context, material, artifact.Artifact) (outcome, error) {
	return outcome{}, nil
}

func TestWithoutTimeNothingIsVerified(t *testing.T) {
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	c := candidate{check: patient{}}
	one := trust{materials: []material{{Entry: Entry{Name: "ours"}}}}
	if s := c.judge(late, artifact.Artifact{}, one); s.Verified || !strings.Contains(s.Reason, "no time left") {
		t.Errorf("%+v", s)
	}
	if s := c.judge(t.Context(), artifact.Artifact{}, one); !s.Verified {
		t.Errorf("%+v", s)
	}
	if s := c.judge(t.Context(), artifact.Artifact{}, trust{}); s.Verified || !strings.Contains(s.Reason, "trusts nothing") {
		t.Errorf("%+v", s)
	}
}

func TestReasonsAreShortAndPlain(t *testing.T) {
	if got := plain("a\nb\x1b[31m\u202ec " + strings.Repeat("x", 1000)); strings.ContainsAny(got, "\n\x1b\u202e") || len(got) > maxReason+len("…") || !strings.HasPrefix(got, "a b [31m c x") {
		t.Errorf("%q", got)
	}
}
