package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/feed/feedtest"
)

func TestAdvisoriesAreBroughtFromAFolderToAnotherServer(t *testing.T) {
	folder := t.TempDir()
	feedtest.Write(t, folder, "npm", feedtest.Record{ID: "GHSA-aaaa-bbbb-cccc", Modified: "2026-01-02T03:04:05Z",
		Text: `{"id":"GHSA-aaaa-bbbb-cccc","modified":"2026-01-02T03:04:05Z","affected":[{"package":{"ecosystem":"npm","name":"left"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}`})
	environ := []string{"BERTH_ADVISORIES_SOURCE=" + folder, "BERTH_ADVISORIES_ECOSYSTEMS=npm"}
	here, there := start(t, t.TempDir(), append(environ, withPassword...)), start(t, t.TempDir(), append(environ, withPassword...))
	file := filepath.Join(t.TempDir(), "advisories.zst")
	for _, c := range []struct {
		data string
		args []string
		code int
		say  string
	}{
		{dataOf(here), []string{"status"}, 0, "there are no advisories yet"},
		{dataOf(here), []string{"export", file}, 1, "there are no advisories yet"},
		{dataOf(here), []string{"update"}, 0, "npm: 1 records changed, 0 could not be read"},
		{dataOf(here), []string{"update"}, 0, "nothing is new"},
		{dataOf(here), []string{"export", file}, 0, ""},
		{dataOf(there), []string{"import", filepath.Join(folder, "npm", "modified_id.csv")}, 1, ""},
		{dataOf(there), []string{"status"}, 0, "there are no advisories yet"},
		{dataOf(there), []string{"import", file}, 0, "the advisories are now those of"},
		{dataOf(there), []string{"status"}, 0, "1 records"},
	} {
		code, out, errs := tool(t, environ, "", append([]string{"advisories", "--data", c.data}, c.args...)...)
		if code != c.code || !strings.Contains(out+errs, c.say) {
			t.Errorf("%q: exit %d: %s%s", c.args, code, out, errs)
		}
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(file), ".berth-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("%v is left behind: %v", left, err)
	}
}
