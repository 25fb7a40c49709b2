// Package replication copies between Berth and CNCF Distribution registries, with
// and without passwords. Its tests need the built program and Debian's
// docker-registry: "make e2e" runs them.
package replication
