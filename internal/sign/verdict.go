package sign

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/oci"
)

// A Form is how a signature is kept.
type Form string

// The forms of signatures.
const (
	Cosign Form = "cosign"   // a payload, with the signature beside it
	Bundle Form = "bundle"   // of Sigstore's tools, with all that proves it
	Notary Form = "notation" // an envelope of the Notary Project
)

// A Signature is what was found beside an artifact, and what came of it.
type Signature struct {
	Form     Form
	Type     string     // of the accessory: artifact.SignatureCosign, …
	Artifact oci.Digest // the accessory that it is in
	Digest   oci.Digest // of what was signed, the bundle or the envelope; empty where it was not found

	Verified bool
	Reason   string // why not

	// What follows is known of one that was verified alone.
	EntryID   int64 // by which it was
	EntryName string
	Signer    Signer
	Signed    time.Time // as somebody trusted saw it, or as the signer says in an envelope; zero where neither says
}

// A Signer is who made a signature.
type Signer struct {
	Fingerprint string // SHA-256 of the key, or of the certificate, in hex
	Subject     string // of the certificate; empty where there is none
	Issuer      string // where they signed in, or else the certificate's authority
}

// A Verdict is what came of all signatures of an artifact.
type Verdict struct {
	Trusting   bool // the project trusts something
	Signatures []Signature
	More       bool // there are more than MaxSignatures, which were not looked at
}

// Verified reports whether one signature at least was verified.
func (v Verdict) Verified() bool {
	return v.VerifiedAs(artifact.SignatureCosign) || v.VerifiedAs(artifact.SignatureNotation)
}

// VerifiedAs reports whether one signature of an accessory's type was.
func (v Verdict) VerifiedAs(kind string) bool {
	for _, s := range v.Signatures {
		if s.Verified && s.Type == kind {
			return true
		}
	}
	return false
}

// size is about how many bytes a verdict takes in memory.
func (v Verdict) size() uint32 {
	n := 200
	for _, s := range v.Signatures {
		n += 500 + len(s.Reason) + len(s.Signer.Subject) + len(s.Signer.Issuer)
	}
	return uint32(n) //nolint:gosec // of MaxSignatures
}

// A subject is what a verdict is about, and all that it rests on but time.
type subject struct {
	project    int64
	repository string
	digest     oci.Digest
	revision   int64
	signatures [sha256.Size]byte // of those that were found
}

// Verdict says what the signatures of an artifact come to. Where nothing changed
// it reads one row, and what it says is a minute old at most. Its error is no
// verdict: artifact.ErrUnknown, artifact.ErrRepositoryUnknown, or one of the
// server's own.
func (s *Service) Verdict(ctx context.Context, repo artifact.Repo, d oci.Digest) (Verdict, error) {
	revision, found, err := s.store.Signatures(ctx, repo, d, MaxSignatures+1)
	if err != nil {
		return Verdict{}, err
	}
	about := subject{repo.ProjectID, repo.Name, d, revision, sum(found)}
	if v, ok := s.verdicts.GetIfPresent(about); ok {
		return v, nil
	}
	select {
	case s.working <- struct{}{}:
		defer func() { <-s.working }()
	case <-ctx.Done():
		return Verdict{}, ctx.Err()
	}
	if v, ok := s.verdicts.GetIfPresent(about); ok { // who waited
		return v, nil
	}
	a, _, err := s.artifacts.Find(ctx, repo.Name, oci.Reference{Digest: d}, false)
	if err != nil {
		return Verdict{}, err
	}
	t, err := s.trust(ctx, repo.ProjectID, revision)
	if err != nil {
		return Verdict{}, err
	}
	v, whole, err := s.judge(ctx, repo, a, found, t)
	if err == nil && whole && t.revision == revision {
		s.verdicts.Set(about, v)
	}
	return v, err
}

// sum is of all that tells signatures from others.
func sum(found []Stored) [sha256.Size]byte {
	h := sha256.New()
	for _, f := range found {
		fmt.Fprintf(h, "%s %s\n", f.Digest, f.Type)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// trust returns what a project trusts, of a revision at least. An entry that
// cannot be read any more is trusted with nothing.
func (s *Service) trust(ctx context.Context, projectID, revision int64) (trust, error) {
	if t, ok := s.trusts.GetIfPresent(projectID); ok && t.revision == revision {
		return t, nil
	}
	kept, err := s.store.Trust(ctx, projectID)
	if err != nil {
		return trust{}, err
	}
	t := trust{revision: kept.Revision}
	for _, e := range kept.Entries {
		if m, err := e.read(); err == nil {
			t.materials = append(t.materials, m)
		}
	}
	s.trusts.Set(projectID, t)
	return t, nil
}

// judge looks at the signatures that were found. It reports whether time was
// enough for all of them.
func (s *Service) judge(ctx context.Context, repo artifact.Repo, a artifact.Artifact, found []Stored, t trust) (v Verdict, whole bool, err error) {
	v.Trusting = len(t.materials) > 0
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, f := range found {
		room := MaxSignatures - len(v.Signatures)
		if room <= 0 {
			v.More = true
			break
		}
		more, err := s.find(limited, repo, f, room, func(c candidate) {
			v.Signatures = append(v.Signatures, c.judge(limited, a, t))
		})
		v.More = v.More || more
		switch {
		case err != nil && ctx.Err() == nil && limited.Err() != nil:
			v.Signatures = append(v.Signatures, candidate{Signature: f.signature(), wrong: errTime}.judge(limited, a, t))
		case err != nil:
			return Verdict{}, false, err
		}
	}
	return v, limited.Err() == nil, ctx.Err()
}

// A candidate is something that may be a signature, or why it is none.
type candidate struct {
	Signature
	check check
	wrong error
}

// A check verifies a signature by an entry.
type check interface {
	// fits reports whether the entry could verify it.
	fits(m material) bool
	// verify returns who made it, or why it is not verified.
	verify(ctx context.Context, m material, of artifact.Artifact) (outcome, error)
}

// An outcome says who signed, and when, where that is known.
type outcome struct {
	signer Signer
	at     time.Time
}

// judge holds a signature against all that is trusted, until something verifies
// it.
func (c candidate) judge(ctx context.Context, a artifact.Artifact, t trust) Signature {
	s := c.Signature
	if c.wrong != nil {
		s.Reason = plain(c.wrong.Error())
		return s
	}
	var reasons []string
	for _, m := range t.materials {
		if !c.check.fits(m) {
			continue
		}
		by, err := c.against(ctx, m, a)
		if err == nil {
			s.Verified, s.EntryID, s.EntryName, s.Signer, s.Signed = true, m.ID, m.Name, by.signer, by.at
			return s
		}
		reasons = append(reasons, m.Name+": "+plain(err.Error()))
	}
	s.Reason = "the project trusts nothing that it could be verified by"
	if len(reasons) > 0 {
		s.Reason = cut(strings.Join(reasons, "; "), maxReasons)
	}
	return s
}

var errTime = errors.New("there was no time left to look at it")

// against verifies one signature by one entry. A library that panics has not
// verified it.
func (c candidate) against(ctx context.Context, m material, a artifact.Artifact) (by outcome, err error) {
	defer func() {
		if r := recover(); r != nil {
			by, err = outcome{}, errors.New("it cannot be understood")
		}
	}()
	if ctx.Err() != nil {
		return outcome{}, errTime
	}
	return c.check.verify(ctx, m, a)
}

// How many bytes are told of why something is not verified.
const (
	maxReason  = 300
	maxReasons = 2048
)

// plain is a reason as it is told: on one line, and no longer than it need be. It
// may repeat what somebody signed.
func plain(reason string) string {
	return cut(strings.Join(strings.FieldsFunc(strings.ToValidUTF8(reason, "?"), func(r rune) bool { return !visible(string(r)) }), " "), maxReason)
}

func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}
