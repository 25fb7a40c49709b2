package api

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/intake"
)

// anArchive is one of a single record in OSV's layout.
func anArchive() string {
	var inner, outer bytes.Buffer
	z := zip.NewWriter(&inner)
	f, err := z.Create("GHSA-aaaa-bbbb-cccc.json")
	if err == nil {
		_, err = f.Write([]byte(`{"id":"GHSA-aaaa-bbbb-cccc","modified":"2026-01-02T03:04:05Z","aliases":["CVE-2026-1000"],"affected":[{"package":{"ecosystem":"npm","name":"left"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"},{"fixed":"2.0.0"}]}]}]}`))
	}
	if err == nil {
		err = z.Close()
	}
	t := tar.NewWriter(&outer)
	if err == nil {
		err = t.WriteHeader(&tar.Header{Name: "npm/all.zip", Typeflag: tar.TypeReg, Size: int64(inner.Len()), Mode: 0o600})
	}
	if err == nil {
		_, err = t.Write(inner.Bytes())
	}
	if err == nil {
		err = t.Close()
	}
	if err != nil {
		panic(err)
	}
	return outer.String()
}

func someAdvisories(w *world) {
	if _, err := w.intake.Import(context.Background(), "x", strings.NewReader(anArchive()), nil); err != nil {
		w.t.Fatal(err)
	}
}

// anUpdate asks for one, which nobody does.
func anUpdate(w *world) {
	w.want(201, "root", "POST /system/advisories/update")
}

func isExport(t *testing.T, _ *world, a answer) {
	t.Helper()
	other := newWorld(t)
	if g, err := other.advisories.Import(t.Context(), a.Body); err != nil || g == 0 {
		t.Fatal(g, err)
	}
	if st, err := other.advisories.Status(t.Context()); err != nil || len(st.Sources) != 1 || st.Sources[0].Records != 1 {
		t.Errorf("%+v, %v", st, err)
	}
	if name := a.Header().Get("Content-Disposition"); name != "attachment; filename=advisories.zst" {
		t.Error(name)
	}
}

func TestAdvisoriesAreUpdatedOnceAtATime(t *testing.T) {
	w := newWorld(t)
	w.want(201, "root", "POST /system/advisories/update")
	w.want(409, "root", "POST /system/advisories/update")
}

func TestAdvisoriesAreNotUpdatedFromNowhere(t *testing.T) {
	w := newWorld(t, func(c *Config) { c.Intake.Sources = intake.Sources{} })
	if _, message := problemOf(t, w.want(412, "root", "POST /system/advisories/update")); !strings.Contains(message, "advisories.source") {
		t.Error(message)
	}
}

func TestWhatIsNoFileOfAdvisoriesChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.want(412, "root", "GET /system/advisories/export")
	someAdvisories(w)
	before, err := w.advisories.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	archive := anArchive()
	for name, body := range map[string]string{
		"nothing":    "",
		"text":       "\n\nhello",
		"half":       "\n\n" + archive[:700],
		"an archive": "\n\n" + strings.ReplaceAll(archive, "npm/all.zip", "npm/any.zip"),
	} {
		if a := w.do("root", "POST /system/advisories/import"+body); a.Code != 400 {
			t.Errorf("%s: %d %s", name, a.Code, a.Body)
		}
	}
	after, err := w.advisories.Status(t.Context())
	if err != nil || after.Generation != before.Generation {
		t.Errorf("%v, was %v: %v", after.Generation, before.Generation, err)
	}
	if !strings.Contains(w.want(200, "root", "GET /system/advisories").Body.String(), `"records":1`) {
		t.Error("what was there is gone")
	}
}

func TestAdvisoryScheduleRefusesWhatIsNone(t *testing.T) {
	w := newWorld(t)
	for _, body := range []string{`{}`, `{"schedule":{"type":"Manual"}}`, `{"schedule":{"type":"Custom","cron":"nonsense"}}`} {
		w.want(400, "root", "PUT /system/advisories/schedule\n\n"+body)
	}
	w.want(200, "root", "PUT /system/advisories/schedule\n\n"+`{"schedule":{"type":"Daily"}}`)
	then("GET /system/advisories/schedule", "root", `"cron":"0 0 0 * * *"`)(t, w, answer{})
	w.want(200, "root", "PUT /system/advisories/schedule\n\n"+`{"schedule":{"type":"None"}}`)
	bodyIs("")(t, w, w.want(200, "root", "GET /system/advisories/schedule"))
}
