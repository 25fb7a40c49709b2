// Package stock has CNCF Distribution registries leave sign-in and rights to
// Berth. Its tests need the built program and Debian's docker-registry: "make
// e2e" runs them.
package stock
