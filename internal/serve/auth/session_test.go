package auth_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/account"
	"github.com/berth-registry/berth/internal/robot"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/serve/web"
)

const (
	proof   = "X-Harbor-CSRF-Token"
	quiet   = "X-Harbor-No-Session-Renewal"
	profile = "/api/v2.0/users/current"
)

// send makes a request with headers in pairs, and a form where there is one.
func (o *door) send(t *testing.T, method, path string, form url.Values, header ...string) answer {
	t.Helper()
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(t.Context(), method, o.url+path, body)
	must(t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return do(t, r)
}

func credentials(name, password string) url.Values {
	return url.Values{"principal": {name}, "password": {password}}
}

// cookie returns the cookie that an answer sets, or nil.
func (a answer) cookie(t *testing.T) *http.Cookie {
	t.Helper()
	set := (&http.Response{Header: a.header}).Cookies()
	if len(set) == 0 {
		return nil
	}
	if len(set) != 1 || set[0].Name != "sid" {
		t.Fatalf("cookies %v", set)
	}
	return set[0]
}

// cleared complains where an answer does not take the cookie away.
func (a answer) cleared(t *testing.T, what string) {
	t.Helper()
	if c := a.cookie(t); c == nil || c.Value != "" || c.MaxAge >= 0 || c.Path != "/" {
		t.Errorf("%s: the cookie is %v", what, c)
	}
}

// signIn signs alice in and returns the header of her cookie, and the proof.
func (o *door) signIn(t *testing.T, header ...string) (cookie, proven string) {
	t.Helper()
	a := o.send(t, "POST", "/c/login", credentials("alice", password), header...)
	c := a.cookie(t)
	if a.status != http.StatusOK || c == nil || c.Value == "" || a.header.Get(proof) == "" {
		t.Fatalf("%d %s, cookie %v", a.status, a.body, c)
	}
	return "sid=" + c.Value, a.header.Get(proof)
}

// who returns the name of whom the server takes a cookie for.
func (o *door) who(t *testing.T, cookie string, header ...string) string {
	t.Helper()
	return o.send(t, "GET", profile, nil, append(header, "Cookie", cookie)...).caller(t).Name
}

func TestPeopleSignInAndOut(t *testing.T) {
	o := open(t)
	a := o.send(t, "POST", "/c/login", credentials("alice@example.org", password))
	c := a.cookie(t)
	if a.status != 200 || a.body != "" || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%d %q, Cache-Control %q", a.status, a.body, a.header.Get("Cache-Control"))
	}
	if want := "sid=" + c.Value + "; Path=/; HttpOnly; SameSite=Lax"; a.header.Get("Set-Cookie") != want {
		t.Errorf("Set-Cookie: %s", a.header.Get("Set-Cookie"))
	}
	cookie := "sid=" + c.Value
	got := o.send(t, "GET", profile, nil, "Cookie", cookie)
	who := got.caller(t)
	if who.Address != "127.0.0.1" || who.Request == "" {
		t.Errorf("from %q, request %q", who.Address, who.Request)
	}
	who.Address, who.Request = "", ""
	if d := cmp.Diff(access.Caller{Kind: access.User, ID: o.alice, Name: "alice"}, who); d != "" {
		t.Error(d)
	}
	if got.header.Get(proof) == "" || got.header.Get(proof) != a.header.Get(proof) || got.cookie(t) != nil {
		t.Errorf("proof %q, cookie %v", got.header.Get(proof), got.cookie(t))
	}

	out := o.send(t, "GET", "/c/log_out", nil, "Cookie", cookie, "Sec-Fetch-Site", "same-origin")
	if out.status != 200 {
		t.Errorf("log_out: %d %s", out.status, out.body)
	}
	out.cleared(t, "log_out")
	after := o.send(t, "GET", profile, nil, "Cookie", cookie)
	if !after.caller(t).Anonymous() || after.header.Get(proof) != "" {
		t.Errorf("after log_out: %s", after.body)
	}
	after.cleared(t, "after log_out")
	for _, c := range []string{cookie, "other=1"} { // once more, and by nobody
		if a := o.send(t, "GET", "/c/log_out", nil, "Cookie", c); a.status != 200 {
			t.Errorf("log_out of %s: %d", c, a.status)
		}
	}
	for _, secret := range []string{c.Value, a.header.Get(proof), password} {
		if strings.Contains(o.log.String(), secret) {
			t.Errorf("%s is in the log", secret)
		}
	}
	want := []login{{"alice", "127.0.0.1", true, "login user alice"}, {"alice", "127.0.0.1", true, "logout user alice"}}
	if d := cmp.Diff(want, o.audited(t)); d != "" {
		t.Error(d)
	}
}

// audited returns the rows of signing in and out.
func (o *door) audited(t *testing.T) (found []login) {
	t.Helper()
	rows, err := o.db.Query(t.Context(), `SELECT username, address, success, description FROM audit_log WHERE operation IN ('login', 'logout') ORDER BY id`)
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

func TestWhoMayNotSignIn(t *testing.T) {
	o := open(t)
	_, text, err := o.robots.Create(o.root, robot.NewRobot{Name: "ci", Level: robot.LevelSystem, Duration: 30,
		Permissions: []access.Permission{{Kind: "project", Namespace: "team", Access: []access.Action{{Resource: "repository", Action: "push"}}}}})
	must(t, err)
	for _, tt := range []struct {
		form   url.Values
		status int
		about  string
	}{
		{credentials("alice", "wrong"), 401, "not right"},
		{credentials("mallory", password), 401, "not right"},
		{credentials("", ""), 401, "not right"},
		{credentials("al\x00ice\xff", password), 401, "not right"},
		{credentials("robot$ci", text.Reveal()), 403, "only users sign in"},
		{credentials("robot$ci", "wrong"), 401, ""},
		{url.Values{"principal": {"alice"}}, 400, "password"},
		{url.Values{"password": {password}}, 400, "principal"},
		{credentials("alice", strings.Repeat("x", 20_000)), 413, ""},
	} {
		a := o.send(t, "POST", "/c/login", tt.form)
		_, message := a.problem(t)
		if a.status != tt.status || !strings.Contains(message, tt.about) || a.cookie(t) != nil || a.header.Get(proof) != "" {
			t.Errorf("%.60v: %d %s, cookie %v", tt.form, a.status, a.body, a.cookie(t))
		}
		if got := a.header.Get("WWW-Authenticate"); got != "" { // a browser would ask for the password itself
			t.Errorf("%.60v: WWW-Authenticate %q", tt.form, got)
		}
		if strings.Contains(o.log.String(), text.Reveal()) {
			t.Error("a secret is in the log")
		}
	}
	rows := o.audited(t)
	if len(rows) != 6 || rows[0].Success || rows[0].Name != "alice" || rows[4].Success || rows[4].Name != "robot$ci" || !strings.Contains(rows[4].Description, "only users") {
		t.Errorf("audited: %+v", rows)
	}
	for _, body := range []string{`{"principal":"alice","password":"` + password + `"}`, "principal=alice&password=%zz" + password, ""} {
		for _, kind := range []string{"application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""} {
			r, err := http.NewRequestWithContext(t.Context(), "POST", o.url+"/c/login?principal=alice&password="+password, strings.NewReader(body))
			must(t, err)
			r.Header.Set("Content-Type", kind)
			if a := do(t, r); a.status != 400 || a.cookie(t) != nil {
				t.Errorf("%s as %q: %d %s", body, kind, a.status, a.body)
			}
		}
	}
}

func TestGuessingAtTheDoorIsSlow(t *testing.T) {
	o := open(t)
	o.send(t, "POST", "/c/login", credentials("alice", "wrong"))
	a := o.send(t, "POST", "/c/login", credentials("alice", password))
	if a.status != 401 || a.header.Get("Retry-After") == "" || a.cookie(t) != nil {
		t.Errorf("right after a wrong password: %d, Retry-After %q", a.status, a.header.Get("Retry-After"))
	}
}

func TestWithoutARecordNobodySignsIn(t *testing.T) {
	o := open(t)
	o.broken.broken = true
	if a := o.send(t, "POST", "/c/login", credentials("alice", password)); a.status != 500 || a.cookie(t) != nil {
		t.Errorf("%d, cookie %v", a.status, a.cookie(t))
	}
}

func TestCookiesAreSecureWhereTheAddressIs(t *testing.T) {
	o := open(t)
	for base, secure := range map[string]bool{"https://registry.example.org": true, "http://registry.example.org": false} {
		at, err := url.Parse(base)
		must(t, err)
		h := web.Chain(slog.New(slog.DiscardHandler), nil, nil)(web.At(at, "")(o.guard(new(access.Epoch)).Sessions()))
		for _, path := range []string{"POST /c/login", "GET /c/log_out"} {
			method, path, _ := strings.Cut(path, " ")
			r := httptest.NewRequest(method, path, strings.NewReader(credentials("alice", password).Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Cookie", "sid=stale")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			c := w.Result().Cookies()
			if w.Code != 200 || len(c) != 1 || c[0].Secure != secure || !c[0].HttpOnly || c[0].SameSite != http.SameSiteLaxMode || c[0].Path != "/" || c[0].Domain != "" {
				t.Errorf("%s at %s: %d, cookie %v", path, base, w.Code, c)
			}
		}
	}
}

// TestASessionIsNeverTheClients: somebody who has set a cookie in another's
// browser must not have their session afterwards.
func TestASessionIsNeverTheClients(t *testing.T) {
	o := open(t)
	planted, _ := o.signIn(t)
	for _, given := range []string{planted, "sid=" + strings.Repeat("A", 43), "sid=x", planted + "; sid=" + strings.Repeat("B", 43)} {
		got, _ := o.signIn(t, "Cookie", given)
		if strings.Contains(given, got[len("sid="):]) {
			t.Errorf("%s was adopted", given)
		}
		if name := o.who(t, given); name != "" {
			t.Errorf("%s is %s's afterwards", given, name)
		}
		if name := o.who(t, got); name != "alice" {
			t.Errorf("the new one is of %q", name)
		}
	}
}

func TestSessionsEndWhenTheyAreIdle(t *testing.T) {
	o := open(t)
	o.settings.SessionMinutes = 10
	used, _ := o.signIn(t)
	watched, _ := o.signIn(t)
	ahead := func(d time.Duration) { o.ahead.Add(int64(d)) }
	for range 4 {
		ahead(4 * time.Minute)
		if name := o.who(t, used); name != "alice" {
			t.Fatalf("a used one is %q's", name)
		}
		o.who(t, watched, quiet, "true")
	}
	if name := o.who(t, watched); name != "" {
		t.Errorf("one that a page asks with by itself is %q's", name)
	}
	ahead(9 * time.Minute)
	if name := o.who(t, used, quiet, ""); name != "alice" { // an empty header says nothing
		t.Errorf("after 9 minutes it is %q's", name)
	}
	ahead(10*time.Minute + time.Second)
	a := o.send(t, "GET", profile, nil, "Cookie", used)
	if !a.caller(t).Anonymous() {
		t.Errorf("after 10 minutes: %s", a.body)
	}
	a.cleared(t, "an idle one")
}

func TestRightsOfASessionAreThoseOfNow(t *testing.T) {
	o := open(t)
	cookie, _ := o.signIn(t)
	admin := func() bool { return o.send(t, "GET", profile, nil, "Cookie", cookie).caller(t).Admin }
	if admin() {
		t.Error("alice administers")
	}
	must(t, o.accounts.SetAdmin(o.root, o.alice, true))
	if !admin() {
		t.Error("alice was made an administrator and is none")
	}
	must(t, o.accounts.SetPassword(o.root, o.alice, secret.New(password), secret.New("Sesame-open-2")))
	a := o.send(t, "GET", profile, nil, "Cookie", cookie)
	if !a.caller(t).Anonymous() {
		t.Error("the session outlives the password")
	}
	a.cleared(t, "after a change of the password")
	c := o.send(t, "POST", "/c/login", credentials("alice", "Sesame-open-2")).cookie(t)
	must(t, o.accounts.SetAdmin(o.root, o.alice, false))
	must(t, o.accounts.Delete(o.root, o.alice))
	if name := o.who(t, c.String()); name != "" {
		t.Error("the session outlives its account")
	}
}

// TestSignOutCountsOnOtherNodes has a second node, which remembers for itself.
func TestSignOutCountsOnOtherNodes(t *testing.T) {
	o := open(t)
	other := httptest.NewServer(web.Chain(slog.New(slog.DiscardHandler), nil, nil)(o.guard(new(access.Epoch)).Protect(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, access.From(r.Context()).Name) }))))
	defer other.Close()
	there := func(cookie string) string {
		r, err := http.NewRequestWithContext(t.Context(), "GET", other.URL+profile, nil)
		must(t, err)
		r.Header.Set("Cookie", cookie)
		return do(t, r).body
	}
	cookie, proven := o.signIn(t)
	if name := there(cookie); name != "alice" {
		t.Fatalf("there it is %q's", name)
	}
	if a := o.send(t, "GET", "/c/log_out", nil, "Cookie", cookie, proof, proven); a.status != 200 {
		t.Fatal(a.status, a.body)
	}
	if name := there(cookie); name != "" {
		t.Errorf("after log_out here it is %q's there", name)
	}
	cookie, _ = o.signIn(t)
	there(cookie)
	must(t, o.accounts.ResetPassword(o.root, o.alice, secret.New("Sesame-open-2")))
	if name := there(cookie); name != "" {
		t.Errorf("after a reset of the password here it is %q's there", name)
	}
}

func TestWhereCookiesCount(t *testing.T) {
	o := open(t)
	cookie, _ := o.signIn(t)
	for _, path := range []string{"/v2/", "/v2/team/app/manifests/1"} {
		a := o.send(t, "GET", path, nil, "Cookie", cookie)
		if !a.caller(t).Anonymous() || a.header.Get(proof) != "" || a.cookie(t) != nil {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	if a := o.send(t, "GET", "/service/token?service=berth", nil, "Cookie", cookie); a.status != 401 {
		t.Errorf("/service/token: %d %s", a.status, a.body)
	}
	// Credentials of the request's own go before it, also where they are wrong.
	a := o.send(t, "POST", profile, nil, "Cookie", cookie, "Authorization", basic("admin", password))
	if a.caller(t).Name != "admin" || a.header.Get(proof) != "" {
		t.Errorf("with a password of admin: %s", a.body)
	}
	if a := o.send(t, "GET", profile, nil, "Cookie", cookie, "Authorization", basic("alice", "wrong")); a.status != 401 {
		t.Errorf("with a wrong password: %d", a.status)
	}
	if a := o.send(t, "GET", profile, nil, "Cookie", cookie, "Authorization", ""); a.caller(t).Name != "alice" {
		t.Errorf("with an empty header: %s", a.body)
	}
}

func TestManyCookies(t *testing.T) {
	o := open(t)
	one, _ := o.signIn(t)
	two, _ := o.signIn(t)
	foreign, stale := "sid=s%3Aforeign", "sid="+strings.Repeat("A", 43)
	for cookies, want := range map[string]string{
		one + "; " + foreign:                  "alice",
		stale + "; " + foreign + "; " + one:   "alice",
		"a=b; " + one + "; " + one:            "alice",
		one + "; " + two:                      "", // one of them was planted
		foreign:                               "",
		stale:                                 "",
		"sid=":                                "",
		"SID=" + one[4:]:                      "",
		one + "A":                             "",
		strings.Repeat(foreign+"; ", 4) + one: "",
		"sid=" + strings.Repeat("A", 32_000) + "; " + one: "alice",
	} {
		if got := o.who(t, cookies); got != want {
			t.Errorf("%.100s: %q, want %q", cookies, got, want)
		}
	}
}

func TestUserExists(t *testing.T) {
	o := open(t)
	ask := func(target, value string, header ...string) answer {
		return o.send(t, "POST", "/c/userExists", url.Values{"target": {target}, "value": {value}}, header...)
	}
	admin, cookie := basic("admin", password), ""
	cookie, proven := o.signIn(t)
	for _, header := range [][]string{nil, {"Cookie", cookie, proof, proven}, {"Authorization", basic("alice", password)}} {
		if a := ask("username", "alice", header...); a.status != 412 {
			t.Errorf("as %.1v: %d %s", header, a.status, a.body)
		}
	}
	check := func(header ...string) {
		t.Helper()
		for _, tt := range []struct {
			target, value string
			want          bool
		}{
			{"username", "alice", true}, {"email", "alice@example.org", true}, {"username", "alice@example.org", false}, {"email", "alice", false},
			{"username", "nobody", false}, {"username", "", false}, {"email", "", false}, {"username", "\x00\xff", false},
		} {
			a := ask(tt.target, tt.value, header...)
			if a.status != 200 || strings.TrimSpace(a.body) != fmt.Sprint(tt.want) || a.header.Get("Content-Type") != "application/json" {
				t.Errorf("%s %q: %d %s", tt.target, tt.value, a.status, a.body)
			}
		}
	}
	check("Authorization", admin)
	if a := ask("password", "x", "Authorization", admin); a.status != 400 {
		t.Errorf("another target: %d", a.status)
	}
	o.settings.SelfRegistration = true
	check()
	if a := ask("username", "alice", "Cookie", cookie); a.status != 403 {
		t.Errorf("by a session without proof: %d", a.status)
	}
	status := 0
	for range 80 {
		status = ask("username", "alice").status
	}
	if status != http.StatusTooManyRequests {
		t.Errorf("asked for the 80th time: %d", status)
	}
	check("Authorization", admin)
}

func TestWrongPathsBelowTheDoor(t *testing.T) {
	o := open(t)
	for request, want := range map[string]int{
		"GET /c/": 404, "GET /c/login": 405, "PUT /c/login": 405, "POST /c/log_out": 405, "GET /c/userExists": 405, "POST /c/logins": 404, "POST /c/login/": 404,
	} {
		method, path, _ := strings.Cut(request, " ")
		a := o.send(t, method, path, nil)
		if a.status != want {
			t.Errorf("%s: %d, want %d", request, a.status, want)
		}
		a.problem(t)
		if (want == 405) != (a.header.Get("Allow") != "") {
			t.Errorf("%s: Allow %q", request, a.header.Get("Allow"))
		}
	}
}

// TestNoSignInOutlivesItsPassword signs in while the password is changed.
func TestNoSignInOutlivesItsPassword(t *testing.T) {
	o := open(t)
	for round := range 5 { // each with a user whom nobody has failed to be
		name := fmt.Sprint("user", round)
		id, err := o.accounts.Create(o.root, account.NewUser{Name: name, Email: name + "@example.org", RealName: name, Password: secret.New(password)})
		must(t, err)
		answers := make([]answer, 4)
		var all sync.WaitGroup
		for i := range answers {
			all.Go(func() {
				time.Sleep(time.Duration(i) * 20 * time.Millisecond)
				answers[i] = o.send(t, "POST", "/c/login", credentials(name, password))
			})
		}
		all.Go(func() {
			if err := o.accounts.ResetPassword(o.root, id, secret.New("Sesame-open-2")); err != nil {
				t.Error(err)
			}
		})
		all.Wait()
		for _, a := range answers {
			if c := a.cookie(t); c != nil && o.who(t, "sid="+c.Value) != "" {
				t.Error("a session of the old password is alive")
			}
		}
	}
}
