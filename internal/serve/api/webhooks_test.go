package api

import (
	"strings"
	"testing"
)

func TestWebhookPoliciesThatCannotBeMeant(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct{ old, new, about string }{
		{`"ci"`, `""`, "name"},
		{`"ci"`, `"` + strings.Repeat("n", 256) + `"`, "name"},
		{`["PUSH_ARTIFACT","DELETE_ARTIFACT"]`, `[]`, "event_types"},
		{`PUSH_ARTIFACT`, `PUSH_IMAGE`, "PUSH_IMAGE"},
		{`"http"`, `"mail"`, "type"},
		{`https://ci.example.org/hook`, `ftp://ci.example.org`, "address"},
		{`https://ci.example.org/hook`, `https://u:p@ci.example.org`, "address"},
		{`https://ci.example.org/hook`, `http://127.0.0.1/hook`, "127.0.0.1"},
		{`https://ci.example.org/hook`, `http://[::ffff:a9fe:a9fe]/`, "address"},
		{`Bearer abc`, `Bearer abc\r\nHost: evil`, "auth_header"},
		{`Bearer abc`, `********`, "auth_header"},
		{`"auth_header"`, `"payload_format":"XML","auth_header"`, "payload_format"},
		{`"http"`, `"slack","payload_format":"Default"`, "payload_format"},
		{`}]}`, `},{"type":"http","address":"https://ci.example.org/hook"}]}`, "twice"},
	} {
		body := strings.Replace(newWebhook, tt.old, tt.new, 1)
		code, message := problemOf(t, w.want(400, "alice", "POST /projects/alpha/webhook/policies\n\n"+body))
		if code != "BAD_REQUEST" || !strings.Contains(message, tt.about) {
			t.Errorf("%s for %s: %s %q", tt.new, tt.old, code, message)
		}
	}
	aWebhook(w)
	w.want(409, "alice", "POST /projects/alpha/webhook/policies\n\n"+newWebhook)
	w.want(201, "bob", "POST /projects/beta/webhook/policies\n\n"+newWebhook)
}

// TestAWebhooksSecretIsNeverShown sends it to no other address either: what
// stands for it is good for the target that it was given for.
func TestAWebhooksSecretIsNeverShown(t *testing.T) {
	w := newWorld(t)
	const path = "/projects/alpha/webhook/policies"
	body := strings.Replace(newWebhook, "Bearer abc", canary, 1)
	w.want(201, "alice", "POST "+path+"\n\n"+body)
	kept := func() string { return w.rows("webhook_policy")["webhook_policy.targets of 1"] }
	first := kept()
	masked := strings.Replace(newWebhook, "Bearer abc", "********", 1)
	w.want(200, "alice", "PUT "+path+"/1\n\n"+strings.Replace(masked, `"ci"`, `"renamed"`, 1))
	if kept() != first {
		t.Errorf("the secret changed: %s, was %s", kept(), first)
	}
	w.want(400, "alice", "PUT "+path+"/1\n\n"+strings.Replace(masked, "ci.example.org", "other.example.org", 1))
	if shown := w.want(200, "alice", "GET "+path).Body.String(); strings.Contains(shown+kept()+w.log.String(), canary) || !strings.Contains(shown, `"auth_header":"********"`) {
		t.Errorf("shown %s, kept %s", shown, kept())
	}
	w.want(200, "alice", "PUT "+path+"/1\n\n"+strings.Replace(newWebhook, `,"auth_header":"Bearer abc"`, "", 1))
	if strings.Contains(kept(), "sealed") {
		t.Errorf("a secret that was left out is still there: %s", kept())
	}
}

// TestWebhooksOfOtherProjectsAreNotThere asks for what no path names by itself.
func TestWebhooksOfOtherProjectsAreNotThere(t *testing.T) {
	w := newWorld(t)
	aWebhookTrial(w)
	w.want(201, "alice", "POST /projects/alpha/webhook/policies\n\n"+strings.Replace(newWebhook, `"ci"`, `"second"`, 1))
	w.want(404, "bob", "GET /projects/beta/webhook/jobs?policy_id=1")
	for _, path := range []string{"executions/1/tasks", "executions/1/tasks/1/log"} {
		w.want(200, "alice", "GET /projects/alpha/webhook/policies/1/"+path)
		w.want(404, "alice", "GET /projects/alpha/webhook/policies/2/"+path)
	}
}

func TestSlackAddressesAreForThoseWhoMayChangeThem(t *testing.T) {
	w := newWorld(t)
	body := `{"name":"chat","enabled":true,"event_types":["PUSH_ARTIFACT"],"targets":[{"type":"slack","address":"https://hooks.example.org/services/` + canary + `"}]}`
	w.want(201, "alice", "POST /projects/alpha/webhook/policies\n\n"+body)
	for _, path := range []string{"", "/1"} {
		if shown := w.want(200, "alice", "GET /projects/alpha/webhook/policies"+path).Body.String(); !strings.Contains(shown, canary) {
			t.Errorf("its admin sees %s", shown)
		}
		if shown := w.want(200, "mia", "GET /projects/alpha/webhook/policies"+path).Body.String(); strings.Contains(shown, canary) || !strings.Contains(shown, `"https://hooks.example.org/********"`) {
			t.Errorf("a maintainer sees %s", shown)
		}
	}
}

func TestNothingIsTriedWhileWebhooksAreOff(t *testing.T) {
	w := newWorld(t)
	aWebhook(w)
	w.want(200, "root", "PUT /configurations\n\n"+`{"notification_enable":false}`)
	w.want(412, "alice", "POST /projects/alpha/webhook/policies/1/test")
}
