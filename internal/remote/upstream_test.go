package remote_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/remote"
	"github.com/berth-registry/berth/internal/secret"
)

// Two hosts, as far as a client can tell.
const (
	here      = "127.0.0.1"
	elsewhere = "127.0.0.2"
)

const (
	account  = "robot"
	password = "the-secret-of-the-account"
)

// An upstream is a server of which the test writes each answer.
type upstream struct {
	*httptest.Server
	connections atomic.Int64

	mu     sync.Mutex
	visits []visit
}

// A visit is a request that arrived.
type visit struct {
	line   string // "GET /v2/"
	header http.Header
}

func serve(t *testing.T, host string, h http.HandlerFunc) *upstream {
	t.Helper()
	u := &upstream{}
	u.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		u.visits = append(u.visits, visit{r.Method + " " + r.RequestURI, r.Header.Clone()})
		u.mu.Unlock()
		h(w, r)
	}))
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	u.Listener.Close()
	u.Listener = l
	u.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			u.connections.Add(1)
		}
	}
	u.Start()
	t.Cleanup(func() {
		u.CloseClientConnections()
		u.Close()
	})
	return u
}

// lines returns the requests that arrived, and forgets them.
func (u *upstream) lines() (all []string) {
	for _, v := range u.take() {
		all = append(all, v.line)
	}
	return all
}

func (u *upstream) take() []visit {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := u.visits
	u.visits = nil
	return all
}

// wantNoSecrets fails where a request arrived with a header that may hold one, or
// where none arrived.
func (u *upstream) wantNoSecrets(t *testing.T) {
	t.Helper()
	visits := u.take()
	if len(visits) == 0 {
		t.Error("nothing arrived at the other host")
	}
	for _, v := range visits {
		if text := fmt.Sprint(v.header); v.header.Get("Authorization") != "" || strings.Contains(text, password) || strings.Contains(text, "tok") {
			t.Errorf("%s arrived with %v", v.line, v.header)
		}
	}
}

// connect returns a client with the account; as nobody where user is empty.
func connect(t *testing.T, url, user string) *remote.Registry {
	t.Helper()
	return connectTo(t, remote.Settings{Kind: remote.Distribution, URL: url, Account: user, Secret: secret.New(password)})
}

func connectTo(t *testing.T, s remote.Settings) *remote.Registry {
	t.Helper()
	r, err := remote.Open(outbound.ForSystem(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// asking answers 401 with a challenge to what has no Authorization that begins
// with the scheme, and reports whether it did.
func asking(w http.ResponseWriter, r *http.Request, challenge string) bool {
	scheme, _, _ := strings.Cut(challenge, " ")
	if strings.HasPrefix(r.Header.Get("Authorization"), scheme+" ") {
		return false
	}
	w.Header().Set("WWW-Authenticate", challenge)
	w.WriteHeader(http.StatusUnauthorized)
	return true
}

func bearer(realm string) string { return `Bearer realm="` + realm + `",service="it"` }

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func giveToken(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, map[string]any{"token": "tok", "expires_in": 300})
}

// endless writes until nobody reads any more, and counts.
func endless(w http.ResponseWriter, written *atomic.Int64) {
	block := bytes.Repeat([]byte(" "), 32<<10)
	for {
		n, err := w.Write(block)
		written.Add(int64(n))
		if err != nil {
			return
		}
	}
}

// raw writes an answer by hand, and closes the connection.
func raw(w http.ResponseWriter, text string) {
	c, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	_, _ = io.WriteString(c, text)
	c.Close()
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = r.Read(b)
	return b
}

func sum(b []byte) oci.Digest { return oci.Sum(oci.SHA256, b) }

func serveTLS(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that fail are wanted
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func pemOf(c *x509.Certificate) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
}

// source is content to push.
func source(b []byte) remote.Source {
	return remote.Source{Digest: sum(b), Size: int64(len(b)), Open: func(_ context.Context, offset int64) (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b[offset:])), nil
	}}
}

func asksBasic(w http.ResponseWriter, r *http.Request) { asking(w, r, "Basic x") }
