// Package api holds the server's description of its REST API against Harbor's.
// Its test needs the built program, and a description of Harbor's API that is
// not a part of this repository.
package api
