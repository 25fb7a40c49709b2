package helm

import (
	"bytes"
)

// MaxProvenance is how many bytes a provenance file may have.
const MaxProvenance = 1 << 20

const (
	signedBegin    = "-----BEGIN PGP SIGNED MESSAGE-----"
	signatureBegin = "-----BEGIN PGP SIGNATURE-----"
	documentEnd    = "\n...\n"
)

// A Provenance is what a provenance file says: whose it is, and which bytes it
// vouches for. Who signed it is not looked at: people verify it with the keys
// that they trust.
type Provenance struct {
	Name, Version string
	files         map[string]string // name of an archive -> digest, "sha256:…"
}

// ParseProvenance reads a provenance file: a message signed in the clear by
// OpenPGP, which has Chart.yaml and then the digests of files. It returns
// ErrProvenance or ErrTooLarge.
func ParseProvenance(text []byte) (Provenance, error) {
	if len(text) > MaxProvenance {
		return Provenance{}, tooLarge("its provenance file", MaxProvenance)
	}
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	_, signed, ok := bytes.Cut(text, []byte(signedBegin))
	message, _, signature := bytes.Cut(signed, []byte(signatureBegin))
	_, message, headers := bytes.Cut(message, []byte("\n\n")) // "Hash: SHA512"
	if !ok || !signature || !headers {
		return Provenance{}, ErrProvenance.With("it is no message signed with OpenPGP")
	}
	message = unescape(message)
	metadata, sums, ok := bytes.Cut(message, []byte(documentEnd))
	if !ok {
		return Provenance{}, ErrProvenance.With("it has no digests behind the chart's metadata")
	}
	about, err := parse("the metadata", metadata)
	if err != nil {
		return Provenance{}, ErrProvenance.With("its metadata is no YAML").Because(err)
	}
	listed, err := parse("the list of files", sums)
	if err != nil {
		return Provenance{}, ErrProvenance.With("its list of files is no YAML").Because(err)
	}
	r := reader{}
	p := Provenance{Name: r.text(about, "name"), Version: r.text(about, "version"), files: r.table(member(listed, "files"))}
	if r.err != nil {
		return Provenance{}, r.err
	}
	return p, nil
}

// unescape takes away what OpenPGP writes before each line of a message that
// begins with a dash, as the items of a list do (RFC 9580, section 7.2).
func unescape(message []byte) []byte {
	message = bytes.ReplaceAll(message, []byte("\n- "), []byte("\n"))
	return bytes.TrimPrefix(message, []byte("- "))
}

// Check returns ErrProvenance where the file does not vouch for the archive of a
// chart's version, which has the given digest, "sha256:…".
func (p Provenance) Check(name, version, archive string) error {
	if p.Name != name || p.Version != version {
		return ErrProvenance.With("it is for %.128q %.128q, and the chart is %q %q", p.Name, p.Version, name, version)
	}
	file := File(name, version)
	switch said, ok := p.files[file]; {
	case !ok:
		return ErrProvenance.With("it does not list %s", file)
	case said != archive:
		return ErrProvenance.With("it is for another archive of %s: it lists %.80q, and the archive has %s", file, said, archive)
	}
	return nil
}
