package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/berth-registry/berth/internal/advisory"
	"github.com/berth-registry/berth/internal/artifact"
	"github.com/berth-registry/berth/internal/blob"
	"github.com/berth-registry/berth/internal/fault"
	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/inventory"
	"github.com/berth-registry/berth/internal/oci"
	"github.com/berth-registry/berth/internal/sbom"
	"github.com/berth-registry/berth/internal/vex"
)

// ErrUnjudged is of an image with packages that no advisory is about: that nothing
// is found in them must not be taken for an answer.
var ErrUnjudged = fault.New(fault.Unsupported, "UNSUPPORTED", "no advisories are about some of what the image has installed")

// A FactsStore keeps what was read out of layers.
type FactsStore interface {
	// Facts returns what a version of the program has read, or nil.
	Facts(ctx context.Context, layer oci.Digest, version int) ([]byte, error)
	// KeepFacts keeps it for as long as there is the layer.
	KeepFacts(ctx context.Context, layer oci.Digest, version int, data []byte) error
}

// Advisories say what is wrong with packages; advisory.Service does.
type Advisories interface {
	Match(ctx context.Context, inv inventory.Inventory) (advisory.Findings, error)
	Generation(ctx context.Context) (advisory.Generation, error)
}

// Library is what is read besides layers of a repository; artifact.Store has it.
type Library interface {
	Artifacts
	Referrers(ctx context.Context, repository string, d oci.Digest, artifactType string, after int64, n int) ([]artifact.Referrer, error)
}

// Builtin is the Scanner that needs no other program. Each layer is read once, for
// all images that have it.
type Builtin struct {
	Kept       FactsStore
	Library    Library
	Open       func(ctx context.Context, repo artifact.Repo, d oci.Digest) (blob.Reader, error)
	Indexes    func(ctx context.Context, image int64, n int) ([]oci.Digest, error) // that an image is in, the newest first
	Advisories Advisories
	Believed   func(ctx context.Context, repo artifact.Repo, d oci.Digest) (bool, error) // whether what an artifact says of an image counts; nil: all does
	Self       finding.Scanner
	Limits     inventory.Limits
}

var _ Scanner = (*Builtin)(nil)

// Scan implements Scanner.
func (b *Builtin) Scan(ctx context.Context, s Subject, log Log) (finding.Report, error) {
	inv, _, err := b.inventory(ctx, s, func(d oci.Descriptor) (*inventory.Facts, error) { return b.read(ctx, s, d, log) })
	if err != nil {
		return finding.Report{}, err
	}
	tell(inv, log)
	return b.judge(ctx, s, inv, log)
}

// Again implements Scanner.
func (b *Builtin) Again(ctx context.Context, s Subject, log Log) (r finding.Report, known bool, err error) {
	inv, known, err := b.inventory(ctx, s, nil)
	if err != nil || !known {
		return r, false, err
	}
	r, err = b.judge(ctx, s, inv, log)
	return r, err == nil, err
}

// Generation implements Scanner.
func (b *Builtin) Generation(ctx context.Context) (int64, error) {
	g, err := b.Advisories.Generation(ctx)
	return int64(g), err
}

// SBOM implements Scanner.
func (b *Builtin) SBOM(ctx context.Context, s Subject, f sbom.Format, log Log) ([]byte, error) {
	inv, _, err := b.inventory(ctx, s, func(d oci.Descriptor) (*inventory.Facts, error) { return b.read(ctx, s, d, log) })
	if err != nil {
		return nil, err
	}
	tell(inv, log)
	return b.written(s, inv, f, time.Now())
}

// SBOMAgain implements Scanner.
func (b *Builtin) SBOMAgain(ctx context.Context, s Subject, f sbom.Format, made time.Time) (document []byte, known bool, err error) {
	inv, known, err := b.inventory(ctx, s, nil)
	if err != nil || !known {
		return nil, false, err
	}
	document, err = b.written(s, inv, f, made)
	return document, err == nil, err
}

// written returns an inventory as a document.
func (b *Builtin) written(s Subject, inv inventory.Inventory, f sbom.Format, made time.Time) ([]byte, error) {
	var text bytes.Buffer
	err := sbom.Write(&text, f, sbom.Document{
		Name: s.Name, Digest: s.Digest, Created: made, Tool: sbom.Tool{Name: b.Self.Name, Version: b.Self.Version}, Inventory: inv,
	})
	return text.Bytes(), err
}

// tell writes what was found into the log.
func tell(inv inventory.Inventory, log Log) {
	if name := inv.Distribution.Name; name != "" {
		log("distribution: %s", name)
	}
	log("%d packages", len(inv.Packages))
	for _, p := range inv.Problems {
		log("%s: %s", p.Path, p.Text)
	}
}

// inventory returns what an image has installed. Layers of which nothing is kept are
// read; where read is nil, known is false then.
func (b *Builtin) inventory(ctx context.Context, s Subject, read func(oci.Descriptor) (*inventory.Facts, error)) (inv inventory.Inventory, known bool, err error) {
	_, all, err := oci.Layers(s.Body)
	if err != nil {
		return inv, false, fmt.Errorf("the manifest: %w", err)
	}
	layers := make([]inventory.Layer, 0, len(all))
	for _, d := range all {
		facts, err := b.kept(ctx, d.Digest)
		if err == nil && facts == nil {
			if read == nil {
				return inv, false, nil
			}
			facts, err = read(d)
		}
		if err != nil {
			return inv, false, fmt.Errorf("layer %s: %w", d.Digest, err)
		}
		layers = append(layers, inventory.Layer{Digest: d.Digest, Facts: facts})
	}
	return inventory.Merge(layers), true, nil
}

// kept returns the facts of a layer that are kept, or nil.
func (b *Builtin) kept(ctx context.Context, d oci.Digest) (*inventory.Facts, error) {
	data, err := b.Kept.Facts(ctx, d, inventory.Version)
	if err != nil || data == nil {
		return nil, err
	}
	f, err := inventory.Decode(data)
	if errors.Is(err, inventory.ErrFacts) {
		return nil, nil
	}
	return f, err
}

// read reads a layer, and keeps what it says.
func (b *Builtin) read(ctx context.Context, s Subject, d oci.Descriptor, log Log) (*inventory.Facts, error) {
	r, err := b.Open(ctx, s.Repo, d.Digest)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	began := time.Now()
	f, err := inventory.ReadLayer(ctx, r, d.MediaType, b.Limits)
	if err != nil {
		return nil, err
	}
	log("layer %s: read %d bytes in %s", d.Digest, d.Size, time.Since(began).Round(time.Millisecond))
	data, err := f.Encode()
	if err != nil {
		return nil, err
	}
	return f, b.Kept.KeepFacts(ctx, d.Digest, inventory.Version, data)
}

// judge says what is wrong with an inventory.
func (b *Builtin) judge(ctx context.Context, s Subject, inv inventory.Inventory, log Log) (finding.Report, error) {
	if why := inv.Distribution.Unsupported; why != "" {
		return finding.Report{}, ErrUnjudged.With("%s", why)
	}
	if p, unread := inv.Unread(); unread {
		return finding.Report{}, ErrUnjudged.Saying("what the image has installed cannot be read: %s: %s", p.Path, p.Text)
	}
	found, err := b.Advisories.Match(ctx, inv)
	if err != nil {
		return finding.Report{}, err
	}
	for _, e := range found.Unknown {
		if family, _, _ := strings.Cut(e, ":"); e == inv.Distribution.Ecosystem || slices.Contains(advisory.Ecosystems(), family) {
			return finding.Report{}, ErrUnjudged.With("%s; those that are here were brought up to date at %s", e, found.Generation.Published().UTC().Format(time.RFC3339))
		}
		log("no advisories are about packages of %s: they were not judged", e)
	}
	said, about, err := b.said(ctx, s, log)
	if err != nil {
		return finding.Report{}, err
	}
	rows := found.Rows
	if len(said) > 0 {
		for _, p := range inv.Packages {
			about.Packages = append(about.Packages, p.PURL)
		}
		rows = vex.Apply(rows, said, about)
	}
	return finding.Report{Generated: time.Now(), Scanner: b.Self, Vulnerabilities: rows}, nil
}
