package secret

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestLoadKeyCreatesOncePrivately(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.key")
	first, err := LoadKey(path)
	if err != nil || first == ([32]byte{}) {
		t.Fatalf("%v, %v", first == [32]byte{}, err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
	if again, err := LoadKey(path); err != nil || again != first {
		t.Errorf("the second time another key, %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("%d files are left", len(left))
	}
}

func TestLoadKeyOfManyAtOnceIsOneKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "berth.key")
	var mu sync.Mutex
	keys := map[[32]byte]bool{}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			k, err := LoadKey(path)
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			keys[k] = true
		})
	}
	wg.Wait()
	if len(keys) != 1 {
		t.Errorf("%d different keys", len(keys))
	}
}

func TestLoadKeyRefuses(t *testing.T) {
	good := strings.Repeat("A", 43) + "="
	for name, c := range map[string]struct {
		content string
		mode    os.FileMode
		want    string
	}{
		"readable by the group": {good, 0o640, "open to others"},
		"readable by all":       {good, 0o604, "open to others"},
		"writable by all":       {good, 0o602, "open to others"},
		"empty":                 {"", 0o600, "reading the key"},
		"short":                 {"QUJDREVGRw==", 0o600, "not 32 bytes"},
		"long":                  {strings.Repeat("QUJD", 16), 0o600, "not 32 bytes"},
		"not base64":            {"correct horse battery staple", 0o600, "not 32 bytes"},
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		_, err := LoadKey(path)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.content != "" && strings.Contains(err.Error(), c.content) {
			t.Errorf("%s: the error repeats the key: %v", name, err)
		}
		if now, _ := os.ReadFile(path); string(now) != c.content {
			t.Errorf("%s: the file was changed", name)
		}
	}
	if _, err := LoadKey(filepath.Join(t.TempDir(), "no", "key")); err == nil {
		t.Error("a folder that does not exist is accepted")
	}
	for mode, want := range map[os.FileMode]bool{0o600: true, 0o400: true} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(good+"\n"), mode); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadKey(path); (err == nil) != want {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}
