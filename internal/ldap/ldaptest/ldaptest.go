// Package ldaptest starts OpenLDAP's server for tests, over folders and on ports
// of their own, with people and groups in it that tests may change.
package ldaptest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ldap "github.com/go-ldap/ldap/v3"
)

// What every server has: its base, who may change it, who may search it, and
// the password of everybody.
const (
	Base     = "dc=example,dc=org"
	Root     = "cn=root," + Base
	Searcher = "cn=searcher," + Base
	People   = "ou=people," + Base
	Groups   = "ou=groups," + Base
	Password = "Sesame-open-1"
)

// A Server is a running directory.
type Server struct {
	URL    string // ldap://, with StartTLS on demand
	TLSURL string // ldaps://
	CA     string // PEM of the authority that its certificate is of

	t    testing.TB
	root *ldap.Conn // nil until something is changed
}

// A Form says how a directory is set up.
type Form struct {
	Plain bool // entries do not list the groups that they are in: no memberOf
	// Secure lets nobody search or bind without TLS.
	Secure bool
}

// Start starts a server, which ends with the test. It skips the test where slapd
// is not installed.
func Start(t testing.TB, form Form) *Server {
	t.Helper()
	program, err := exec.LookPath("slapd")
	if err != nil {
		program = "/usr/sbin/slapd"
	}
	if _, err := os.Stat(program); err != nil {
		t.Skip("slapd is not installed")
	}
	dir := t.TempDir()
	s := &Server{t: t}
	s.CA = s.certify(dir)
	s.write(filepath.Join(dir, "slapd.conf"), configuration(dir, form))
	s.must(os.Mkdir(filepath.Join(dir, "data"), 0o700))
	for try := 1; !s.launch(program, dir); try++ {
		if try == 5 {
			t.Fatal("slapd ended five times before it listened")
		}
	}
	s.populate()
	return s
}

// launch starts slapd on two free ports and waits until it listens on both. It
// reports false if slapd ended instead: a port that was free a moment ago may
// be somebody else's by now, who may even answer on it. So its own answer is the
// first one after the file with its process id, which it writes once it has both
// ports and before it listens.
func (s *Server) launch(program, dir string) bool {
	s.t.Helper()
	s.URL = fmt.Sprintf("ldap://127.0.0.1:%d", freePort(s.t))
	s.TLSURL = fmt.Sprintf("ldaps://127.0.0.1:%d", freePort(s.t))
	var log bytes.Buffer
	cmd := exec.Command(program, "-f", filepath.Join(dir, "slapd.conf"), "-h", s.URL+"/ "+s.TLSURL+"/", "-d", "0")
	cmd.Stdout, cmd.Stderr = &log, &log
	s.must(cmd.Start())
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }() // it is killed, which is no news
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if s.t.Failed() {
			s.t.Logf("slapd: %s", log.String())
		}
	})
	deadline := time.After(20 * time.Second)
	for {
		if _, err := os.Stat(filepath.Join(dir, "pid")); err == nil && answers(s.URL) && answers(s.TLSURL) {
			return true
		}
		select {
		case <-ended:
			return false
		case <-deadline:
			s.t.Fatal("slapd does not listen after 20 s")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func answers(url string) bool {
	_, address, _ := strings.Cut(url, "://")
	conn, err := net.Dial("tcp", address)
	if err == nil {
		conn.Close()
	}
	return err == nil
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (s *Server) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) write(path, text string) {
	s.t.Helper()
	s.must(os.WriteFile(path, []byte(text), 0o600))
}

func configuration(dir string, form Form) string {
	var b strings.Builder
	for _, schema := range []string{"core", "cosine", "inetorgperson", "nis"} {
		fmt.Fprintf(&b, "include /etc/ldap/schema/%s.schema\n", schema)
	}
	fmt.Fprintf(&b, `modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
pidfile %[1]s/pid
sizelimit unlimited
TLSCACertificateFile %[1]s/ca.pem
TLSCertificateFile %[1]s/cert.pem
TLSCertificateKeyFile %[1]s/key.pem
`, dir)
	if form.Secure {
		b.WriteString("security simple_bind=128 tls=128\n")
	}
	fmt.Fprintf(&b, `database mdb
suffix %q
rootdn %q
rootpw %s
directory %s/data
dbnosync
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact=%q read by anonymous auth by * none
`, Base, Root, Password, dir, Searcher)
	if !form.Plain {
		b.WriteString("overlay memberof\nmemberof-refint TRUE\n")
	}
	return b.String()
}

// populate makes the people alice, bob and carol, whose e-mail addresses are
// NAME@example.org, and the groups developers (alice), staff (developers, bob)
// and admins (carol).
func (s *Server) populate() {
	s.Add(Base, "objectClass", "dcObject", "objectClass", "organization", "dc", "example", "o", "Example")
	s.Add(Searcher, "objectClass", "person", "cn", "searcher", "sn", "searcher", "userPassword", Password)
	s.Add(People, "objectClass", "organizationalUnit", "ou", "people")
	s.Add(Groups, "objectClass", "organizationalUnit", "ou", "groups")
	for _, name := range []string{"alice", "bob", "carol"} {
		s.AddPerson(name)
	}
	s.AddGroup("developers", Person("alice"))
	s.AddGroup("staff", Group("developers"), Person("bob"))
	s.AddGroup("admins", Person("carol"))
}

// Person and Group return the DNs of entries by their names.
func Person(name string) string { return "uid=" + ldap.EscapeDN(name) + "," + People }
func Group(name string) string  { return "cn=" + ldap.EscapeDN(name) + "," + Groups }

// AddPerson adds somebody.
func (s *Server) AddPerson(name string) {
	s.t.Helper()
	s.Add(Person(name), "objectClass", "inetOrgPerson", "uid", name, "cn", "Real "+name, "sn", name, "mail", name+"@example.org", "userPassword", Password)
}

// AddGroup adds a group of entries.
func (s *Server) AddGroup(name string, members ...string) {
	s.t.Helper()
	attributes := []string{"objectClass", "groupOfNames", "cn", name}
	for _, m := range members {
		attributes = append(attributes, "member", m)
	}
	s.Add(Group(name), attributes...)
}

// Add adds an entry of attributes and values in turn.
func (s *Server) Add(dn string, attributes ...string) {
	s.t.Helper()
	r := ldap.NewAddRequest(dn, nil)
	values := map[string][]string{}
	var order []string
	for i := 0; i+1 < len(attributes); i += 2 {
		if values[attributes[i]] == nil {
			order = append(order, attributes[i])
		}
		values[attributes[i]] = append(values[attributes[i]], attributes[i+1])
	}
	for _, a := range order {
		r.Attribute(a, values[a])
	}
	s.as(func(c *ldap.Conn) error { return c.Add(r) })
}

// Modify runs a change of an entry.
func (s *Server) Modify(dn string, change func(*ldap.ModifyRequest)) {
	s.t.Helper()
	r := ldap.NewModifyRequest(dn, nil)
	change(r)
	s.as(func(c *ldap.Conn) error { return c.Modify(r) })
}

// Leave takes a member out of a group, of which another must remain, and Join
// puts one in.
func (s *Server) Leave(group, member string) {
	s.t.Helper()
	s.Modify(Group(group), func(r *ldap.ModifyRequest) { r.Delete("member", []string{member}) })
}

// Join is described at Leave.
func (s *Server) Join(group, member string) {
	s.t.Helper()
	s.Modify(Group(group), func(r *ldap.ModifyRequest) { r.Add("member", []string{member}) })
}

// Remove deletes an entry.
func (s *Server) Remove(dn string) {
	s.t.Helper()
	s.as(func(c *ldap.Conn) error { return c.Del(ldap.NewDelRequest(dn, nil)) })
}

// as runs do as who may change everything, by TLS, on a connection that is kept.
func (s *Server) as(do func(*ldap.Conn) error) {
	s.t.Helper()
	if s.root == nil {
		c, err := ldap.DialURL(s.TLSURL, ldap.DialWithTLSConfig(trusting(s.CA)))
		s.must(err)
		s.t.Cleanup(func() { _ = c.Close() })
		s.must(c.Bind(Root, Password))
		s.root = c
	}
	s.must(do(s.root))
}

// certify makes an authority and a certificate of it for the loopback address,
// and returns the authority's.
func (s *Server) certify(dir string) string {
	s.t.Helper()
	until := time.Now().Add(time.Hour)
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test authority"}, NotAfter: until,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "directory"}, NotAfter: until,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	signer, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.must(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.must(err)
	ca, err := x509.CreateCertificate(rand.Reader, authority, authority, signer.Public(), signer)
	s.must(err)
	cert, err := x509.CreateCertificate(rand.Reader, leaf, authority, key.Public(), signer)
	s.must(err)
	private, err := x509.MarshalPKCS8PrivateKey(key)
	s.must(err)
	for name, block := range map[string]*pem.Block{
		"ca.pem": {Type: "CERTIFICATE", Bytes: ca}, "cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: private},
	} {
		s.write(filepath.Join(dir, name), string(pem.EncodeToMemory(block)))
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca}))
}

// trusting returns a TLS configuration that trusts one authority alone.
func trusting(ca string) *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(ca))
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
}
