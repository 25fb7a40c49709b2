package sign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/notaryproject/notation-go"
	"github.com/sigstore/sigstore-go/pkg/root"
)

// Limits of entries.
const (
	maxName         = 64 // characters
	maxText         = 1024
	maxContent      = 256 << 10 // bytes; Sigstore's own trusted_root.json has some 7 KiB
	maxCertificates = 20
	maxIdentities   = 20
	maxIdentity     = 512
	minRSA, maxRSA  = 2048, 8192 // bits
)

// A material is an entry as signatures are held against it.
type material struct {
	Entry

	key         crypto.PublicKey     // of Key
	fingerprint string               // of the key
	sigstore    root.TrustedMaterial // of Authority and Keyless
	notation    notation.Verifier    // of Notation
}

// A trust is a Trust as signatures are held against it.
type trust struct {
	revision  int64
	materials []material
}

// size is about how many bytes a trust takes in memory: what is read takes several
// times what it was read from.
func (t trust) size() uint32 {
	n := 200
	for _, m := range t.materials {
		n += 4096 + 8*(len(m.Content)+len(m.Timestamps))
	}
	return uint32(n) //nolint:gosec // of MaxEntries, of maxContent each
}

// read returns an entry as signatures are held against it, or what is wrong with
// it, in words for whoever wrote it that do not repeat what they wrote.
func (e Entry) read() (m material, err error) {
	defer func() { // of what parses what people wrote
		if r := recover(); r != nil {
			err = errors.New("content: it cannot be read")
		}
	}()
	m.Entry = e
	switch e.Kind {
	case Key:
		m.key, m.fingerprint, err = readKey(e.Content)
	case Authority:
		m.sigstore, err = readAuthorities(e.Content, e.Timestamps)
	case Keyless:
		m.sigstore, err = readRoot(e.Content)
	case Notation:
		m.notation, err = newNotation(e)
	default:
		err = fmt.Errorf("kind: %q is not known", e.Kind)
	}
	return m, err
}

// check returns ErrInvalid or ErrPrivate for an entry that cannot be.
func (e Entry) check() error {
	texts := []string{e.Name, e.Description, e.Content, e.Timestamps}
	for _, id := range e.Identities {
		texts = append(texts, id.Issuer, id.Subject)
	}
	for _, text := range texts {
		if strings.Contains(strings.ToUpper(text), "PRIVATE KEY") {
			return ErrPrivate
		}
	}
	switch {
	case e.Name == "" || len([]rune(e.Name)) > maxName || !visible(e.Name):
		return ErrInvalid.With("name: it must have 1 to %d characters", maxName)
	case len(e.Description) > maxText || strings.ContainsRune(e.Description, 0):
		return ErrInvalid.With("description: at most %d bytes", maxText)
	case e.Content == "" || len(e.Content) > maxContent:
		return ErrInvalid.With("content: there must be some, of at most %d bytes", maxContent)
	case len(e.Timestamps) > maxContent:
		return ErrInvalid.With("timestamps: at most %d bytes", maxContent)
	case e.Timestamps != "" && e.Kind != Authority && e.Kind != Notation:
		return ErrInvalid.With("timestamps: only entries of %s and %s have some", Authority, Notation)
	}
	if err := e.checkIdentities(); err != nil {
		return err
	}
	if _, err := e.read(); err != nil {
		return ErrInvalid.With("%s", plain(err.Error()))
	}
	return nil
}

func (e Entry) checkIdentities() error {
	switch {
	case !slices.Contains([]Kind{Key, Authority, Keyless, Notation}, e.Kind):
		return ErrInvalid.With("kind: it must be %s, %s, %s or %s", Key, Authority, Keyless, Notation)
	case e.Kind == Key && len(e.Identities) > 0:
		return ErrInvalid.With("identities: a key has none")
	case e.Kind != Key && len(e.Identities) == 0:
		return ErrInvalid.With("identities: there must be one at least; not everybody is trusted whom an authority knows")
	case len(e.Identities) > maxIdentities:
		return ErrInvalid.With("identities: at most %d", maxIdentities)
	}
	for _, id := range e.Identities {
		switch {
		case id.Subject == "" || len(id.Subject) > maxIdentity || !visible(id.Subject):
			return ErrInvalid.With("identities: a subject must have 1 to %d bytes", maxIdentity)
		case len(id.Issuer) > maxIdentity || !visible(id.Issuer):
			return ErrInvalid.With("identities: an issuer may have at most %d bytes", maxIdentity)
		case e.Kind == Keyless && id.Issuer == "":
			return ErrInvalid.With("identities: an issuer is missing: anybody may be called %.80q somewhere", id.Subject)
		case e.Kind == Keyless && strings.Contains(id.Issuer, "*"):
			return ErrInvalid.With("identities: an issuer is one, without *")
		case e.Kind != Keyless && id.Issuer != "":
			return ErrInvalid.With("identities: only entries of %s have issuers", Keyless)
		case e.Kind == Keyless && strings.Trim(id.Subject, "*") == "":
			return ErrInvalid.With("identities: a subject that is everybody's at an issuer trusts the whole world")
		}
	}
	return nil
}

// blocks returns the blocks of a text in PEM, which must all be of a type.
func blocks(text, kind string) ([][]byte, error) {
	var all [][]byte
	for rest := bytes.TrimSpace([]byte(text)); len(rest) > 0; rest = bytes.TrimSpace(rest) {
		var b *pem.Block
		before := rest
		b, rest = pem.Decode(rest)
		switch {
		case b == nil || !bytes.HasPrefix(before, []byte("-----BEGIN ")):
			return nil, fmt.Errorf("it must be PEM, of the type %s, and nothing else", kind)
		case b.Type != kind:
			return nil, fmt.Errorf("there is a block %.40q where there must be %s", b.Type, kind)
		}
		all = append(all, b.Bytes)
	}
	return all, nil
}

func readKey(text string) (crypto.PublicKey, string, error) {
	all, err := blocks(text, "PUBLIC KEY")
	if err != nil {
		return nil, "", fmt.Errorf("content: %w", err)
	}
	if len(all) != 1 {
		return nil, "", fmt.Errorf("content: there must be one public key, and there are %d", len(all))
	}
	key, err := x509.ParsePKIXPublicKey(all[0])
	if err != nil {
		return nil, "", errors.New("content: the public key cannot be read")
	}
	if err := usable(key); err != nil {
		return nil, "", fmt.Errorf("content: %w", err)
	}
	return key, fingerprint(all[0]), nil
}

var errKey = fmt.Errorf("the key must be ECDSA on P-256 or P-384, Ed25519, or RSA with %d to %d bits", minRSA, maxRSA)

func usable(key crypto.PublicKey) error {
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() || k.Curve == elliptic.P384() {
			return nil
		}
	case ed25519.PublicKey:
		return nil
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n >= minRSA && n <= maxRSA {
			return nil
		}
	}
	return errKey
}

// certificates returns those of a text in PEM, whose field is named in what is
// wrong.
func certificates(field, text string) ([]*x509.Certificate, error) {
	all, err := blocks(text, "CERTIFICATE")
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	if len(all) == 0 || len(all) > maxCertificates {
		return nil, fmt.Errorf("%s: there must be 1 to %d certificates, and there are %d", field, maxCertificates, len(all))
	}
	parsed := make([]*x509.Certificate, 0, len(all))
	for i, der := range all {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("%s: the certificate %d cannot be read", field, i+1)
		}
		parsed = append(parsed, c)
	}
	return parsed, nil
}

// anchors tells the certificates in which trust begins from those between: those
// that signed themselves, or all authorities where none has. The rest are of
// nobody's authority.
func anchors(all []*x509.Certificate) (roots, between, rest []*x509.Certificate) {
	for _, c := range all {
		switch {
		case !c.IsCA || !c.BasicConstraintsValid:
			rest = append(rest, c)
		case c.CheckSignatureFrom(c) == nil:
			roots = append(roots, c)
		default:
			between = append(between, c)
		}
	}
	if len(roots) == 0 {
		return between, nil, rest
	}
	return roots, between, rest
}

// authorities are those of people's own, by the material of Sigstore's.
type authorities struct {
	root.BaseTrustedMaterial
	signing []root.CertificateAuthority
	timing  []root.TimestampingAuthority
}

func (a *authorities) FulcioCertificateAuthorities() []root.CertificateAuthority { return a.signing }
func (a *authorities) TimestampingAuthorities() []root.TimestampingAuthority     { return a.timing }

func readAuthorities(content, timestamps string) (root.TrustedMaterial, error) {
	all, err := certificates("content", content)
	if err != nil {
		return nil, err
	}
	roots, between, rest := anchors(all)
	if len(rest) > 0 || len(roots) == 0 {
		return nil, errors.New("content: the certificates must be those of authorities")
	}
	a := new(authorities)
	for _, r := range roots {
		a.signing = append(a.signing, &root.FulcioCertificateAuthority{Root: r, Intermediates: between})
	}
	if timestamps == "" {
		return a, nil
	}
	if all, err = certificates("timestamps", timestamps); err != nil {
		return nil, err
	}
	roots, between, rest = anchors(all)
	if len(roots) == 0 || len(rest) > 1 {
		return nil, errors.New("timestamps: the certificates must be those of authorities, and of one signer of timestamps at most")
	}
	for i, r := range roots {
		t := &root.SigstoreTimestampingAuthority{Root: r, Intermediates: between, URI: fmt.Sprint(i)}
		if len(rest) > 0 {
			t.Leaf = rest[0]
		}
		a.timing = append(a.timing, t)
	}
	return a, nil
}

func readRoot(text string) (root.TrustedMaterial, error) {
	r, err := root.NewTrustedRootFromJSON([]byte(text))
	switch {
	case err != nil:
		return nil, errors.New("content: it must be a trusted_root.json of Sigstore")
	case len(r.FulcioCertificateAuthorities()) == 0:
		return nil, errors.New("content: the trusted root has no certificateAuthorities")
	case len(r.RekorLogs()) == 0 && len(r.TimestampingAuthorities()) == 0:
		return nil, errors.New("content: the trusted root has neither tlogs nor timestampAuthorities, so nothing could say when something was signed")
	case len(r.FulcioCertificateAuthorities())+len(r.TimestampingAuthorities())+len(r.RekorLogs())+len(r.CTLogs()) > 4*maxCertificates:
		return nil, fmt.Errorf("content: the trusted root names more than %d authorities and logs", 4*maxCertificates)
	}
	return r, nil
}
