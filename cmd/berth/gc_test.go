package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGarbageIsCollectedAndTheStorageChecked(t *testing.T) {
	s := start(t, t.TempDir(), withPassword)
	const digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824" // of "hello"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/v2/library/app/blobs/uploads/?digest="+digest, strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", given)
	res, err := http.DefaultClient.Do(req)
	if err != nil || res.StatusCode != http.StatusCreated {
		t.Fatal(res, err)
	}
	res.Body.Close()
	run := func(args ...string) (int, string) {
		code, out, errs := tool(t, nil, "", append([]string{"gc", "--data", dataOf(s)}, args...)...)
		return code, out + errs
	}
	for _, c := range []struct {
		args []string
		code int
		say  string
	}{
		{[]string{"run"}, 0, "0 blobs taken from their repositories"},
		{[]string{"run", "--workers", "11"}, 1, "workers"},
		{[]string{"check"}, 0, "1 rows and 1 contents compared: 0 lost"},
		{[]string{"run", "--dry-run", "--delay", "0s"}, 0, "1 blobs would be put into the trash, of 5 bytes"},
		{[]string{"run", "--delay", "0s", "--delete-untagged"}, 0, "1 blobs put into the trash, of 5 bytes"},
		{[]string{"run"}, 0, "0 blobs deleted"},
		{[]string{"run", "--trash", "0s"}, 0, "1 blobs deleted, of 5 bytes"},
		{[]string{"check"}, 0, "0 rows and 0 contents compared"},
	} {
		if code, out := run(c.args...); code != c.code || !strings.Contains(out, c.say) {
			t.Errorf("%q: exit %d: %s", c.args, code, out)
		}
	}
	stray := filepath.Join(dataOf(s), "blobs", "uploads", "stray")
	if err := os.WriteFile(stray, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if code, out := run("check", "--grace", "0s", "--repair"); code != 0 || !strings.Contains(out, "unfinished, of no upload: stray") {
		t.Errorf("exit %d: %s", code, out)
	}
	if _, err := os.Stat(stray); err == nil {
		t.Error("it was not repaired")
	}
}
