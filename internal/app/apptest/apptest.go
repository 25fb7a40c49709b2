// Package apptest gives tests the real program, on a folder and a port of its
// own, in the process of the test.
package apptest

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/app"
	"github.com/berth-registry/berth/internal/secret"
)

// Admin is the name of the administrator.
const Admin = "admin"

// A Server is a program that runs until the end of its test.
type Server struct {
	URL      string     // "http://127.0.0.1:PORT"
	Password string     // of Admin
	Config   app.Config // that it was started with

	t    testing.TB
	app  *app.App
	down bool
}

// Start starts a server with a SQLite database in a folder of its own. Options
// may change that: to c.Database = url for PostgreSQL, or to the Data of one
// that was stopped. The log's warnings go to the log of the test.
func Start(t testing.TB, options ...func(c *app.Config)) *Server {
	t.Helper()
	s := &Server{Password: secret.Random(16), t: t}
	s.Config = app.Config{
		Listen: "127.0.0.1:0", StopTimeout: 10 * time.Second, AdminPassword: secret.New(s.Password),
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	for _, o := range options {
		o(&s.Config)
	}
	if s.Config.Data == "" {
		s.Config.Data = t.TempDir()
	}
	s.Password = s.Config.AdminPassword.Reveal()
	var err error
	if s.app, err = app.New(t.Context(), s.Config); err != nil {
		t.Fatal(err)
	}
	if err := s.app.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.URL = s.app.Local()
	t.Cleanup(s.Stop)
	return s
}

// Stop stops the server, as the end of the test does.
func (s *Server) Stop() {
	s.t.Helper()
	if s.down {
		return
	}
	s.down = true
	if err := s.app.Stop(); err != nil {
		s.t.Error(err)
	}
}

// Do sends a request as a user; as nobody where the name is empty. The path is
// below URL, or a URL of its own. The body of the answer is closed after the
// test.
func (s *Server) Do(method, path, user, password string, body io.Reader, header ...string) *http.Response {
	s.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = s.URL + path
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// client keeps no connection, so that none delays a server's stop, and follows
// nothing.
var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}
