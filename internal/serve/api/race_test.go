//go:build race

package api

// raced says that the race detector runs.
const raced = true
