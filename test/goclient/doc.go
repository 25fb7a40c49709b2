// Package goclient drives the REST API with the Go client that programs use
// which were written for Harbor. It is a module of its own, so that what the
// client needs is not what the product needs. Its tests have the build tag e2e.
package goclient
