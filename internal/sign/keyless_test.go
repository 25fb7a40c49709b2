package sign_test

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"testing"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	common "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	"github.com/sigstore/protobuf-specs/gen/pb-go/dsse"
	rekor "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/sign"
)

const (
	releaser = "release@example.org"
	issuer   = "https://sign-in.example.org"
)

func sigstore(t *testing.T) *ca.VirtualSigstore {
	t.Helper()
	s, err := ca.NewVirtualSigstore()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A part of what a Sigstore's root says.
const (
	logs = 1 << iota
	clocks
	promises // of logs of certificates
)

// rootOf is a Sigstore's trusted_root.json.
func rootOf(t *testing.T, s *ca.VirtualSigstore, parts int) string {
	t.Helper()
	keyed := func(all map[string]*root.TransparencyLog) map[string]*root.TransparencyLog {
		out := map[string]*root.TransparencyLog{}
		for id, l := range all {
			raw, err := hex.DecodeString(id)
			if err != nil {
				t.Fatal(err)
			}
			l.ID, out[id] = raw, l
		}
		return out
	}
	var tlogs, ctlogs map[string]*root.TransparencyLog
	var tsas []root.TimestampingAuthority
	if parts&logs != 0 {
		tlogs = keyed(s.RekorLogs())
	}
	if parts&clocks != 0 {
		tsas = s.TimestampingAuthorities()
	}
	if parts&promises != 0 {
		ctlogs = keyed(s.CTLogs())
	}
	r, err := root.NewTrustedRoot(root.TrustedRootMediaType01, s.FulcioCertificateAuthorities(), ctlogs, tsas, tlogs)
	if err != nil {
		t.Fatal(err)
	}
	text, err := r.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// attested is a bundle of somebody who signed in, seen at a time.
func attested(t *testing.T, s *ca.VirtualSigstore, who, where string, content []byte, at time.Time) *protobundle.Bundle {
	t.Helper()
	e, err := s.AttestAtTime(who, where, content, at, true)
	if err != nil {
		t.Fatal(err)
	}
	return bundleOf(t, s, e)
}

// whole is an entry with its kind and the log's promise, which what makes it
// leaves out.
func whole(t *testing.T, s *ca.VirtualSigstore, e *tlog.Entry) *rekor.TransparencyLogEntry {
	t.Helper()
	entry := e.TransparencyLogEntry()
	var kind struct{ Kind, APIVersion string }
	if err := json.Unmarshal(entry.CanonicalizedBody, &kind); err != nil {
		t.Fatal(err)
	}
	entry.KindVersion = &rekor.KindVersion{Kind: kind.Kind, Version: kind.APIVersion}
	promise, err := s.RekorSignPayload(tlog.RekorPayload{
		Body: base64.StdEncoding.EncodeToString(entry.CanonicalizedBody), IntegratedTime: entry.IntegratedTime, LogIndex: entry.LogIndex, LogID: hex.EncodeToString(entry.LogId.KeyId),
	})
	if err != nil {
		t.Fatal(err)
	}
	entry.InclusionPromise = &rekor.InclusionPromise{SignedEntryTimestamp: promise}
	return entry
}

func bundleOf(t *testing.T, s *ca.VirtualSigstore, e *ca.TestEntity) *protobundle.Bundle {
	t.Helper()
	by, err := e.VerificationContent()
	if err != nil {
		t.Fatal(err)
	}
	what, err := e.SignatureContent()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := e.TlogEntries()
	if err != nil {
		t.Fatal(err)
	}
	stamps, err := e.Timestamps()
	if err != nil {
		t.Fatal(err)
	}
	material := &protobundle.VerificationMaterial{
		Content:                   &protobundle.VerificationMaterial_Certificate{Certificate: &common.X509Certificate{RawBytes: by.Certificate().Raw}},
		TimestampVerificationData: &protobundle.TimestampVerificationData{},
	}
	for _, entry := range entries {
		material.TlogEntries = append(material.TlogEntries, whole(t, s, entry))
	}
	for _, stamp := range stamps {
		material.TimestampVerificationData.Rfc3161Timestamps = append(material.TimestampVerificationData.Rfc3161Timestamps, &common.RFC3161SignedTimestamp{SignedTimestamp: stamp})
	}
	env := what.EnvelopeContent().RawEnvelope()
	content, err := base64.StdEncoding.DecodeString(env.Payload)
	if err != nil {
		t.Fatal(err)
	}
	return &protobundle.Bundle{
		MediaType: typeBundle, VerificationMaterial: material,
		Content: &protobundle.Bundle_DsseEnvelope{DsseEnvelope: &dsse.Envelope{
			Payload: content, PayloadType: env.PayloadType, Signatures: []*dsse.Signature{{Sig: what.Signature()}},
		}},
	}
}

func protoLayer(t *testing.T, b *protobundle.Bundle) layer {
	t.Helper()
	text, err := protojson.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return layer{typeBundle, text, nil}
}

// keylessSimple is the layer of a payload that somebody signed who signed in.
func keylessSimple(t *testing.T, s *ca.VirtualSigstore, who, where string, content []byte) layer {
	t.Helper()
	e, err := s.Sign(who, where, content)
	if err != nil {
		t.Fatal(err)
	}
	by, err := e.VerificationContent()
	if err != nil {
		t.Fatal(err)
	}
	what, err := e.SignatureContent()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := e.TlogEntries()
	if err != nil {
		t.Fatal(err)
	}
	return simple(content, what.Signature(), "dev.sigstore.cosign/certificate", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: by.Certificate().Raw})),
		"dev.sigstore.cosign/bundle", logNote(t, whole(t, s, entries[0])))
}

func logNote(t *testing.T, entry *rekor.TransparencyLogEntry) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"SignedEntryTimestamp": entry.GetInclusionPromise().GetSignedEntryTimestamp(),
		"Payload": map[string]any{
			"body": entry.GetCanonicalizedBody(), "integratedTime": entry.GetIntegratedTime(), "logIndex": entry.GetLogIndex(), "logID": hex.EncodeToString(entry.GetLogId().GetKeyId()),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// soon is when the certificates of a Sigstore that is asked now are good.
func soon() time.Time { return time.Now().Add(5 * time.Minute) }

func TestPeopleWhoSignedInAreVerified(t *testing.T) {
	s := sigstore(t)
	for name, c := range map[string]struct {
		parts   int
		subject string
		layer   func(of oci.Descriptor) layer
	}{
		"a bundle, by a log and a clock": {logs | clocks, releaser, func(of oci.Descriptor) layer {
			return protoLayer(t, attested(t, s, releaser, issuer, statement(of, signed), soon()))
		}},
		"a bundle, by a log": {logs, "*@example.org", func(of oci.Descriptor) layer {
			return protoLayer(t, attested(t, s, releaser, issuer, statement(of, signed), soon()))
		}},
		"a bundle, by a clock": {clocks, "release@**", func(of oci.Descriptor) layer {
			return protoLayer(t, attested(t, s, releaser, issuer, statement(of, signed), soon()))
		}},
		"of cosign, by a log": {logs, releaser, func(of oci.Descriptor) layer { return keylessSimple(t, s, releaser, issuer, payload(of)) }},
	} {
		w := newWorld(t)
		w.trusts(sign.Entry{Kind: sign.Keyless, Content: rootOf(t, s, c.parts), Identities: []sign.Identity{{Issuer: issuer, Subject: c.subject}}})
		of := w.image()
		w.referring(of, typeReferrer, c.layer(of))
		got := w.verified(name, of)
		if got.Signer.Subject != releaser || got.Signer.Issuer != issuer || got.Signed.Before(time.Now().Add(-time.Minute)) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestNobodyElseWhoSignedInIsVerified(t *testing.T) {
	s, stranger := sigstore(t), sigstore(t)
	w := newWorld(t)
	w.trusts(sign.Entry{Kind: sign.Keyless, Content: rootOf(t, s, logs|clocks), Identities: []sign.Identity{{Issuer: issuer, Subject: releaser}, {Issuer: issuer, Subject: "*@ci.example.org"}}})
	as := func(who, where string) func(of oci.Descriptor) layer {
		return func(of oci.Descriptor) layer {
			return protoLayer(t, attested(t, s, who, where, statement(of, signed), soon()))
		}
	}
	changed := func(change func(b, other *protobundle.Bundle)) func(of oci.Descriptor) layer {
		return func(of oci.Descriptor) layer {
			b, other := attested(t, s, releaser, issuer, statement(of, signed), soon()), attested(t, s, releaser, issuer, statement(of, signed), soon())
			change(b, other)
			return protoLayer(t, b)
		}
	}
	simply := func(change func(l layer, other layer)) func(of oci.Descriptor) layer {
		return func(of oci.Descriptor) layer {
			l, other := keylessSimple(t, s, releaser, issuer, payload(of)), keylessSimple(t, s, releaser, issuer, payload(of))
			change(l, other)
			return l
		}
	}
	const noteLog, noteCertificate = "dev.sigstore.cosign/bundle", "dev.sigstore.cosign/certificate"
	for what, c := range map[string]struct {
		layer  func(of oci.Descriptor) layer
		reason string
	}{
		"somebody else":               {as("other@example.org", issuer), "not trusted"},
		"a longer name":               {as("x"+releaser, issuer), "not trusted"},
		"a name that goes on":         {as(releaser+".evil.example", issuer), "not trusted"},
		"a name without its dot":      {as("release@exampleXorg", issuer), "not trusted"},
		"a name of two lines":         {as("x@evil.example\n"+releaser, issuer), "not trusted"},
		"a pattern over lines":        {as("x\n@ci.example.org", issuer), "not trusted"},
		"a pattern over a slash":      {as("x/y@ci.example.org", issuer), "not trusted"},
		"another issuer":              {as(releaser, "https://evil.example"), "not trusted"},
		"an issuer that goes on":      {as(releaser, issuer+".evil.example"), "not trusted"},
		"an issuer with a slash":      {as(releaser, issuer+"/"), "not trusted"},
		"an issuer of another scheme": {as(releaser, "http://sign-in.example.org"), "not trusted"},
		"an issuer without its dot":   {as(releaser, "https://sign-inXexample.org"), "not trusted"},
		"no issuer":                   {as(releaser, ""), ""},
		"another Sigstore": {func(of oci.Descriptor) layer {
			return protoLayer(t, attested(t, stranger, releaser, issuer, statement(of, signed), soon()))
		}, "not enough verified log entries"},
		"another image": {func(oci.Descriptor) layer {
			return protoLayer(t, attested(t, s, releaser, issuer, statement(oci.Descriptor{Digest: oci.Sum(oci.SHA256, nil)}, signed), soon()))
		}, "digest"},
		"an attestation": {func(of oci.Descriptor) layer {
			return protoLayer(t, attested(t, s, releaser, issuer, statement(of, "https://slsa.dev/provenance/v1"), soon()))
		}, "attestation"},
		"a certificate that had ended": {func(of oci.Descriptor) layer {
			return protoLayer(t, attested(t, s, releaser, issuer, statement(of, signed), time.Now().Add(30*time.Minute)))
		}, "integrated time outside"},
		"the entry of another": {changed(func(b, other *protobundle.Bundle) {
			b.VerificationMaterial.TlogEntries = other.VerificationMaterial.TlogEntries
		}), "does not match"},
		"one log counted twice": {changed(func(b, _ *protobundle.Bundle) {
			m := b.VerificationMaterial
			m.TlogEntries = append(m.TlogEntries, m.TlogEntries[0])
		}), "duplicate tlog entries"},
		"many entries": {changed(func(b, _ *protobundle.Bundle) {
			m := b.VerificationMaterial
			for range 200 {
				m.TlogEntries = append(m.TlogEntries, m.TlogEntries[0])
			}
		}), "cannot be read"},
		"no entry, and a clock":       {changed(func(b, _ *protobundle.Bundle) { b.VerificationMaterial.TlogEntries = nil }), "not enough verified log entries"},
		"a promise without its proof": {changed(func(b, _ *protobundle.Bundle) { b.VerificationMaterial.TlogEntries[0].InclusionProof = nil }), "cannot be read"},
		"a proof of another entry": {changed(func(b, other *protobundle.Bundle) {
			b.VerificationMaterial.TlogEntries[0].InclusionProof = other.VerificationMaterial.TlogEntries[0].InclusionProof
		}), ""},
		"a later time than promised": {changed(func(b, _ *protobundle.Bundle) { b.VerificationMaterial.TlogEntries[0].IntegratedTime++ }), "not enough verified log entries"},
		"the certificate of another": {changed(func(b, other *protobundle.Bundle) {
			b.VerificationMaterial.Content = other.VerificationMaterial.Content
		}), "does not match"},
		"the signature of another": {changed(func(b, other *protobundle.Bundle) {
			b.GetDsseEnvelope().Signatures = other.GetDsseEnvelope().Signatures
		}), "does not match"},
		"a certificate that is none": {changed(func(b, _ *protobundle.Bundle) { b.GetVerificationMaterial().GetCertificate().RawBytes = []byte("x") }), ""},
		"a key": {changed(func(b, _ *protobundle.Bundle) {
			b.VerificationMaterial.Content = &protobundle.VerificationMaterial_PublicKey{PublicKey: &common.PublicKeyIdentifier{Hint: "x"}}
		}), "made with a key"},
		"of cosign, without its entry":     {simply(func(l, _ layer) { delete(l.annotations, noteLog) }), "not enough verified log entries"},
		"of cosign, another's entry":       {simply(func(l, other layer) { l.annotations[noteLog] = other.annotations[noteLog] }), "does not match"},
		"of cosign, another's certificate": {simply(func(l, other layer) { l.annotations[noteCertificate] = other.annotations[noteCertificate] }), "does not match"},
		"of cosign, no certificate":        {simply(func(l, _ layer) { delete(l.annotations, noteCertificate) }), "has no certificate"},
		"of cosign, another image": {func(oci.Descriptor) layer {
			return keylessSimple(t, s, releaser, issuer, payload(oci.Descriptor{Digest: oci.Sum(oci.SHA256, nil)}))
		}, "another image"},
		"of cosign, another Sigstore": {func(of oci.Descriptor) layer { return keylessSimple(t, stranger, releaser, issuer, payload(of)) }, "not enough verified log entries"},
	} {
		of := w.image()
		w.referring(of, typeReferrer, c.layer(of))
		w.refused(what, of, c.reason)
	}
}

// TestACertificateMustBePromisedToALog where the trusted root names logs of
// certificates.
func TestACertificateMustBePromisedToALog(t *testing.T) {
	s, w := sigstore(t), newWorld(t)
	w.trusts(sign.Entry{Kind: sign.Keyless, Content: rootOf(t, s, logs|clocks|promises), Identities: []sign.Identity{{Issuer: issuer, Subject: releaser}}})
	of := w.image()
	w.referring(of, typeBundle, protoLayer(t, attested(t, s, releaser, issuer, statement(of, signed), soon())))
	w.refused("no promise", of, "signed certificate timestamp")
}

// TestATimestampCountsWithoutALog where the trusted root has none.
func TestATimestampCountsWithoutALog(t *testing.T) {
	s, stranger, w := sigstore(t), sigstore(t), newWorld(t)
	w.trusts(sign.Entry{Kind: sign.Keyless, Content: rootOf(t, s, clocks), Identities: []sign.Identity{{Issuer: issuer, Subject: releaser}}})
	for what, change := range map[string]func(b, other *protobundle.Bundle){
		"no timestamp": func(b, _ *protobundle.Bundle) { b.VerificationMaterial.TimestampVerificationData = nil },
		"a timestamp of another": func(b, other *protobundle.Bundle) {
			b.VerificationMaterial.TimestampVerificationData = other.VerificationMaterial.TimestampVerificationData
		},
		"a timestamp that is nothing": func(b, _ *protobundle.Bundle) {
			b.VerificationMaterial.TimestampVerificationData.Rfc3161Timestamps[0].SignedTimestamp = []byte("x")
		},
	} {
		of := w.image()
		b, other := attested(t, s, releaser, issuer, statement(of, signed), soon()), attested(t, stranger, releaser, issuer, statement(of, signed), soon())
		change(b, other)
		w.referring(of, typeBundle, protoLayer(t, b))
		w.refused(what, of, "timestamps")
	}
}

// TestACertificateOfSigstoreIsNoKey holds signatures of people who signed in
// against keys, which must not take the certificate's for theirs.
func TestACertificateOfSigstoreIsNoKey(t *testing.T) {
	s, w := sigstore(t), newWorld(t)
	cert, key, err := s.GenerateLeafCert(releaser, issuer)
	if err != nil {
		t.Fatal(err)
	}
	if key == nil || !cert.NotAfter.After(time.Now()) {
		t.Fatal("no certificate")
	}
	der, err := x509.MarshalPKIXPublicKey(cert.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	w.trusts(sign.Entry{Kind: sign.Key, Content: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))})
	of := w.image()
	w.referring(of, typeBundle, protoLayer(t, attested(t, s, releaser, issuer, statement(of, signed), soon())))
	w.refused("a bundle", of, "made with a certificate")
}
