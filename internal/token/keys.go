package token

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

const (
	// authorityKID is the id of the one certificate authority. That it is always
	// the same makes all nodes but the first fail to create another.
	authorityKID  = "authority"
	authorityLife = 20 * 365 * 24 * time.Hour
	// backdated is how long before its making a certificate begins to be valid,
	// for verifiers whose clock is late.
	backdated = time.Hour
	// settle is how long a new key waits for all nodes to know it, where an older
	// one can sign meanwhile.
	settle = 10 * time.Second
	// reloadAfter is how often an unknown key id may have the keys read again.
	reloadAfter = time.Second
	// refreshAfter is how old the knowledge of the keys may be that a token is
	// signed with, since others make keys too, and how often an attempt to know
	// more, or to renew the key, is repeated after it failed.
	refreshAfter = time.Minute
	// refreshWithin is how long that may take, while who asks for a token waits.
	refreshWithin = 10 * time.Second
)

var errGone = errors.New("token: the signing keys are gone from the database")

// A key is one that signs tokens, or the authority that signs those.
type key struct {
	kid     string
	private *ecdsa.PrivateKey
	der     []byte   // its certificate
	chain   []string // the header "x5c" of its tokens
	created time.Time
	expires time.Time
}

// halfLife is when a successor is due.
func (k *key) halfLife() time.Time { return k.created.Add(k.expires.Sub(k.created) / 2) }

// A ring is all keys at one time.
type ring struct {
	at        time.Time
	authority *key
	signers   []*key // the newest first
	byID      map[string]*key
}

// signer returns the key to sign with: the newest that all nodes know, or where
// none of those outlives a token, the newest.
func (r *ring) signer(now time.Time, lifetime time.Duration) *key {
	for _, k := range r.signers {
		if !now.Before(k.created.Add(settle)) && k.expires.After(now.Add(lifetime)) {
			return k
		}
	}
	return r.newest()
}

func (r *ring) newest() *key { return r.signers[0] }

// due reports whether a successor is due to the newest key.
func (r *ring) due(now time.Time) bool {
	return len(r.signers) == 0 || !now.Before(r.newest().halfLife())
}

// fresh reports whether there is nothing to do before signing.
func (r *ring) fresh(now time.Time) bool { return !r.due(now) && now.Before(r.at.Add(refreshAfter)) }

// start reads the keys, and makes the first where there are none. Several nodes
// may do so at once: the keys of one are kept, and all use them.
func (s *Service) start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.read(ctx)
	if err == nil && r.authority == nil {
		if err = s.found(ctx); err == nil {
			r, err = s.read(ctx)
		}
	}
	switch {
	case err != nil:
		return err
	case r.authority == nil:
		return errGone
	case len(r.signers) == 0:
		return s.succeed(ctx, r.authority)
	}
	s.ring.Store(r)
	return nil
}

// found makes the authority and the first key, unless somebody just did.
func (s *Service) found(ctx context.Context) error {
	authority, row, err := s.authority()
	if err != nil {
		return err
	}
	first, err := s.leaf(authority)
	if err != nil {
		return err
	}
	err = s.store.Create(ctx, s.now().Add(-leeway), row, first)
	if err != nil && !errors.Is(err, ErrKeyExists) {
		return fmt.Errorf("keeping the first token keys: %w", err)
	}
	return nil
}

// succeed makes a new key and reads them all.
func (s *Service) succeed(ctx context.Context, authority *key) error {
	row, err := s.leaf(authority)
	if err != nil {
		return err
	}
	if err := s.store.Create(ctx, s.now().Add(-leeway), row); err != nil {
		return fmt.Errorf("keeping a new token key: %w", err)
	}
	return s.reload(ctx)
}

// reload reads the keys and puts them to use, if any is good. It runs with s.mu
// held.
func (s *Service) reload(ctx context.Context) error {
	s.loaded = s.now()
	r, err := s.read(ctx)
	if err != nil {
		return err
	}
	if r.authority != nil && len(r.signers) > 0 {
		s.ring.Store(r)
	}
	return nil
}

// read returns the kept keys, without those that have expired.
func (s *Service) read(ctx context.Context) (*ring, error) {
	rows, err := s.store.Keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the token keys: %w", err)
	}
	r := &ring{at: s.now(), byID: map[string]*key{}}
	for _, row := range rows {
		k, err := s.open(row)
		if err != nil {
			return nil, fmt.Errorf("opening the token key %s: %w", row.KID, err)
		}
		switch {
		case row.Authority:
			r.authority = k
		case s.now().Before(k.expires.Add(leeway)):
			r.signers = append(r.signers, k)
			r.byID[k.kid] = k
		}
	}
	return r, nil
}

// Rotate makes a new signing key, which signs from ten seconds later on, when
// every node knows it. Older keys verify until they expire.
func (s *Service) Rotate(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.succeed(ctx, s.ring.Load().authority)
}

// Bundle returns the certificate of the authority, in PEM: what other registries
// are configured with (rootcertbundle) to accept our tokens. It outlives the
// signing keys by decades.
func (s *Service) Bundle(context.Context) ([]byte, error) {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.ring.Load().authority.der}), nil
}

// signer returns the key to sign tokens of that life with, and sees to a successor in time. Where
// that fails, the present key goes on as long as it outlives its tokens.
func (s *Service) signer(ctx context.Context, life time.Duration) (*key, error) {
	now := s.now()
	if r := s.ring.Load(); r.fresh(now) {
		return r.signer(now, life), nil
	}
	err := s.refresh(ctx)
	k := s.ring.Load().signer(now, life)
	if err == nil || k.expires.After(now.Add(life)) {
		return k, nil
	}
	return nil, fmt.Errorf("the token key expires at %v and has no successor: %w", k.expires, err)
}

// refresh looks what keys there are now, and makes a successor to the newest if
// none did. A failure is returned for a minute before it tries again.
func (s *Service) refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if s.ring.Load().fresh(now) {
		return nil // while this one waited
	}
	if s.failure != nil && now.Before(s.tried.Add(refreshAfter)) {
		return s.failure
	}
	s.tried = now
	// The client that asked for a token may go; the keys are for all.
	s.failure = s.renew(context.WithoutCancel(ctx))
	if s.failure != nil {
		s.cfg.Log.ErrorContext(ctx, "the token keys cannot be renewed", "error", s.failure, "expires", s.ring.Load().newest().expires)
	}
	return s.failure
}

func (s *Service) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, refreshWithin)
	defer cancel()
	r, err := s.read(ctx)
	switch {
	case err != nil:
		return err
	case r.authority == nil:
		return errGone
	case r.due(s.now()):
		return s.succeed(ctx, r.authority)
	}
	s.ring.Store(r)
	return nil
}

// key returns the public key of an id, reading the keys again where the id is
// unknown, though at most once a second: anybody can invent ids.
func (s *Service) key(ctx context.Context, kid string) (*ecdsa.PublicKey, error) {
	if k, ok := s.ring.Load().byID[kid]; ok {
		return &k.private.PublicKey, nil
	}
	if kid == "" {
		return nil, errNoKey
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.now().Before(s.loaded.Add(reloadAfter)) {
		// The client that showed it may go; what is learned is for all, and a forger
		// who goes at once must not keep others from it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshWithin)
		defer cancel()
		if err := s.reload(ctx); err != nil {
			return nil, &lookupError{err}
		}
	}
	if k, ok := s.ring.Load().byID[kid]; ok {
		return &k.private.PublicKey, nil
	}
	return nil, errNoKey
}

// authority makes a certificate authority.
func (s *Service) authority() (*key, Key, error) {
	return s.create(authorityKID, nil, &x509.Certificate{
		Subject:               pkix.Name{CommonName: s.cfg.Issuer + " token authority"},
		NotAfter:              s.now().Add(authorityLife),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	})
}

// leaf makes a signing key below the authority.
func (s *Service) leaf(authority *key) (Key, error) {
	_, row, err := s.create("", authority, &x509.Certificate{
		Subject:               pkix.Name{CommonName: s.cfg.Issuer + " token signer"},
		NotAfter:              s.now().Add(s.cfg.KeyLife),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	})
	return row, err
}

// create makes a key and its certificate, signed by the parent or, without one,
// by itself. Without an id it is named by its thumbprint.
func (s *Service) create(kid string, parent *key, cert *x509.Certificate) (*key, Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, Key{}, fmt.Errorf("making a token key: %w", err)
	}
	if kid == "" {
		if kid, err = thumbprint(&private.PublicKey); err != nil {
			return nil, Key{}, fmt.Errorf("making a token key: %w", err)
		}
	}
	k := &key{kid: kid, private: private, created: s.now(), expires: cert.NotAfter}
	cert.NotBefore = k.created.Add(-backdated)
	if k.der, err = certify(cert, k, parent); err != nil {
		return nil, Key{}, fmt.Errorf("certifying a token key: %w", err)
	}
	plain, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, Key{}, fmt.Errorf("encoding a token key: %w", err)
	}
	return k, Key{
		Authority:   parent == nil,
		KID:         kid,
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: k.der})),
		Private:     s.sealer.Seal(plain, sealedAs(kid)),
		Created:     k.created,
		Expires:     k.expires,
	}, nil
}

func certify(cert *x509.Certificate, k, parent *key) ([]byte, error) {
	if parent == nil {
		return x509.CreateCertificate(rand.Reader, cert, cert, k.private.Public(), k.private)
	}
	above, err := x509.ParseCertificate(parent.der)
	if err != nil {
		return nil, err
	}
	return x509.CreateCertificate(rand.Reader, cert, above, k.private.Public(), parent.private)
}

// open reads a kept key. The certificate must be that of the private key, which
// alone is protected against being changed in the database.
func (s *Service) open(row Key) (*key, error) {
	plain, err := s.sealer.Open(row.Private, sealedAs(row.KID))
	if err != nil {
		return nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, err
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	block, _ := pem.Decode([]byte(row.Certificate))
	if !ok || block == nil {
		return nil, errors.New("it is damaged")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	if !private.PublicKey.Equal(cert.PublicKey) {
		return nil, errors.New("its certificate is another key's")
	}
	return &key{
		kid: row.KID, private: private, der: block.Bytes,
		chain:   []string{base64.StdEncoding.EncodeToString(block.Bytes)},
		created: row.Created, expires: cert.NotAfter,
	}, nil
}

func sealedAs(kid string) string { return "signing_key/" + kid }

// thumbprint names a key as RFC 7638 does.
func thumbprint(k *ecdsa.PublicKey) (string, error) {
	point, err := k.Bytes() // 4, x, y
	if err != nil {
		return "", err
	}
	n := (len(point) - 1) / 2
	enc := base64.RawURLEncoding.EncodeToString
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + enc(point[1:1+n]) + `","y":"` + enc(point[1+n:]) + `"}`))
	return enc(sum[:]), nil
}
