package api

import (
	"strings"
	"testing"
)

func TestRetentionPoliciesThatCannotBeMeant(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct{ old, new, about string }{
		{`"or"`, `"and"`, "algorithm"},
		{`"level":"project"`, `"level":"system"`, "scope"},
		{`"0 0 0 * * *"`, `"@daily"`, "six fields"},
		{`"0 0 0 * * *"`, `7`, "settings.cron"},
		{`"repoMatches"`, `"matches"`, "scope_selectors"},
		{`"matches"`, `"likes"`, "tag_selectors"},
		{`"pattern":"**"`, `"pattern":"["`, "tag_selectors"},
		{`latestPushedK`, `newest`, "newest"},
		{`:3}`, `:-1}`, "params.latestPushedK"},
		{`:3}`, `:32767}`, "params.latestPushedK"},
		{`:3}`, `:0.5}`, "params.latestPushedK"},
		{`"{\"untagged\":false}"`, `"[]"`, "extras"},
	} {
		body := strings.ReplaceAll(newRetention, tt.old, tt.new)
		code, message := problemOf(t, w.want(400, "root", "POST /retentions\n\n"+body))
		if code != "BAD_REQUEST" || !strings.Contains(message, tt.about) || strings.Contains(message, "immutable") {
			t.Errorf("%s for %s: %s %q", tt.new, tt.old, code, message)
		}
	}
	if total := w.want(200, "root", "GET /projects/alpha").Body.String(); strings.Contains(total, "retention_id") {
		t.Errorf("the project has a policy: %s", total)
	}
}
