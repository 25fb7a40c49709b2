package auth_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/audit"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/identity"
	"github.com/berth-registry/berth/internal/project"
	"github.com/berth-registry/berth/internal/robot"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/serve/auth"
	"github.com/berth-registry/berth/internal/serve/web"
	"github.com/berth-registry/berth/internal/setting"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
	"github.com/berth-registry/berth/internal/token"
)

const password = "Sesame-open-1"

// A door is a server with the guard before handlers that tell who calls.
type door struct {
	ahead    atomic.Int64 // how far the clock of the tokens is ahead, in nanoseconds
	url      string
	handler  http.Handler
	log      *safeBuffer
	db       *db.DB
	accounts *account.Service
	robots   *robot.Service
	projects *project.Service
	tokens   *token.Service
	broken   *breakable
	root     context.Context // of the administrator
	alice    int64
}

// users finds users for projects, whoever they are.
type users struct{ *account.Service }

func (u users) Lookup(ctx context.Context, id int64, name string) (int64, string, error) {
	found, err := u.ByName(ctx, name)
	if id != 0 {
		found, err = u.ByID(ctx, id)
	}
	return found.ID, found.Name, err
}

// A breakable recorder can stop to work.
type breakable struct {
	auth.Recorder
	broken bool
	before func() // is called first, if there is one
}

func (b *breakable) Record(ctx context.Context, e event.Event) error {
	if b.before != nil {
		b.before()
	}
	if b.broken {
		return errors.New("the disk is full")
	}
	return b.Recorder.Record(ctx, e)
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// open starts a server with the user alice, a developer of the project "team",
// and the public project "library".
func open(t *testing.T) *door {
	t.Helper()
	d := storetest.SQLite(t)
	epoch, hasher, log := &access.Epoch{}, secret.NewHasher(2), &safeBuffer{}
	o := &door{
		db: d, log: log,
		accounts: account.New(sqlstore.NewAccounts(d), hasher, epoch),
		robots:   robot.New(sqlstore.NewRobots(d), hasher, nil, epoch),
	}
	o.projects = project.New(sqlstore.NewProjects(d), users{o.accounts}, nil, nil, epoch)
	var err error
	o.tokens, err = token.New(t.Context(), sqlstore.NewKeys(d), secret.NewSealer([32]byte{1}), o.projects,
		token.Config{Services: []string{"berth", "other-registry"}, Now: func() time.Time { return time.Now().Add(time.Duration(o.ahead.Load())) }})
	must(t, err)
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.broken = &breakable{Recorder: audit.New(sqlstore.NewAudit(d), none, 0, logger)}
	guard := auth.New(identity.New(epoch, identity.Robots(o.robots), identity.Accounts(o.accounts)), o.tokens, o.broken)
	o.people(t)

	mux := http.NewServeMux()
	mux.Handle("/service/token", guard.Token())
	tell := guard.Identify(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Challenge", guard.Challenge(r, "repository:team/app:pull,push", "repository:team/base:pull"))
		if err := json.NewEncoder(w).Encode(access.From(r.Context())); err != nil {
			t.Error(err)
		}
	}))
	mux.Handle("/v2/", tell)
	mux.Handle("/api/", tell)
	o.handler = web.Chain(logger, nil, nil)(mux)
	server := httptest.NewServer(o.handler)
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

// none are settings that say nothing.
func none(context.Context) (setting.Values, error) { return setting.Values{}, nil }

func (o *door) people(t *testing.T) {
	t.Helper()
	_, err := o.accounts.Bootstrap(t.Context(), secret.New(password))
	must(t, err)
	admin, err := o.accounts.ByName(t.Context(), "admin")
	must(t, err)
	o.root = access.With(t.Context(), access.Caller{Kind: access.User, ID: admin.ID, Name: "admin", Admin: true})
	o.alice, err = o.accounts.Create(o.root, account.NewUser{Name: "alice", Email: "alice@example.org", RealName: "Alice", Password: secret.New(password)})
	must(t, err)
	_, err = o.projects.Create(o.root, project.NewProject{Name: "library", Public: true})
	must(t, err)
	team, err := o.projects.Create(o.root, project.NewProject{Name: "team"})
	must(t, err)
	_, err = o.projects.AddMember(o.root, team, project.NewMember{UserID: o.alice, Role: access.Developer})
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func basic(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

// An answer is a response that was read.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask makes a request with an Authorization header, "" for none.
func (o *door) ask(t *testing.T, method, path, authorization string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, o.url+path, nil)
	must(t, err)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	return do(t, r)
}

func do(t *testing.T, r *http.Request) answer {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	must(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(t, err)
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// caller returns who the handler saw.
func (a answer) caller(t *testing.T) (c access.Caller) {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	must(t, json.Unmarshal([]byte(a.body), &c))
	return c
}

// problem returns the code and the message of a refusal.
func (a answer) problem(t *testing.T) (code, message string) {
	t.Helper()
	var p web.Problems
	if err := json.Unmarshal([]byte(a.body), &p); err != nil || len(p.Errors) != 1 {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return p.Errors[0].Code, p.Errors[0].Message
}

// A given answer of the token service.
type given struct {
	Token       string    `json:"token"`
	AccessToken string    `json:"access_token"`
	ExpiresIn   int       `json:"expires_in"`
	IssuedAt    time.Time `json:"issued_at"`
}

func (o *door) token(t *testing.T, query, authorization string) given {
	t.Helper()
	a := o.ask(t, "GET", "/service/token?service=berth"+query, authorization)
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	var g given
	must(t, json.Unmarshal([]byte(a.body), &g))
	return g
}

// A login is a row of the audit log about a sign-in.
type login struct {
	Name, Address string
	Success       bool
	Description   string
}

func (o *door) logins(t *testing.T) (found []login) {
	t.Helper()
	rows, err := o.db.Query(t.Context(), `SELECT username, address, success, description FROM audit_log WHERE operation = 'login' ORDER BY id`)
	must(t, err)
	defer rows.Close()
	for rows.Next() {
		var l login
		must(t, rows.Scan(&l.Name, &l.Address, &l.Success, &l.Description))
		found = append(found, l)
	}
	must(t, rows.Err())
	return found
}

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
	for _, guess := range []string{"one", "two"} {
		for name := range right {
			from("203.0.113.9", name, guess)
		}
		time.Sleep(1600 * time.Millisecond)
	}
	for name, text := range right {
		if got := from("198.51.100.7", name, text); got != http.StatusOK {
			t.Errorf("%s from elsewhere: %d", name, got)
		}
		if got := from("203.0.113.9", name, text); got != http.StatusUnauthorized {
			t.Errorf("%s from where it was guessed: %d", name, got)
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

func TestTokensForScopes(t *testing.T) {
	o := open(t)
	repo := func(name string, actions ...string) access.Grant {
		return access.Grant{Type: "repository", Name: name, Actions: append([]string{}, actions...)}
	}
	for _, tc := range []struct {
		query, authorization string
		want                 []access.Grant
	}{
		{"&scope=repository:team/app:pull", basic("alice", password), []access.Grant{repo("team/app", "pull")}},
		{"&scope=repository:team/app:pull,push,delete", basic("alice", password), []access.Grant{repo("team/app", "pull", "push")}},
		{"&scope=repository:team/app:*&scope=repository:library/base:pull", basic("alice", password),
			[]access.Grant{repo("team/app", "pull", "push"), repo("library/base", "pull")}},
		{"&scope=repository:team/app:push+repository:library/app:push", basic("alice", password),
			[]access.Grant{repo("team/app", "push"), repo("library/app")}},
		{"&scope=repository:library/app:pull,push", "", []access.Grant{repo("library/app", "pull")}},
		{"&scope=repository:team/app:pull", "", []access.Grant{repo("team/app")}},
		{"&scope=repository:absent/app:pull", "", []access.Grant{repo("absent/app")}},
		{"&scope=registry:catalog:*", basic("admin", password), []access.Grant{{Type: "registry", Name: "catalog", Actions: []string{"*"}}}},
		{"&scope=registry:catalog:*", "", []access.Grant{{Type: "registry", Name: "catalog", Actions: []string{}}}},
	} {
		claims, err := o.tokens.Verify(t.Context(), o.token(t, tc.query, tc.authorization).Token)
		must(t, err)
		if d := cmp.Diff(tc.want, claims.Grants); d != "" {
			t.Errorf("%s: %s", tc.query, d)
		}
	}
}

func TestTokensForAnotherService(t *testing.T) {
	o := open(t)
	a := o.ask(t, "GET", "/service/token?service=other-registry&scope=repository:library/app:pull", "")
	if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %v", a.status, a.header)
	}
}

func TestTokenRequestsThatAreRefused(t *testing.T) {
	o := open(t)
	alice := basic("alice", password)
	for _, tc := range []struct {
		method, path, authorization string
		status                      int
	}{
		{"GET", "/service/token", alice, 400},
		{"GET", "/service/token?service=", alice, 400},
		{"GET", "/service/token?service=harbor-registry&scope=repository:library/app:pull", "", 400},
		{"GET", "/service/token?service=berth&scope=nonsense", alice, 400},
		{"GET", "/service/token?service=berth" + strings.Repeat("&scope=repository:a/b:pull", 101), alice, 400},
		{"GET", "/service/token?service=berth", "", 401},
		{"GET", "/service/token?service=berth&scope=", "", 401},
		{"GET", "/service/token?service=unknown", basic("mallory", "wrong"), 401},
		{"POST", "/service/token", "", 405},
		{"POST", "/service/token?service=berth", basic("mallory", "wrong"), 405},
		{"HEAD", "/service/token?service=berth", alice, 405},
		{"PUT", "/service/token?service=berth", alice, 405},
	} {
		a := o.ask(t, tc.method, tc.path, tc.authorization)
		if a.status != tc.status {
			t.Errorf("%s %.80s: %d, want %d", tc.method, tc.path, a.status, tc.status)
		}
		if tc.status == 405 && a.header.Get("Allow") != "GET" {
			t.Errorf("%s: Allow %q", tc.method, a.header.Get("Allow"))
		}
		if tc.status == 401 && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s: WWW-Authenticate %q", tc.path, a.header.Get("WWW-Authenticate"))
		}
	}
}

// TestContainerdsWayIn posts an OAuth 2 form first, as containerd does.
func TestContainerdsWayIn(t *testing.T) {
	o := open(t)
	form := url.Values{"grant_type": {"password"}, "service": {"berth"}, "username": {"alice"}, "password": {password}}
	r, err := http.NewRequestWithContext(t.Context(), "POST", o.url+"/service/token", strings.NewReader(form.Encode()))
	must(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if a := do(t, r); !slices.Contains([]int{400, 401, 404, 405}, a.status) {
		t.Errorf("%d: it would give up", a.status)
	}
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
