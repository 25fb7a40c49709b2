package app_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/app/apptest"
)

func TestAProjectMayBelieveOnlyWhatIsSigned(t *testing.T) {
	t.Parallel()
	l := startLab(t)
	bad := l.image("bad", "openssl 3.1.4-r0")
	l.rules(`"prevent_vul":"true","severity":"high","vex_signed_only":"true"`)
	l.scan("bad", "vulnerability")
	key, public := newKey(t)
	other, _ := newKey(t)
	body, err := json.Marshal(map[string]string{"name": "security", "kind": "key", "content": public})
	if err != nil {
		t.Fatal(err)
	}
	asked(t, l.Server, 201, "POST", "/projects/library/trust", string(body))
	said := l.attach(bad, "application/vnd.openvex+json", openVEX("pkg:apk/alpine/openssl"), "")
	// unsigned wants what is said to count for nothing once it was looked at.
	unsigned := func(what string) {
		t.Helper()
		eventually(t, "that it does not count: "+what, func() bool {
			_, log := l.report("bad")
			return strings.Contains(log, said+" says nothing: it is not signed by anybody whom the project trusts")
		})
		l.pulls("bad", 412, "PROJECTPOLICYVIOLATION")
	}
	until := func(what string, status int) {
		t.Helper()
		eventually(t, what, func() bool {
			return l.Do("GET", "/v2/library/app/manifests/bad", apptest.Admin, l.Password, nil).StatusCode == status
		})
	}
	unsigned("nobody has signed it")
	l.sign(other, said)
	l.scan("bad", "vulnerability")
	unsigned("somebody else has")
	l.sign(key, bad) // the image, and not what is said of it
	l.scan("bad", "vulnerability")
	unsigned("the image is signed")

	l.sign(key, said)
	until("the report of what is signed", http.StatusOK)
	signature := l.Do("HEAD", "/v2/library/app/manifests/"+strings.Replace(said, ":", "-", 1)+".sig", apptest.Admin, l.Password, nil).Header.Get("Docker-Content-Digest")
	if r := l.Do("DELETE", "/v2/library/app/manifests/"+signature, apptest.Admin, l.Password, nil); r.StatusCode != http.StatusAccepted {
		t.Fatal(r.Status)
	}
	until("the report after the signature was deleted", http.StatusPreconditionFailed)
	unsigned("its signature is gone")

	l.rules(`"vex_signed_only":"false"`)
	l.scan("bad", "vulnerability")
	until("the report of what anybody says", http.StatusOK)
}
