package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/app/apptest"
	"github.com/berth-registry/berth/internal/intake"
)

const catalogOfAdvisories = "/projects/library/repositories/advisories/artifacts"

// digests returns those of all artifacts of advisories, the newest first.
func digests(t *testing.T, s *apptest.Server) (all []string) {
	t.Helper()
	resp := s.Do("GET", "/api/v2.0"+catalogOfAdvisories, apptest.Admin, s.Password, nil)
	defer resp.Body.Close()
	var list []struct{ Digest string }
	if resp.StatusCode == http.StatusNotFound {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	for _, one := range list {
		all = append(all, one.Digest)
	}
	return all
}

// TestAdvisoriesReachAServerWithoutInternet as an artifact that is replicated there.
func TestAdvisoriesReachAServerWithoutInternet(t *testing.T) {
	t.Parallel()
	folder := osvFolder(t, "left")
	outside := apptest.Start(t, allowing, from(folder, "npm"), func(c *app.Config) { c.Advisories.Publish = "library/advisories" })
	source := from("oci:library/advisories:latest")
	inside := apptest.Start(t, source)
	if log := updated(t, inside, "Error"); !strings.Contains(log, "there is no artifact of advisories yet") {
		t.Errorf("before it arrives: %s", log)
	}
	asked(t, outside, 201, "POST", "/registries", fmt.Sprintf(`{"name":"inside","type":"harbor","url":%q,"credential":{"type":"basic","access_key":%q,"access_secret":%q}}`, inside.URL, apptest.Admin, inside.Password))
	asked(t, outside, 201, "POST", "/replication/policies", `{"name":"advisories","dest_registry":{"id":1},"enabled":true,"override":true,"trigger":{"type":"event_based"},"filters":[{"type":"name","value":"library/advisories"}]}`)

	arrive := func(what string) {
		t.Helper()
		want := digests(t, outside)
		if len(want) != 1 {
			t.Fatalf("%s: there are %q where they are published", what, want)
		}
		eventually(t, what, func() bool {
			got := digests(t, inside)
			return len(got) > 0 && got[0] == want[0]
		})
	}
	if log := updated(t, outside, "Success"); !strings.Contains(log, "pushing the advisories to library/advisories:latest") {
		t.Errorf("no word of the push: %s", log)
	}
	arrive("the first artifact")
	if log := updated(t, outside, "Success"); strings.Contains(log, "pushing") {
		t.Errorf("it is pushed again: %s", log)
	}
	if log := updated(t, inside, "Success"); !strings.Contains(log, "there is a new generation") {
		t.Errorf("it is not taken: %s", log)
	}
	if log := updated(t, inside, "Success"); !strings.Contains(log, "nothing is new") {
		t.Errorf("it is taken again: %s", log)
	}

	writeOSV(t, folder, "left", "right")
	updated(t, outside, "Success")
	arrive("the second artifact")
	inside.Stop()
	again := apptest.Start(t, source, func(c *app.Config) { c.Data = inside.Config.Data; c.AdminPassword = inside.Config.AdminPassword })
	eventually(t, "that the second one is noticed", func() bool {
		text, _ := asked(t, again, 200, "GET", "/system/advisories", "")
		return strings.Contains(text, `"name":"npm"`) && strings.Contains(text, `"records":2`)
	})
}

func TestWhatIsNoArtifactOfAdvisoriesIsNotTaken(t *testing.T) {
	t.Parallel()
	s := apptest.Start(t, from("oci:library/app:v1"))
	push(t, s, "library/app", "v1")
	if log := updated(t, s, "Error"); !strings.Contains(log, "that is no artifact of advisories") {
		t.Error(log)
	}
}

// TestAdvisoriesThatSomebodyTaggedStay, and a project that is not there is named.
func TestAdvisoriesThatSomebodyTaggedStay(t *testing.T) {
	t.Parallel()
	folder := osvFolder(t, "left")
	s := apptest.Start(t, from(folder, "npm"), func(c *app.Config) { c.Advisories.Publish = "library/advisories:latest" })
	updated(t, s, "Success")
	asked(t, s, 201, "POST", catalogOfAdvisories+"/latest/tags", `{"name":"kept"}`)
	writeOSV(t, folder, "left", "right")
	updated(t, s, "Success")
	if got := digests(t, s); len(got) != 2 {
		t.Errorf("%d artifacts: %q", len(got), got)
	}

	elsewhere := apptest.Start(t, from(folder, "npm"), func(c *app.Config) { c.Advisories.Publish = "security/advisories:latest" })
	if log := updated(t, elsewhere, "Error"); !strings.Contains(log, "there is no project for the artifact of advisories: create it: security") {
		t.Error(log)
	}
}

// TestNothingIsScheduledWhereUpdatesAreOff any more, and anew where they are on again.
func TestNothingIsScheduledWhereUpdatesAreOff(t *testing.T) {
	t.Parallel()
	on := from(osvFolder(t, "left"), "npm")
	s := apptest.Start(t, on)
	scheduled := func() bool {
		t.Helper()
		text, _ := asked(t, s, 200, "GET", "/system/advisories/schedule", "")
		return strings.Contains(text, `"type":"Custom"`)
	}
	restart := func(sources func(*app.Config)) {
		t.Helper()
		s.Stop()
		config := s.Config
		s = apptest.Start(t, sources, func(c *app.Config) { c.Data = config.Data; c.AdminPassword = config.AdminPassword })
	}
	if !scheduled() {
		t.Error("it has no schedule")
	}
	restart(func(c *app.Config) { c.Advisories = intake.Sources{Source: "off"} })
	if scheduled() {
		t.Error("updates that are off have a schedule")
	}
	asked(t, s, 412, "PUT", "/system/advisories/schedule", `{"schedule":{"type":"Daily"}}`)
	restart(on)
	if !scheduled() {
		t.Error("updates that are on again have no schedule")
	}
}
