package helm

import (
	"encoding/json"
	"strings"
	"time"
)

// maxEntry bounds the entries of an index, in bytes: whoever asks for an index
// gets all of them.
const maxEntry = 16 << 10

// maxKept bounds the texts of which JSON, with its escapes, fits into an entry.
const maxKept = 2 << 10

// An Entry is one of an index: what a repository says of a chart's version. It
// lacks its addresses, which AppendTo adds.
type Entry []byte

// NewEntry returns the entry of a version whose archive has the digest
// "sha256:…". Of what is too large, only what Helm needs is said.
func NewEntry(m Metadata, archive string, created time.Time) (Entry, error) {
	if m.APIVersion == "" {
		m.APIVersion = "v1" // as Helm reads it
	}
	e, err := newEntry(m, archive, created)
	if err == nil && len(e) > maxEntry {
		small := Metadata{Name: m.Name, Version: m.Version, APIVersion: "v1", Deprecated: m.Deprecated}
		if len(m.APIVersion)+len(m.AppVersion)+len(m.Type) < maxKept {
			small.APIVersion, small.AppVersion, small.Type = m.APIVersion, m.AppVersion, m.Type
		}
		e, err = newEntry(small, archive, created)
	}
	return e, err
}

func newEntry(m Metadata, archive string, created time.Time) (Entry, error) {
	return json.Marshal(Listed{Metadata: m, Created: created.UTC(), Digest: strings.TrimPrefix(archive, "sha256:")})
}

// AppendTo appends the entry with the one address at which the archive is, and
// returns where in the result the address begins.
func (e Entry) AppendTo(to []byte, address string) (result []byte, at int) {
	to = append(append(to, e[:len(e)-1]...), `,"urls":["`...)
	at = len(to)
	return append(append(to, address...), `"]}`...), at
}

// A Listed is an entry as it is read.
type Listed struct {
	Metadata
	Created time.Time `json:"created"`
	Digest  string    `json:"digest"` // of the archive, in hexadecimal digits
	URLs    []string  `json:"urls,omitempty"`
}
