// Package conformance holds the server against the OCI's own conformance
// program. Its test needs the built program: "make e2e" runs it.
package conformance
