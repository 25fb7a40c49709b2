package secret

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// LoadKey returns the key kept in a file: one line, 32 bytes in base64. Where
// there is no file it makes one with a new key, readable by its owner only and
// durable before LoadKey returns; of two processes that start at once, both get
// the key of the first. It refuses a file that others than its owner can read
// or write. The folder must exist.
func LoadKey(path string) (key [32]byte, err error) {
	text, err := readPrivate(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := createKey(path); err != nil {
			return key, fmt.Errorf("creating the key: %w", err)
		}
		text, err = readPrivate(path)
	}
	if err != nil {
		return key, fmt.Errorf("reading the key: %w", err)
	}
	b, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(b) != len(key) {
		// The decoder's own words may repeat bytes of the key.
		return key, fmt.Errorf("reading the key: %s is not 32 bytes in base64", path)
	}
	return [32]byte(b), nil
}

// readPrivate reads a file that nobody else can read. It asks the opened file,
// so that nobody puts another one there in between.
func readPrivate(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s is open to others (mode %04o): it should be 0600, and its key replaced if anybody read it",
			path, info.Mode().Perm())
	}
	buf := make([]byte, 256)
	n, err := f.Read(buf)
	return buf[:n], err
}

// createKey writes a new key beside path and links it there, so that the name
// appears with all its content or not at all, and never replaces another.
func createKey(path string) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".key-") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err := writeKey(tmp); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

func writeKey(f *os.File) error {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	_, err := f.WriteString(base64.StdEncoding.EncodeToString(key[:]) + "\n")
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
