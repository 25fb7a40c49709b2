package auth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/robot"
)

func TestWhoIsCalling(t *testing.T) {
	o := open(t)
	pull := o.token(t, "&scope=repository:team/app:pull", basic("alice", password)).Token
	public := o.token(t, "&scope=repository:library/app:pull", "").Token
	r, text, err := o.robots.Create(o.root, robot.NewRobot{Name: "ci", Level: robot.LevelProject, Duration: 30,
		Permissions: []access.Permission{{Kind: "project", Namespace: "team", Access: []access.Action{{Resource: "repository", Action: "push"}}}}})
	must(t, err)

	alice := access.Caller{Kind: access.User, ID: o.alice, Name: "alice"}
	bearer := alice
	bearer.Bearer, bearer.Grants = true, []access.Grant{{Type: "repository", Name: "team/app", Actions: []string{"pull"}}}
	program := access.Caller{Kind: access.Robot, ID: r.ID, Name: "robot$team+ci", ProjectID: r.ProjectID, Permissions: r.Permissions}
	nobody := access.Caller{Bearer: true, Grants: []access.Grant{{Type: "repository", Name: "library/app", Actions: []string{"pull"}}}}
	for _, tc := range []struct {
		path, authorization string
		want                access.Caller
	}{
		{"/v2/", "", access.Caller{}},
		{"/api/v2.0/projects", "", access.Caller{}},
		{"/v2/", basic("alice", password), alice},
		{"/v2/team/app/manifests/1", basic("alice@example.org", password), alice},
		{"/api/v2.0/projects", basic("alice", password), alice},
		{"/api/v2.0/projects", "bASIC" + basic("alice", password)[5:], alice},
		{"/v2/", basic("robot$team+ci", text.Reveal()), program},
		{"/v2/team/app/manifests/1", "Bearer " + pull, bearer},
		{"/v2/team/app/manifests/1", "bearer  " + pull, bearer},
		{"/v2/library/app/manifests/1", "Bearer " + public, nobody},
	} {
		a := o.ask(t, "GET", tc.path, tc.authorization)
		got := a.caller(t)
		if got.Address != "127.0.0.1" || got.Request != a.header.Get("X-Request-Id") || got.Request == "" {
			t.Errorf("%s: from %q, request %q", tc.path, got.Address, got.Request)
		}
		got.Address, got.Request = "", ""
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s as %.20s: %s", tc.path, tc.authorization, d)
		}
	}
	if !strings.Contains(o.log.String(), "user=alice") {
		t.Error("the log does not name who called")
	}
}

func TestWrongCredentialsAreAlways401(t *testing.T) {
	o := open(t)
	pull := o.token(t, "&scope=repository:team/app:pull", basic("alice", password)).Token
	other, err := o.tokens.Issue(t.Context(), access.Caller{}, "other-registry", nil)
	must(t, err)
	for _, tc := range []struct{ path, authorization string }{
		{"/v2/library/app/manifests/1", basic("alice", "wrong")},
		{"/v2/", basic("mallory", password)},
		{"/api/v2.0/systeminfo", basic("robot$none", password)},
		{"/api/v2.0/systeminfo", basic("", "")},
		{"/api/v2.0/systeminfo", "Basic !!!"},
		{"/api/v2.0/systeminfo", "Basic"},
		{"/api/v2.0/systeminfo", "Digest username=alice"},
		{"/api/v2.0/systeminfo", pull},
		{"/api/v2.0/systeminfo", "Bearer " + pull}, // a good one, in the wrong place
		{"/api/v2/x", "Bearer " + pull},
		{"/service/token?service=berth&scope=repository:library/app:pull", "Bearer " + pull},
		{"/v2/", "Bearer " + other.Token},
		{"/v2/", "Bearer " + pull + "x"},
		{"/v2/", "Bearer"},
		{"/v2/", "Bearer " + strings.Repeat("x", 70000)},
	} {
		a := o.ask(t, "GET", tc.path, tc.authorization)
		code, _ := a.problem(t)
		if a.status != http.StatusUnauthorized || code != "UNAUTHORIZED" || a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s as %.20s: %d %s %q", tc.path, tc.authorization, a.status, code, a.header.Get("WWW-Authenticate"))
		}
		version := a.header.Get("Docker-Distribution-Api-Version")
		if strings.HasPrefix(tc.path, "/v2") != (version == "registry/2.0") {
			t.Errorf("%s: version %q", tc.path, version)
		}
	}
	for _, values := range [][]string{{basic("alice", password), "Bearer " + pull}, {"Bearer " + pull, basic("alice", password)}} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", o.url+"/v2/", nil)
		must(t, err)
		r.Header["Authorization"] = values
		if a := do(t, r); a.status != http.StatusUnauthorized {
			t.Errorf("two Authorization headers: %d", a.status)
		}
	}
}

func TestATokenEndsWithItsHolder(t *testing.T) {
	o := open(t)
	raw := "Bearer " + o.token(t, "&scope=repository:team/app:pull", basic("alice", password)).Token
	o.ask(t, "GET", "/v2/", raw).caller(t)
	must(t, o.accounts.Delete(o.root, o.alice))
	a := o.ask(t, "GET", "/v2/team/app/manifests/1", raw)
	if a.status != http.StatusUnauthorized || !strings.Contains(a.header.Get("WWW-Authenticate"), `error="invalid_token"`) {
		t.Errorf("after its holder was deleted: %d %q", a.status, a.header.Get("WWW-Authenticate"))
	}
}

// TestAPushMayOutliveItsToken: an upload that is under way is not lost when the
// token's time is over, but nothing else may be done, and not without the right.
func TestAPushMayOutliveItsToken(t *testing.T) {
	o := open(t)
	raw := "Bearer " + o.token(t, "&scope=repository:team/app:pull,push", basic("alice", password)).Token
	o.ahead.Store(int64(2 * time.Hour))
	for _, method := range []string{"PATCH", "PUT"} {
		got := o.ask(t, method, "/v2/team/app/blobs/uploads/u1", raw).caller(t)
		if got.Name != "alice" || len(got.Grants) != 1 {
			t.Errorf("%s: %+v", method, got)
		}
	}
	for _, r := range [][2]string{
		{"POST", "/v2/team/app/blobs/uploads/"}, {"DELETE", "/v2/team/app/blobs/uploads/u1"}, {"PUT", "/v2/team/app/blobs/uploads"},
		{"PUT", "/v2/team/app/manifests/1"}, {"GET", "/v2/team/app/manifests/1"}, {"GET", "/v2/"},
	} {
		if a := o.ask(t, r[0], r[1], raw); a.status != http.StatusUnauthorized {
			t.Errorf("%s %s with an expired token: %d", r[0], r[1], a.status)
		}
	}
	must(t, o.accounts.Delete(o.root, o.alice))
	if a := o.ask(t, "PATCH", "/v2/team/app/blobs/uploads/u1", raw); a.status != http.StatusUnauthorized {
		t.Errorf("after its holder was deleted: %d", a.status)
	}
}

func TestChallenges(t *testing.T) {
	o := open(t)
	const asked = `,service="berth",scope="repository:team/app:pull,push repository:team/base:pull"`
	realm := `Bearer realm="` + o.url + `/service/token"`
	if got := o.ask(t, "GET", "/v2/", "").header.Get("Challenge"); got != realm+asked {
		t.Errorf("to nobody: %q", got)
	}
	raw := "Bearer " + o.token(t, "&scope=repository:team/app:pull", basic("alice", password)).Token
	if got := o.ask(t, "GET", "/v2/", raw).header.Get("Challenge"); got != realm+asked+`,error="insufficient_scope"` {
		t.Errorf("to one with a token: %q", got)
	}
	r, err := http.NewRequestWithContext(t.Context(), "GET", o.url+"/v2/", nil)
	must(t, err)
	r.Host = "registry.example.org:8443"
	want := `Bearer realm="http://registry.example.org:8443/service/token"` + asked
	if got := do(t, r).header.Get("Challenge"); got != want {
		t.Errorf("under another name: %q", got)
	}
	if got := o.ask(t, "GET", "/v2/", basic("alice", "wrong")).header.Get("WWW-Authenticate"); got != `Basic realm="berth"` {
		t.Errorf("to a wrong password: %q", got)
	}
}

// TestAnExpiredTokenIsToldItsScope: clients get their next token from what the
// challenge says.
func TestAnExpiredTokenIsToldItsScope(t *testing.T) {
	o := open(t)
	for _, tc := range []struct{ method, path, scope string }{
		{"GET", "/v2/", ""},
		{"GET", "/v2/_catalog", "registry:catalog:*"},
		{"GET", "/v2/team/app/manifests/1", "repository:team/app:pull"},
		{"HEAD", "/v2/team/app/blobs/sha256:00", "repository:team/app:pull"},
		{"GET", "/v2/team/app/tags/list", "repository:team/app:pull"},
		{"GET", "/v2/team/app/referrers/sha256:00", "repository:team/app:pull"},
		{"PUT", "/v2/team/app/manifests/1", "repository:team/app:pull,push"},
		{"DELETE", "/v2/team/app/manifests/1", "repository:team/app:delete"},
		{"POST", "/v2/team/app/blobs/uploads/", "repository:team/app:pull,push"},
		{"POST", "/v2/team/app/blobs/uploads", "repository:team/app:pull,push"},
		{"POST", "/v2/team/app/blobs/uploads/?from=library/base&mount=x", "repository:team/app:pull,push repository:library/base:pull"},
		{"POST", "/v2/team/app/blobs/uploads/?from=%22,realm=%22http:/evil", "repository:team/app:pull,push"},
		{"PATCH", "/v2/team/app/blobs/uploads/u1", "repository:team/app:pull,push"},
		{"GET", "/v2/team/app/blobs/uploads/u1", "repository:team/app:pull,push"},
		{"DELETE", "/v2/team/app/blobs/uploads/u1", "repository:team/app:pull,push"},
		{"GET", "/v2/team/blobs/tags/list", "repository:team/blobs:pull"},
		{"GET", "/v2/team/manifests/manifests/1", "repository:team/manifests:pull"},
		{"GET", "/v2/Team/%22/manifests/1", ""},
		{"GET", "/v2/team/app", ""},
	} {
		a := o.ask(t, tc.method, tc.path, "Bearer x.y.z")
		want := `Bearer realm="` + o.url + `/service/token",service="berth"`
		if tc.scope != "" {
			want += `,scope="` + tc.scope + `"`
		}
		want += `,error="invalid_token"`
		if got := a.header.Get("WWW-Authenticate"); a.status != http.StatusUnauthorized || got != want {
			t.Errorf("%s %s: %d\n got %s\nwant %s", tc.method, tc.path, a.status, got, want)
		}
	}
}

func TestSignIn(t *testing.T) {
	o := open(t)
	g := o.token(t, "&account=alice&client_id=docker&offline_token=true", basic("alice", password))
	claims, err := o.tokens.Verify(t.Context(), g.Token)
	must(t, err)
	if g.AccessToken != g.Token || g.ExpiresIn != 1800 || time.Since(g.IssuedAt).Abs() > 5*time.Second || len(claims.Grants) != 0 {
		t.Errorf("given %+v with %+v", g, claims)
	}
	if d := cmp.Diff([]login{{"alice", "127.0.0.1", true, "login user alice"}}, o.logins(t)); d != "" {
		t.Error(d)
	}
	// What a client does all day is no sign-in.
	o.token(t, "&scope=repository:team/app:pull", basic("alice", password))
	o.ask(t, "GET", "/api/v2.0/projects", basic("alice", password)).caller(t)
	if n := len(o.logins(t)); n != 1 {
		t.Errorf("%d sign-ins", n)
	}
}

func TestFailedSignInsAreRemembered(t *testing.T) {
	o := open(t)
	long := strings.Repeat("ä", 300)
	for _, path := range []string{"/service/token?service=berth", "/api/v2.0/projects", "/v2/"} {
		before := len(o.logins(t))
		name := "who" + path[1:3]
		for range 2 { // the second is refused unseen
			if a := o.ask(t, "GET", path, basic(name, "hunter2")); a.status != http.StatusUnauthorized {
				t.Errorf("%s: %d", path, a.status)
			}
		}
		got := o.logins(t)[before:]
		if len(got) != 2 {
			t.Fatalf("%s: %+v", path, got)
		}
		for i, reason := range []string{"not right", "too many failed sign-ins"} {
			if l := got[i]; l.Name != name || l.Success || l.Address != "127.0.0.1" || !strings.Contains(l.Description, reason) {
				t.Errorf("%s: %+v", path, l)
			}
		}
	}
	if a := o.ask(t, "GET", "/v2/", basic(long+"\xff\x00", "hunter2")); a.status != http.StatusUnauthorized {
		t.Errorf("a long name: %d", a.status)
	}
	if l := o.logins(t); !strings.HasPrefix(long, l[len(l)-1].Name) || len(l[len(l)-1].Name) > 255 {
		t.Errorf("%+v", l[len(l)-1])
	}
	// A token that is not good is no attempt to guess a password.
	before := len(o.logins(t))
	o.ask(t, "GET", "/v2/", "Bearer x.y.z")
	if after := len(o.logins(t)); after != before {
		t.Errorf("a bad token makes %d sign-ins", after-before)
	}
}

func TestALockedOutCallerIsToldWhenToComeBack(t *testing.T) {
	o := open(t)
	o.ask(t, "GET", "/service/token?service=berth", basic("alice", "wrong"))
	a := o.ask(t, "GET", "/service/token?service=berth", basic("alice", password))
	_, message := a.problem(t)
	wait := a.header.Get("Retry-After")
	if a.status != http.StatusUnauthorized || wait != "1" && wait != "2" || !strings.Contains(message, "try again in "+wait+" s") {
		t.Errorf("%d, Retry-After %q, %s", a.status, wait, message)
	}
}

// TestOnlyTheGuesserIsLockedOutForLong guesses twice from one address, and then
// signs in from another while that one still waits.
func TestOnlyTheGuesserIsLockedOutForLong(t *testing.T) {
	o := open(t)
	_, text, err := o.robots.Create(o.root, robot.NewRobot{Name: "ci", Level: robot.LevelSystem, Duration: -1, Permissions: []access.Permission{
		{Kind: access.KindProject, Namespace: access.EveryProject, Access: []access.Action{{Resource: "repository", Action: "pull"}}},
	}})
	must(t, err)
	right := map[string]string{"alice": password, "robot$ci": text.Reveal()}
	from := func(address, name, given string) int {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/api/v2.0/users/current", nil)
		r.RemoteAddr = address + ":1234"
		r.Header.Set("Authorization", basic(name, given))
		w := httptest.NewRecorder()
		o.handler.ServeHTTP(w, r)
		return w.Code
	}
	for name, text := range right {
		for _, guess := range []string{"one", "two"} {
			from("203.0.113.9", name, guess)
			time.Sleep(1600 * time.Millisecond)
		}
		// It is refused before anything slow is done.
		if got := from("203.0.113.9", name, text); got != http.StatusUnauthorized {
			t.Errorf("%s from where it was guessed: %d", name, got)
		}
		if got := from("198.51.100.7", name, text); got != http.StatusOK {
			t.Errorf("%s from elsewhere: %d", name, got)
		}
	}
}

// TestGuessingLeavesItsTrace has a client that is gone before the answer.
func TestGuessingLeavesItsTrace(t *testing.T) {
	o := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	o.broken.before = cancel
	r := httptest.NewRequestWithContext(ctx, "GET", "/service/token?service=berth", nil)
	r.Header.Set("Authorization", basic("victim", "guess"))
	o.handler.ServeHTTP(httptest.NewRecorder(), r)
	if l := o.logins(t); ctx.Err() == nil || len(l) != 1 || l[0].Name != "victim" {
		t.Errorf("%+v", l)
	}
}

func TestASignInThatCannotBeRecordedIsNone(t *testing.T) {
	o := open(t)
	o.broken.broken = true
	for _, text := range []string{password, "wrong"} {
		if a := o.ask(t, "GET", "/service/token?service=berth", basic("alice", text)); a.status != http.StatusInternalServerError {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	// Pulling writes nothing, and goes on.
	o = open(t)
	o.broken.broken = true
	o.token(t, "&scope=repository:team/app:pull", basic("alice", password))
}

// TestSecretsStaySecret looks for passwords and tokens where they must not be.
func TestSecretsStaySecret(t *testing.T) {
	o := open(t)
	const canary = "Canary-Sings-77"
	good := o.token(t, "&scope=repository:team/app:pull", basic("alice", password)).Token
	bad := good[:len(good)-9] + "canarybad"
	seen := ""
	for _, tc := range []struct{ path, authorization string }{
		{"/service/token?service=berth", basic("alice", canary)},
		{"/service/token?service=berth", basic("alice", password)}, // locked out
		{"/service/token?service=berth", basic("admin", password)},
		{"/api/v2.0/projects", basic("mallory", canary)},
		{"/v2/team/app/manifests/1", "Bearer " + bad},
		{"/v2/team/app/manifests/1", "Bearer " + canary},
		{"/v2/team/app/manifests/1", "Bearer " + good},
		{"/api/v2.0/projects", "Bearer " + good},
		{"/api/v2.0/projects", canary},
	} {
		a := o.ask(t, "GET", tc.path, tc.authorization)
		if !strings.HasPrefix(tc.path, "/service") || a.status != 200 {
			seen += a.body
		}
		for _, values := range a.header {
			seen += strings.Join(values, "\n")
		}
	}
	o.broken.broken = true
	seen += o.ask(t, "GET", "/service/token?service=berth", basic("zoe", canary)).body
	for _, l := range o.logins(t) {
		seen += l.Name + l.Description
	}
	seen += o.log.String()
	for _, secret := range []string{canary, password, good, bad[len(bad)-40:], good[len(good)-40:],
		basic("alice", canary)[6:], basic("mallory", canary)[6:], basic("alice", password)[6:]} {
		if strings.Contains(seen, secret) {
			t.Errorf("%.12s… is to be seen", secret)
		}
	}
	if !strings.Contains(seen, "mallory") {
		t.Error("the test looks at nothing")
	}
}
