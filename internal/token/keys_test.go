package token_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/berth-registry/berth/internal/access"
	"github.com/berth-registry/berth/internal/secret"
	"github.com/berth-registry/berth/internal/storage/db"
	"github.com/berth-registry/berth/internal/storage/sqlstore"
	"github.com/berth-registry/berth/internal/storage/sqlstore/storetest"
	"github.com/berth-registry/berth/internal/token"
)

var alice = access.Caller{Kind: access.User, ID: 7, Name: "alice"}

// A clock that tests move.
type clock struct{ micros atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.micros.Store(time.Now().UnixMicro())
	return c
}

func (c *clock) now() time.Time          { return time.UnixMicro(c.micros.Load()) }
func (c *clock) advance(d time.Duration) { c.micros.Add(d.Microseconds()) }

// A counter is a store of keys that counts how often they are read, and fails
// on demand.
type counter struct {
	token.Store
	reads  atomic.Int64
	broken atomic.Bool
}

var errBroken = errors.New("the database is away")

func (c *counter) Keys(ctx context.Context) ([]token.Key, error) {
	c.reads.Add(1)
	if c.broken.Load() {
		return nil, errBroken
	}
	return c.Store.Keys(ctx)
}

func sealer() *secret.Sealer { return secret.NewSealer([32]byte{1, 2, 3}) }

// node starts a service, as one of several nodes would, over a database.
func node(t testing.TB, store token.Store, cfg token.Config, c *clock) *token.Service {
	t.Helper()
	cfg.Now = c.now
	s, err := token.New(t.Context(), store, sealer(), nil, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func issue(t testing.TB, s *token.Service, c access.Caller, grants ...access.Grant) string {
	t.Helper()
	issued, err := s.Issue(t.Context(), c, s.Service(), grants)
	if err != nil {
		t.Fatal(err)
	}
	return issued.Token
}

func verifies(t *testing.T, s *token.Service, raw string) {
	t.Helper()
	if _, err := s.Verify(t.Context(), raw); err != nil {
		t.Errorf("a good token is refused: %v", err)
	}
}

func refuses(t *testing.T, s *token.Service, raw string) {
	t.Helper()
	if c, err := s.Verify(t.Context(), raw); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("Verify = %+v, %v; want ErrInvalid", c, err)
	}
}

// expired expects the claims of a token that was good until lately.
func expired(t *testing.T, s *token.Service, raw, principal string) {
	t.Helper()
	if c, err := s.Verify(t.Context(), raw); !errors.Is(err, token.ErrExpired) || c.Principal != principal {
		t.Errorf("Verify = %+v, %v; want %s and ErrExpired", c, err, principal)
	}
}

// header returns the header of a token.
func header(t testing.TB, raw string) (h struct {
	KID   string   `json:"kid"`
	Chain []string `json:"x5c"`
}) {
	t.Helper()
	decode(t, strings.Split(raw, ".")[0], &h)
	return h
}

func decode(t testing.TB, part string, into any) {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(part)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestNodesThatStartAtOnceShareTheirKeys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, d *db.DB) {
		const n = 8
		services := make([]*token.Service, n)
		var wg sync.WaitGroup
		for i := range services {
			wg.Go(func() {
				s, err := token.New(t.Context(), sqlstore.NewKeys(d), sealer(), nil, token.Config{})
				if err != nil {
					t.Error(err)
				}
				services[i] = s
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		want, _ := services[0].Bundle(t.Context())
		for _, s := range services {
			if got, _ := s.Bundle(t.Context()); string(got) != string(want) {
				t.Error("two nodes have two authorities")
			}
			raw := issue(t, s, alice)
			for _, other := range services {
				verifies(t, other, raw)
			}
		}
		keys, err := sqlstore.NewKeys(d).Keys(t.Context())
		if err != nil || len(keys) != 2 {
			t.Errorf("there are %d keys, %v; want an authority and a signer", len(keys), err)
		}
	})
}

func TestKeysSurviveARestart(t *testing.T) {
	d, c := storetest.SQLite(t), newClock()
	raw := issue(t, node(t, sqlstore.NewKeys(d), token.Config{}, c), alice)
	verifies(t, node(t, sqlstore.NewKeys(d), token.Config{}, c), raw)
}

func TestAnotherSecretKeyDoesNotStart(t *testing.T) {
	d := storetest.SQLite(t)
	node(t, sqlstore.NewKeys(d), token.Config{}, newClock())
	_, err := token.New(t.Context(), sqlstore.NewKeys(d), secret.NewSealer([32]byte{9}), nil, token.Config{})
	if !errors.Is(err, secret.ErrSealed) {
		t.Errorf("New = %v, want ErrSealed", err)
	}
}

func TestAPlantedCertificateDoesNotStart(t *testing.T) {
	d := storetest.SQLite(t)
	store := sqlstore.NewKeys(d)
	node(t, store, token.Config{}, newClock())
	other := sqlstore.NewKeys(storetest.SQLite(t))
	node(t, other, token.Config{}, newClock())
	foreign, err := other.Keys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range foreign {
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			kind := map[bool]string{true: "ca", false: "token"}[k.Authority]
			_, err := tx.Exec(`UPDATE signing_key SET certificate = ? WHERE kind = ?`, k.Certificate, kind)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := token.New(t.Context(), store, sealer(), nil, token.Config{}); err == nil {
		t.Error("certificates that are of other keys are taken")
	}
}

func TestKeysRotateAtHalfLife(t *testing.T) {
	c := newClock()
	store := sqlstore.NewKeys(storetest.SQLite(t))
	cfg := token.Config{Lifetime: lasting(time.Hour), KeyLife: 100 * time.Hour}
	a, b := node(t, store, cfg, c), node(t, store, cfg, c)
	first := issue(t, a, alice)

	c.advance(49 * time.Hour)
	if header(t, issue(t, a, alice)).KID != header(t, first).KID {
		t.Error("the key was replaced before its half life")
	}
	c.advance(2 * time.Hour)
	old := issue(t, a, alice) // makes the next, which all nodes must hear of first
	if header(t, old).KID != header(t, first).KID {
		t.Error("a new key signs before other nodes can know it")
	}
	c.advance(11 * time.Second)
	new := issue(t, a, alice)
	if header(t, new).KID == header(t, first).KID {
		t.Error("the old key signs after its half life")
	}
	for _, s := range []*token.Service{a, b} {
		verifies(t, s, old)
		verifies(t, s, new)
	}
	if got := header(t, issue(t, b, alice)).KID; got != header(t, new).KID {
		t.Error("the second node made a key of its own")
	}
	refuses(t, a, first) // 51 hours old
}

func TestRotateKeepsOlderKeys(t *testing.T) {
	c := newClock()
	s := node(t, sqlstore.NewKeys(storetest.SQLite(t)), token.Config{}, c)
	old := issue(t, s, alice)
	if err := s.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.advance(11 * time.Second)
	new := issue(t, s, alice)
	if header(t, new).KID == header(t, old).KID {
		t.Error("the old key signs on")
	}
	verifies(t, s, old)
	verifies(t, s, new)
}

// TestAKeyThatAnotherProcessMadeIsUsed: "rotate" of the command line is one.
func TestAKeyThatAnotherProcessMadeIsUsed(t *testing.T) {
	c := newClock()
	store := &counter{Store: sqlstore.NewKeys(storetest.SQLite(t))}
	s, other := node(t, store, token.Config{}, c), node(t, store, token.Config{}, c)
	old := issue(t, s, alice)
	if err := other.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Minute)
	before := store.reads.Load()
	for range 10 {
		if header(t, issue(t, s, alice)).KID == header(t, old).KID {
			t.Error("after a minute the old key signs on")
		}
	}
	if n := store.reads.Load() - before; n != 1 {
		t.Errorf("ten tokens made %d reads", n)
	}
}

func TestExpiredKeysAreForgotten(t *testing.T) {
	c := newClock()
	store := sqlstore.NewKeys(storetest.SQLite(t))
	cfg := token.Config{Lifetime: lasting(time.Hour), KeyLife: 100 * time.Hour}
	s := node(t, store, cfg, c)
	for range 10 {
		c.advance(60 * time.Hour)
		verifies(t, s, issue(t, s, alice))
	}
	keys, err := store.Keys(t.Context())
	if err != nil || len(keys) > 4 {
		t.Errorf("after 600 hours there are %d keys, %v", len(keys), err)
	}
	// A server that stood still for longer than its keys live.
	c.advance(1000 * time.Hour)
	verifies(t, s, issue(t, s, alice))
	c.advance(1000 * time.Hour)
	again := node(t, store, cfg, c)
	verifies(t, again, issue(t, again, alice))
}

func TestARenewalThatFailsStopsNobody(t *testing.T) {
	c := newClock()
	store := &counter{Store: sqlstore.NewKeys(storetest.SQLite(t))}
	s := node(t, store, token.Config{Lifetime: lasting(time.Hour), KeyLife: 100 * time.Hour}, c)
	store.broken.Store(true)
	c.advance(60 * time.Hour)
	before := store.reads.Load()
	for range 20 {
		verifies(t, s, issue(t, s, alice))
	}
	if n := store.reads.Load() - before; n != 1 {
		t.Errorf("the keys were asked for %d times within a minute", n)
	}
	c.advance(39*time.Hour + 30*time.Minute) // now a token would outlive the key
	if _, err := s.Issue(t.Context(), alice, s.Service(), nil); !errors.Is(err, errBroken) {
		t.Errorf("Issue = %v, want what is wrong", err)
	}
	store.broken.Store(false)
	c.advance(2 * time.Minute)
	verifies(t, s, issue(t, s, alice))
}

func TestUnknownKeysReadTheStoreOnceASecond(t *testing.T) {
	c := newClock()
	rows := sqlstore.NewKeys(storetest.SQLite(t))
	store := &counter{Store: rows}
	a, b := node(t, rows, token.Config{}, c), node(t, store, token.Config{}, c)
	foreign := node(t, sqlstore.NewKeys(storetest.SQLite(t)), token.Config{}, c)
	c.advance(5 * time.Second)
	before := store.reads.Load()
	for range 50 {
		refuses(t, b, issue(t, foreign, alice))
	}
	if n := store.reads.Load() - before; n != 1 {
		t.Errorf("50 forged tokens made %d reads", n)
	}
	// While forgers keep asking, a key that is new on another node is known in
	// time all the same.
	if err := a.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 11 {
		c.advance(time.Second)
		refuses(t, b, issue(t, foreign, alice))
	}
	before = store.reads.Load()
	verifies(t, b, issue(t, a, alice))
	if store.reads.Load() != before {
		t.Error("the new key was not known")
	}
}

func TestAForgerWhoGoesAtOnceHidesNoKey(t *testing.T) {
	c := newClock()
	rows := sqlstore.NewKeys(storetest.SQLite(t))
	a, b := node(t, rows, token.Config{}, c), node(t, rows, token.Config{}, c)
	foreign := node(t, sqlstore.NewKeys(storetest.SQLite(t)), token.Config{}, c)
	if err := a.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.advance(11 * time.Second)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Verify(gone, issue(t, foreign, alice)); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("a forged token: %v", err)
	}
	verifies(t, b, issue(t, a, alice))
}

func TestAStoreThatFailsIsNotTheTokensFault(t *testing.T) {
	c := newClock()
	store := &counter{Store: sqlstore.NewKeys(storetest.SQLite(t))}
	s := node(t, store, token.Config{}, c)
	foreign := node(t, sqlstore.NewKeys(storetest.SQLite(t)), token.Config{}, c)
	store.broken.Store(true)
	c.advance(5 * time.Second)
	if _, err := s.Verify(t.Context(), issue(t, foreign, alice)); !errors.Is(err, errBroken) || errors.Is(err, token.ErrInvalid) {
		t.Errorf("Verify = %v, want what is wrong", err)
	}
}

func TestTheChainLeadsToTheBundle(t *testing.T) {
	c := newClock()
	s := node(t, sqlstore.NewKeys(storetest.SQLite(t)), token.Config{}, c)
	bundle, err := s.Bundle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		t.Fatal("the bundle is not PEM")
	}
	block, _ := pem.Decode(bundle)
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !ca.IsCA || time.Until(ca.NotAfter) < 19*365*24*time.Hour {
		t.Errorf("the authority: %+v, %v", ca, err)
	}
	leaf := header(t, issue(t, s, alice)).Chain
	if len(leaf) != 1 {
		t.Fatalf("x5c has %d certificates", len(leaf))
	}
	der, err := base64.StdEncoding.DecodeString(leaf[0])
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{c.now().Add(-30 * time.Minute), c.now(), c.now().Add(45 * 24 * time.Hour)} {
		opts := x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
		if _, err := cert.Verify(opts); err != nil {
			t.Errorf("at %v: %v", at, err)
		}
	}
	if cert.IsCA || time.Until(cert.NotAfter) > 91*24*time.Hour {
		t.Errorf("the leaf lives until %v, CA %v", cert.NotAfter, cert.IsCA)
	}
}

func TestConfigsThatCannotWork(t *testing.T) {
	for name, cfg := range map[string]token.Config{
		"a key that dies before its tokens": {KeyLife: time.Hour},
		"a service without a name":          {Services: []string{"berth", ""}},
	} {
		if _, err := token.New(t.Context(), sqlstore.NewKeys(storetest.SQLite(t)), sealer(), nil, cfg); err == nil {
			t.Errorf("%s: it starts", name)
		}
	}
}

// lasting makes tokens that are good for a time.
func lasting(d time.Duration) token.Lifetime {
	return func(context.Context) (time.Duration, error) { return d, nil }
}
