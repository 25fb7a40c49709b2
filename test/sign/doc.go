// Package sign signs images with the tools that people sign with, against the
// server, and reads what its API says of the signatures. Its tests need the built
// program and the tools: "make e2e" builds them and runs the tests. Nothing is
// asked of anybody else: no log, no authority, no clock.
package sign
