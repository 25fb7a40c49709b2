// Package diskfull lets the server run out of disk space. Its tests need the
// built program and, to mount a small file system, root: "make e2e" runs them.
package diskfull
