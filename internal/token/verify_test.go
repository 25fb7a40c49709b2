package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
	"github.com/berth-registry/berth/internal/token"
)

var app = access.Grant{Type: "repository", Name: "library/app", Actions: []string{"pull", "push"}}

func fresh(t testing.TB, cfg token.Config) (*token.Service, *clock) {
	c := newClock()
	return node(t, sqlstore.NewKeys(storetest.SQLite(t)), cfg, c), c
}

func TestATokenSaysWhatItWasIssuedFor(t *testing.T) {
	s, c := fresh(t, token.Config{Issuer: "iss", Services: []string{"svc"}, Lifetime: lasting(10 * time.Minute)})
	issued, err := s.Issue(t.Context(), alice, "svc", []access.Grant{app})
	if err != nil {
		t.Fatal(err)
	}
	if issued.Life != 10*time.Minute || c.now().Sub(issued.At) > time.Second {
		t.Errorf("issued at %v for %v", issued.At, issued.Life)
	}
	for range 2 { // the second time from memory
		got, err := s.Verify(t.Context(), issued.Token)
		if err != nil {
			t.Fatal(err)
		}
		if got.Principal != "user:7" || got.Name != "alice" || !got.Expires.Equal(issued.At.Add(issued.Life)) ||
			!cmp.Equal(got.Grants, []access.Grant{app}) {
			t.Errorf("Verify = %+v", got)
		}
	}

	var body map[string]any
	decode(t, strings.Split(issued.Token, ".")[1], &body)
	at := float64(issued.At.Unix())
	want := map[string]any{
		"iss": "iss", "sub": "alice", "aud": "svc", "iat": at, "nbf": at, "exp": at + 600,
		"jti": body["jti"], "principal": "user:7",
		"access": []any{map[string]any{"type": "repository", "name": "library/app", "actions": []any{"pull", "push"}}},
	}
	if d := cmp.Diff(want, body); d != "" {
		t.Error(d)
	}
	if id, _ := body["jti"].(string); len(id) < 16 {
		t.Errorf("jti = %q", id)
	}
}

func TestATokenOfNobody(t *testing.T) {
	s, _ := fresh(t, token.Config{})
	raw := issue(t, s, access.Caller{})
	got, err := s.Verify(t.Context(), raw)
	if err != nil || got.Principal != "" || got.Name != "" || len(got.Grants) != 0 {
		t.Errorf("Verify = %+v, %v", got, err)
	}
	var body map[string]json.RawMessage
	decode(t, strings.Split(raw, ".")[1], &body)
	if string(body["access"]) != "[]" {
		t.Errorf("access = %s", body["access"])
	}
}

func TestIssueServesOnlyConfiguredServices(t *testing.T) {
	s, _ := fresh(t, token.Config{Services: []string{"ours", "other"}})
	for _, service := range []string{"", "foreign", "Ours"} {
		if _, err := s.Issue(t.Context(), alice, service, nil); !errors.Is(err, token.ErrService) {
			t.Errorf("Issue for %q = %v", service, err)
		}
	}
}

func TestATokenExpires(t *testing.T) {
	s, c := fresh(t, token.Config{Lifetime: lasting(10 * time.Minute)})
	early, raw := issue(t, s, alice), issue(t, s, alice)
	verifies(t, s, early) // and is remembered
	c.advance(10*time.Minute + 58*time.Second)
	verifies(t, s, early)
	verifies(t, s, raw) // the first time it is seen
	c.advance(3 * time.Second)
	expired(t, s, early, "user:7")
	expired(t, s, raw, "user:7")
	refuses(t, s, issue(t, s, alice)+"A")
}

// claims are those of a good token.
func claims(c *clock, change map[string]any) jwt.MapClaims {
	m := jwt.MapClaims{
		"iss": "berth", "sub": "alice", "aud": "berth", "jti": "x", "principal": "user:7",
		"iat": c.now().Unix(), "nbf": c.now().Unix(), "exp": c.now().Add(time.Minute).Unix(),
		"access": []access.Grant{app},
	}
	for k, v := range change {
		if v == nil {
			delete(m, k)
		} else {
			m[k] = v
		}
	}
	return m
}

// TestClaimsThatAreNotForUs has the right key sign the wrong things.
func TestClaimsThatAreNotForUs(t *testing.T) {
	s, c := fresh(t, token.Config{Services: []string{"berth", "other"}})
	at := func(d time.Duration) int64 { return c.now().Add(d).Unix() }
	sign := func(change map[string]any) string {
		t.Helper()
		raw, err := s.Sign(t.Context(), nil, claims(c, change))
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	verifies(t, s, sign(nil))
	verifies(t, s, sign(map[string]any{"nbf": at(55 * time.Second), "iat": at(55 * time.Second)}))
	verifies(t, s, sign(map[string]any{"exp": at(-55 * time.Second)}))
	expired(t, s, sign(map[string]any{"exp": at(-61 * time.Second)}), "user:7")

	other, err := s.Issue(t.Context(), alice, "other", []access.Grant{app})
	if err != nil {
		t.Fatal(err)
	}
	refuses(t, s, other.Token)
	for name, change := range map[string]map[string]any{
		"other service":          {"aud": "other"},
		"no service":             {"aud": nil},
		"services":               {"aud": []string{"berth", "other"}},
		"other issuer":           {"iss": "mallory"},
		"no issuer":              {"iss": nil},
		"long expired":           {"exp": at(-25 * time.Hour), "iat": at(-26 * time.Hour), "nbf": at(-26 * time.Hour)},
		"expired, other service": {"exp": at(-61 * time.Second), "aud": "other"},
		"expired, other issuer":  {"exp": at(-61 * time.Second), "iss": "mallory"},
		"no exp":                 {"exp": nil},
		"exp text":               {"exp": "tomorrow"},
		"not yet valid":          {"nbf": at(65 * time.Second)},
		"issued tomorrow":        {"iat": at(24 * time.Hour)},
		"no iat":                 {"iat": nil},
		"access as text":         {"access": "repository:library/app:pull"},
		"principal number":       {"principal": 1},
	} {
		t.Run(name, func(t *testing.T) { refuses(t, s, sign(change)) })
	}
}

// TestForgedTokens tries what has worked against others: see RFC 8725.
func TestForgedTokens(t *testing.T) {
	s, c := fresh(t, token.Config{})
	good := issue(t, s, alice, app)
	parts := strings.Split(good, ".")
	kid, chain := header(t, good).KID, header(t, good).Chain
	leaf, err := base64.StdEncoding.DecodeString(chain[0])
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(leaf)
	if err != nil {
		t.Fatal(err)
	}
	spki := cert.RawSubjectPublicKeyInfo
	bundle, _ := s.Bundle(t.Context())

	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ownRSA, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ownCert := base64.StdEncoding.EncodeToString(selfSigned(t, own))
	foreign, _ := fresh(t, token.Config{}) // another Berth, with the same names
	foreignKID := header(t, issue(t, foreign, alice)).KID

	forge := func(m jwt.SigningMethod, key any, header map[string]any) string {
		t.Helper()
		tok := jwt.NewWithClaims(m, claims(c, nil))
		for k, v := range header {
			tok.Header[k] = v
		}
		raw, err := tok.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	none := func(alg string) string {
		h := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"` + alg + `","typ":"JWT","kid":"` + kid + `"}`))
		return h + "." + parts[1] + "."
	}
	es := jwt.SigningMethodES256
	corpus := map[string]string{
		"nothing":                 "",
		"dots":                    "..",
		"not a token":             "a.b.c",
		"null":                    "bnVsbA.bnVsbA.",
		"no signature":            parts[0] + "." + parts[1] + ".",
		"two parts":               parts[0] + "." + parts[1],
		"four parts":              good + ".x",
		"other signature":         parts[0] + "." + parts[1] + "." + strings.Repeat("A", 86),
		"signature of zeros":      parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
		"DER signature":           parts[0] + "." + parts[1] + "." + derSignature(t, own, parts[0]+"."+parts[1]),
		"other claims":            parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"iss":"berth"}`)) + "." + parts[2],
		"white space":             " " + good,
		"alg none":                none("none"),
		"alg None":                none("None"),
		"alg empty":               none(""),
		"alg unknown":             none("ES257"),
		"alg none with signature": none("none") + parts[2],
		"none, by the library":    forge(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, map[string]any{"kid": kid}),
		"HS256 with SPKI":         forge(jwt.SigningMethodHS256, spki, map[string]any{"kid": kid}),
		"HS256 with PEM": forge(jwt.SigningMethodHS256,
			pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki}), map[string]any{"kid": kid}),
		"HS256 with the certificate":  forge(jwt.SigningMethodHS256, leaf, map[string]any{"kid": kid}),
		"HS256 with the bundle":       forge(jwt.SigningMethodHS256, bundle, map[string]any{"kid": kid}),
		"HS256 with an empty key":     forge(jwt.SigningMethodHS256, []byte{}, map[string]any{"kid": ""}),
		"RS256":                       forge(jwt.SigningMethodRS256, ownRSA, map[string]any{"kid": kid}),
		"PS256":                       forge(jwt.SigningMethodPS256, ownRSA, map[string]any{"kid": kid}),
		"RS256 with own x5c":          forge(jwt.SigningMethodRS256, ownRSA, map[string]any{"kid": kid, "x5c": []string{ownCert}}),
		"ES384":                       forge(jwt.SigningMethodES384, own384, map[string]any{"kid": kid}),
		"own key":                     forge(es, own, map[string]any{"kid": kid}),
		"own key, own x5c":            forge(es, own, map[string]any{"kid": kid, "x5c": []string{ownCert}}),
		"own key, own x5c, our chain": forge(es, own, map[string]any{"kid": kid, "x5c": []string{ownCert, chain[0]}}),
		"own key, our x5c":            forge(es, own, map[string]any{"kid": kid, "x5c": chain}),
		"own key, own jwk":            forge(es, own, map[string]any{"kid": kid, "jwk": jwk(t, own, kid)}),
		"own jwk without kid":         forge(es, own, map[string]any{"jwk": jwk(t, own, "")}),
		"own x5c without kid":         forge(es, own, map[string]any{"x5c": []string{ownCert}}),
		"own jku":                     forge(es, own, map[string]any{"kid": "x", "jku": "http://127.0.0.1:1/jwks.json"}),
		"own x5u":                     forge(es, own, map[string]any{"kid": "x", "x5u": "http://127.0.0.1:1/cert.pem"}),
		"kid of a file":               forge(es, own, map[string]any{"kid": "../../../../dev/null"}),
		"kid with SQL":                forge(es, own, map[string]any{"kid": "x' UNION SELECT 'y"}),
		"kid empty":                   forge(es, own, map[string]any{"kid": ""}),
		"kid null":                    forge(es, own, map[string]any{"kid": nil}),
		"kid a number":                forge(es, own, map[string]any{"kid": 1}),
		"kid a list":                  forge(es, own, map[string]any{"kid": []string{kid}}),
		"kid of the authority":        forge(es, own, map[string]any{"kid": "authority"}),
		"kid of another server":       forge(es, own, map[string]any{"kid": foreignKID}),
		"another server's":            issue(t, foreign, alice, app),
		"another server's, our kid":   mustSign(t, foreign, map[string]any{"kid": kid}, claims(c, nil)),
		"huge":                        good + strings.Repeat("A", token.MaxToken),
		"huge and well signed":        mustSign(t, s, nil, claims(c, map[string]any{"jti": strings.Repeat("x", token.MaxToken)})),
	}
	for name, raw := range corpus {
		t.Run(name, func(t *testing.T) { refuses(t, s, raw) })
	}
	verifies(t, s, good)
}

func TestHeadersOfOurOwnTokensAreIgnored(t *testing.T) {
	s, c := fresh(t, token.Config{})
	own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	verifies(t, s, mustSign(t, s, map[string]any{"jwk": jwk(t, own, "x"), "x5c": []string{"AAAA"}, "jku": "http://127.0.0.1:1/"}, claims(c, nil)))
}

func FuzzVerify(f *testing.F) {
	s, _ := fresh(f, token.Config{})
	good := issue(f, s, alice, app)
	f.Add(good)
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, raw string) {
		// Whoever alters a token can alter the signature to its twin at most, which
		// signs the same.
		got, err := s.Verify(t.Context(), raw)
		if err != nil {
			return
		}
		signed := func(raw string) string { return raw[:strings.LastIndexByte(raw, '.')] }
		if signed(raw) != signed(good) || got.Principal != "user:7" {
			t.Errorf("a forged token verifies: %q", raw)
		}
	})
}

func mustSign(t testing.TB, s *token.Service, header map[string]any, c jwt.Claims) string {
	t.Helper()
	raw, err := s.Sign(t.Context(), header, c)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func selfSigned(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func derSignature(t testing.TB, key *ecdsa.PrivateKey, text string) string {
	t.Helper()
	h := crypto.SHA256.New()
	h.Write([]byte(text))
	sig, err := ecdsa.SignASN1(rand.Reader, key, h.Sum(nil))
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(sig)
}

func jwk(t testing.TB, key *ecdsa.PrivateKey, kid string) map[string]string {
	t.Helper()
	point, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	enc := base64.RawURLEncoding.EncodeToString
	return map[string]string{"kty": "EC", "crv": "P-256", "kid": kid, "x": enc(point[1:33]), "y": enc(point[33:])}
}

func BenchmarkIssue(b *testing.B) {
	s, _ := fresh(b, token.Config{})
	for b.Loop() {
		issue(b, s, alice, app)
	}
}

func BenchmarkVerify(b *testing.B) {
	s, _ := fresh(b, token.Config{})
	b.Run("first", func(b *testing.B) {
		raws := make([]string, 0, 4096)
		for range cap(raws) {
			raws = append(raws, issue(b, s, alice, app))
		}
		n := 0
		for b.Loop() {
			if n == len(raws) { // all are known: take a server that knows none
				b.StopTimer()
				s, _ = fresh(b, token.Config{})
				for i := range raws {
					raws[i] = issue(b, s, alice, app)
				}
				n = 0
				b.StartTimer()
			}
			if _, err := s.Verify(b.Context(), raws[n]); err != nil {
				b.Fatal(err)
			}
			n++
		}
	})
	b.Run("again", func(b *testing.B) {
		raw := issue(b, s, alice, app)
		for b.Loop() {
			if _, err := s.Verify(b.Context(), raw); err != nil {
				b.Fatal(err)
			}
		}
	})
}
