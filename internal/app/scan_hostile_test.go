package app_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The files that tell of an image of Alpine and of what is installed in it.
const (
	osRelease = "etc/os-release"
	apkFile   = "lib/apk/db/installed"
	alpine319 = "ID=alpine\nVERSION_ID=3.19.1\nPRETTY_NAME=\"Alpine Linux v3.19\"\n"
	oneAPK    = "P:openssl\nV:3.1.4-r0\nA:x86_64\nL:MIT\no:openssl\n\n"
)

// ends has an image examined, wants that to end with a status, and returns the log as
// clients read it. What is in a layer is the same at every attempt: there is one.
func (l lab) ends(ref, status string) (log string) {
	l.Helper()
	asked(l.T, l.Server, 202, "POST", appArtifacts+ref+"/scan", `{"scan_type":"vulnerability"}`)
	var overview string
	eventually(l.T, "the end of the scan of "+ref, func() bool {
		overview, _ = asked(l.T, l.Server, 200, "GET", appArtifacts+ref+"?with_scan_overview=true", "")
		return slices.ContainsFunc([]string{"Success", "Error", "Stopped"}, func(s string) bool { return strings.Contains(overview, `"scan_status":"`+s+`"`) })
	})
	if !strings.Contains(overview, `"scan_status":"`+status+`"`) {
		l.Errorf("%s is not %s: %s", ref, status, overview)
	}
	_, report, _ := strings.Cut(overview, `"report_id":"`)
	report, _, _ = strings.Cut(report, `"`)
	log, _ = asked(l.T, l.Server, 200, "GET", appArtifacts+ref+"/scan/"+report+"/log", "")
	if strings.Count(log, "scanner: ") != 1 {
		l.Errorf("%s was tried more than once: %s", ref, log)
	}
	return log
}

// bomb returns a layer with a file of so many times 16 MiB, of which next to nothing is
// kept: the same zeros, packed once, follow each other.
func bomb(t *testing.T, times int) []byte {
	t.Helper()
	pack := func(b []byte) []byte {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return z.Bytes()
	}
	const one = 16 << 20
	var head bytes.Buffer
	if err := tar.NewWriter(&head).WriteHeader(&tar.Header{Name: "zeros", Mode: 0o644, Size: int64(times) * one}); err != nil {
		t.Fatal(err)
	}
	return slices.Concat(pack(head.Bytes()), bytes.Repeat(pack(make([]byte, one)), times), pack(make([]byte, 1024)))
}

// unpacked returns what a layer is before it is packed.
func unpacked(t *testing.T, layer []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(layer))
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestHostileLayersEndTheirScanAndNothingElse(t *testing.T) {
	t.Parallel()
	l := startLab(t)
	outside := filepath.Join(t.TempDir(), "outside")
	good := packed(t, map[string]string{osRelease: alpine319, apkFile: oneAPK})
	of := func(release, name, content string) [][]byte {
		return [][]byte{packed(t, map[string]string{osRelease: release, name: content})}
	}
	var many strings.Builder
	for i := range 100_001 {
		fmt.Fprintf(&many, "P:p%d\nV:1\n\n", i)
	}
	damaged := bytes.Clone(good)
	damaged[len(damaged)-6] ^= 1 // in the checksum
	for name, c := range map[string]struct {
		layers [][]byte
		status string
		says   string // the log
	}{
		"out":         {of(alpine319, strings.Repeat("../", 40)+strings.TrimPrefix(outside, "/"), "x"), "Success", "outside: its path leads out of the image: it is taken as if it did not"},
		"absolute":    {of(alpine319, outside, "x"), "Success", "0 packages"},
		"database":    {of(alpine319, "../../"+apkFile, oneAPK), "Error", "what the image has installed cannot be read: " + apkFile + ": its path leads out of the image"},
		"long":        {of(alpine319, apkFile, strings.Repeat("P:"+strings.Repeat("p", 1<<20)+"\n", 17)), "Error", "what the image has installed cannot be read: " + apkFile + ": "},
		"many":        {of(alpine319, apkFile, many.String()), "Error", "what the image has installed cannot be read: " + apkFile + ": "},
		"nonsense":    {of("ID=almalinux\nVERSION_ID=9.3\n", "var/lib/rpm/rpmdb.sqlite", "SQLite format 3\x00"+strings.Repeat("\xff", 8000)), "Error", "what the image has installed cannot be read: var/lib/rpm/rpmdb.sqlite: "},
		"cut":         {[][]byte{good[:len(good)/2]}, "Error", "the layer is damaged: it is cut off"},
		"cut-plain":   {[][]byte{unpacked(t, good)[:700]}, "Error", "the layer is damaged: it is cut off"},
		"checksum":    {[][]byte{damaged}, "Error", "the layer is damaged"},
		"text":        {[][]byte{[]byte(strings.Repeat("this is no archive\n", 100))}, "Error", "the layer is damaged"},
		"bomb":        {[][]byte{good, bomb(t, 1024)}, "Error", "the layer is too large to look into: it grows more than 200-fold where it is unpacked"},
		"unsupported": {of("ID=slackware\nPRETTY_NAME=\"Slackware 15\"\n", apkFile, oneAPK), "Error", "no advisories are about some of what the image has installed: "},
		"nameless":    {of("\n", apkFile, oneAPK), "Error", "the image does not say of which distribution its packages are"},
		"unknown":     {of(strings.ReplaceAll(alpine319, "3.19", "3.18"), apkFile, oneAPK), "Error", "no advisories are about some of what the image has installed: Alpine:v3.18; those that are here were brought up to date at 2"},
	} {
		l.layers(name, c.layers...)
		if log := l.ends(name, c.status); !strings.Contains(log, c.says) {
			t.Errorf("%s: the log has no %q: %s", name, c.says, log)
		}
		if c.status == "Error" {
			if text, _ := asked(t, l.Server, 200, "GET", appArtifacts+name+"/additions/vulnerabilities", ""); text != "{}" {
				t.Errorf("%s: a report of what could not be judged: %s", name, text)
			}
		}
	}
	if _, err := os.Stat(outside); !os.IsNotExist(err) {
		t.Errorf("a layer has written a file: %v", err)
	}
	l.rules(`"prevent_vul":"true","severity":"critical"`)
	l.pulls("bomb", 412, "")
	l.image("good", "openssl 3.1.4-r0")
	l.ends("good", "Success")
	if rows, _ := l.report("good"); len(rows) != 1 {
		t.Errorf("%+v of a good image after all these", rows)
	}
}
