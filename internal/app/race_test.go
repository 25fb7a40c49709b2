//go:build race

package app_test

// raced says that the race detector runs.
const raced = true
