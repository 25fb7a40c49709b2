// Package crash kills the server and looks at what is left. Its tests need the
// built program: "make e2e" runs the short form, "make soak" the long one.
package crash
