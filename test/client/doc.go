// Package client drives the clients that people use against the server, and
// reads what they say. Its tests need the built program and the clients: "make
// e2e" builds or installs them and runs the tests.
package client
