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
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
	"github.com/berth-registry/berth/internal/session"
	"github.com/berth-registry/berth/internal/setting"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
	"github.com/berth-registry/berth/internal/token"
)

const password = "Sesame-open-1"

// A door is a server with the guard before handlers that tell who calls.
type door struct {
	ahead    atomic.Int64 // how far the clock of the tokens and the sessions is ahead, in nanoseconds
	url      string
	handler  http.Handler
	log      *safeBuffer
	db       *db.DB
	accounts *account.Service
	robots   *robot.Service
	projects *project.Service
	tokens   *token.Service
	sessions *session.Service
	settings setting.Values
	broken   *breakable
	root     context.Context // of the administrator
	alice    int64
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
		accounts: account.New(sqlstore.NewAccounts(d), hasher, nil, epoch),
		robots:   robot.New(sqlstore.NewRobots(d), hasher, nil, epoch),
	}
	o.projects = project.New(sqlstore.NewProjects(d), storetest.People{Accounts: o.accounts}, nil, nil, epoch)
	var err error
	o.tokens, err = token.New(t.Context(), sqlstore.NewKeys(d), secret.NewSealer([32]byte{1}), o.projects,
		token.Config{Services: []string{"berth", "other-registry"}, Now: o.now})
	must(t, err)
	logger := slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.settings = setting.Values{AuthMode: setting.AuthDatabase, SessionMinutes: 60}
	o.sessions = session.New(sqlstore.NewSessions(d), func(context.Context) (time.Duration, error) {
		return time.Duration(o.settings.SessionMinutes) * time.Minute, nil
	}, o.now)
	o.broken = &breakable{Recorder: audit.New(sqlstore.NewAudit(d), none, 0, nil, logger)}
	guard := o.guard(epoch)
	o.people(t)

	mux := http.NewServeMux()
	mux.Handle("/service/token", guard.Token())
	who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Challenge", guard.Challenge(r, "repository:team/app:pull,push", "repository:team/base:pull"))
		if err := json.NewEncoder(w).Encode(access.From(r.Context())); err != nil {
			t.Error(err)
		}
	})
	mux.Handle("/v2/", guard.Identify(who))
	mux.Handle("/api/", guard.Protect(who))
	mux.Handle("/c/", guard.Sessions())
	o.handler = web.Chain(logger, nil, nil)(mux)
	server := httptest.NewServer(o.handler)
	t.Cleanup(server.Close)
	o.url = server.URL
	return o
}

// guard returns a guard over the door's services, as each node has one.
func (o *door) guard(epoch *access.Epoch) *auth.Guard {
	return auth.New(auth.Config{
		Identity: identity.New(epoch, identity.Robots(o.robots), identity.Accounts(o.accounts)),
		Tokens:   o.tokens, Sessions: o.sessions, Accounts: o.accounts,
		Settings: func(context.Context) (setting.Values, error) { return o.settings, nil },
		Events:   o.broken,
	})
}

func (o *door) now() time.Time { return time.Now().Add(time.Duration(o.ahead.Load())) }

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
