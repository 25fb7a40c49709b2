package api

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/adapter/adaptertest"
	"github.com/berth-registry/berth/internal/event"
	"github.com/berth-registry/berth/internal/scanner"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
)

// probe and probeToo are scanners that want the canary as a token, and openProbe is one
// for everybody.
var (
	probe     = httptest.NewServer(adaptertest.New(adaptertest.Script{Header: "Authorization", Value: "Bearer " + canary}))
	probeToo  = httptest.NewServer(adaptertest.New(adaptertest.Script{Header: "Authorization", Value: "Bearer " + canary}))
	openProbe = httptest.NewServer(adaptertest.New(adaptertest.Script{}))

	newScanner = `{"name":"probe","description":"d","url":"` + probe.URL + `","auth":"Bearer","access_credential":"` + canary + `","use_internal_addr":true}`
)

func TestScanners(t *testing.T) {
	w := newWorld(t)
	as := func(old, new string) string {
		t.Helper()
		if !strings.Contains(newScanner, old) {
			t.Fatalf("there is no %s", old)
		}
		return "POST /scanners\n\n" + strings.Replace(newScanner, old, new, 1)
	}
	put := func(fields string) string { return "PUT /scanners/{scanner}\n\n" + `{"name":"probe",` + fields + `}` }
	here := `"url":"` + probe.URL + `"`
	aScanner(w)
	w.walk([]step{
		{"root", as("", ""), 409, "CONFLICT"},
		{"root", as(`"probe"`, `"other"`), 409, "of that name or URL"},
		{"root", as(probe.URL, probeToo.URL), 409, "of that name or URL"},
		{"root", as(`"name":"probe",`, ``), 422, "name"},
		{"root", as(`"probe"`, `""`), 400, "name"},
		{"root", as(`"probe"`, `"berth"`), 400, "berth is a name of built-in scanners"},
		{"root", as(`"probe"`, `"Trivy"`), 400, "Trivy is a name of built-in scanners"},
		{"root", as(`"probe"`, `"`+strings.Repeat("é", 65)+`"`), 400, "name"},
		{"root", as(`"d"`, `"`+strings.Repeat("x", 1025)+`"`), 400, "description"},
		{"root", as(`http://`, `ftp://`), 400, "url"},
		{"root", as(`http://`, `http://u:p@`), 400, "url"},
		{"root", as(probe.URL, "http://169.254.169.254"), 403, "link-local"},
		{"root", as(probe.URL, "http://127.0.0.1:1"), 400, "the scanner is unhealthy: "},
		{"root", as(probe.URL, open.URL), 400, "the scanner is unhealthy: the scanner's answer is not to be used"},
		{"root", as(`Bearer`, `Digest`), 400, "auth"},
		{"root", as(`Bearer`, `Basic`), 400, "NAME:PASSWORD"},
		{"root", as(`Bearer`, ``), 400, "access_credential"},
		{"root", as(canary, ``), 400, "access_credential"},
		{"root", as(canary, `wrong`), 400, "the scanner is unhealthy: the scanner refuses it: who are you?"},
		{"root", as(`"probe","description":"d","url":"`+probe.URL, `"second","uuid":"x","is_default":true,"health":"unhealthy","create_time":"2001-01-01T00:00:00.000Z","url":"`+probeToo.URL), 201, ""},
		{"root", "GET /scanners?q=name%3Dsecond", 200, `"is_default":false`},
		{"root", "GET /scanners/x", 404, "scanner x not found"},
		{"root", "GET /scanners/x%00y", 404, "not found"},
		{"root", "GET /scanners/x/metadata", 404, "scanner x not found"},
		{"root", "DELETE /scanners/x", 404, "scanner x not found"},
		{"root", "PATCH /scanners/x\n\n" + `{"is_default":true}`, 404, "scanner x not found"},
		{"root", "PUT /scanners/x\n\n" + newScanner, 404, "scanner x not found"},
		{"root", "PUT /projects/alpha/scanner\n\n" + `{"uuid":"x"}`, 404, "scanner x not found"},
		{"root", "PUT /projects/999/scanner\n\n" + `{"uuid":"x"}`, 404, "project 999 not found"},

		{"root", put(here), 200, ""},
		{"root", "GET /scanners/{scanner}", 200, `"description":"d","url":"` + probe.URL + `","disabled":false,"is_default":false,"auth":"Bearer"`},
		{"root", put(here + `,"access_credential":"","skip_certVerify":true`), 200, ""}, // the one that is kept is good
		{"root", put(here + `,"access_credential":"wrong"`), 400, "the scanner is unhealthy: "},
		{"root", put(`"url":"` + openProbe.URL + `"`), 400, "access_credential"}, // it is for another server
		{"root", put(`"url":"` + openProbe.URL + `","auth":""`), 200, ""},
		{"root", put(`"url":"` + probe.URL + `/"`), 400, "the scanner is unhealthy: "},
		{"root", put(`"url":"` + probe.URL + `/","auth":"Bearer","access_credential":"` + canary + `"`), 200, ""},
		{"root", "GET /scanners/{scanner}", 200, `"url":"` + probe.URL + `"`},
		{"root", "PUT /scanners/{scanner}\n\n" + `{"name":"second",` + here + `}`, 409, "CONFLICT"},
		{"root", put(`"url":"` + probeToo.URL + `","access_credential":"` + canary + `"`), 409, "CONFLICT"},
		{"root", "GET /scanners?q=access_credential%3D~x&page_size=1", 200, `"name":"Berth"`}, // no column: what is kept cannot be guessed at
		{"root", "GET /scanners?q=is_default%3Dfalse,health%3Dhealthy&sort=-name&page_size=1", 200, `"name":"second"`},
	})
	if n := w.want(200, "root", "GET /scanners?page_size=1").Header().Get("X-Total-Count"); n != "3" {
		t.Errorf("%s scanners", n)
	}
}

func TestTheBuiltInScannerStaysAsItIs(t *testing.T) {
	w := newWorld(t)
	builtin := "/scanners/" + scanner.BuiltinID
	w.walk([]step{
		{"root", "PUT " + builtin + "\n\n" + newScanner, 403, "built-in"},
		{"root", "PUT " + builtin + "\n\n" + `{"name":"Berth","url":"http://x","disabled":true}`, 403, "built-in"},
		{"root", "DELETE " + builtin, 403, "built-in"},
		{"root", "PATCH " + builtin + "\n\n" + `{"is_default":false}`, 400, "it stays the default"},
		{"root", "PATCH " + builtin + "\n\n" + `{"is_default":true}`, 200, ""},
		{"root", "GET " + builtin, 200, `"name":"Berth","description":"the built-in scanner","url":"http://berth.test","disabled":false,"is_default":true`},
		{"root", "GET " + builtin + "/metadata", 200, `"scanner":{"name":"Berth","vendor":"Berth","version":"1.2.3"}`},
		{"root", "GET /scanners", 200, `"name":"Berth"`},
		{"alice", "PUT /projects/alpha/scanner\n\n" + `{"uuid":"` + scanner.BuiltinID + `"}`, 200, ""},
	})
}

// TestProjectsHaveTheirScannerOrElseTheDefault whatever becomes of it.
func TestProjectsHaveTheirScannerOrElseTheDefault(t *testing.T) {
	w := newWorld(t)
	has := func(project, name string) step {
		return step{"root", "GET /projects/" + project + "/scanner", 200, `"name":"` + name + `"`}
	}
	aScanner(w)
	off := strings.Replace(newScanner, `"probe"`, `"probe","disabled":true`, 1)
	w.walk([]step{
		has("alpha", "Berth"), // the first that is registered does not take over
		{"root", "PATCH /scanners/{scanner}\n\n" + `{"is_default":true}`, 200, ""},
		{"root", "GET /scanners?q=is_default%3Dtrue", 200, `"name":"probe"`},
		has("alpha", "probe"), has("beta", "probe"),
		{"alice", "PUT /projects/alpha/scanner\n\n" + `{"uuid":"` + scanner.BuiltinID + `"}`, 200, ""},
		has("alpha", "Berth"), has("beta", "probe"),
		{"alice", "PUT /projects/alpha/scanner\n\n" + `{"uuid":"{scanner}"}`, 200, ""},
		{"root", "PATCH /scanners/" + scanner.BuiltinID + "\n\n" + `{"is_default":true}`, 200, ""},
		has("alpha", "probe"), has("beta", "Berth"),
		{"root", "PUT /scanners/{scanner}\n\n" + off, 200, ""},
		has("alpha", "probe"),
		{"alice", "GET /projects/alpha/scanner/candidates", 200, `"name":"Berth"`},
		{"bob", "PUT /projects/beta/scanner\n\n" + `{"uuid":"{scanner}"}`, 412, "disabled"},
		{"root", "PATCH /scanners/{scanner}\n\n" + `{"is_default":true}`, 412, "disabled"},
		{"root", "DELETE /scanners/{scanner}", 200, `"name":"probe"`},
		has("alpha", "Berth"), has("beta", "Berth"),
	})
	if n := w.want(200, "alice", "GET /projects/alpha/scanner/candidates").Header().Get("X-Total-Count"); n != "1" {
		t.Errorf("%s candidates", n)
	}
}

// TestAScannerThatIsDownCanBeDisabled and renamed, but not moved.
func TestAScannerThatIsDownCanBeDisabled(t *testing.T) {
	w := newWorld(t)
	down := httptest.NewServer(adaptertest.New(adaptertest.Script{}))
	body := `{"name":"down","url":"` + down.URL + `"}`
	w.scanner = w.want(201, "root", "POST /scanners\n\n"+body).Header().Get("Location")[len(base+"/scanners/"):]
	down.Close()
	w.walk([]step{
		{"root", "PUT /scanners/{scanner}\n\n" + `{"name":"renamed","url":"` + down.URL + `","disabled":true}`, 200, ""},
		{"root", "PUT /scanners/{scanner}\n\n" + `{"name":"renamed","url":"` + down.URL + `","skip_certVerify":true}`, 400, "unhealthy"},
		{"root", "GET /scanners/{scanner}/metadata", 400, "the scanner is unhealthy: the scanner does not answer"},
		{"root", "GET /scanners/{scanner}", 200, `"name":"renamed","description":"","url":"` + down.URL + `","disabled":true`},
	})
}

// TestAScannersCredentialIsNeverShown looks for it in answers, rows, events, audit rows
// and the log.
func TestAScannersCredentialIsNeverShown(t *testing.T) {
	w := newWorld(t)
	aScanner(w)
	var shown strings.Builder
	for _, request := range []string{
		"POST /scanners\n\n" + newScanner, "POST /scanners/ping\n\n" + newScanner, "POST /scanners/ping\n\n" + strings.Replace(newScanner, probe.URL, open.URL, 1),
		"POST /scanners\n\n" + strings.Replace(newScanner, `"Bearer"`, `{}`, 1), "POST /scanners\n\n" + strings.Replace(newScanner, `"Bearer"`, `"Basic"`, 1),
		"GET /scanners", "GET /scanners/{scanner}", "GET /scanners/{scanner}/metadata", "GET /projects/alpha/scanner/candidates",
		"PUT /scanners/{scanner}\n\n" + newScanner, "PUT /scanners/{scanner}\n\n" + strings.Replace(newScanner, probe.URL, open.URL, 1),
		"PATCH /scanners/{scanner}\n\n" + `{"is_default":true}`, "PUT /projects/alpha/scanner\n\n" + `{"uuid":"{scanner}"}`, "GET /projects/alpha/scanner", "DELETE /scanners/{scanner}",
		"POST /scanners\n\n" + newScanner,
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
	for _, key := range slices.Sorted(maps.Keys(w.rows("audit_log"))) {
		shown.WriteString(w.rows("audit_log")[key] + "\n")
	}
	var sealed []byte
	if err := w.db.QueryRow(t.Context(), `SELECT sealed FROM scanner WHERE name = 'probe'`).Scan(&sealed); err != nil || len(sealed) == 0 {
		t.Fatalf("%d bytes are kept, %v", len(sealed), err)
	}
	shown.Write(sealed)
	for _, part := range []string{"create scanner probe", "update scanner probe: access_credential", "update scanner probe: is_default", "update project alpha: scanner", "delete scanner probe"} {
		if !strings.Contains(shown.String(), part) {
			t.Errorf("nothing says %q", part)
		}
	}
	if at := strings.Index(shown.String(), canary); at >= 0 {
		t.Errorf("the credential is shown: %s", shown.String()[max(0, at-200):at+len(canary)])
	}
}

// TestACredentialIsForNoOtherServer writes another URL into the row.
func TestACredentialIsForNoOtherServer(t *testing.T) {
	w := newWorld(t)
	aScanner(w)
	var seen []string
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = append(seen, r.Header.Get("Authorization")) }))
	defer thief.Close()
	if err := w.db.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE scanner SET url = ? WHERE id = ?`, thief.URL, w.scanner)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, message := problemOf(t, w.want(400, "root", "GET /scanners/{scanner}/metadata")); !strings.Contains(message, "credential cannot be read") {
		t.Errorf("%s", message)
	}
	w.want(400, "root", "PUT /scanners/{scanner}\n\n"+`{"name":"probe","url":"`+thief.URL+`","skip_certVerify":true}`)
	if len(seen) > 0 {
		t.Errorf("the other server was sent %q", seen)
	}
}
