package ldap_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/identity"
	"github.com/berth-registry/berth/internal/ldap"
	"github.com/berth-registry/berth/internal/ldap/ldaptest"
	"github.com/berth-registry/berth/internal/outbound"
	"github.com/berth-registry/berth/internal/secret"
)

func TestTLS(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{Secure: true})
	ping := func(changes map[string]any) error {
		h.set(changes)
		return h.Ping(t.Context(), ldap.Trial{})
	}
	for _, c := range []struct {
		what    string
		changes map[string]any
		want    string // "" where it works
	}{
		{"no TLS", map[string]any{}, "it wants TLS"},
		{"StartTLS of an unknown authority", map[string]any{"ldap_start_tls": true}, "ldap_ca_certificate"},
		{"LDAPS of an unknown authority", map[string]any{"ldap_url": h.server.TLSURL}, "ldap_ca_certificate"},
		{"LDAPS unverified", map[string]any{"ldap_verify_cert": false}, ""},
		{"StartTLS unverified", map[string]any{"ldap_url": h.server.URL}, ""},
		{"StartTLS of a known authority", map[string]any{"ldap_verify_cert": true, "ldap_ca_certificate": h.server.CA}, ""},
		{"LDAPS of a known authority", map[string]any{"ldap_url": h.server.TLSURL}, ""},
		{"LDAPS by a name that is not in the certificate", map[string]any{"ldap_url": strings.Replace(h.server.TLSURL, "127.0.0.1", "localhost", 1)}, "its certificate is not good"},
	} {
		if err := ping(c.changes); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	h.set(map[string]any{"ldap_url": h.server.TLSURL})
	h.mustEnter("alice")
}

func TestPingTellsWhyItFailed(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	if err := h.Ping(t.Context(), ldap.Trial{}); err != nil {
		t.Fatal(err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	p := func(s string) *string { return &s }
	wrong := secret.New("wrong")
	seven := int64(7)
	for _, c := range []struct {
		what  string
		trial ldap.Trial
		want  string
	}{
		{"nobody listens", ldap.Trial{URL: p("ldap://127.0.0.1:1"), SearchSecret: wrong}, "nothing listens"},
		{"no answer", ldap.Trial{URL: p("ldap://" + silent.Addr().String()), SearchSecret: wrong}, "did not answer within ldap_timeout"},
		{"an address of no directory", ldap.Trial{URL: p("ldap://169.254.169.254"), SearchSecret: wrong}, "the directory: connecting to this address is forbidden: 169.254.169.254 is a link-local address"},
		{"another scheme", ldap.Trial{URL: p("http://127.0.0.1"), SearchSecret: wrong}, "ldap_url: it must be a URL that begins with ldap://"},
		{"no URL", ldap.Trial{URL: p(""), SearchSecret: wrong}, "ldap_url is not set"},
		{"a wrong password", ldap.Trial{SearchSecret: wrong}, "does not accept ldap_search_dn"},
		{"a wrong base", ldap.Trial{BaseDN: p("dc=nowhere")}, "no entry of ldap_base_dn"},
		{"a base that is none", ldap.Trial{BaseDN: p("nowhere")}, "ldap_base_dn: it must be a distinguished name"},
		{"a filter that is none", ldap.Trial{Filter: p("(a=")}, "ldap_filter: it must be a filter"},
		{"a scope that is none", ldap.Trial{Scope: &seven}, "ldap_scope: it must be from 0 to 2"},
	} {
		err := h.Ping(t.Context(), c.trial)
		var f *fault.Fault
		if !errors.As(err, &f) || f.Kind != fault.Invalid || !strings.Contains(f.Message, c.want) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// TestAHandshakeThatStandsStillEnds has a server agree to StartTLS and then say
// nothing more.
func TestAHandshakeThatStandsStillEnds(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = conn.Read(make([]byte, 1024))
		_, _ = conn.Write([]byte{0x30, 0x0c, 2, 1, 1, 0x78, 7, 0x0a, 1, 0, 4, 0, 4, 0}) // the extended response "success"
		_, _ = io.Copy(io.Discard, conn)
	}()
	h.set(map[string]any{"ldap_url": "ldap://" + l.Addr().String(), "ldap_start_tls": true, "ldap_timeout": int64(1)})
	done := make(chan error, 1)
	go func() { done <- h.Ping(t.Context(), ldap.Trial{}) }()
	select {
	case err := <-done:
		if err == nil || !strings.Contains(err.Error(), "did not answer within ldap_timeout") {
			t.Errorf("%v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("it is still waited for")
	}
}

// TestTheKeptPasswordGoesNowhereElse: who may try settings out could have it sent
// to a server of their own.
func TestTheKeptPasswordGoesNowhereElse(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	thief, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer thief.Close()
	visits := make(chan struct{}, 1)
	go func() {
		if _, err := thief.Accept(); err == nil {
			visits <- struct{}{}
		}
	}()
	url, dn := "ldap://"+thief.Addr().String(), ldaptest.Root
	for _, trial := range []ldap.Trial{{URL: &url}, {SearchDN: &dn}} {
		if err := h.Ping(t.Context(), trial); err == nil || !strings.Contains(err.Error(), "ldap_search_password is needed") {
			t.Errorf("%+v: %v", trial, err)
		}
	}
	select {
	case <-visits:
		t.Error("the other server was visited")
	default:
	}
}

// TestADirectoryThatIsAwayRefusesWithTheReason: the log has it, and whoever
// signs in learns what they can do.
func TestADirectoryThatIsAwayRefusesWithTheReason(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	h.mustEnter("alice")
	h.set(map[string]any{"ldap_url": "ldap://169.254.169.254"})
	var told *fault.Fault
	if _, err := h.enter("alice", ldaptest.Password); !errors.As(err, &told) || told.Message != ldap.ErrUnavailable.Message || !errors.Is(err, outbound.ErrForbidden) {
		t.Errorf("a sign-in by an address that is forbidden: %v", err)
	}
	h.set(map[string]any{"ldap_url": "ldap://127.0.0.1:1"})
	for what, ask := range map[string]func() error{
		"a sign-in":        func() error { _, err := h.enter("alice", ldaptest.Password); return err },
		"a new member":     func() error { _, err := h.Onboard(t.Context(), "bob"); return err },
		"a group's member": func() error { _, err := h.Group(t.Context(), ldaptest.Group("elsewhere")); return err },
	} {
		err := ask()
		var f *fault.Fault
		if !errors.As(err, &f) || f.Kind != fault.Unavailable || f.Message != ldap.ErrUnavailable.Message || !strings.Contains(err.Error(), "nothing listens") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := h.Search(t.Context(), ""); !errors.Is(err, ldap.ErrFailed) {
		t.Errorf("a search: %v", err)
	}
}

// TestANameThatThereIsNoneOfIsAskedAboutAsMuch counts what the directory is
// asked, each question of which takes its time.
func TestANameThatThereIsNoneOfIsAskedAboutAsMuch(t *testing.T) {
	t.Parallel()
	h := open(t, ldaptest.Form{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var questions atomic.Int64 // each is sent when the one before it is answered
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", strings.TrimPrefix(h.server.URL, "ldap://"))
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(conn, server); conn.Close() }()
			go func() {
				defer server.Close()
				buf := make([]byte, 4096)
				for {
					n, err := conn.Read(buf)
					if err != nil {
						return
					}
					questions.Add(1)
					_, _ = server.Write(buf[:n])
				}
			}()
		}
	}()
	h.set(map[string]any{"ldap_url": "ldap://" + l.Addr().String()})
	asked := func(name string) int64 {
		t.Helper()
		before := questions.Load()
		if _, err := h.enter(name, "wrong"); !errors.Is(err, identity.ErrRefused) {
			t.Fatalf("%s: %v", name, err)
		}
		return questions.Load() - before
	}
	if known, unknown := asked("alice"), asked("nobody"); known != unknown || known < 3 {
		t.Errorf("%d questions about alice, %d about nobody", known, unknown)
	}
}
