package adapter

import (
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/berth-registry/berth/internal/finding"
	"github.com/berth-registry/berth/internal/oci"
)

const (
	// MaxVulnerabilities is how many a report may have.
	MaxVulnerabilities = 50_000

	maxVulnerability = 1 << 20 // bytes of one, as it is sent
)

// A head is what all reports begin with.
type head struct {
	generated time.Time
	scanner   finding.Scanner
	digest    string // of the artifact; empty: it does not say
}

// member reads a member of a report that all reports have, or skips it.
func (h *head) member(d *json.Decoder, key string) error {
	switch key {
	case "generated_at":
		var text any
		if err := d.Decode(&text); err != nil {
			return err
		}
		h.generated = when(text)
	case "scanner":
		var w wireScanner
		if err := d.Decode(&w); err != nil {
			return err
		}
		h.scanner = finding.Scanner{Name: line(w.Name, maxWord), Vendor: line(w.Vendor, maxWord), Version: line(w.Version, maxWord)}
	case "artifact":
		var w struct {
			Digest string `json:"digest"`
		}
		if err := d.Decode(&w); err != nil {
			return err
		}
		h.digest = w.Digest
	default:
		var any json.RawMessage
		return d.Decode(&any)
	}
	return nil
}

// when returns the time that a report says that it is of. It is none that is still to
// come.
func when(text any) time.Time {
	now := time.Now().UTC()
	s, _ := text.(string)
	at, err := time.Parse(time.RFC3339, s)
	if err != nil || at.After(now) || at.Year() < 2000 {
		return now
	}
	return at.UTC()
}

// of returns an error where a report is of another artifact.
func (h *head) of(digest oci.Digest) error {
	if h.digest != "" && h.digest != string(digest) {
		return wrong("it is of the artifact %s", line(h.digest, maxWord))
	}
	if h.generated.IsZero() {
		h.generated = time.Now().UTC()
	}
	return nil
}

// readReport reads a report of vulnerabilities of an artifact. One that does not say
// that there are some or none is not whole.
func readReport(body io.Reader, digest oci.Digest) (finding.Report, error) {
	var h head
	var found findings
	whole := false
	err := object(body, func(d *json.Decoder, key string) error {
		if key != "vulnerabilities" {
			return h.member(d, key)
		}
		whole = true
		return found.read(d)
	})
	if err == nil {
		err = h.of(digest)
	}
	if err == nil && !whole {
		err = wrong("it has no vulnerabilities, and does not say that there are none")
	}
	return finding.Report{Generated: h.generated, Scanner: h.scanner, Vulnerabilities: found.sorted()}, err
}

// readBill reads a report that has an SBOM of an artifact.
func readBill(body io.Reader, digest oci.Digest) (Bill, error) {
	var h head
	b := Bill{MediaType: SPDX}
	err := object(body, func(d *json.Decoder, key string) error {
		switch key {
		case "sbom":
			return d.Decode(&b.Document)
		case "media_type":
			return d.Decode(&b.MediaType)
		}
		return h.member(d, key)
	})
	if err == nil {
		err = h.of(digest)
	}
	if err == nil && (len(b.Document) <= len("{}") || b.Document[0] != '{') {
		err = wrong("there is no SBOM in it")
	}
	if err == nil && withoutVersion(b.MediaType) != SPDX {
		err = wrong("the SBOM in it is %q, and not %s", line(b.MediaType, maxWord), SPDX)
	}
	b.Generated, b.Scanner, b.MediaType = h.generated, h.scanner, SPDX
	return b, err
}

var errForm = errors.New("another form was expected")

// object reads a body that is one object, with a function that reads the value of each
// member.
func object(body io.Reader, member func(d *json.Decoder, key string) error) error {
	d := json.NewDecoder(body)
	err := delimiter(d, '{')
	for err == nil && d.More() {
		var key json.Token
		if key, err = d.Token(); err == nil {
			err = member(d, key.(string)) // Token returns nothing else there
		}
	}
	if err == nil {
		err = delimiter(d, '}')
	}
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errForm
		}
	}
	if err != nil && !errors.Is(err, ErrAnswer) {
		err = ErrAnswer.With("it is not the JSON that was asked for").Because(err)
	}
	return err
}

func delimiter(d *json.Decoder, want json.Delim) error {
	got, err := d.Token()
	if err == nil && got != want {
		err = errForm
	}
	return err
}
