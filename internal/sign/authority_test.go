package sign_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/digitorus/timestamp"

	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/sign"
)

// A holder is somebody with a certificate.
type holder struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (h holder) signer() signer { return signer{h.key, crypto.SHA256} }

func (h holder) fingerprint() string {
	sum := sha256.Sum256(h.cert.Raw)
	return hex.EncodeToString(sum[:])
}

var (
	longAgo = time.Now().Add(-1000 * time.Hour)
	later   = time.Now().Add(1000 * time.Hour)
)

// certified returns a holder whom another certifies, or who does so alone.
func certified(t *testing.T, by *holder, change func(c *x509.Certificate)) holder {
	t.Helper()
	h := holder{key: ecKey(t, elliptic.P256())}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: serial, NotBefore: longAgo, NotAfter: later, BasicConstraintsValid: true,
		Subject: pkix.Name{Country: []string{"US"}, Province: []string{"WA"}, Organization: []string{"Example"}},
	}
	change(c)
	parent, key := c, h.key
	if by != nil {
		parent, key = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, h.key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if h.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return h
}

// anAuthority is one of its own, or of another's.
func anAuthority(t *testing.T, by *holder, name string, change ...func(c *x509.Certificate)) holder {
	t.Helper()
	return certified(t, by, func(c *x509.Certificate) {
		c.Subject.CommonName, c.IsCA, c.KeyUsage = name, true, x509.KeyUsageCertSign
		for _, f := range change {
			f(c)
		}
	})
}

// aPerson may sign, by the name of an address.
func aPerson(t *testing.T, by holder, address string, change ...func(c *x509.Certificate)) holder {
	t.Helper()
	return certified(t, &by, func(c *x509.Certificate) {
		c.Subject.CommonName, c.KeyUsage, c.ExtKeyUsage = "signer", x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
		if address != "" {
			c.EmailAddresses = []string{address}
		}
		for _, f := range change {
			f(c)
		}
	})
}

func asPEM(all ...holder) string {
	var b strings.Builder
	for _, h := range all {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.cert.Raw}))
	}
	return b.String()
}

// aStamper says when something was signed.
func aStamper(t *testing.T, by holder) holder {
	t.Helper()
	usage, err := asn1.Marshal([]asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 8}})
	if err != nil {
		t.Fatal(err)
	}
	return certified(t, &by, func(c *x509.Certificate) {
		c.Subject.CommonName, c.KeyUsage = "stamps", x509.KeyUsageDigitalSignature
		c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true, Value: usage}}
	})
}

// stamp is a response that says when a signature was there.
func (h holder) stamp(t *testing.T, signature []byte, at time.Time) []byte {
	t.Helper()
	sum := sha256.Sum256(signature)
	s := timestamp.Timestamp{HashAlgorithm: crypto.SHA256, HashedMessage: sum[:], Time: at, Policy: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 57264, 2}, AddTSACertificate: true}
	response, err := s.CreateResponseWithOpts(h.cert, h.key, crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// certificated is the layer of a payload that somebody signed, with their
// certificate and those of authorities between.
func (h holder) simple(t *testing.T, of oci.Descriptor, more ...string) layer {
	t.Helper()
	return simple(payload(of), h.signer().sign(t, payload(of)), append([]string{"dev.sigstore.cosign/certificate", asPEM(h)}, more...)...)
}

// stamped is that of one whose signature somebody saw at a time.
func (h holder) stamped(t *testing.T, of oci.Descriptor, by holder, at time.Time) layer {
	t.Helper()
	signature := h.signer().sign(t, payload(of))
	return simple(payload(of), signature, "dev.sigstore.cosign/certificate", asPEM(h), "dev.sigstore.cosign/rfc3161timestamp", stampNote(t, by.stamp(t, signature, at)))
}

func stampNote(t *testing.T, response []byte) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"SignedRFC3161Timestamp": response})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func chain(all ...holder) []string { return []string{"dev.sigstore.cosign/chain", asPEM(all...)} }

func TestOnesOwnAuthorityVerifiesWhomItCertified(t *testing.T) {
	w := newWorld(t)
	top := anAuthority(t, nil, "top")
	middle := anAuthority(t, &top, "middle")
	clock := anAuthority(t, nil, "clock")
	stamper := aStamper(t, clock)
	w.trusts(sign.Entry{Kind: sign.Authority, Content: asPEM(top), Timestamps: asPEM(clock, stamper), Identities: []sign.Identity{{Subject: "*@example.org"}}})
	person, direct := aPerson(t, middle, "release@example.org"), aPerson(t, top, "ci@example.org")
	then := time.Now().Add(-90 * time.Minute).Truncate(time.Second)
	formerly := aPerson(t, top, "old@example.org", func(c *x509.Certificate) { c.NotBefore, c.NotAfter = then.Add(-time.Hour), then.Add(time.Hour) })
	for what, c := range map[string]struct {
		by    holder
		layer func(of oci.Descriptor) layer
		want  sign.Signer
		at    time.Time
	}{
		"directly": {direct, func(of oci.Descriptor) layer { return direct.simple(t, of) }, sign.Signer{Subject: "ci@example.org", Issuer: top.cert.Subject.String()}, time.Time{}},
		"by another": {person, func(of oci.Descriptor) layer { return person.simple(t, of, chain(middle, top)...) },
			sign.Signer{Subject: "release@example.org", Issuer: middle.cert.Subject.String()}, time.Time{}},
		"when it was good": {formerly, func(of oci.Descriptor) layer { return formerly.stamped(t, of, stamper, then) }, sign.Signer{Subject: "old@example.org", Issuer: top.cert.Subject.String()}, then},
		"in a bundle": {direct, func(of oci.Descriptor) layer {
			b := keyBundle(t, direct.signer(), statement(of, signed))
			b["verificationMaterial"] = map[string]any{"certificate": map[string]any{"rawBytes": direct.cert.Raw}}
			return asLayer(t, b)
		}, sign.Signer{Subject: "ci@example.org", Issuer: top.cert.Subject.String()}, time.Time{}},
	} {
		of := w.image()
		w.referring(of, typeReferrer, c.layer(of))
		got := w.verified(what, of)
		c.want.Fingerprint = c.by.fingerprint()
		if got.Signer != c.want || !got.Signed.Equal(c.at) {
			t.Errorf("%s: %+v at %s, want %+v at %s", what, got.Signer, got.Signed, c.want, c.at)
		}
	}
}

func TestOnesOwnAuthorityVerifiesNobodyElse(t *testing.T) {
	w := newWorld(t)
	top := anAuthority(t, nil, "top")
	middle := anAuthority(t, &top, "middle")
	clock := anAuthority(t, nil, "clock")
	stamper := aStamper(t, clock)
	w.trusts(sign.Entry{Kind: sign.Authority, Content: asPEM(top, middle), Timestamps: asPEM(clock), Identities: []sign.Identity{{Subject: "release@example.org"}, {Subject: "https://ci.example.org/*/main"}}})

	const name = "release@example.org"
	now := time.Now()
	until := func(t time.Time) func(c *x509.Certificate) { return func(c *x509.Certificate) { c.NotAfter = t } }
	person := aPerson(t, top, name)
	forged := anAuthority(t, nil, "top", func(c *x509.Certificate) { c.SubjectKeyId = top.cert.SubjectKeyId })
	expired := aPerson(t, top, name, until(now.Add(-time.Hour)))
	outdated := anAuthority(t, &top, "outdated", until(now.Add(-time.Hour)))
	otherClock := anAuthority(t, nil, "clock")
	otherStamper := aStamper(t, otherClock)
	address := func(address string) holder { return aPerson(t, top, address) }
	for what, c := range map[string]struct {
		layer  func(of oci.Descriptor) layer
		reason string
	}{
		"an authority of the same name": {func(of oci.Descriptor) layer { p := aPerson(t, forged, name); return p.simple(t, of, chain(forged)...) }, "leaf certificate verification failed"},
		"one's own certificate": {func(of oci.Descriptor) layer {
			return certified(t, nil, func(c *x509.Certificate) {
				c.EmailAddresses, c.ExtKeyUsage = []string{name}, []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
			}).simple(t, of)
		}, "leaf certificate verification failed"},
		"a certificate by one who is no authority": {func(of oci.Descriptor) layer { p := aPerson(t, person, name); return p.simple(t, of, chain(person)...) }, "leaf certificate verification failed"},
		"an expired certificate":                   {func(of oci.Descriptor) layer { return expired.simple(t, of) }, "leaf certificate verification failed"},
		"a certificate that is not good yet": {func(of oci.Descriptor) layer {
			return aPerson(t, top, name, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Hour) }).simple(t, of)
		}, "leaf certificate verification failed"},
		"an expired authority between": {func(of oci.Descriptor) layer {
			p := aPerson(t, outdated, name)
			return p.simple(t, of, chain(outdated)...)
		}, "leaf certificate verification failed"},
		"a certificate for servers": {func(of oci.Descriptor) layer {
			return aPerson(t, top, name, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }).simple(t, of)
		}, "leaf certificate verification failed"},
		"a certificate that asks for more": {func(of oci.Descriptor) layer {
			return aPerson(t, top, name, func(c *x509.Certificate) {
				c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Critical: true, Value: []byte{5, 0}}}
			}).simple(t, of)
		}, "leaf certificate verification failed"},
		"a certificate of another key": {func(of oci.Descriptor) layer {
			return simple(payload(of), signer{ecKey(t, elliptic.P256()), crypto.SHA256}.sign(t, payload(of)), "dev.sigstore.cosign/certificate", asPEM(person))
		}, "failed to verify signature"},
		"a key alone": {func(of oci.Descriptor) layer { return simple(payload(of), person.signer().sign(t, payload(of))) }, "has no certificate"},
		"nobody":      {func(of oci.Descriptor) layer { return address("").simple(t, of) }, "no Subject Alternative Name"},

		"somebody else":          {func(of oci.Descriptor) layer { return address("other@example.org").simple(t, of) }, "not trusted"},
		"a longer name":          {func(of oci.Descriptor) layer { return address("xrelease@example.org").simple(t, of) }, "not trusted"},
		"a name that goes on":    {func(of oci.Descriptor) layer { return address(name+".evil.example").simple(t, of) }, "not trusted"},
		"a name without its dot": {func(of oci.Descriptor) layer { return address("release@exampleXorg").simple(t, of) }, "not trusted"},
		"a name on two lines":    {func(of oci.Descriptor) layer { return address("x\n"+name).simple(t, of) }, "not trusted"},
		"a name with an end":     {func(of oci.Descriptor) layer { return address(name+"\n").simple(t, of) }, "not trusted"},
		"a name with a zero":     {func(of oci.Descriptor) layer { return address(name+"\x00.evil.example").simple(t, of) }, ""},
		"a name in capitals":     {func(of oci.Descriptor) layer { return address("Release@example.org").simple(t, of) }, "not trusted"},
		"a star":                 {func(of oci.Descriptor) layer { return address("*").simple(t, of) }, "not trusted"},

		"another image": {func(oci.Descriptor) layer { return person.simple(t, oci.Descriptor{Digest: oci.Sum(oci.SHA256, nil)}) }, "another image"},

		"a timestamp after the end": {func(of oci.Descriptor) layer { return expired.stamped(t, of, stamper, now.Add(-time.Minute)) }, "leaf certificate verification failed"},
		"a timestamp by a stranger": {func(of oci.Descriptor) layer { return expired.stamped(t, of, otherStamper, now.Add(-2*time.Hour)) }, "timestamps"},
		"a timestamp of something else": {func(of oci.Descriptor) layer {
			l := expired.simple(t, of)
			l.annotations["dev.sigstore.cosign/rfc3161timestamp"] = stampNote(t, stamper.stamp(t, []byte("x"), now.Add(-2*time.Hour)))
			return l
		}, "timestamps"},
		"a timestamp that goes deep": {func(of oci.Descriptor) layer {
			return simple(payload(of), expired.signer().sign(t, payload(of)), "dev.sigstore.cosign/certificate", asPEM(expired), "dev.sigstore.cosign/rfc3161timestamp", stampNote(t, bytes.Repeat([]byte{0x30, 0x80}, 32<<10)))
		}, "timestamps"},
		"a timestamp of too much": {func(of oci.Descriptor) layer {
			return simple(payload(of), expired.signer().sign(t, payload(of)), "dev.sigstore.cosign/certificate", asPEM(expired), "dev.sigstore.cosign/rfc3161timestamp", stampNote(t, make([]byte, 65<<10)))
		}, "its timestamp cannot be read"},
		"a timestamp by one who may not": {func(of oci.Descriptor) layer {
			return expired.stamped(t, of, aPerson(t, clock, "x@example.org"), now.Add(-2*time.Hour))
		}, "timestamps"},
	} {
		of := w.image()
		w.tagged(of, c.layer(of))
		w.refused(what, of, c.reason)
	}
}

// TestWithoutAClockACertificateMustBeGoodNow has a timestamp whose authority is
// not trusted.
func TestWithoutAClockACertificateMustBeGoodNow(t *testing.T) {
	w := newWorld(t)
	top, clock := anAuthority(t, nil, "top"), anAuthority(t, nil, "clock")
	stamper := aStamper(t, clock)
	w.trusts(sign.Entry{Kind: sign.Authority, Content: asPEM(top), Identities: []sign.Identity{{Subject: "**"}}})
	then := time.Now().Add(-2 * time.Hour)
	expired, good := aPerson(t, top, "a@example.org", func(c *x509.Certificate) { c.NotAfter = then.Add(time.Minute) }), aPerson(t, top, "a@example.org")
	of, also := w.image(), w.image()
	w.tagged(of, expired.stamped(t, of, stamper, then))
	w.refused("expired", of, "leaf certificate verification failed")
	w.tagged(also, good.stamped(t, also, stamper, then))
	w.verified("good", also)
}

func TestTrustIsReadWhenItIsGiven(t *testing.T) {
	w := newWorld(t)
	top := anAuthority(t, nil, "top")
	person := aPerson(t, top, "a@example.org")
	anybody := []sign.Identity{{Subject: "**"}}
	weak := signer{rsaKey(t, 1024), crypto.SHA256}
	curve := signer{ecKey(t, elliptic.P521()), crypto.SHA256}
	good := signer{ecKey(t, elliptic.P256()), crypto.SHA256}.pem(t)
	for what, c := range map[string]struct {
		e      sign.Entry
		reason string
	}{
		"no kind":                 {sign.Entry{Content: good}, "kind"},
		"a weak key":              {sign.Entry{Kind: sign.Key, Content: weak.pem(t)}, "RSA with 2048"},
		"a curve of another":      {sign.Entry{Kind: sign.Key, Content: curve.pem(t)}, "P-256 or P-384"},
		"two keys":                {sign.Entry{Kind: sign.Key, Content: good + good}, "one public key, and there are 2"},
		"a certificate for a key": {sign.Entry{Kind: sign.Key, Content: asPEM(top)}, `"CERTIFICATE" where there must be PUBLIC KEY`},
		"a key and a text":        {sign.Entry{Kind: sign.Key, Content: good + "x"}, "nothing else"},
		"half a key":              {sign.Entry{Kind: sign.Key, Content: good[:60]}, "must be PEM"},
		"nothing":                 {sign.Entry{Kind: sign.Key}, "content: there must be some"},
		"too much":                {sign.Entry{Kind: sign.Key, Content: strings.Repeat(good, 2000)}, "at most"},
		"no authority":            {sign.Entry{Kind: sign.Authority, Content: asPEM(person), Identities: anybody}, "must be those of authorities"},
		"some that are none":      {sign.Entry{Kind: sign.Authority, Content: asPEM(top, person), Identities: anybody}, "must be those of authorities"},
		"too many authorities":    {sign.Entry{Kind: sign.Authority, Content: strings.Repeat(asPEM(top), 21), Identities: anybody}, "1 to 20 certificates"},
		"a clock that is none":    {sign.Entry{Kind: sign.Authority, Content: asPEM(top), Timestamps: asPEM(person), Identities: anybody}, "timestamps"},
		"a clock that is a key":   {sign.Entry{Kind: sign.Authority, Content: asPEM(top), Timestamps: good, Identities: anybody}, "timestamps: there is a block"},
		"an issuer for one's own": {sign.Entry{Kind: sign.Authority, Content: asPEM(top), Identities: []sign.Identity{{Issuer: "x", Subject: "y"}}}, "only entries of keyless"},
		"a subject of two lines":  {sign.Entry{Kind: sign.Authority, Content: asPEM(top), Identities: []sign.Identity{{Subject: "a\nb"}}}, "a subject must have"},
		"a root that is none":     {sign.Entry{Kind: sign.Keyless, Content: `{"a":1}`, Identities: []sign.Identity{{Issuer: "i", Subject: "s"}}}, "trusted_root.json"},
		"an empty root":           {sign.Entry{Kind: sign.Keyless, Content: `{}`, Identities: []sign.Identity{{Issuer: "i", Subject: "s"}}}, "trusted"},
		"everybody of an issuer":  {sign.Entry{Kind: sign.Keyless, Content: `{}`, Identities: []sign.Identity{{Issuer: "i", Subject: "**"}}}, "whole world"},
		"issuers of a pattern":    {sign.Entry{Kind: sign.Keyless, Content: `{}`, Identities: []sign.Identity{{Issuer: "https://*", Subject: "s"}}}, "an issuer is one"},
		"a signer of another":     {sign.Entry{Kind: sign.Notation, Content: asPEM(person), Identities: []sign.Identity{{Subject: "*"}}}, "must be one of an authority, or have signed itself"},
		"no distinguished name":   {sign.Entry{Kind: sign.Notation, Content: asPEM(top), Identities: []sign.Identity{{Subject: "CN=x"}}}, "distinguished name"},
		"names that hold another": {sign.Entry{Kind: sign.Notation, Content: asPEM(top), Identities: []sign.Identity{{Subject: "C=US,ST=WA,O=x"}, {Subject: "C=US,ST=WA,O=x,CN=y"}}}, "identities"},
		"everybody and one":       {sign.Entry{Kind: sign.Notation, Content: asPEM(top), Identities: []sign.Identity{{Subject: "C=US,ST=WA,O=x"}, {Subject: "*"}}}, "identities"},
	} {
		c.e.Name, c.e.ProjectID = "x", w.repo.ProjectID
		_, err := w.sign.Create(w.ctx, c.e)
		if err == nil || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
