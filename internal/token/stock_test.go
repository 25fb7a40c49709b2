package token_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
	"github.com/berth-registry/berth/internal/token"
)

const stockConfig = `version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: %s}}
http: {addr: %s}
auth:
  token: {realm: "http://127.0.0.1/service/token", service: stock, issuer: berth, rootcertbundle: %s}
`

// TestAStockRegistryAcceptsOurTokens runs Distribution, where it is installed,
// with our bundle. That one goes on accepting after our keys have changed.
func TestAStockRegistryAcceptsOurTokens(t *testing.T) {
	binary, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Skip("docker-registry is not installed")
	}
	c := newClock()
	s := node(t, sqlstore.NewKeys(storetest.SQLite(t)), token.Config{Services: []string{"berth", "stock"}}, c)
	bundle, err := s.Bundle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	url := startStock(t, binary, bundle)

	check := func(when, service string, want int) {
		t.Helper()
		issued, err := s.Issue(t.Context(), alice, service, []access.Grant{{Type: "repository", Name: "library/app", Actions: []string{"pull"}}})
		if err != nil {
			t.Fatal(err)
		}
		// 404 is past the door: there is no such tag.
		if got := get(t, url+"/v2/library/app/tags/list", issued.Token); got != want {
			t.Errorf("%s: %d, want %d", when, got, want)
		}
		if got := get(t, url+"/v2/library/other/tags/list", issued.Token); got != http.StatusUnauthorized {
			t.Errorf("%s, another repository: %d", when, got)
		}
	}
	check("at first", "stock", http.StatusNotFound)
	check("with a token for us", "berth", http.StatusUnauthorized)
	if err := s.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.advance(11 * time.Second)
	check("after the keys rotated", "stock", http.StatusNotFound)
}

// startStock starts a registry that trusts the bundle and returns its address.
func startStock(t *testing.T, binary string, bundle []byte) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	write := func(name, content string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	pem := write("bundle.pem", string(bundle))
	config := write("config.yml", fmt.Sprintf(stockConfig, dir, address, pem))
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, binary, "serve", config)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if conn, err := net.Dial("tcp", address); err == nil {
			conn.Close()
			return "http://" + address
		}
	}
	t.Fatal("the registry does not start")
	return ""
}

func get(t *testing.T, url, raw string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+raw)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
