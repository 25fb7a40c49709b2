package api

import (
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
)

// ofAccount answers as a registry does that knows one account, whose password is
// the canary, and nobody else.
var ofAccount = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	switch name, given, _ := r.BasicAuth(); {
	case r.URL.Path != "/v2/":
		http.NotFound(w, r)
	case name != "ci" || given != canary:
		w.Header().Set("WWW-Authenticate", `Basic realm="other"`)
		w.WriteHeader(http.StatusUnauthorized)
	}
})

// other and another are such registries, and open is one for everybody.
var (
	other   = httptest.NewServer(ofAccount)
	another = httptest.NewServer(ofAccount)
	open    = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))

	newRegistry = `{"name":"other","description":"d","type":"docker-registry","url":"` + other.URL + `","credential":{"type":"basic","access_key":"ci","access_secret":"` + canary + `"}}`
)

func TestRegistries(t *testing.T) {
	w := newWorld(t)
	as := func(old, new string) string {
		t.Helper()
		if !strings.Contains(newRegistry, old) {
			t.Fatalf("there is no %s", old)
		}
		return "POST /registries\n\n" + strings.Replace(newRegistry, old, new, 1)
	}
	put := func(body string) string { return "PUT /registries/1\n\n" + body }
	w.walk([]step{
		{"root", as("", ""), 201, ""},
		{"root", as("", ""), 409, "CONFLICT"},
		{"root", as(`"other"`, `""`), 400, "name"},
		{"root", as(`"other"`, `"`+strings.Repeat("é", 65)+`"`), 400, "name"},
		{"root", as(`"other"`, `"`+strings.Repeat("é", 64)+`"`), 201, ""},
		{"root", as(`docker-registry`, `helm-hub`), 400, "helm-hub"},
		{"root", as(`docker-registry`, `harbor`), 400, "the registry is unhealthy"}, // it has no such API
		{"root", as(`http://`, `ftp://`), 400, "url"},
		{"root", as(`http://`, `http://u:p@`), 400, "url"},
		{"root", as(`basic`, `digest`), 400, "credential type"},
		{"root", as(`"access_key":"ci",`, ``), 400, "access_key"},
		{"root", as(`"ci"`, `"x:y"`), 400, "access_key"},
		{"root", as(canary, `*****`), 400, "access_secret"},
		{"root", as(canary, `wrong`), 400, "the registry is unhealthy: "},
		{"root", as(`"name"`, `"ca_certificate":"none","name"`), 400, "ca_certificate"},
		{"root", as(other.URL, "http://127.0.0.1:1"), 400, "the registry is unhealthy: "},
		{"root", as(`"name":"other"`, `"id":77,"status":"unhealthy","creation_time":"2001-01-01T00:00:00.000Z","name":"third"`), 201, ""},
		{"root", "GET /registries/3", 200, `"status":"healthy"`},
		{"root", as(`,"credential":{"type":"basic","access_key":"ci","access_secret":"`+canary+`"}`, ``), 409, ""}, // it is there, and refuses nobody for a wrong name
		{"root", "GET /registries/77", 404, "registry 77 not found"},

		{"root", put(`{}`), 200, ""},
		{"root", put(`{"name":"third"}`), 409, "CONFLICT"},
		{"root", put(`{"name":""}`), 400, "name"},
		{"root", put(`{"access_secret":"wrong"}`), 400, "the registry is unhealthy: "},
		{"root", put(`{"access_secret":"*****","access_key":"ci"}`), 200, ""},
		{"root", put(`{"url":"` + other.URL + `/"}`), 200, ""},
		{"root", "GET /registries/1", 200, `"url":"` + other.URL + `"`},
		{"root", put(`{"url":"` + another.URL + `"}`), 400, "the registry is unhealthy: "}, // without the secret
		{"root", put(`{"url":"` + another.URL + `","access_secret":"*****"}`), 400, "the registry is unhealthy: "},
		{"root", "GET /registries/1", 200, `"access_secret":"*****"`},
		{"root", put(`{"url":"` + another.URL + `","access_secret":"` + canary + `"}`), 200, ""},
		{"root", "POST /registries/ping\n\n" + `{"id":1}`, 200, ""},
		{"root", put(`{"url":"` + open.URL + `"}`), 200, ""},
		{"root", "GET /registries/1", 200, `"credential":{"type":"basic","access_key":"ci"},`},
		{"root", put(`{"access_key":""}`), 200, ""},
		{"root", "GET /registries?q=status%3Dhealthy,type%3Ddocker-registry&sort=name&page_size=1", 200, `"name":"other","description":"d","type":"docker-registry","url":"` + open.URL + `","insecure":false,"status"`},
		{"root", "GET /registries?q=status%3Dunhealthy", 200, "[]"},
		{"root", "GET /registries?q=access_key%3Dnobody&page_size=1", 200, `"name":"third"`}, // no column: what is kept cannot be guessed at

		{"root", "GET /registries/0", 200, `{"id":0,"name":"Local","description":"","type":"harbor","url":"http://berth.test","insecure":false,"status":"healthy"`},
		{"root", "GET /registries/0/info", 200, `"supported_triggers":["manual","scheduled","event_based"],"supported_copy_by_chunk":true`},
		{"root", "POST /labels\n\n" + `{"name":"gold","scope":"g"}`, 201, ""},
		{"root", "GET /registries/0/info", 200, `{"type":"label","style":"list","values":["gold"]}`},
		{"root", "POST /registries/ping\n\n" + `{"id":0}`, 200, ""},
		{"root", "PUT /registries/0\n\n{}", 404, "registry 0 not found"},
		{"root", "DELETE /registries/0", 404, "registry 0 not found"},
		{"root", "GET /registries/9/info", 404, ""},
	})
}

// TestARegistryIsPinged by what is given, and one that is kept by what is kept.
func TestARegistryIsPinged(t *testing.T) {
	w := newWorld(t)
	aRegistry(w)
	ping := func(body string) string { return "POST /registries/ping\n\n" + body }
	trial := `{"type":"docker-registry","url":"` + other.URL + `","access_key":"ci","access_secret":"` + canary + `","credential_type":"basic","insecure":false,"ca_certificate":null}`
	w.walk([]step{
		{"root", ping(trial), 200, ""},
		{"root", ping(strings.Replace(trial, canary, "wrong", 1)), 400, "the registry is unhealthy: "},
		{"root", ping(`{"url":"` + other.URL + `"}`), 400, "type"},
		{"root", ping(`{"type":"quay"}`), 400, "url"},
		{"root", ping(`{"type":"quay","url":null}`), 400, "url"},
		{"root", ping(`{"id":9}`), 404, "registry 9 not found"},
		{"root", ping(`{"id":1,"url":"` + open.URL + `","insecure":true,"ca_certificate":"none","type":"none"}`), 200, ""},
		{"root", ping(`{"id":1,"access_secret":"wrong"}`), 400, "the registry is unhealthy: "},
		{"root", ping(`{"id":1,"access_key":"somebody"}`), 400, "the registry is unhealthy: "},
		{"root", ping(`{"id":1,"access_key":"ci","access_secret":"*****"}`), 200, ""},
		{"root", "GET /registries?page_size=1", 200, `"name":"other"`}, // and nothing of it was kept
	})
}

// TestARegistrysSecretIsNeverShown looks for it in answers, rows, events, audit
// rows and the log.
func TestARegistrysSecretIsNeverShown(t *testing.T) {
	w := newWorld(t)
	var shown strings.Builder
	for _, request := range []string{
		"POST /registries\n\n" + newRegistry, "POST /registries\n\n" + newRegistry, "GET /registries", "GET /registries/1", "GET /registries/1/info",
		"PUT /registries/1\n\n" + `{"access_secret":"` + canary + `"}`, "PUT /registries/1\n\n" + `{"access_key":"x","access_secret":"` + canary + `"}`,
		"PUT /registries/1\n\n" + `{"access_secret":{"x":"` + canary + `"}}`, "POST /registries/ping\n\n" + `{"id":1,"access_key":"x","access_secret":"` + canary + `"}`,
		"PUT /registries/1\n\n" + `{"url":"` + open.URL + `"}`, "DELETE /registries/1", "POST /registries\n\n" + newRegistry,
	} {
		a := w.do("root", request)
		for name := range a.Header() {
			shown.WriteString(a.Header().Get(name))
		}
		shown.WriteString(a.Body.String())
	}
	events, err := sqlstore.NewEvents(w.db).Pending(t.Context(), 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		fact, err := event.Encode(e.Fact)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(fact)
	}
	remembered(t.Context(), w.db, &err)
	if err != nil {
		t.Fatal(err)
	}
	shown.WriteString(w.log.String())
	for _, table := range []string{"endpoint", "audit_log"} {
		for _, key := range slices.Sorted(maps.Keys(w.rows(table))) {
			shown.WriteString(w.rows(table)[key] + "\n")
		}
	}
	for _, part := range []string{"create registry other", "update registry other: access_secret", "update registry other: url, access_secret", "delete registry other"} {
		if !strings.Contains(shown.String(), part) {
			t.Errorf("nothing says %q", part)
		}
	}
	if at := strings.Index(shown.String(), canary); at >= 0 {
		t.Errorf("the secret is shown: %s", shown.String()[max(0, at-200):at+len(canary)])
	}
}

// TestASecretIsForNoOtherServer writes another URL into the row.
func TestASecretIsForNoOtherServer(t *testing.T) {
	w := newWorld(t)
	aRegistry(w)
	if _, err := w.endpoints.Client(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	alter := func(column, value string) {
		t.Helper()
		if err := w.db.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`UPDATE endpoint SET `+column+` = ?, version = version + 1 WHERE id = 1`, value)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	var seen []string
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Get("Authorization"))
	}))
	defer thief.Close()
	alter("url", thief.URL)
	if _, message := problemOf(t, w.want(400, "root", "POST /registries/ping\n\n"+`{"id":1}`)); !strings.Contains(message, "secret cannot be read") {
		t.Errorf("%s", message)
	}
	w.want(400, "root", "PUT /registries/1\n\n"+`{"description":"x"}`)
	if _, err := w.endpoints.Client(t.Context(), 1); err == nil {
		t.Error("there is a client")
	}
	if len(seen) > 0 {
		t.Errorf("the other server was sent %q", seen)
	}
	alter("url", other.URL)
	w.want(200, "root", "POST /registries/ping\n\n"+`{"id":1}`)
}

// TestServersOfRegistriesAreVerified by the authority that is given, or else not
// at all.
func TestServersOfRegistriesAreVerified(t *testing.T) {
	w := newWorld(t)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that are meant to fail
	server.StartTLS()
	defer server.Close()
	authority := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	body := func(name string, fields map[string]any) string {
		maps.Copy(fields, map[string]any{"name": name, "type": "docker-registry", "url": server.URL})
		text, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		return "POST /registries\n\n" + string(text)
	}
	w.walk([]step{
		{"root", body("a", map[string]any{}), 400, "certificate"},
		{"root", body("b", map[string]any{"ca_certificate": authority}), 201, ""},
		{"root", body("c", map[string]any{"insecure": true}), 201, ""},
		{"root", "PUT /registries/1\n\n" + `{"ca_certificate":""}`, 400, "certificate"},
		{"root", "PUT /registries/1\n\n" + `{"ca_certificate":null,"description":"x"}`, 200, ""},
		{"root", "GET /registries/1", 200, `"ca_certificate":"-----BEGIN CERTIFICATE-----`},
		{"root", "PUT /registries/2\n\n" + `{"insecure":false}`, 400, "certificate"},
	})
}
