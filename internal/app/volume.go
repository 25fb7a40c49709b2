package app

import (
	"fmt"
	"syscall"
)

// volume returns the size of the file system that holds a folder, and what of it
// is free for this process, in bytes.
func volume(folder string) (total, free uint64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return 0, 0, fmt.Errorf("file system of %s: %w", folder, err)
	}
	size := uint64(s.Bsize)
	return s.Blocks * size, s.Bavail * size, nil
}
