package app

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestOneServerForOneFolder(t *testing.T) {
	folder := t.TempDir()
	unlock, err := lock(folder)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lock(folder)
	for _, want := range []string{folder, "another berth server", "process " + strconv.Itoa(os.Getpid()), "--data"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want something about %q", err, want)
		}
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	again, err := lock(folder)
	if err != nil {
		t.Fatalf("after the first has gone: %v", err)
	}
	if err := again(); err != nil {
		t.Fatal(err)
	}
}
