package sign_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/digitorus/timestamp"
	"github.com/notaryproject/notation-core-go/signature"
	"github.com/notaryproject/tspclient-go"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/sign"
)

const typeNotaryPayload = "application/vnd.cncf.notary.payload.v1+json"

// notarize signs what an image is as the Notary Project does.
func notarize(t *testing.T, mediaType string, of oci.Descriptor, chain []holder, change ...func(r *signature.SignRequest)) layer {
	t.Helper()
	env, err := signature.NewEnvelope(mediaType)
	if err != nil {
		t.Fatal(err)
	}
	var certs []*x509.Certificate
	for _, h := range chain {
		certs = append(certs, h.cert)
	}
	signer, err := signature.NewLocalSigner(certs, chain[0].key)
	if err != nil {
		t.Fatal(err)
	}
	r := &signature.SignRequest{
		Payload: signature.Payload{ContentType: typeNotaryPayload, Content: target(of)}, Signer: signer,
		SigningTime: time.Now().Truncate(time.Second), SigningScheme: signature.SigningSchemeX509, SigningAgent: "test",
	}
	for _, f := range change {
		f(r)
	}
	content, err := env.Sign(r)
	if err != nil {
		t.Fatal(err)
	}
	return layer{mediaType, content, nil}
}

func target(of oci.Descriptor) []byte {
	return fmt.Appendf(nil, `{"targetArtifact":{"mediaType":%q,"digest":%q,"size":%d}}`, of.MediaType, of.Digest, of.Size)
}

// notary is somebody who signs as the Notary Project does.
func notary(t *testing.T, by holder, name string, change ...func(c *x509.Certificate)) holder {
	t.Helper()
	return aPerson(t, by, "", append([]func(c *x509.Certificate){func(c *x509.Certificate) { c.Subject.CommonName = name }}, change...)...)
}

// clockwork stamps what it is asked to at a time.
type clockwork struct {
	holder
	at time.Time
}

// Timestamp implements tspclient.Timestamper.
func (c clockwork) Timestamp(_ context.Context, r *tspclient.Request) (*tspclient.Response, error) {
	asked, err := r.MarshalBinary()
	if err != nil {
		return nil, err
	}
	in, err := timestamp.ParseRequest(asked)
	if err != nil {
		return nil, err
	}
	s := timestamp.Timestamp{HashAlgorithm: in.HashAlgorithm, HashedMessage: in.HashedMessage, Time: c.at, Nonce: in.Nonce, Policy: []int{1, 2, 3}, AddTSACertificate: true}
	answer, err := s.CreateResponseWithOpts(c.cert, c.key, in.HashAlgorithm)
	if err != nil {
		return nil, err
	}
	response := new(tspclient.Response)
	return response, response.UnmarshalBinary(answer)
}

const releasers = "C=US,ST=WA,O=Example,CN=release"

func TestNotationVerifiesWhomItsCertificatesName(t *testing.T) {
	w := newWorld(t)
	top, clock := anAuthority(t, nil, "top"), anAuthority(t, nil, "clock")
	middle := anAuthority(t, &top, "middle", func(c *x509.Certificate) { c.MaxPathLenZero = true })
	alone := certified(t, nil, func(c *x509.Certificate) {
		c.Subject.CommonName, c.KeyUsage, c.ExtKeyUsage, c.BasicConstraintsValid = "release", x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}, false
	})
	w.trusts(sign.Entry{Kind: sign.Notation, Content: asPEM(top, alone), Timestamps: asPEM(clock), Identities: []sign.Identity{{Subject: releasers}}})
	person, below := notary(t, top, "release"), notary(t, middle, "release")
	then := time.Now().Add(-2 * time.Hour).Truncate(time.Second)
	formerly := notary(t, top, "release", func(c *x509.Certificate) { c.NotAfter = then.Add(time.Hour) })
	roots := x509.NewCertPool()
	roots.AddCert(clock.cert)
	seen := func(r *signature.SignRequest) {
		r.SigningTime, r.Timestamper, r.TSARootCAs = then, clockwork{aStamper(t, clock), then}, roots
	}
	for what, c := range map[string]struct {
		chain  []holder
		kind   string
		change []func(r *signature.SignRequest)
	}{
		"as JSON":                {[]holder{person, top}, typeJWS, nil},
		"as CBOR":                {[]holder{person, top}, typeCOSE, nil},
		"by another":             {[]holder{below, middle, top}, typeJWS, nil},
		"by one's own":           {[]holder{alone}, typeJWS, nil},
		"before it ends":         {[]holder{person, top}, typeJWS, []func(r *signature.SignRequest){func(r *signature.SignRequest) { r.Expiry = r.SigningTime.Add(time.Hour) }}},
		"when it was good":       {[]holder{formerly, top}, typeJWS, []func(r *signature.SignRequest){seen}},
		"when it was good, CBOR": {[]holder{formerly, top}, typeCOSE, []func(r *signature.SignRequest){seen}},
	} {
		of := w.image()
		in := w.referring(of, typeNotation, notarize(t, c.kind, of, c.chain, c.change...))
		got := w.verified(what, of)
		by := c.chain[0]
		want := sign.Signer{Fingerprint: by.fingerprint(), Subject: by.cert.Subject.String(), Issuer: by.cert.Issuer.String()}
		if got.Form != sign.Notary || got.Type != artifact.SignatureNotation || got.Artifact != in.Digest || got.Signer != want || got.Signed.IsZero() {
			t.Errorf("%s: %+v", what, got)
		}
		if v := w.verdict(of); !v.VerifiedAs(artifact.SignatureNotation) || v.VerifiedAs(artifact.SignatureCosign) {
			t.Errorf("%s: %+v", what, v)
		}
	}
}

// altered is an envelope in JSON with other parts.
func altered(t *testing.T, l layer, change func(e map[string]any)) layer {
	t.Helper()
	var e map[string]any
	if err := json.Unmarshal(l.content, &e); err != nil {
		t.Fatal(err)
	}
	change(e)
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return layer{l.mediaType, text, nil}
}

// protected is another protected header of an envelope in JSON.
func protected(t *testing.T, l layer, change func(h map[string]any)) layer {
	t.Helper()
	return altered(t, l, func(e map[string]any) {
		text, err := base64.RawURLEncoding.DecodeString(fmt.Sprint(e["protected"]))
		if err != nil {
			t.Fatal(err)
		}
		var h map[string]any
		if err := json.Unmarshal(text, &h); err != nil {
			t.Fatal(err)
		}
		change(h)
		if text, err = json.Marshal(h); err != nil {
			t.Fatal(err)
		}
		e["protected"] = base64.RawURLEncoding.EncodeToString(text)
	})
}

func TestNotationVerifiesNobodyElse(t *testing.T) {
	w := newWorld(t)
	top, clock := anAuthority(t, nil, "top"), anAuthority(t, nil, "clock")
	w.trusts(sign.Entry{Kind: sign.Notation, Content: asPEM(top), Timestamps: asPEM(clock), Identities: []sign.Identity{{Subject: releasers}}})
	person, other := notary(t, top, "release"), notary(t, top, "other")
	forged := anAuthority(t, nil, "top", func(c *x509.Certificate) { c.SubjectKeyId = top.cert.SubjectKeyId })
	stranger := notary(t, forged, "release")
	then := time.Now().Add(-2 * time.Hour).Truncate(time.Second)
	expired := notary(t, top, "release", func(c *x509.Certificate) { c.NotAfter = then.Add(time.Hour) })
	outdated := anAuthority(t, &top, "outdated", func(c *x509.Certificate) { c.NotAfter = then.Add(time.Hour) })
	below := notary(t, outdated, "release")
	mine, another := []holder{person, top}, w.image()
	formerly := func(r *signature.SignRequest) { r.SigningTime = then }
	stampedBy := func(by holder, at time.Time) func(r *signature.SignRequest) {
		pool := x509.NewCertPool()
		pool.AddCert(by.cert)
		return func(r *signature.SignRequest) {
			r.SigningTime, r.Timestamper, r.TSARootCAs = then, clockwork{aStamper(t, by), at}, pool
		}
	}
	asking := func(key string, critical bool) func(r *signature.SignRequest) {
		return func(r *signature.SignRequest) {
			r.ExtendedSignedAttributes = []signature.Attribute{{Key: key, Critical: critical, Value: "x"}}
		}
	}
	size := func(of oci.Descriptor) oci.Descriptor { of.Size++; return of }
	kind := func(of oci.Descriptor) oci.Descriptor { of.MediaType = oci.MediaTypeImageIndex; return of }
	jws := func(change ...func(r *signature.SignRequest)) func(of oci.Descriptor) layer {
		return func(of oci.Descriptor) layer { return notarize(t, typeJWS, of, mine, change...) }
	}
	for what, c := range map[string]struct {
		layer  func(of oci.Descriptor) layer
		reason string
	}{
		"somebody else":                 {func(of oci.Descriptor) layer { return notarize(t, typeJWS, of, []holder{other, top}) }, "does not match the X.509 trusted identities"},
		"an authority of the same name": {func(of oci.Descriptor) layer { return notarize(t, typeJWS, of, []holder{stranger, forged}) }, "does not contain any trusted certificate"},
		"another image":                 {func(oci.Descriptor) layer { return notarize(t, typeJWS, another, mine) }, "mismatch"},
		"another image, CBOR":           {func(oci.Descriptor) layer { return notarize(t, typeCOSE, another, mine) }, "mismatch"},
		"another size":                  {func(of oci.Descriptor) layer { return notarize(t, typeJWS, size(of), mine) }, "mismatch"},
		"another media type":            {func(of oci.Descriptor) layer { return notarize(t, typeJWS, kind(of), mine) }, "mismatch"},
		"another content":               {jws(func(r *signature.SignRequest) { r.Payload.ContentType = "application/json" }), ""},
		"no content":                    {jws(func(r *signature.SignRequest) { r.Payload.Content = []byte(`{}`) }), "mismatch"},
		"an expired certificate":        {func(of oci.Descriptor) layer { return notarize(t, typeJWS, of, []holder{expired, top}, formerly) }, "no timestamp countersignature"},
		"an expired authority between": {func(of oci.Descriptor) layer {
			return notarize(t, typeJWS, of, []holder{below, outdated, top}, formerly)
		}, "no timestamp countersignature"},
		"a timestamp by a stranger": {func(of oci.Descriptor) layer {
			return notarize(t, typeJWS, of, []holder{expired, top}, stampedBy(forged, then))
		}, "timestamp"},
		"a timestamp after the end": {func(of oci.Descriptor) layer {
			return notarize(t, typeJWS, of, []holder{expired, top}, stampedBy(clock, time.Now().Add(-time.Minute)))
		}, "timestamp"},
		"a signature that has ended":        {jws(func(r *signature.SignRequest) { r.SigningTime, r.Expiry = then, then.Add(time.Hour) }), "expired"},
		"something that must be understood": {jws(asking("org.example.must", true)), `asks for "org.example.must" to be understood`},
		"the same in CBOR": {func(of oci.Descriptor) layer {
			return notarize(t, typeCOSE, of, mine, asking("org.example.must", true))
		}, `asks for "org.example.must" to be understood`},
		"a plugin":                       {jws(asking("io.cncf.notary.verificationPlugin", true)), "plugin"},
		"an authority for signing alone": {jws(func(r *signature.SignRequest) { r.SigningScheme = signature.SigningSchemeX509SigningAuthority }), ""},
		"no algorithm": {func(of oci.Descriptor) layer {
			return protected(t, jws()(of), func(h map[string]any) { h["alg"] = "none" })
		}, "signing method none"},
		"a key that is no secret": {func(of oci.Descriptor) layer {
			return protected(t, jws()(of), func(h map[string]any) { h["alg"] = "HS256" })
		}, "signing method HS256"},
		"another algorithm": {func(of oci.Descriptor) layer {
			return protected(t, jws()(of), func(h map[string]any) { h["alg"] = "ES384" })
		}, ""},
		"a header that nobody signed": {func(of oci.Descriptor) layer {
			return protected(t, jws()(of), func(h map[string]any) { h["io.cncf.notary.signingTime"] = "2020-01-01T00:00:00Z" })
		}, ""},
		"another payload": {func(of oci.Descriptor) layer {
			return altered(t, notarize(t, typeJWS, another, mine), func(e map[string]any) { e["payload"] = base64.RawURLEncoding.EncodeToString(target(of)) })
		}, ""},
		"no signature": {func(of oci.Descriptor) layer {
			return altered(t, jws()(of), func(e map[string]any) { e["signature"] = "" })
		}, ""},
		"no certificates": {func(of oci.Descriptor) layer {
			return altered(t, jws()(of), func(e map[string]any) { e["header"] = map[string]any{} })
		}, ""},
		"nothing":           {func(oci.Descriptor) layer { return layer{typeJWS, nil, nil} }, "empty"},
		"an empty envelope": {func(oci.Descriptor) layer { return layer{typeJWS, []byte(`{}`), nil} }, ""},
		"half of one":       {func(of oci.Descriptor) layer { l := jws()(of); l.content = l.content[:len(l.content)/2]; return l }, "parse"},
		"half of one in CBOR": {func(of oci.Descriptor) layer {
			l := notarize(t, typeCOSE, of, mine)
			l.content = l.content[:len(l.content)/2]
			return l
		}, "parse"},
		"JSON that is called CBOR": {func(of oci.Descriptor) layer { l := jws()(of); l.mediaType = typeCOSE; return l }, "parse"},
		"packed":                   {func(of oci.Descriptor) layer { l := jws()(of); l.content = gzipped(t, l.content); return l }, "parse"},
		"another kind of envelope": {func(of oci.Descriptor) layer { l := jws()(of); l.mediaType = "application/jose+json+gzip"; return l }, "no signature in it of a known form"},
		"too much": {func(of oci.Descriptor) layer {
			l := jws()(of)
			l.content = append(l.content, bytes.Repeat([]byte(" "), 1<<20)...)
			return l
		}, "too large"},
		"what cosign signs": {func(of oci.Descriptor) layer { return person.simple(t, of) }, "no signature in it of a known form"},
	} {
		of := w.image()
		w.referring(of, typeNotation, c.layer(of))
		w.refused(what, of, c.reason)
	}
	of := w.image()
	w.referring(of, typeNotation, jws()(of), layer{typeJWS, []byte(`{}`), nil})
	w.refused("two envelopes", of, "one envelope")
}

// TestEachKindIsVerifiedByItsOwn keeps signatures of one person in the forms of
// both tools, of which each is trusted for one.
func TestEachKindIsVerifiedByItsOwn(t *testing.T) {
	w := newWorld(t)
	top := anAuthority(t, nil, "top")
	person := aPerson(t, top, "release@example.org", func(c *x509.Certificate) { c.Subject.CommonName = "release" })
	of := w.image()
	w.referring(of, typeNotation, notarize(t, typeJWS, of, []holder{person, top}))
	id := w.trusts(sign.Entry{Kind: sign.Authority, Content: asPEM(top), Identities: []sign.Identity{{Subject: "**"}}})
	w.refused("notation by an authority of cosign's", of, "trusts nothing that it could be verified by")
	if err := w.sign.Delete(w.ctx, w.repo.ProjectID, id); err != nil {
		t.Fatal(err)
	}
	w.trusts(sign.Entry{Kind: sign.Notation, Content: asPEM(top), Identities: []sign.Identity{{Subject: "*"}}})
	w.verified("notation by its own", of)
	also := w.image()
	w.tagged(also, person.simple(t, also))
	w.refused("cosign by notation's", also, "trusts nothing that it could be verified by")
	if v := w.verdict(also); strings.Contains(fmt.Sprint(v), "release@example.org") {
		t.Errorf("who signed is told of what is not verified: %+v", v)
	}
}
