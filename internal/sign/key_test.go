package sign_test

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/sign"
)

// A signer signs with a key and a hash, 0 for none.
type signer struct {
	crypto.Signer
	hash crypto.Hash
}

func (s signer) sign(t *testing.T, message []byte) []byte {
	t.Helper()
	if s.hash != 0 {
		h := s.hash.New()
		h.Write(message)
		message = h.Sum(nil)
	}
	signature, err := s.Sign(rand.Reader, message, s.hash)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}

func (s signer) der(t *testing.T) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(s.Public())
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func (s signer) pem(t *testing.T) string {
	t.Helper()
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: s.der(t)}))
}

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func edKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// pae is what is signed of an envelope: its type and its payload.
func pae(kind string, content []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(kind), kind, len(content), content)
}

const inToto = "application/vnd.in-toto+json"

// keyBundle is a bundle of an envelope that a key signed.
func keyBundle(t *testing.T, s signer, content []byte) map[string]any {
	t.Helper()
	return map[string]any{
		"mediaType":            typeBundle,
		"verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": "any"}},
		"dsseEnvelope": map[string]any{
			"payload": content, "payloadType": inToto, "signatures": []any{map[string]any{"sig": s.sign(t, pae(inToto, content))}},
		},
	}
}

func asLayer(t *testing.T, bundle any) layer {
	t.Helper()
	text, err := json.Marshal(bundle)
	if err != nil {
		t.Fatal(err)
	}
	return layer{typeBundle, text, nil}
}

func TestAKeyVerifiesWhatItSigned(t *testing.T) {
	w := newWorld(t)
	for name, s := range map[string]signer{
		"P-256":               {ecKey(t, elliptic.P256()), crypto.SHA256},
		"P-384":               {ecKey(t, elliptic.P384()), crypto.SHA384},
		"P-384 with SHA-256":  {ecKey(t, elliptic.P384()), crypto.SHA256},
		"Ed25519":             {edKey(t), 0},
		"RSA with 2048 bits":  {rsaKey(t, 2048), crypto.SHA256},
		"P-256, a second one": {ecKey(t, elliptic.P256()), crypto.SHA256},
	} {
		id := w.trusts(sign.Entry{Name: name, Kind: sign.Key, Content: s.pem(t)})
		sum := sha256.Sum256(s.der(t))
		for form, keep := range map[string]func(of oci.Descriptor) (oci.Descriptor, []byte){
			"by tag": func(of oci.Descriptor) (oci.Descriptor, []byte) {
				return w.tagged(of, simple(payload(of), s.sign(t, payload(of)))), payload(of)
			},
			"by referrer": func(of oci.Descriptor) (oci.Descriptor, []byte) {
				return w.referring(of, typeReferrer, simple(payload(of), s.sign(t, payload(of)))), payload(of)
			},
			"in a bundle": func(of oci.Descriptor) (oci.Descriptor, []byte) {
				l := asLayer(t, keyBundle(t, s, statement(of, signed)))
				return w.referring(of, typeBundle, l), l.content
			},
		} {
			of := w.image()
			in, content := keep(of)
			got := w.verified(name+" "+form, of)
			want := sign.Signature{
				Form: sign.Cosign, Type: artifact.SignatureCosign, Artifact: in.Digest, Digest: oci.Sum(oci.SHA256, content), Verified: true,
				EntryID: id, EntryName: name, Signer: sign.Signer{Fingerprint: hex.EncodeToString(sum[:])},
			}
			if form == "in a bundle" {
				want.Form = sign.Bundle
			}
			if got != want {
				t.Errorf("%s %s: %+v, want %+v", name, form, got, want)
			}
		}
	}
}

func gzipped(t *testing.T, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAKeyVerifiesNoOtherPayload(t *testing.T) {
	w := newWorld(t)
	s, other := signer{ecKey(t, elliptic.P256()), crypto.SHA256}, signer{ecKey(t, elliptic.P256()), crypto.SHA256}
	for _, e := range []signer{s, {edKey(t), 0}, {rsaKey(t, 2048), crypto.SHA256}} {
		w.trusts(sign.Entry{Kind: sign.Key, Content: e.pem(t)})
	}
	another := w.image()
	with := func(change func(string) string) func(oci.Descriptor) layer {
		return func(of oci.Descriptor) layer {
			text := []byte(change(string(payload(of))))
			return simple(text, s.sign(t, text))
		}
	}
	replaced := func(old, now string) func(oci.Descriptor) layer {
		return with(func(text string) string {
			if !strings.Contains(text, old) {
				t.Fatalf("there is no %s", old)
			}
			return strings.ReplaceAll(text, old, now)
		})
	}
	bare := signer{s.Signer, 0}
	for what, make := range map[string]struct {
		layer  func(of oci.Descriptor) layer
		reason string
	}{
		"another key":            {func(of oci.Descriptor) layer { return simple(payload(of), other.sign(t, payload(of))) }, "not made with this key"},
		"another image":          {func(oci.Descriptor) layer { return simple(payload(another), s.sign(t, payload(another))) }, "another image"},
		"another type":           {replaced("cosign container image signature", "atomic container signature"), "critical.type"},
		"no type":                {replaced(`,"type":"cosign container image signature"`, ""), "critical.type"},
		"no digest":              {replaced("docker-manifest-digest", "digest"), "another image"},
		"a digest within a text": {replaced(`"sha256:`, `" sha256:`), "another image"},
		"a digest in capitals":   {replaced(`"sha256:`, `"SHA256:`), "another image"},
		"digests in a list": {with(func(text string) string {
			return strings.ReplaceAll(strings.ReplaceAll(text, `"sha256:`, `["sha256:`), `"},"type`, `"]},"type`)
		}), "cannot be read"},
		"two documents":  {with(func(text string) string { return text + text }), "cannot be read"},
		"no JSON":        {with(func(string) string { return "signed" }), "cannot be read"},
		"null":           {with(func(string) string { return "null" }), "critical.type"},
		"nothing":        {func(oci.Descriptor) layer { return simple(nil, s.sign(t, nil)) }, "is empty"},
		"no signature":   {func(of oci.Descriptor) layer { return simple(payload(of), nil) }, "no signature"},
		"no annotations": {func(of oci.Descriptor) layer { return layer{typeSimple, payload(of), nil} }, "no signature"},
		"a signature that is no text": {func(of oci.Descriptor) layer {
			return layer{typeSimple, payload(of), map[string]string{noteSignature: "!"}}
		}, "no signature"},
		"half a signature": {func(of oci.Descriptor) layer {
			whole := s.sign(t, payload(of))
			return simple(payload(of), whole[:len(whole)/2])
		}, "not made with this key"},
		"a signature and more":    {func(of oci.Descriptor) layer { return simple(payload(of), append(s.sign(t, payload(of)), 0)) }, "not made with this key"},
		"a signature of zeros":    {func(of oci.Descriptor) layer { return simple(payload(of), []byte{0x30, 6, 2, 1, 0, 2, 1, 0}) }, "not made with this key"},
		"half of what was signed": {func(of oci.Descriptor) layer { return simple(payload(of)[:100], s.sign(t, payload(of))) }, "not made with this key"},
		"a signature of its hash": {func(of oci.Descriptor) layer {
			sum := sha256.Sum256(payload(of))
			return simple(payload(of), s.sign(t, sum[:]))
		}, "not made with this key"},
		"a signature of the payload unhashed": {func(of oci.Descriptor) layer { return simple(payload(of), bare.sign(t, payload(of)[:32])) }, "not made with this key"},
		"what was packed":                     {func(of oci.Descriptor) layer { return simple(gzipped(t, payload(of)), s.sign(t, payload(of))) }, "not made with this key"},
		"packed and signed":                   {with(func(text string) string { return string(gzipped(t, []byte(text))) }), "cannot be read"},
		"too much":                            {with(func(text string) string { return text + strings.Repeat(" ", 1<<20) }), "too large"},
		"a certificate that is none": {func(of oci.Descriptor) layer {
			return simple(payload(of), s.sign(t, payload(of)), "dev.sigstore.cosign/certificate", "x")
		}, "certificates cannot be read"},
		"an entry of a log that is none": {func(of oci.Descriptor) layer {
			return simple(payload(of), s.sign(t, payload(of)), "dev.sigstore.cosign/bundle", "{}")
		}, "entry of a log"},
		"a timestamp that is none": {func(of oci.Descriptor) layer {
			return simple(payload(of), s.sign(t, payload(of)), "dev.sigstore.cosign/rfc3161timestamp", "{}")
		}, "timestamp"},
		"a layer that only looks like a bundle": {func(of oci.Descriptor) layer {
			return layer{typeBundle, payload(of), simple(nil, s.sign(t, payload(of))).annotations}
		}, "bundle cannot be read"},
	} {
		of := w.image()
		w.tagged(of, layer{typeSimple, []byte("something else"), nil}, make.layer(of))
		w.refused(what, of, make.reason)
	}
}

func TestAKeyVerifiesNoOtherBundle(t *testing.T) {
	w := newWorld(t)
	s, other := signer{ecKey(t, elliptic.P256()), crypto.SHA256}, signer{ecKey(t, elliptic.P256()), crypto.SHA256}
	w.trusts(sign.Entry{Kind: sign.Key, Content: s.pem(t)})
	another := w.image()
	type object = map[string]any
	envelope := func(of oci.Descriptor, change func(e object)) any {
		b := keyBundle(t, s, statement(of, signed))
		change(b["dsseEnvelope"].(object))
		return b
	}
	says := func(change func(string) string) func(oci.Descriptor) any {
		return func(of oci.Descriptor) any { return keyBundle(t, s, []byte(change(string(statement(of, signed))))) }
	}
	message := func(of oci.Descriptor, digest []byte, algorithm string, signature []byte) any {
		b := keyBundle(t, s, nil)
		delete(b, "dsseEnvelope")
		b["messageSignature"] = object{"messageDigest": object{"algorithm": algorithm, "digest": digest}, "signature": signature}
		return b
	}
	for what, make := range map[string]struct {
		bundle func(of oci.Descriptor) any
		reason string
	}{
		"another key":    {func(of oci.Descriptor) any { return keyBundle(t, other, statement(of, signed)) }, "not made with this key"},
		"another image":  {func(oci.Descriptor) any { return keyBundle(t, s, statement(another, signed)) }, "not made with this key, or is of something else"},
		"an attestation": {func(of oci.Descriptor) any { return keyBundle(t, s, statement(of, "https://slsa.dev/provenance/v1")) }, `attestation, and no signature: it says "https://slsa.dev/provenance/v1"`},
		"no subject": {says(func(text string) string {
			return text[:strings.Index(text, `[`)] + "[]" + text[strings.Index(text, `],"predicateType"`)+1:]
		}), "of something else"},
		"another kind of statement": {says(func(text string) string {
			return strings.Replace(text, "in-toto.io/Statement/v1", "example.org/Statement", 1)
		}), "cannot be read"},
		"a digest of another algorithm": {says(func(text string) string { return strings.Replace(text, "sha256", "sha512", 1) }), "of something else"},
		"no statement":                  {says(func(string) string { return "signed" }), "of something else"},
		"another type of payload": {func(of oci.Descriptor) any {
			return envelope(of, func(e object) { e["payloadType"] = "application/json" })
		}, "not made with this key"},
		"another type of payload, signed so": {func(of oci.Descriptor) any {
			return envelope(of, func(e object) {
				e["payloadType"] = "text/plain"
				e["signatures"] = []any{object{"sig": s.sign(t, pae("text/plain", statement(of, signed)))}}
			})
		}, "of something else"},
		"two signatures": {func(of oci.Descriptor) any {
			return envelope(of, func(e object) { e["signatures"] = append(e["signatures"].([]any), e["signatures"].([]any)[0]) })
		}, "not made with this key"},
		"no signature": {func(of oci.Descriptor) any { return envelope(of, func(e object) { e["signatures"] = []any{} }) }, "not made with this key"},
		"an empty one": {func(of oci.Descriptor) any {
			return envelope(of, func(e object) { e["signatures"] = []any{object{"sig": ""}} })
		}, "not made with this key"},
		"an empty payload": {func(of oci.Descriptor) any { return envelope(of, func(e object) { e["payload"] = "" }) }, "not made with this key"},
		"a signature without the type": {func(of oci.Descriptor) any {
			return envelope(of, func(e object) { e["signatures"] = []any{object{"sig": s.sign(t, statement(of, signed))}} })
		}, "not made with this key"},
		"a later version": {func(of oci.Descriptor) any {
			b := keyBundle(t, s, statement(of, signed))
			b["mediaType"] = "application/vnd.dev.sigstore.bundle.v0.4+json"
			return b
		}, "cannot be read"},
		"a field that nobody knows": {func(of oci.Descriptor) any {
			b := keyBundle(t, s, statement(of, signed))
			b["verified"] = true
			return b
		}, "cannot be read"},
		"nothing in it":      {func(oci.Descriptor) any { return object{} }, "cannot be read"},
		"null":               {func(oci.Descriptor) any { return nil }, "cannot be read"},
		"no material":        {func(oci.Descriptor) any { return object{"mediaType": typeBundle, "dsseEnvelope": object{}} }, "cannot be read"},
		"an empty statement": {func(oci.Descriptor) any { return keyBundle(t, s, []byte(`{}`)) }, "of something else"},
		"another message": {func(of oci.Descriptor) any {
			sum := sha256.Sum256([]byte("x"))
			return message(of, sum[:], "SHA2_256", s.sign(t, []byte("x")))
		}, "of something else"},
		"a message that only claims to be the image": {func(of oci.Descriptor) any {
			sum, _ := hex.DecodeString(of.Digest.Hex())
			return message(of, sum, "SHA2_256", s.sign(t, []byte("x")))
		}, "not made with this key"},
		"a message without a digest": {func(of oci.Descriptor) any { return message(of, nil, "SHA2_256", s.sign(t, []byte("x"))) }, "of something else"},
	} {
		of := w.image()
		w.referring(of, typeBundle, asLayer(t, make.bundle(of)))
		w.refused(what, of, make.reason)
	}
	for what, text := range map[string][]byte{"empty": nil, "packed": gzipped(t, []byte("{}")), "deep": bytes.Repeat([]byte("["), 1<<20), "half": asLayer(t, keyBundle(t, s, statement(another, signed))).content[:200]} {
		of := w.image()
		w.referring(of, typeBundle, layer{typeBundle, text, nil})
		w.refused(what, of, "the bundle ")
	}
	of := w.image()
	w.referring(of, typeBundle, layer{typeBundle, append(asLayer(t, keyBundle(t, s, statement(of, signed))).content, bytes.Repeat([]byte(" "), 1<<20)...), nil})
	w.refused("huge", of, "too large")
}

// TestABundleMayBeOfTheManifestItself signs its bytes, in place of a statement.
func TestABundleMayBeOfTheManifestItself(t *testing.T) {
	w := newWorld(t)
	s := signer{ecKey(t, elliptic.P256()), crypto.SHA256}
	w.trusts(sign.Entry{Kind: sign.Key, Content: s.pem(t)})
	of := w.image()
	m, err := w.ReadManifest(w.ctx, w.repo, oci.Reference{Digest: of.Digest})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(m.Body)
	b := keyBundle(t, s, nil)
	delete(b, "dsseEnvelope")
	b["messageSignature"] = map[string]any{"messageDigest": map[string]any{"algorithm": "SHA2_256", "digest": sum[:]}, "signature": s.sign(t, m.Body)}
	w.referring(of, typeBundle, asLayer(t, b))
	w.verified("the manifest", of)
}

// TestOfManySignaturesOneIsEnough keeps several in one artifact, as cosign does:
// those of other keys, and of the same payload.
func TestOfManySignaturesOneIsEnough(t *testing.T) {
	w := newWorld(t)
	s, other := signer{ecKey(t, elliptic.P256()), crypto.SHA256}, signer{ecKey(t, elliptic.P256()), crypto.SHA256}
	of := w.image()
	w.tagged(of, simple(payload(of), other.sign(t, payload(of))), simple(payload(of), s.sign(t, payload(of))), simple(payload(of), other.sign(t, payload(of))))
	if v := w.verdict(of); v.Trusting || v.Verified() || len(v.Signatures) != 3 || !strings.Contains(v.Signatures[0].Reason, "trusts nothing") {
		t.Errorf("%+v", v)
	}
	w.trusts(sign.Entry{Kind: sign.Key, Content: s.pem(t)})
	v := w.verdict(of)
	if !v.Trusting || !v.Verified() || !v.VerifiedAs(artifact.SignatureCosign) || v.VerifiedAs(artifact.SignatureNotation) {
		t.Errorf("%+v", v)
	}
	for i, want := range []bool{false, true, false} {
		if v.Signatures[i].Verified != want {
			t.Errorf("the signature %d: %+v", i, v.Signatures[i])
		}
	}
}
