// Package feedtest makes feeds of advisories for tests, in OSV's layout.
package feedtest

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/berth-registry/berth/internal/feed"
)

// A Record of a feed. Modified is as lists of changes have it: RFC 3339.
type Record struct{ ID, Modified, Text string }

// Pack returns a zip of entries: the name of each, and what is in it.
func Pack(t testing.TB, entries ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(entries); i += 2 {
		w, err := z.Create(entries[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, entries[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Write writes all records of an ecosystem into a folder, in place of those that are
// there, and lists them in the order in which they are given.
func Write(t testing.TB, folder, ecosystem string, all ...Record) {
	t.Helper()
	var entries []string
	var list bytes.Buffer
	for _, r := range all {
		entries = append(entries, r.ID+".json", r.Text)
		fmt.Fprintf(&list, "%s,%s\n", r.Modified, r.ID)
	}
	if err := os.MkdirAll(filepath.Join(folder, ecosystem), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{feed.All(ecosystem): Pack(t, entries...), ecosystem + "/modified_id.csv": list.Bytes()} {
		if err := os.WriteFile(filepath.Join(folder, filepath.FromSlash(name)), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
