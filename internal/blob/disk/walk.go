package disk

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/oci"
)

// Walk reads the names of one folder of content at a time.
func (s *Store) Walk(ctx context.Context, fn func(blob.Item) error) error {
	for _, a := range []oci.Algorithm{oci.SHA256, oci.SHA512} {
		shards, err := os.ReadDir(filepath.Join(s.root, string(a)))
		if err != nil {
			return failure("read content", err)
		}
		for _, shard := range shards {
			if !shard.IsDir() {
				continue // of a Check
			}
			prefix := string(a) + "/" + shard.Name() + "/"
			err := s.walk(ctx, prefix, func(i blob.Item) error {
				if _, ok := s.content(i.Key); !ok {
					return nil
				}
				return fn(i)
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// WalkUploads knows all uploads.
func (s *Store) WalkUploads(ctx context.Context, fn func(blob.Item) error) error {
	return s.walk(ctx, uploads+"/", func(i blob.Item) error {
		i.Key = i.Key[len(uploads)+1:]
		return fn(i)
	})
}

// walk calls fn for the files of one folder, by name.
func (s *Store) walk(ctx context.Context, folder string, fn func(blob.Item) error) error {
	entries, err := os.ReadDir(filepath.Join(s.root, folder))
	if err != nil {
		return failure("read content", err)
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has gone since
		}
		if err != nil {
			return failure("read content", err)
		}
		if !info.Mode().IsRegular() {
			continue
		}
		if err := fn(blob.Item{Key: folder + e.Name(), Size: info.Size(), Changed: info.ModTime()}); err != nil {
			return err
		}
	}
	return nil
}
