package app_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/oci"
)

// followed waits for so many executions of a policy that events start, and returns
// the logs of all, the newest first.
func (p *pair) followed(policy, n int) (log string) {
	p.t.Helper()
	var executions []struct{ ID int64 }
	eventually(p.t, fmt.Sprintf("%d executions of policy %d", n, policy), func() bool {
		text, _ := asked(p.t, p.here, 200, "GET", fmt.Sprintf("/replication/executions?page_size=100&policy_id=%d", policy), "")
		if err := json.Unmarshal([]byte(text), &executions); err != nil {
			p.t.Fatal(text, err)
		}
		return len(executions) >= n
	})
	for _, e := range executions {
		_, some := p.end(fmt.Sprintf("/replication/executions/%d", e.ID), "Succeed")
		log += some
	}
	return log
}

// TestDeletionsAreChosen deletes what a policy chose, what it did not, and what
// the destination has by other tags, too.
func TestDeletionsAreChosen(t *testing.T) {
	t.Parallel()
	p := newPair(t, "harbor")
	asked(t, p.here, 201, "POST", "/labels", `{"name":"gold","scope":"g"}`)
	follow := func(namespace, more string) int {
		return p.policy(pushing + `,"deletion":true,"dest_namespace":"` + namespace + `","trigger":{"type":"event_based"}` + more)
	}
	named := func(name, more string) string {
		return `,"filters":[{"type":"name","value":"` + name + `"}` + more + `]`
	}
	untag := func(repository, tag string) {
		asked(t, p.here, 200, "DELETE", "/projects/del/repositories/"+repository+"/artifacts/"+tag+"/tags/"+tag, "")
	}
	remove := func(repository, ref string) {
		asked(t, p.here, 200, "DELETE", "/projects/del/repositories/"+repository+"/artifacts/"+ref, "")
	}
	is := func(repository, tag, want string) {
		t.Helper()
		if d := p.digest(p.there, repository, tag); string(d) != want {
			t.Errorf("%s:%s is %q, want %q", repository, tag, d, want)
		}
	}
	says := func(log, want string) {
		t.Helper()
		if !strings.Contains(log, want) {
			t.Errorf("it does not say %q: %s", want, log)
		}
	}

	// By labels: what the destination has of others stays.
	golden := follow("labels", named("del/labels", `,{"type":"label","value":["gold"]}`))
	images := map[string]string{}
	for _, tag := range []string{"with", "without", "lost"} {
		images[tag] = digestOf(p.image(p.here, "del/labels", tag, `{"os":"linux"}`, "", []byte(tag)))
	}
	p.followed(golden, 3) // without labels: nothing is copied
	for _, tag := range []string{"with", "lost"} {
		asked(t, p.here, 200, "POST", "/projects/del/repositories/labels/artifacts/"+tag+"/labels", `{"id":1}`)
	}
	p.run(p.policy(pushing + `,"dest_namespace":"labels"` + named("del/labels", "")))
	untag("labels", "with")
	untag("labels", "without")
	remove("labels", "lost")
	log := p.followed(golden, 6)
	is("labels/labels", "with", "")
	is("labels/labels", "without", images["without"])
	is("labels/labels", "lost", images["lost"])
	says(log, "del/labels:with: deleted")
	says(log, "del/labels:without: the policy does not want it")
	says(log, "del/labels:lost: left alone: its labels are gone with it")

	// By kinds.
	things := follow("kinds", named("del/kinds", `,{"type":"resource","value":"artifact"}`))
	image := digestOf(p.image(p.here, "del/kinds", "image", `{"os":"linux"}`, "", []byte("image")))
	p.manifest(p.here, "del/kinds", "thing", oci.MediaTypeImageManifest, fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":%s,"layers":[]}`,
		oci.MediaTypeImageManifest, descriptor("application/vnd.x.thing.config.v1+json", []byte(`{"os":"linux"}`), "")))
	p.followed(things, 2)
	p.run(p.policy(pushing + `,"dest_namespace":"kinds"` + named("del/kinds", "")))
	remove("kinds", "image")
	remove("kinds", "thing")
	log = p.followed(things, 4)
	is("kinds/kinds", "image", image)
	is("kinds/kinds", "thing", "")
	says(log, "del/kinds:image: the policy does not want it")

	// By other tags, also where the policy does not override.
	p.image(p.there, "tags/tags", "mine", `{"os":"linux"}`, "", []byte("mine"))
	mine := p.digest(p.there, "tags/tags", "mine")
	plain := p.policy(strings.Replace(pushing, `"override":true`, `"override":false`, 1) + `,"deletion":true,"dest_namespace":"tags","trigger":{"type":"event_based"}` + named("del/tags", ""))
	shared := digestOf(p.image(p.here, "del/tags", "v1", `{"os":"linux"}`, "", []byte("shared")))
	p.image(p.here, "del/tags", "mine", `{"os":"linux"}`, "", []byte("another"))
	alone := digestOf(p.image(p.here, "del/tags", "v2", `{"os":"linux"}`, "", []byte("alone")))
	p.followed(plain, 3)
	asked(t, p.there, 201, "POST", "/projects/tags/repositories/tags/artifacts/v1/tags", `{"name":"stable"}`)
	remove("tags", "v1")
	untag("tags", "mine")
	remove("tags", "v2")
	log = p.followed(plain, 6)
	is("tags/tags", "v1", "")
	is("tags/tags", "stable", shared)
	is("tags/tags", "mine", string(mine))
	is("tags/tags", alone, "")
	says(log, "del/tags@"+shared+": left alone: the destination has it by the tag stable, too")
	says(log, "del/tags:v1: deleted")
	says(log, "del/tags:mine: left alone: it names another artifact")
	says(log, "del/tags@"+alone+": deleted")
}

// TestDeletionsOfARegistryWithoutTags deletes where only digests can be deleted.
func TestDeletionsOfARegistryWithoutTags(t *testing.T) {
	t.Parallel()
	p := newPair(t, "docker-registry")
	asked(t, p.there, 201, "POST", "/projects", `{"project_name":"far"}`)
	p.wire.meddle(func(w http.ResponseWriter, r *http.Request) bool {
		refused := r.Method == "DELETE" && !strings.Contains(r.URL.Path, "/manifests/sha256:")
		if refused {
			w.WriteHeader(http.StatusMethodNotAllowed)
		}
		return refused
	})
	policy := p.policy(pushing + `,"deletion":true,"dest_namespace":"far","trigger":{"type":"event_based"},"filters":[{"type":"name","value":"del/app"}]`)
	first := digestOf(p.image(p.here, "del/app", "v1", `{"os":"linux"}`, "", []byte("first")))
	asked(t, p.here, 201, "POST", "/projects/del/repositories/app/artifacts/v1/tags", `{"name":"v2"}`)
	second := digestOf(p.image(p.here, "del/app", "v3", `{"os":"linux"}`, "", []byte("second")))
	p.followed(policy, 3)
	asked(t, p.here, 200, "DELETE", "/projects/del/repositories/app/artifacts/v1", "") // with both tags
	asked(t, p.here, 200, "DELETE", "/projects/del/repositories/app/artifacts/v3/tags/v3", "")
	log := p.followed(policy, 5)
	for _, d := range []string{first, second} {
		if got := p.digest(p.there, "far/app", d); got != "" {
			t.Errorf("%s is there: %s", got, log)
		}
	}
}
