package advisory_test

import (
	"context"
	"io"
	"os"
	"testing"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/storage/advisorydb"
)

type store = *advisorydb.Store

// newService returns a service with an empty database.
func newService(t testing.TB) (*advisory.Service, store) {
	t.Helper()
	kept, err := advisorydb.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kept.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := advisory.New(kept)
	if err != nil {
		t.Fatal(err)
	}
	return s, kept
}

// file opens a file of the disk as a list.
func file(path string) func(context.Context) (io.ReadCloser, error) {
	return func(context.Context) (io.ReadCloser, error) { return os.Open(path) }
}
